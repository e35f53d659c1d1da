// Keys work anywhere on the page, without a focus; not while someone types or a dialog is open.

import { lastBegun } from "./vtt";
import * as player from "./player";
import { fullScreen, nextView } from "./stage";
import { addNote, captionsFirst, chooseCaptions, detail, hits, query, slides, spoken, tab } from "./store";
import { signal } from "@preact/signals";

export const helping = signal(false);

/** The one before or after where the lecture is, in a list of times. */
function next(times: number[], forward: boolean): void {
  const now = player.at.value;
  const found = forward
    ? times.find((time) => time > now + 0.5)
    : times[Math.max(0, lastBegun(times, now - 2, (time) => time))];
  if (found !== undefined) player.seek(found);
}

const slideTimes = () => slides.value.map((one) => one.time);
const chapterTimes = () => (detail.value?.chapters ?? []).map((one) => one.start_s);

function focus(id: string): void {
  document.getElementById(id)?.focus();
}

const KEYS: Record<string, () => void> = {
  " ": player.toggle,
  k: player.toggle,
  ArrowLeft: () => player.skip(-5),
  ArrowRight: () => player.skip(5),
  j: () => player.skip(-10),
  l: () => player.skip(10),
  ",": () => next(slideTimes(), false),
  ".": () => next(slideTimes(), true),
  "[": () => next(chapterTimes(), false),
  "]": () => next(chapterTimes(), true),
  Home: () => player.seek(0),
  End: () => player.seek(player.length.value),
  "<": () => player.changeRate(-1),
  ">": () => player.changeRate(1),
  ArrowUp: () => player.setVolume(player.volume.value + 0.05),
  ArrowDown: () => player.setVolume(player.volume.value - 0.05),
  m: player.mute,
  c: () => chooseCaptions(spoken.value === null ? captionsFirst() : null),
  v: nextView,
  f: fullScreen,
  b: () => {
    if (detail.value?.may_note) void addNote(Math.floor(player.at.value), "");
  },
  n: () => {
    tab.value = "notes";
    requestAnimationFrame(() => focus("new-note"));
  },
  "/": () => focus("search"),
  Enter: () => {
    if (!query.value) return;
    const hit = hits.value.find((one) => one.at > player.at.value + 1) ?? hits.value[0];
    if (hit !== undefined) player.seek(hit.at);
  },
  "?": () => (helping.value = true),
};

/** What the focused element makes of a key itself. */
function taken(target: EventTarget | null, key: string): boolean {
  if (!(target instanceof HTMLElement)) return false;
  if (target.closest("dialog, [role=menu]")) return true;
  if (target instanceof HTMLInputElement && target.type === "range")
    return key.startsWith("Arrow") || key === "Home" || key === "End";
  if (target.matches("input, textarea, select, [contenteditable]")) return true;
  // Space and Enter press the button or follow the link that has the focus.
  return (key === " " || key === "Enter") && target.matches("button, a, label");
}

export function listen(): void {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape" && event.target instanceof HTMLElement && event.target.id.match(/search|new-note/)) {
      event.target.blur();
      return;
    }
    if (taken(event.target, event.key)) return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const act = KEYS[key];
    if (act !== undefined) act();
    else if (/^[0-9]$/.test(key)) player.seek((player.length.value * Number(key)) / 10);
    else return;
    event.preventDefault();
  });
}
