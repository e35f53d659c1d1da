// The connection to the room, and everything it tells, as signals.

import { batch, computed, signal } from "@preact/signals";
import * as outbox from "./outbox";
import { Replica } from "./replica";
import type { FromRoom, LessonState, OpenInquiry, ResultView, Seats, You } from "./types";

export type Role = "student" | "board" | "lecturer";
export type Link = "connecting" | "open" | "away" | "unpaired" | "revoked";

/** waiting: still here · saved: on the room's disk · counted: part of the result. */
export interface Given {
  id: string;
  value: unknown;
  state: "waiting" | "saved" | "counted" | "refused";
  why?: string;
}

const PING_MS = 4000;
const DEAD_MS = 9500;
const PROVE_MS = 500;
const CODES: Record<number, Link> = { 4401: "unpaired", 4403: "revoked" };

export const link = signal<Link>("connecting");
export const you = signal<You | null>(null);
export const roomName = signal("");
export const hostHere = signal(false);
export const lesson = signal<LessonState | null>(null);
export const shownPage = signal<string | null>(null);
export const answers = signal<Record<string, Given>>({});
export const handUp = signal(false);
export const lost = signal(false);
export const results = signal<ResultView[]>([]);
export const seats = signal<Seats | null>(null);
export const inquiries = signal<OpenInquiry[]>([]);
export const pointer = signal<{ page: string; at: [number, number] } | null>(null);
export const problem = signal("");
export const offset = signal(0);
export const driving = computed(() => lesson.value?.driver?.tablet === you.value?.tablet);

/** Told about each settled message: id, and where it stands in the lesson's log: 0 for what is kept
 * elsewhere, null for what the room refused. */
export const onSettled = new Set<(id: string, seq: number | null) => void>();

const replica = new Replica();
let socket: WebSocket | null = null;
let role: Role = "student";
let heardAt = 0;
let delay = 300;
let samples: [trip: number, offset: number][] = [];
let turning: ReturnType<typeof setTimeout> | undefined;
let retry: ReturnType<typeof setTimeout> | undefined;

/** A random identifier; works without a trusted certificate too. */
export function newId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The room's time in milliseconds, as well as it is known here. */
export function roomNow(): number {
  return Date.now() + offset.peek();
}

export async function start(as: Role): Promise<void> {
  role = as;
  await outbox.open();
  recall();
  connect();
  void feelBattery();
  setInterval(ping, PING_MS);
  addEventListener("online", hurry);
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState !== "visible") ping();
    else if (link.peek() === "open") probe();
    else hurry();
  });
  addEventListener("pageshow", (event) => event.persisted && probe());
}

// --- this device --------------------------------------------------------------------------------

/** What the technician reads: this build of the page, the browser, the system. */
const DEVICE = (() => {
  const build = /-([\w-]{8})\.js/.exec(import.meta.url)?.[1] ?? "";
  const agent = navigator.userAgent;
  const browser = /(?:Firefox|Edg|Chrome|Version)\/\d+/.exec(agent)?.[0] ?? "";
  const system = /\(([^;)]*;[^;)]*)/.exec(agent)?.[1] ?? "";
  return `page ${build} · ${browser} · ${system}`.slice(0, 60);
})();

let battery: number | null = null;

const power = () => (battery === null ? {} : { battery });

async function feelBattery(): Promise<void> {
  type Battery = EventTarget & { level: number };
  const { getBattery } = navigator as Navigator & { getBattery?: () => Promise<Battery> };
  const found = await getBattery?.call(navigator).catch(() => null);
  const read = () => (battery = found ? Math.round(found.level * 100) : null);
  found?.addEventListener("levelchange", read);
  read();
}

/** Tries at once, for instance after pairing. */
export function hurry(): void {
  if (socket && socket.readyState <= WebSocket.OPEN && link.peek() === "open") return;
  delay = 300;
  clearTimeout(retry);
  connect();
}

function connect(): void {
  socket?.close();
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  const now = new WebSocket(`${scheme}://${location.host}/api/v1/tablets/socket?as=${role}`);
  socket = now;
  now.onopen = () => {
    heardAt = Date.now();
    now.send(JSON.stringify({ type: "hello", v: 1, version: DEVICE, ...power(), ...replica.hello() }));
  };
  now.onmessage = (event: MessageEvent<string>) => {
    heardAt = Date.now();
    if (socket === now) hear(JSON.parse(event.data) as FromRoom);
  };
  now.onclose = (event) => {
    if (socket !== now) return;
    const found = CODES[event.code];
    if (found) {
      link.value = found;
      return;
    }
    link.value = "away";
    retry = setTimeout(connect, delay * (0.5 + Math.random()));
    delay = Math.min(delay * 1.7, 2500);
  };
}

function ping(): void {
  if (socket?.readyState !== WebSocket.OPEN) return;
  if (Date.now() - heardAt > DEAD_MS) {
    replace();
    return;
  }
  const visible = document.visibilityState === "visible";
  socket.send(JSON.stringify({ type: "ping", t: performance.now(), visible, ...power() }));
}

/** After standby a connection may only look open: it has a moment to prove itself. */
function probe(): void {
  const before = heardAt;
  ping();
  setTimeout(() => {
    if (heardAt === before && link.peek() === "open") replace();
  }, PROVE_MS);
}

function replace(): void {
  if (socket) socket.onclose = socket.onmessage = null;
  socket?.close();
  socket = null;
  link.value = "away";
  connect();
}

