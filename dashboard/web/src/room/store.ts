// What the page knows of the room: one signal per thing, kept true by the event stream.

import { batch, computed, signal } from "@preact/signals";
import { ApiError, get, post } from "../api/client";
import { listen, type LessonNow, type RoomEvent } from "../api/events";
import type { Me, RoomView, SessionView, SourceView } from "../api/types";
import { beat, between, steady } from "./time";

export type Link = "connecting" | "open" | "lost";
export type Word = "free" | "preparing" | "live" | "paused" | "ending" | "none" | "restarting";

export const me = signal<Me | null>(null);
/** The room's name as the page brought it, until the room itself has answered. */
export const nameAtFirst = document.querySelector(".strip-title")?.textContent ?? "";
export const room = signal<RoomView | null>(null);
export const link = signal<Link>("connecting");
export const levels = signal<Record<string, number>>({});
export const problem = signal<{ detail: string; remedy: string } | null>(null);

export const lesson = signal<LessonNow | null>(null);

/** Server minus page clock, in seconds; and when the session and each device were last told. */
const skew = signal(0);
const sessionAt = signal(0);
const deviceAt = new Map<string, number>();

const MAY_TEACH = new Set(["instructor", "technician", "admin"]);
export const signedIn = computed(() => me.value?.role != null && MAY_TEACH.has(me.value.role));
const MAY_KEEP_ROOM = new Set(["technician", "admin"]);
export const isTechnician = computed(() => me.value?.role != null && MAY_KEEP_ROOM.has(me.value.role));
export const session = computed<SessionView | null>(() => room.value?.session ?? null);
export const active = computed(() => session.value !== null && session.value.state !== "ended");

/** The word of the state strip. What is not recorded is never called recording. */
export const word = computed<Word>(() => {
  const on = session.value;
  if (!signedIn.value || room.value === null) {
    const sign = me.value?.sign;
    if (!sign || sign.state === "free") return "free";
    if (sign.recording_state === "failed") return "none";
    if (sign.recording_state === "restarting") return "restarting";
    return sign.state === "ended" || sign.state === "planned" ? "free" : sign.state;
  }
  if (on === null || on.state === "ended" || on.state === "planned") return "free";
  if (on.recording_error !== null || on.recording_state === "failed") return "none";
  if (on.state === "ending" || on.state === "paused") return on.state;
  if (on.recording_state === "restarting") return "restarting";
  if (on.state === "preparing" || on.recording_state === "starting") return "preparing";
  return on.recording_state === "recording" ? "live" : "none";
});

/** Seconds since the class began, counting. */
export const elapsed = computed(() => {
  const told = signedIn.value ? session.value?.elapsed_s : me.value?.sign.elapsed_s;
  return told === undefined ? 0 : told + Math.max(0, beat.value - sessionAt.value);
});

/** Seconds until End can no longer be undone, counting down; 0 when it cannot. */
export const undoLeft = computed(() => {
  const on = session.value;
  if (on === null || on.state !== "ending" || on.undo_until === null) return 0;
  const passed = Math.max(0, beat.value - sessionAt.value);
  return Math.max(0, between(on.now, on.undo_until) - passed);
});

/** The server's time now. */
export const now = computed(() => new Date(Date.now() + skew.value * 1000 + beat.value * 0));

/** Seconds until a device is ready, counting down. */
export function warmLeft(id: string, told: number | null): number | null {
  if (told === null) return null;
  const passed = Math.max(0, beat.value - (deviceAt.get(id) ?? beat.value));
  return Math.max(0, Math.ceil(told - passed));
}

// --- events -----------------------------------------------------------------------------------------

function change(part: Partial<RoomView>): void {
  if (room.value !== null) room.value = { ...room.value, ...part };
}

function replaced<T extends { id: string }>(list: T[], one: T): T[] {
  const found = list.some((other) => other.id === one.id);
  return found ? list.map((other) => (other.id === one.id ? one : other)) : [...list, one];
}

function tellSession(told: SessionView): void {
  // An answer and an event may overtake each other: the later look at the room counts.
  const known = session.value;
  if (known?.id === told.id && Date.parse(told.now) < Date.parse(known.now)) return;
  sessionAt.value = steady();
  skew.value = (Date.parse(told.now) - Date.now()) / 1000;
  change({ session: told });
}

