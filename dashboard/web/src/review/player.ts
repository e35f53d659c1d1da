// The player: one element owns the sound and the time; every other picture is muted and follows.
//
// A follower that is a little off plays faster or slower until it is in step; one that is far off
// is set. Only muted elements are ever touched, so the sound never wavers.

import { batch, signal } from "@preact/signals";
import { keep, kept } from "../ui/kept";

const LOOK_MS = 200;
const NEAR_S = 0.04;
const FAR_S = 0.4;
const FAR_WITHOUT_NUDGE_S = 0.15;
const MOST_NUDGE = 0.06;
/** Safari answers small changes of rate with a jump: there followers are only ever set. */
const NUDGES = !/^((?!chrome|android).)*safari/i.test(navigator.userAgent);

export const SPEEDS = [0.5, 0.75, 1, 1.25, 1.5, 1.75, 2, 2.5];

export const at = signal(0);
export const length = signal(0);
export const playing = signal(false);
export const waiting = signal(false);
export const broken = signal(false);
export const rate = signal(before("rate", 1));
export const volume = signal(before("volume", 1));
export const muted = signal(false);
export const buffered = signal(0);
/** The browser refused to play with sound before someone has touched the page. */
export const refused = signal(false);

/** Spans that are passed over, for the preview of a trim. */
let passedOver: [number, number][] = [];

function before(name: string, otherwise: number): number {
  const found = Number(kept(`review.${name}`));
  return found > 0 ? found : otherwise;
}

let owner: HTMLMediaElement | null = null;
const followers = new Set<HTMLVideoElement>();
let wanted = false;
/** The owner stands where the lecture is: before that its time says nothing. */
let placed = false;

function heard(): void {
  if (owner === null || !placed) return;
  batch(() => {
    if (owner === null) return;
    if (!owner.seeking) at.value = owner.currentTime;
    if (Number.isFinite(owner.duration)) length.value = owner.duration;
    const ends = owner.buffered;
    for (let n = 0; n < ends.length; n += 1) {
      if (ends.start(n) <= owner.currentTime + 0.1) buffered.value = ends.end(n);
    }
  });
  const over = passedOver.find(([from, to]) => at.value >= from && at.value < to - 0.05);
  if (over !== undefined && playing.value) seek(over[1]);
}

const HEARD: Record<string, () => void> = {
  timeupdate: heard,
  progress: heard,
  durationchange: heard,
  loadedmetadata: () => {
    settle();
    broken.value = false;
  },
  emptied: () => (placed = false),
  play: () => (playing.value = true),
  pause: () => {
    playing.value = false;
    waiting.value = false;
  },
  playing: () => {
    waiting.value = false;
    broken.value = false;
  },
  canplay: () => (waiting.value = false),
  waiting: () => (waiting.value = true),
  seeked: heard,
  ended: () => {
    wanted = false;
    playing.value = false;
  },
  error: () => {
    broken.value = true;
    waiting.value = false;
  },
};

function settle(): void {
  if (owner === null) return;
  if (Math.abs(owner.currentTime - at.value) > 0.25) owner.currentTime = at.value;
  owner.playbackRate = rate.value;
  placed = true;
  heard();
}

/** This element owns sound and time from now on; gives what ends that. */
export function own(element: HTMLMediaElement): () => void {
  owner = element;
  element.preservesPitch = true;
  element.playbackRate = rate.value;
  element.volume = Math.min(1, volume.value);
  element.muted = muted.value;
  for (const [name, hear] of Object.entries(HEARD)) element.addEventListener(name, hear);
  placed = false;
  if (element.readyState >= 1) settle();
  if (wanted) void begin();
  return () => {
    for (const [name, hear] of Object.entries(HEARD)) element.removeEventListener(name, hear);
    if (owner === element) owner = null;
    element.pause();
    element.removeAttribute("src");
    element.load();
  };
}

/** This element shows a picture in step with the owner; gives what ends that. */
export function follow(element: HTMLVideoElement): () => void {
  element.muted = true;
  followers.add(element);
  const place = () => inStep(element);
  element.addEventListener("loadedmetadata", place);
  place();
  return () => {
    followers.delete(element);
    element.removeEventListener("loadedmetadata", place);
    element.pause();
    element.removeAttribute("src");
    element.load();
  };
}

/**
 * Bring one follower into step. The file may be shorter than the lecture: then its end stands. A
 * browser may call a file that began late shorter than it is, and learns better as it plays.
 */
function inStep(element: HTMLVideoElement): void {
  if (owner === null || !placed || element.readyState < 1) return;
  const last = Number.isFinite(element.duration) ? element.duration : Infinity;
  const beyond = owner.currentTime > last - 0.05;
  const goal = beyond ? Math.max(element.currentTime, last - 0.05) : owner.currentTime;
  const off = element.currentTime - goal;
  const running = !owner.paused && owner.readyState >= 3 && !element.ended;
  const far = !running ? NEAR_S : NUDGES ? FAR_S : FAR_WITHOUT_NUDGE_S;
  if (Math.abs(off) > far && !element.seeking) element.currentTime = goal;
  const nudge =
    running && NUDGES && Math.abs(off) > NEAR_S && Math.abs(off) <= far
      ? Math.max(-MOST_NUDGE, Math.min(MOST_NUDGE, -off * 0.5))
      : 0;
  const speed = owner.playbackRate * (1 + nudge);
  if (Math.abs(element.playbackRate - speed) > 0.001) element.playbackRate = speed;
  if (running && element.paused) void element.play().catch(() => undefined);
  if (!running && !element.paused) element.pause();
}

setInterval(() => {
  for (const one of followers) inStep(one);
}, LOOK_MS);

async function begin(): Promise<void> {
  if (owner === null) return;
  try {
    await owner.play();
    refused.value = false;
  } catch (error) {
    if (error instanceof DOMException && error.name === "NotAllowedError") refused.value = true;
  }
}

export function play(): void {
  wanted = true;
  if (broken.value) retry();
  else void begin();
}

export function pause(): void {
  wanted = false;
  owner?.pause();
}

export function toggle(): void {
  if (playing.value) pause();
  else play();
}

export function seek(to: number): void {
  const end = length.value > 0 ? Math.max(0, length.value - 0.05) : to;
  at.value = Math.max(0, Math.min(to, end));
  if (owner !== null && placed) owner.currentTime = at.value;
  for (const one of followers) inStep(one);
}

export function skip(seconds: number): void {
  seek(at.value + seconds);
}

export function setRate(value: number): void {
  rate.value = value;
  keep("review.rate", String(value));
  if (owner !== null) owner.playbackRate = value;
}

export function changeRate(step: 1 | -1): void {
  const near = SPEEDS.findIndex((one) => one >= rate.value - 0.001);
  setRate(SPEEDS[Math.max(0, Math.min(SPEEDS.length - 1, near + step))] ?? 1);
}

export function setVolume(value: number): void {
  volume.value = Math.max(0.05, Math.min(1, value));
  keep("review.volume", String(volume.value));
  muted.value = false;
  if (owner === null) return;
  owner.volume = volume.value;
  owner.muted = false;
}

export function mute(): void {
  muted.value = !muted.value;
  if (owner !== null) owner.muted = muted.value;
}

/** Load again from where it broke. */
export function retry(): void {
  broken.value = false;
  if (owner === null) return;
  owner.load();
  for (const one of followers) one.load();
  if (wanted) void begin();
}

export function passOver(spans: [number, number][]): void {
  passedOver = spans;
}

window.addEventListener("online", () => {
  if (broken.value) retry();
});
