// Sends a screen or camera to the room, and begins again by itself when the connection is lost.

import { signal } from "@preact/signals";
import { call, connect } from "./rtc";

export type Sending = "off" | "starting" | "on" | "again";

const LOST_MS = 2500;
const AGAIN_MS = [300, 1000, 2000, 4000];
const BITS = { screen: 8_000_000, camera: 4_000_000 };

export class Publisher {
  readonly state = signal<Sending>("off");
  readonly id = signal<string | null>(null);
  readonly stream = signal<MediaStream | null>(null);
  private pc: RTCPeerConnection | null = null;
  private kind: "screen" | "camera" = "screen";
  private timer = 0;
  private tries = 0;

  /** Asks the browser for a screen or camera and sends it. Rejects when the person refuses. */
  async start(kind: "screen" | "camera"): Promise<void> {
    const stream = await capture(kind);
    this.stop();
    this.kind = kind;
    this.stream.value = stream;
    for (const track of stream.getVideoTracks()) {
      // The browser's own "Stop sharing".
      track.addEventListener("ended", () => this.stop());
      track.contentHint = kind === "screen" ? "detail" : "motion";
    }
    this.tries = 0;
    await this.send();
  }

  stop(): void {
    clearTimeout(this.timer);
    const id = this.id.peek();
    for (const track of this.stream.peek()?.getTracks() ?? []) track.stop();
    this.drop();
    this.stream.value = null;
    this.id.value = null;
    this.state.value = "off";
    if (id !== null) void call("DELETE", `/${id}`).catch(() => undefined);
  }

  /** The room no longer has what is sent: it was restarted, or somebody ended it. */
  missing(): void {
    if (this.state.peek() === "on") this.again();
  }

  private drop(): void {
    if (this.pc) {
      this.pc.onconnectionstatechange = null;
      this.pc.close();
    }
    this.pc = null;
  }

  private async send(): Promise<void> {
    const stream = this.stream.peek();
    if (stream === null) return;
    this.drop();
    this.state.value = this.tries === 0 ? "starting" : "again";
    const pc = new RTCPeerConnection();
    this.pc = pc;
    for (const track of stream.getTracks()) {
      const sender = pc.addTransceiver(track, { direction: "sendonly", streams: [stream] }).sender;
      if (track.kind === "video") void allow(sender, this.kind);
    }
    pc.onconnectionstatechange = () => {
      clearTimeout(this.timer);
      if (pc !== this.pc) return;
      if (pc.connectionState === "connected") {
        this.state.value = "on";
        this.tries = 0;
      } else if (pc.connectionState === "failed") this.again();
      else if (pc.connectionState === "disconnected") {
        this.timer = window.setTimeout(() => this.again(), LOST_MS);
      }
    };
    try {
      this.id.value = await connect(pc, "", { kind: this.kind });
      this.timer = window.setTimeout(() => this.again(), 8000);
    } catch (error) {
      if (pc !== this.pc) return;
      if (this.tries > 20) {
        this.stop();
        throw error;
      }
      this.again();
    }
  }

  private again(): void {
    clearTimeout(this.timer);
    if (this.stream.peek() === null) return;
    const wait = AGAIN_MS[Math.min(this.tries, AGAIN_MS.length - 1)] ?? 4000;
    this.tries += 1;
    this.state.value = "again";
    this.timer = window.setTimeout(() => void this.send(), wait);
  }
}

function capture(kind: "screen" | "camera"): Promise<MediaStream> {
  const media = navigator.mediaDevices;
  if (kind === "screen") {
    return media.getDisplayMedia({ video: { frameRate: { ideal: 30 } }, audio: true });
  }
  const size = { width: { ideal: 1920 }, height: { ideal: 1080 } };
  return media.getUserMedia({ video: { ...size, facingMode: { ideal: "environment" } } });
}

async function allow(sender: RTCRtpSender, kind: "screen" | "camera"): Promise<void> {
  const wanted = sender.getParameters();
  // A screen must stay legible; a camera may lose sharpness before it loses its movement.
  wanted.degradationPreference = kind === "screen" ? "maintain-resolution" : "balanced";
  for (const encoding of wanted.encodings) encoding.maxBitrate = BITS[kind];
  await sender.setParameters(wanted).catch(() => undefined);
}
