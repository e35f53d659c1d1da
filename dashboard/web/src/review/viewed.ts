// Where one is in the recording, and what of it was played: told to the room now and then.

import { effect, untracked } from "@preact/signals";
import { at, playing } from "./player";
import { detail, recordingPath } from "./store";

const BUCKET_S = 10;
/** A bucket counts once this much of it was played. */
const COUNTS_S = 4;
const TELL_MS = 20_000;
const played = new Map<number, number>();
const told = new Set<number>();
let before: { at: number; when: number } | null = null;

effect(() => {
  const now = at.value;
  const when = performance.now();
  if (!playing.value) {
    before = null;
    return;
  }
  if (before !== null) {
    const step = now - before.at;
    if (step > 0 && step < 3 && when - before.when < 3000) {
      const bucket = Math.floor(now / BUCKET_S);
      played.set(bucket, (played.get(bucket) ?? 0) + step);
    }
  }
  before = { at: now, when };
});

let keptPlace = -1;

/** Tell the room what was played and where one is; also while the page is being left. */
function tell(): void {
  if (detail.value?.may_note !== true) return;
  const buckets = [...played].filter(([b, s]) => s >= COUNTS_S && !told.has(b)).map(([b]) => b);
  const send = (method: string, part: string, body: unknown) =>
    void fetch(`/api/v1${recordingPath}${part}`, {
      method,
      credentials: "same-origin",
      keepalive: true,
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    }).catch(() => undefined);
  if (buckets.length > 0) {
    for (const bucket of buckets) told.add(bucket);
    send("POST", "/views", { buckets: buckets.slice(0, 60) });
  }
  if (Math.abs(at.value - keptPlace) > 2 && played.size > 0) {
    keptPlace = at.value;
    send("PUT", "/place", { at_s: at.value });
  }
}

setInterval(tell, TELL_MS);
effect(() => {
  if (!playing.value) untracked(tell);
});
window.addEventListener("pagehide", tell);
document.addEventListener("visibilitychange", () => {
  if (document.hidden) tell();
});