export function hear(event: RoomEvent): void {
  batch(() => {
    switch (event.kind) {
      case "snapshot":
        room.value = event.data;
        sessionAt.value = steady();
        skew.value = (Date.parse(event.data.now) - Date.now()) / 1000;
        for (const device of event.data.devices) deviceAt.set(device.id, steady());
        levels.value = known(event.data.sources);
        link.value = "open";
        break;
      case "session":
        tellSession(event.data);
        break;
      case "device":
        deviceAt.set(event.data.id, steady());
        change({ devices: replaced(room.value?.devices ?? [], event.data) });
        break;
      case "sources":
        change({ sources: event.data.sources });
        break;
      case "levels":
        levels.value = event.data;
        break;
      case "alarms":
        change({ alarms: event.data.alarms });
        break;
      case "delivery":
        change({ deliveries: replaced(room.value?.deliveries ?? [], event.data) });
        break;
      case "step":
        if (session.value !== null) {
          const others = session.value.steps.filter(
            (step) => step.device !== event.data.device || step.command !== event.data.command,
          );
          change({ session: { ...session.value, steps: [...others, event.data] } });
        }
        break;
      case "lesson":
        lesson.value = event.data.lesson;
        break;
      case "timetable":
        change({ timetable: event.data });
        break;
      case "help":
        change({ help: event.data });
        break;
      case "recording":
      case "tick":
        break;
    }
  });
}

function known(sources: SourceView[]): Record<string, number> {
  const found: Record<string, number> = {};
  for (const source of sources) {
    if (source.level_dbfs !== null) found[source.id] = source.level_dbfs;
  }
  return found;
}

// --- the connection ---------------------------------------------------------------------------------

const FIRST_WAIT_MS = 400;
const LONGEST_WAIT_MS = 5_000;
const LOCKED_POLL_MS = 4_000;
let wait = FIRST_WAIT_MS;
let timer = 0;
let hangUp: (() => void) | null = null;
let build: string | null = null;

function later(ms: number): void {
  clearTimeout(timer);
  timer = window.setTimeout(() => void connect(), ms);
}

/** Learn who is signed in here, and listen to the room if that person may. Tries for ever. */
export async function connect(): Promise<void> {
  clearTimeout(timer);
  hangUp?.();
  hangUp = null;
  try {
    learn(await get<Me>("/me"));
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    link.value = "lost";
    wait = Math.min(LONGEST_WAIT_MS, wait * 1.6);
    later(wait * (0.7 + Math.random() * 0.6));
    return;
  }
  wait = FIRST_WAIT_MS;
  if (!signedIn.value) {
    room.value = null;
    link.value = "open";
    later(LOCKED_POLL_MS);
    return;
  }
  hangUp = listen(hear, () => {
    hangUp = null;
    link.value = "lost";
    levels.value = {};
    later(wait * (0.5 + Math.random()));
  });
}

/** Take in what the server says of this browser, and reload when it serves newer pages. */
function learn(told: Me): void {
  if (build !== null && build !== told.pages && !active.value) location.reload();
  build ??= told.pages;
  me.value = told;
  if (!signedIn.value) {
    sessionAt.value = steady();
    skew.value = (Date.parse(told.sign.now) - Date.now()) / 1000;
  }
}

export async function signIn(secret: { pin: string } | { name: string; password: string }) {
  learn(await post<Me>("/login", secret));
  await connect();
}

export async function lock(): Promise<void> {
  try {
    await post("/logout");
  } catch (error) {
    if (!(error instanceof ApiError) || error.offline) throw error;
  }
  room.value = null;
  await connect();
}

window.addEventListener("online", () => later(0));
document.addEventListener("visibilitychange", () => {
  if (!document.hidden && link.value === "lost") later(0);
});

// --- what the buttons do ----------------------------------------------------------------------------

/** Ask the room for something; what goes wrong is shown, and thrown no further. */
export async function ask(path: string, body?: unknown): Promise<boolean> {
  problem.value = null;
  try {
    const answer = await post<unknown>(path, body);
    if (path.startsWith("/session")) tellSession(answer as SessionView);
    return true;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (error.status === 401) void connect();
    problem.value = { detail: error.detail, remedy: error.remedy };
    return false;
  }
}
