// The program by WebRTC (WHEP): no buffer but the browser's own; begins anew by itself.

import { gathered } from "../share/gathered";
import type { PlayerState } from "./player";

const LOST_MS = 2500;
const AGAIN_MS = [500, 1500, 3000, 5000];
/** Another way to watch is better: not allowed, too many, a busy machine, no H.264, a long offer. */
const GIVEN_UP = new Set([401, 404, 406, 409, 413, 429, 503]);

export class WhepPlayer {
  private pc: RTCPeerConnection | null = null;
  private place: string | null = null;
  private timer = 0;
  private tries = 0;
  private ended = false;

  constructor(
    private readonly video: HTMLVideoElement,
    private readonly url: string,
    private readonly tell: (state: PlayerState) => void,
  ) {}

  static get supported(): boolean {
    return typeof RTCPeerConnection === "function";
  }

  start(): void {
    addEventListener("pagehide", this.leave);
    void this.connect();
  }

  stop(): void {
    this.ended = true;
    removeEventListener("pagehide", this.leave);
    this.leave();
    this.video.srcObject = null;
  }

  private readonly leave = (): void => {
    clearTimeout(this.timer);
    if (this.pc) this.pc.onconnectionstatechange = null;
    this.pc?.close();
    this.pc = null;
    if (this.place !== null) {
      void fetch(this.place, { method: "DELETE", keepalive: true }).catch(() => undefined);
    }
    this.place = null;
  };

  private async connect(): Promise<void> {
    this.leave();
    const pc = new RTCPeerConnection();
    this.pc = pc;
    const received = new MediaStream();
    for (const kind of ["video", "audio"]) pc.addTransceiver(kind, { direction: "recvonly" });
    pc.ontrack = ({ track }) => received.addTrack(track);
    pc.onconnectionstatechange = () => {
      clearTimeout(this.timer);
      if (pc.connectionState === "connected") {
        this.tries = 0;
        this.video.srcObject = received;
        void this.video.play().catch(() => undefined);
        this.tell("playing");
      } else if (pc.connectionState === "failed") this.again();
      else if (pc.connectionState === "disconnected") {
        this.timer = window.setTimeout(() => this.again(), LOST_MS);
      }
    };
    try {
      await pc.setLocalDescription();
      await gathered(pc);
      const answer = await fetch(this.url, {
        method: "POST",
        headers: { "content-type": "application/sdp" },
        body: pc.localDescription?.sdp ?? "",
      });
      if (GIVEN_UP.has(answer.status)) {
        this.tell("unsupported");
        this.leave();
        return;
      }
      if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
      this.place = answer.headers.get("location");
      if (this.ended || pc !== this.pc) return this.leave();
      await pc.setRemoteDescription({ type: "answer", sdp: await answer.text() });
    } catch {
      if (pc === this.pc) this.again();
    }
  }

  private again(): void {
    if (this.ended) return;
    clearTimeout(this.timer);
    this.tell("stalled");
    const wait = AGAIN_MS[Math.min(this.tries, AGAIN_MS.length - 1)] ?? 5000;
    this.tries += 1;
    this.timer = window.setTimeout(() => void this.connect(), wait);
  }
}
