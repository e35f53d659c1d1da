// Speaking into the room: a raised hand by WebSocket and, once admitted, a microphone by WebRTC.

import { signal } from "@preact/signals";
import type { HandState } from "../api/types";
import { gathered } from "../share/gathered";
import type { Key } from "./texts";

export type Sending = "off" | "opening" | "on" | "again";

const LOST_MS = 2500;
const COME_MS = 8000;
const AGAIN_MS = [300, 1000, 2000, 4000];
const SOUND: MediaTrackConstraints = {
  echoCancellation: true,
  noiseSuppression: true,
  autoGainControl: true,
};

interface Refused {
  state: "refused";
  code: string;
}

/** One raised hand of this page, from asking to the end of what is said. */
export class TalkBack {
  readonly hand = signal<HandState | null>(null);
  readonly sending = signal<Sending>("off");
  readonly said = signal<Key | null>(null);
  private socket: WebSocket | null = null;
  private pc: RTCPeerConnection | null = null;
  private stream: MediaStream | null = null;
  private timer = 0;
  private calling = 0;
  private tries = 0;
  private calls = 0;

  static get supported(): boolean {
    return typeof RTCPeerConnection === "function";
  }

  /** Browsers give a microphone to https addresses (and to localhost) only. */
  static get secure(): boolean {
    return navigator.mediaDevices !== undefined;
  }

  raise(address: string, name: string): void {
    this.end(null);
    addEventListener("pagehide", this.lower);
    this.call(address, { name });
  }

  /** Takes the hand down. */
  readonly lower = (): void => {
    const place = this.hand.peek()?.place;
    this.end(null);
    if (place === undefined) return;
    void fetch(place, { method: "DELETE", keepalive: true }).catch(() => undefined);
  };

  /** Opens the microphone, which the person is asked for, and speaks. */
  async open(): Promise<void> {
    this.sending.value = "opening";
    this.said.value = null;
    const place = this.hand.peek()?.place;
    // The person may be asked for a long time: this hand can be down then, and another one up.
    const over = () => this.hand.peek()?.place !== place;
    try {
      const stream = await navigator.mediaDevices.getUserMedia({ audio: SOUND });
      if (over()) {
        for (const track of stream.getTracks()) track.stop();
        return;
      }
      this.stream = stream;
    } catch {
      if (over()) return;
      this.sending.value = "off";
      this.said.value = "talk.denied";
      return;
    }
    this.tries = 0;
    await this.send();
  }

  private call(address: string, says: { name: string } | { place: string }): void {
    const url = new URL(address, location.href);
    url.protocol = url.protocol.replace("http", "ws");
    const socket = new WebSocket(url.href);
    this.socket = socket;
    socket.onopen = () => socket.send(JSON.stringify(says));
    socket.onmessage = ({ data }) => {
      if (socket === this.socket) this.hear(JSON.parse(String(data)) as HandState | Refused);
    };
    socket.onclose = () => {
      if (socket !== this.socket) return;
      const place = this.hand.peek()?.place;
      // A broken line: the room keeps the hand up for a few seconds.
      if (place === undefined || this.calls > 3) return this.end("talk.failed");
      this.calls += 1;
      this.calling = window.setTimeout(
        () => this.call(address, { place: place.split("/").pop() ?? "" }),
        1000,
      );
    };
  }

  private hear(told: HandState | Refused): void {
    this.calls = 0;
    if (told.state === "refused") {
      const known: Record<string, Key> = { too_soon: "talk.too_soon", too_many: "talk.too_many" };
      this.end(known[told.code] ?? "talk.failed");
    } else if (told.state === "over") {
      this.end(told.why === "" || told.why === "left" ? null : `talk.over.${told.why}`);
    } else {
      const before = this.hand.peek();
      this.hand.value = told;
      // The room has lost the voice; the microphone is still open.
      const lost = before?.state === "speaking" && told.state === "admitted";
      if (lost && this.sending.peek() === "on") this.again();
    }
  }

  private async send(): Promise<void> {
    this.drop();
    const place = this.hand.peek()?.place;
    const track = this.stream?.getAudioTracks()[0];
    if (place === undefined || track === undefined) return;
    const pc = new RTCPeerConnection();
    this.pc = pc;
    pc.addTransceiver(track, { direction: "sendonly" });
    pc.onconnectionstatechange = () => {
      clearTimeout(this.timer);
      if (pc !== this.pc) return;
      if (pc.connectionState === "connected") {
        this.sending.value = "on";
        this.tries = 0;
      } else if (pc.connectionState === "failed") this.again();
      else if (pc.connectionState === "disconnected") {
        this.timer = window.setTimeout(() => this.again(), LOST_MS);
      }
    };
    try {
      await pc.setLocalDescription();
      await gathered(pc);
      const answer = await fetch(place, {
        method: "POST",
        headers: { "content-type": "application/sdp" },
        body: pc.localDescription?.sdp ?? "",
      });
      if (pc !== this.pc) return;
      if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
      await pc.setRemoteDescription({ type: "answer", sdp: await answer.text() });
      this.timer = window.setTimeout(() => this.again(), COME_MS);
    } catch {
      if (pc === this.pc) this.again();
    }
  }

  private again(): void {
    clearTimeout(this.timer);
    if (this.stream === null) return;
    const wait = AGAIN_MS[Math.min(this.tries, AGAIN_MS.length - 1)] ?? 4000;
    this.tries += 1;
    this.sending.value = "again";
    this.timer = window.setTimeout(() => void this.send(), wait);
  }

  private drop(): void {
    clearTimeout(this.timer);
    if (this.pc) this.pc.onconnectionstatechange = null;
    this.pc?.close();
    this.pc = null;
  }

  private end(said: Key | null): void {
    removeEventListener("pagehide", this.lower);
    clearTimeout(this.calling);
    this.drop();
    for (const track of this.stream?.getTracks() ?? []) track.stop();
    this.stream = null;
    const socket = this.socket;
    this.socket = null;
    socket?.close();
    this.hand.value = null;
    this.sending.value = "off";
    this.said.value = said;
    this.calls = 0;
  }
}
