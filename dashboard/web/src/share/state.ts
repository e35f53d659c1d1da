// What the room says about sharing: one socket, opened again for as long as the page is there.

import { signal } from "@preact/signals";

export interface SharerView {
  id: string;
  name: string;
  kind: "screen" | "camera";
  state: "connecting" | "live" | "stalled";
  mine: boolean;
}

export interface ShareView {
  available: boolean;
  reason: string;
  remedy: string;
  name: string;
  may: boolean;
  leads: boolean;
  shown: string | null;
  sharers: SharerView[];
  ended: string[];
  asking: { key: string; name: string; allowed: boolean }[];
}

export type Link = "connecting" | "open" | "away" | "stranger";

export const shared = signal<ShareView | null>(null);
export const link = signal<Link>("connecting");

/** The room says something every 20 s. */
const SILENT_MS = 60_000;
let socket: WebSocket | null = null;
let asks = false;
let retry = 0;
let tries = 0;

/** Listens for as long as the page lives; `ask` tells the teacher that one would like to share. */
export function follow(ask = false): void {
  asks = ask;
  void open();
}

async function open(): Promise<void> {
  clearTimeout(retry);
  let answer: Response | null = null;
  try {
    answer = await fetch("/api/v1/share", { credentials: "same-origin", cache: "no-store" });
  } catch {
    // The room is away.
  }
  if (answer?.status === 401 || answer?.status === 403) {
    link.value = "stranger";
    return;
  }
  if (!answer?.ok) return again();
  shared.value = (await answer.json()) as ShareView;
  link.value = "open";
  tries = 0;
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  const one = new WebSocket(`${scheme}//${location.host}/api/v1/share/events?asks=${asks}`);
  socket?.close();
  socket = one;
  let watchdog = 0;
  const watch = () => {
    clearTimeout(watchdog);
    watchdog = window.setTimeout(lost, SILENT_MS);
  };
  const lost = () => {
    // Not waited for: the end of a dead connection may take its time.
    one.onclose = one.onmessage = null;
    one.close();
    if (socket === one) again();
  };
  watch();
  one.onmessage = (event: MessageEvent<string>) => {
    watch();
    shared.value = JSON.parse(event.data) as ShareView;
    link.value = "open";
  };
  one.onclose = () => {
    clearTimeout(watchdog);
    if (socket === one) again();
  };
}

function again(): void {
  link.value = "away";
  const wait = Math.min(5000, 300 * 1.6 ** tries) * (0.7 + Math.random() * 0.6);
  tries += 1;
  retry = window.setTimeout(() => void open(), wait);
}
