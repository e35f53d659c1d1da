// Plays fMP4 fragments from a WebSocket as soon as they come, close to the live edge.
// It catches up by playing a little faster, jumps when it is far behind, and begins anew by itself.

export type PlayerState = "connecting" | "playing" | "stalled" | "denied" | "ended" | "unsupported";

interface Told {
  kind: "init" | "state";
  mime?: string;
  state?: "live" | "paused" | "ended";
  viewers?: number;
}

export interface Listener {
  state?(state: PlayerState): void;
  room?(state: "live" | "paused" | "ended", viewers: number): void;
}

const NOT_YOURS = 4403;
const OVER = 4410;
const TICK_MS = 100;
const TARGET_S = 0.12;
const TARGET_MOST_S = 1.2;
const JUMP_S = 1.5;
const KEEP_S = 20;
const SILENT_MS = 15_000;

type Source = MediaSource & { readonly streaming?: boolean };
const Media: typeof MediaSource | undefined =
  (globalThis as { ManagedMediaSource?: typeof MediaSource }).ManagedMediaSource ??
  globalThis.MediaSource;

export class LivePlayer {
  /** How far behind the newest picture that has arrived it tries to play, in seconds. */
  target = TARGET_S;
  /** Another player leads this one: it then keeps no distance of its own. */
  led = false;
  private socket: WebSocket | null = null;
  private source: Source | null = null;
  private buffer: SourceBuffer | null = null;
  private queue: ArrayBuffer[] = [];
  private mime: string | null = null;
  private expectsInit = false;
  private timer = 0;
  private retry = 0;
  private tries = 0;
  private heard = 0;
  private calmSince = performance.now();
  private told: PlayerState = "connecting";
  private address = "";

  constructor(
    readonly video: HTMLVideoElement,
    private readonly url: string,
    private readonly listener: Listener = {},
  ) {}

  static get supported(): boolean {
    return Media !== undefined;
  }

  start(): void {
    this.video.disableRemotePlayback = true;
    this.video.addEventListener("waiting", this.onWaiting);
    this.video.addEventListener("error", this.onBroken);
    document.addEventListener("visibilitychange", this.onVisible);
    this.timer = window.setInterval(() => this.tick(), TICK_MS);
    this.connect();
  }

  stop(): void {
    clearInterval(this.timer);
    clearTimeout(this.retry);
    this.video.removeEventListener("waiting", this.onWaiting);
    this.video.removeEventListener("error", this.onBroken);
    document.removeEventListener("visibilitychange", this.onVisible);
    if (this.socket) this.socket.onclose = null;
    this.socket?.close();
    this.socket = null;
    this.dropMedia();
  }

  /** Seconds between the newest picture here and the one that is shown. */
  get behind(): number {
    const end = this.end;
    return end === null ? 0 : Math.max(0, end - this.video.currentTime);
  }

  private get end(): number | null {
    const ranges = this.buffer && this.source?.readyState === "open" ? this.buffer.buffered : null;
    return ranges && ranges.length > 0 ? ranges.end(ranges.length - 1) : null;
  }

  private say(state: PlayerState): void {
    if (state === this.told) return;
    this.told = state;
    this.listener.state?.(state);
  }

  // --- the socket ------------------------------------------------------------------------------

  private connect(): void {
    const socket = new WebSocket(this.url);
    socket.binaryType = "arraybuffer";
    this.socket = socket;
    this.heard = performance.now();
    socket.onmessage = (event: MessageEvent<string | ArrayBuffer>) => {
      this.heard = performance.now();
      if (typeof event.data === "string") this.take(JSON.parse(event.data) as Told);
      else this.media(event.data);
    };
    socket.onclose = (event) => {
      this.socket = null;
      if (event.code === NOT_YOURS) return this.say("denied");
      if (event.code === OVER) return this.say("ended");
      this.again();
    };
  }

  private again(): void {
    this.say("stalled");
    const wait = Math.min(10_000, 400 * 2 ** this.tries) * (0.7 + Math.random() * 0.6);
    this.tries += 1;
    clearTimeout(this.retry);
    this.retry = window.setTimeout(() => this.connect(), wait);
  }

  private take(told: Told): void {
    if (told.kind === "init" && told.mime !== undefined) {
      this.mime = told.mime;
      this.expectsInit = true;
    } else if (told.kind === "state" && told.state !== undefined) {
      this.listener.room?.(told.state, told.viewers ?? 0);
    }
  }