function post(message: object): boolean {
  if (socket?.readyState !== WebSocket.OPEN) return false;
  socket.send(JSON.stringify(message));
  return true;
}

// --- what the room says -----------------------------------------------------------------------

function hear(message: FromRoom): void {
  batch(() => {
    const gap = replica.take(message);
    if (gap) post(gap);
    obey(message);
    if (message.type === "log" || message.type === "ready" || message.type === "welcome") show();
  });
}

function obey(message: FromRoom): void {
  switch (message.type) {
    case "welcome":
      you.value = message.you;
      roomName.value = message.room;
      hostHere.value = message.host;
      link.value = "open";
      problem.value = "";
      delay = 300;
      samples = [];
      for (let n = 0; n < 3; n++) setTimeout(ping, n * 150);
      if (message.session) outbox.keepOnly(message.session);
      break;
    case "ready":
      for (const { id, message: told } of outbox.letters()) post({ ...told, id });
      break;
    case "pong":
      keepTime(message.t, message.room);
      repeat();
      break;
    case "host":
      hostHere.value = message.here;
      break;
    case "pointer":
      pointer.value = message.at && { page: message.page, at: message.at };
      break;
    case "saved":
    case "refused":
      settled(message);
      break;
    case "mine":
      for (const given of message.answers) {
        if (answers.peek()[given.question]?.state !== "waiting") know(given.question, given);
      }
      handUp.value = message.hand;
      lost.value = message.lost;
      break;
    case "mine_hand":
      handUp.value = message.up;
      break;
    case "results":
      results.value = message.results;
      break;
    case "inquiries":
      inquiries.value = message.inquiries;
      break;
    case "seats":
      seats.value = message;
      break;
    case "bye":
    case "error":
      problem.value = message.message;
      break;
  }
}

let unanswered = new Set<string>();

/** What two pongs in a row have not seen acknowledged the room has dropped: it is said again. */
function repeat(): void {
  const letters = outbox.letters();
  for (const { id, message } of letters) if (unanswered.has(id)) post({ ...message, id });
  unanswered = new Set(letters.map(({ id }) => id));
}

function show(): void {
  const state = replica.state;
  // Parts of the page are drawn again only when what they are given is another object.
  lesson.value = state && { ...state, questions: state.questions.map((one) => ({ ...one })) };
  const page = state?.page ?? null;
  const early = (state?.show_at ?? 0) - roomNow();
  clearTimeout(turning);
  if (early > 0 && early < 500 && shownPage.peek() !== null) {
    turning = setTimeout(() => (shownPage.value = page), early);
  } else {
    shownPage.value = page;
  }
}

function keepTime(sent: number, room: number): void {
  const trip = performance.now() - sent;
  samples = [...samples.slice(-7), [trip, room - (Date.now() - trip / 2)]];
  const best = samples.reduce((a, b) => (b[0] < a[0] ? b : a));
  offset.value = best[1];
}

function settled(message: Extract<FromRoom, { type: "saved" | "refused" }>): void {
  const { id } = message;
  if (id === null) return;
  const letter = outbox.settle(id);
  const seq = message.type === "saved" ? (message.seq ?? 0) : null;
  for (const told of onSettled) told(id, seq);
  if (letter?.message.type === "answer") {
    const question = String(letter.message["question"]);
    if (answers.peek()[question]?.id === id) {
      if (message.type === "refused") {
        know(question, { id, value: letter.message["value"], state: "refused", why: message.message });
      } else {
        know(question, { id, value: message.value ?? letter.message["value"], state: message.state });
      }
    }
  } else if (message.type === "refused" && letter?.message.type !== "inquire") {
    problem.value = message.message;
  }
}

function know(question: string, given: Given): void {
  answers.value = { ...answers.peek(), [question]: given };
}

/** Answers that an earlier page left in the outbox are shown as waiting. */
function recall(): void {
  for (const { id, message } of outbox.letters()) {
    if (message.type === "answer") {
      know(String(message["question"]), { id, value: message["value"], state: "waiting" });
    }
  }
}

// --- what this device says --------------------------------------------------------------------

/** Answers; kept until the room has it, and sent again however often it takes. */
export function answer(question: string, value: unknown): void {
  const session = replica.session;
  if (session === null) return;
  const id = newId();
  for (const letter of outbox.letters()) {
    // A newer answer takes the place of one that is still here.
    if (letter.message.type === "answer" && letter.message["question"] === question) {
      if (link.peek() !== "open") outbox.settle(letter.id);
    }
  }
  know(question, { id, value, state: "waiting" });
  const at = Math.round(roomNow());
  tell({ id, session, message: { type: "answer", session, question, value, at } });
}

/** Says something that must not get lost; returns its id. */
export function insist(message: Record<string, unknown> & { type: string }): string {
  const id = newId();
  if (replica.session !== null) tell({ id, session: replica.session, message });
  return id;
}

function tell(letter: outbox.Letter): void {
  outbox.put(letter);
  if (replica.ready) post({ ...letter.message, id: letter.id });
}

/** Says something that makes sense only now; false when the room is away. */
export function say(message: Record<string, unknown> & { type: string }): boolean {
  return link.peek() === "open" && post({ id: newId(), ...message });
}

export function raiseHand(up: boolean): void {
  if (say({ type: "hand", up })) handUp.value = up;
}

export function sayLost(on: boolean): void {
  if (say({ type: "confused", on })) lost.value = on;
}
