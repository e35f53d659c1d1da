// Time on the page. The server says how long something has run; the page counts on from there with
// its own steady clock, so a wrong wall clock on the panel changes nothing.

import { signal } from "@preact/signals";

/** Seconds on a steady clock, renewed four times a second. */
export const beat = signal(performance.now() / 1000);

setInterval(() => {
  beat.value = performance.now() / 1000;
}, 250);

export function steady(): number {
  return performance.now() / 1000;
}

/** Seconds from `from` to `to`, both as the server writes times. */
export function between(from: string, to: string): number {
  return (Date.parse(to) - Date.parse(from)) / 1000;
}
