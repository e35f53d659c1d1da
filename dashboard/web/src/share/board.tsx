// The shared screen on the board: received from the room without a buffer.

import "./share.css";
import { signal, useSignalEffect } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { call, connect } from "./rtc";
import { follow, link, shared } from "./state";
import { speakFirst, t } from "./texts";

const LOST_MS = 2000;
const stream = signal<MediaStream | null>(null);

/** Receives what is shown, connects anew when another is shown or the connection is lost. */
class Watcher {
  private pc: RTCPeerConnection | null = null;
  private id: string | null = null;
  private wanted: string | null = null;
  private timer = 0;

  show(sharer: string | null): void {
    if (sharer === this.wanted) return;
    this.wanted = sharer;
    if (sharer === null) {
      this.leave();
      stream.value = null;
    } else void this.join(sharer);
  }

  private leave(): void {
    clearTimeout(this.timer);
    this.pc?.close();
    if (this.id !== null) void call("DELETE", `/watch/${this.id}`).catch(() => undefined);
    this.pc = this.id = null;
  }

  private async join(sharer: string): Promise<void> {
    clearTimeout(this.timer);
    const before = { pc: this.pc, id: this.id };
    const pc = new RTCPeerConnection();
    const received = new MediaStream();
    for (const kind of ["video", "audio"]) pc.addTransceiver(kind, { direction: "recvonly" });
    pc.ontrack = ({ track, receiver }) => {
      // Shown as soon as it is there: a board is on the room's own network.
      (receiver as RTCRtpReceiver & { jitterBufferTarget?: number }).jitterBufferTarget = 0;
      received.addTrack(track);
    };
    pc.onconnectionstatechange = () => {
      if (pc !== this.pc) return;
      clearTimeout(this.timer);
      if (pc.connectionState === "connected") stream.value = received;
      else if (pc.connectionState === "failed") this.again(sharer);
      else if (pc.connectionState === "disconnected") {
        this.timer = window.setTimeout(() => this.again(sharer), LOST_MS);
      }
    };
    this.pc = pc;
    this.id = null;
    try {
      this.id = await connect(pc, "/watch", {});
    } catch {
      if (pc === this.pc) this.timer = window.setTimeout(() => this.again(sharer), 700);
    }
    before.pc?.close();
    if (before.id !== null) void call("DELETE", `/watch/${before.id}`).catch(() => undefined);
  }

  private again(sharer: string): void {
    if (this.wanted === sharer) void this.join(sharer);
  }
}

const watcher = new Watcher();
let followed = false;

/** What is shared, over the whole board; nothing when nobody shares. `here`: the board is paired. */
export function SharedScreen({ here }: { here: boolean }) {
  const video = useRef<HTMLVideoElement>(null);
  useEffect(() => {
    if (!here || (followed && link.peek() !== "stranger")) return;
    followed = true;
    void speakFirst();
    follow();
  }, [here]);
  useSignalEffect(() => {
    const told = shared.value;
    const live = told?.sharers.find((one) => one.id === told.shown && one.state !== "connecting");
    watcher.show(live?.id ?? null);
  });
  const found = stream.value;
  useEffect(() => {
    const element = video.current;
    if (element === null || found === null) return;
    element.srcObject = found;
    // A browser that forbids sound before a touch shows the picture all the same.
    element.play().catch(() => {
      element.muted = true;
      void element.play().catch(() => undefined);
    });
  }, [found]);
  const told = shared.value;
  const sharer = told?.sharers.find((one) => one.id === told.shown);
  if (found === null || !sharer) return null;
  return (
    <figure class="shared-screen" data-sharer={sharer.id}>
      <video ref={video} autoplay playsInline aria-label={t("by", { name: sharer.name })} />
      <figcaption>
        <bdi>{t("by", { name: sharer.name })}</bdi>
      </figcaption>
    </figure>
  );
}