  private media(data: ArrayBuffer): void {
    if (this.expectsInit) {
      this.expectsInit = false;
      this.openMedia();
    }
    this.queue.push(data);
    this.feed();
  }

  // --- the media -------------------------------------------------------------------------------

  private openMedia(): void {
    this.dropMedia();
    if (Media === undefined || this.mime === null || !Media.isTypeSupported(this.mime)) {
      this.say("unsupported");
      return;
    }
    const mime = this.mime;
    const source = new Media() as Source;
    this.source = source;
    this.address = URL.createObjectURL(source);
    this.video.src = this.address;
    source.addEventListener("sourceopen", () => {
      if (this.source !== source) return;
      this.buffer = source.addSourceBuffer(mime);
      this.buffer.addEventListener("updateend", () => this.feed());
      this.feed();
    });
  }

  private dropMedia(): void {
    this.queue = [];
    this.buffer = null;
    this.source = null;
    if (this.address) {
      URL.revokeObjectURL(this.address);
      this.address = "";
      this.video.removeAttribute("src");
      this.video.load();
    }
  }

  private feed(): void {
    const buffer = this.buffer;
    if (!buffer || buffer.updating || this.source?.readyState !== "open") return;
    const ranges = buffer.buffered;
    const start = ranges.length > 0 ? ranges.start(0) : 0;
    if (this.video.currentTime - start > 2 * KEEP_S) {
      buffer.remove(start, this.video.currentTime - KEEP_S);
      return;
    }
    if (this.queue.length === 0) return;
    const data = this.queue.length === 1 ? this.queue[0]! : joined(this.queue);
    try {
      buffer.appendBuffer(data);
      this.queue = [];
    } catch (error) {
      if ((error as DOMException).name === "QuotaExceededError" && ranges.length > 0) {
        buffer.remove(start, Math.max(start + 1, this.video.currentTime - 2));
      } else {
        this.onBroken();
      }
    }
  }

  private readonly onBroken = (): void => {
    if (!this.source) return;
    // What cannot be decoded is left behind: a fresh socket begins at the latest key frame.
    this.dropMedia();
    if (this.socket) {
      this.socket.onclose = null;
      this.socket.close();
      this.socket = null;
    }
    this.again();
  };

  private readonly onWaiting = (): void => {
    if (this.video.readyState >= 2 && this.behind < this.target) {
      this.target = Math.min(TARGET_MOST_S, this.target + 0.06);
    }
    this.calmSince = performance.now();
  };

  private readonly onVisible = (): void => {
    if (!document.hidden && this.behind > 1) this.jump();
  };

  private jump(): void {
    const end = this.end;
    if (end !== null) this.video.currentTime = Math.max(0, end - this.target);
  }

  private tick(): void {
    const { video, buffer } = this;
    const now = performance.now();
    if (this.socket && now - this.heard > SILENT_MS) {
      this.heard = now;
      this.socket.close();
    }
    if (!buffer || this.source?.readyState !== "open" || buffer.buffered.length === 0) return;
    const end = this.end ?? 0;
    const ranges = buffer.buffered;
    const last = ranges.start(ranges.length - 1);
    if (video.currentTime < ranges.start(0)) this.jump();
    else if (ranges.length > 1 && video.currentTime < last && !within(ranges, video.currentTime)) {
      video.currentTime = last;
    }
    if (video.paused) void video.play().catch(() => undefined);
    else if (video.readyState >= 3) {
      this.tries = 0;
      this.say("playing");
    }
    if (this.led) return;
    const lag = end - video.currentTime;
    const over = lag - this.target;
    if (over > JUMP_S) this.jump();
    else if (over > 0.03) video.playbackRate = 1 + Math.min(0.2, 0.02 + over * 0.6);
    else if (lag < this.target * 0.4) video.playbackRate = 0.97;
    else video.playbackRate = 1;
    if (now - this.calmSince > 20_000 && this.target > TARGET_S) {
      this.target = Math.max(TARGET_S, this.target - 0.02);
      this.calmSince = now - 15_000;
    }
  }
}

function joined(parts: ArrayBuffer[]): ArrayBuffer {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.byteLength, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(new Uint8Array(part), at);
    at += part.byteLength;
  }
  return whole.buffer;
}

function within(ranges: TimeRanges, time: number): boolean {
  for (let index = 0; index < ranges.length; index += 1) {
    if (time >= ranges.start(index) - 0.05 && time < ranges.end(index)) return true;
  }
  return false;
}
