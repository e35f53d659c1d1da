// What the page knows of one recording, and what its person has left there.

import { computed, effect, signal } from "@preact/signals";
import { ApiError, get, post, put, remove } from "../api/client";
import type { Heat, Note, RecordingDetail, ReviewNotes, RightsView } from "../api/types";
import { language } from "../i18n";
import { keep, kept } from "../ui/kept";
import { enter } from "../ui/member";
import { at, length, seek } from "./player";
import { search, type Slide } from "./search";
import { lastBegun, parse, type Cue } from "./vtt";

const [, , addressed] = location.pathname.split("/");
export const id = decodeURIComponent(addressed ?? "");
export const recordingPath = `/recordings/${encodeURIComponent(id)}`;
export const files = `/api/v1${recordingPath}/products/`;

/** The key of a signed link: used once, then the browser keeps it and the address forgets it. */
const asked = new URLSearchParams(location.search);
let key = asked.get("key");

export const detail = signal<RecordingDetail | null>(null);
export const failed = signal<{ status: number; text: string; remedy: string } | null>(null);
export const slides = signal<Slide[]>([]);
export const notes = signal<Note[]>([]);
export const ownNotes = signal(false);
export const heat = signal<Heat | null>(null);
/** What was decided about the recording, for those who run the room. */
export const rights = signal<RightsView | null>(null);
export const query = signal("");
export const tab = signal<"chapters" | "transcript" | "notes" | "hits">("chapters");
/** The language of the captions; null: off. Their text is searched even when they are off. */
export const spoken = signal<string | null>(null);
const cuesOf = signal<Record<string, Cue[]>>({});
/** The language in which captions are read beside the picture. */
export const reading = signal("");
/** The captions in the language that is shown or read. */
export const cues = computed<Cue[]>(() => cuesOf.value[reading.value] ?? []);
export const saving = signal<"" | "saving" | "failed">("");
/** Where the person left off last time, while that can still be taken back. */
export const resumed = signal<number | null>(null);

export const slide = computed(() => lastBegun(slides.value, at.value + 0.05, (one) => one.time));
export const cue = computed(() => {
  const found = cues.value[lastBegun(cues.value, at.value + 0.05, (one) => one.from)];
  return found !== undefined && found.to >= at.value ? found : null;
});
/** What is found is looked for in every language that there is. */
export const hits = computed(() =>
  search(query.value, slides.value, Object.values(cuesOf.value).flat(), notes.value),
);

export function problem(error: unknown): { status: number; text: string; remedy: string } {
  if (error instanceof ApiError)
    return { status: error.status, text: error.detail, remedy: error.remedy };
  return { status: -1, text: String(error), remedy: "" };
}

export async function load(): Promise<void> {
  failed.value = null;
  await enter();
  try {
    const sent = key === null ? "" : `?key=${encodeURIComponent(key)}`;
    const found = await get<RecordingDetail>(recordingPath + sent);
    if (key !== null) {
      key = null;
      const clean = new URL(location.href);
      clean.searchParams.delete("key");
      history.replaceState(null, "", clean);
    }
    if (length.value === 0) length.value = found.lecture_s ?? found.duration_s ?? 0;
    detail.value = found;
  } catch (error) {
    failed.value = problem(error);
    return;
  }
  await Promise.all([loadSlides(), loadCaptions(), loadNotes(), loadHeat(), loadRights()]);
  start();
}

async function file<T>(name: string, read: (answer: Response) => Promise<T>): Promise<T | null> {
  try {
    const answer = await fetch(files + name, { credentials: "same-origin" });
    return answer.ok ? await read(answer) : null;
  } catch {
    return null; // without it the lecture plays all the same
  }
}

async function loadSlides(): Promise<void> {
  const name = detail.value?.slides;
  if (name == null) return;
  const told = await file(name, (answer) => answer.json() as Promise<{ slides?: Slide[] }>);
  slides.value = (told?.slides ?? []).filter((one) => typeof one.time === "number");
}

/** Someone has said in which language to read. */
let picked = false;

/** The language in which to show captions first: chosen, the page's, the lecture's, any. */
export function captionsFirst(): string | null {
  const offered = (detail.value?.captions ?? []).map((one) => one.language);
  return (
    offered.find((one) => picked && one === reading.value) ??
    offered.find((one) => one.split("-")[0] === language.value) ??
    offered.find((one) => one === detail.value?.language) ??
    offered[0] ??
    null
  );
}

async function loadCues(wanted: string): Promise<void> {
  if (cuesOf.value[wanted] !== undefined) return;
  const offered = detail.value?.captions.find((one) => one.language === wanted);
  if (offered === undefined) return;
  const text = await file(offered.name, (answer) => answer.text());
  if (text !== null) cuesOf.value = { ...cuesOf.value, [wanted]: parse(text) };
}

async function loadCaptions(): Promise<void> {
  reading.value = captionsFirst() ?? "";
  await loadCues(reading.value);
}

effect(() => {
  if (query.value.trim()) for (const one of detail.value?.captions ?? []) void loadCues(one.language);
});

/** Read captions in this language, without showing them in the picture. */
export function readCaptions(wanted: string): void {
  picked = true;
  reading.value = wanted;
  if (spoken.value !== null) spoken.value = wanted;
  void loadCaptions();
}

export function chooseCaptions(wanted: string | null): void {
  spoken.value = wanted;
  if (wanted !== null) {
    picked = true;
    reading.value = wanted;
  }
  keep("review.captions", wanted ?? "");
  void loadCaptions();
}

async function loadHeat(): Promise<void> {
  if (detail.value?.may_edit !== true) return;
  heat.value = await get<Heat>(`${recordingPath}/heat`).catch(() => null);
}

const EDIT_LOOK_MS = 2_000;
let looking = 0;

/** Take in what was decided; while the lecture is being changed look again, then show it anew. */
export function watchEdit(told: RightsView): void {
  const was = rights.value?.edit;
  rights.value = told;
  clearTimeout(looking);
  const making = (edit: RightsView["edit"]) => edit != null && edit["error"] === undefined;
  if (making(told.edit)) looking = window.setTimeout(() => void loadRights(), EDIT_LOOK_MS);
  else if (making(was ?? null)) location.reload();
}

export async function loadRights(): Promise<void> {
  if (detail.value?.may_edit !== true) return;
  const told = await get<RightsView>(`${recordingPath}/rights`).catch(() => null);
  if (told !== null) watchEdit(told);
}

/** Where to begin: what the address asks for, or where the person left off. */
let started = false;

function start(): void {
  if (started) return;
  started = true;
  const before = kept("review.captions");
  if (before && detail.value?.captions.some((one) => one.language === before)) chooseCaptions(before);
  const wish = moment(asked.get("t") ?? "");
  if (wish !== null) seek(wish);
  else if (place > 10 && place < length.value - 15) {
    resumed.value = place;
    seek(place);
  }
}

/** `754`, `754s`, `12m34s` or `12:34` in seconds. */
export function moment(text: string): number | null {
  const clock = /^(?:(\d+):)?(\d{1,3}):(\d{1,2})$/.exec(text);
  if (clock) return Number(clock[1] ?? 0) * 3600 + Number(clock[2]) * 60 + Number(clock[3]);
  const parts = /^(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s?)?$/.exec(text);
  if (!text || !parts) return null;
  return Number(parts[1] ?? 0) * 3600 + Number(parts[2] ?? 0) * 60 + Number(parts[3] ?? 0);
}

export function addressOf(seconds: number): string {
  return `${location.origin}/review/${encodeURIComponent(id)}?t=${Math.floor(seconds)}`;
}

// --- notes ------------------------------------------------------------------------------------------

let place = 0;

async function loadNotes(): Promise<void> {
  if (detail.value?.may_note !== true) return;
  const told = await get<ReviewNotes>(`${recordingPath}/notes`).catch(() => null);
  notes.value = told?.notes ?? [];
  ownNotes.value = told?.own ?? false;
  place = told?.place_s ?? 0;
}

async function save<T>(work: () => Promise<T>): Promise<T | null> {
  saving.value = "saving";
  try {
    const done = await work();
    saving.value = "";
    return done;
  } catch (error) {
    saving.value = "failed";
    if (!(error instanceof ApiError)) throw error;
    return null;
  }
}

function inOrder(list: Note[]): Note[] {
  return list.sort((a, b) => a.at_s - b.at_s);
}

export async function addNote(seconds: number, text: string): Promise<boolean> {
  const made = await save(() => post<Note>(`${recordingPath}/notes`, { at_s: seconds, text }));
  if (made !== null) notes.value = inOrder([...notes.value, made]);
  return made !== null;
}

export async function changeNote(note: Note, text: string): Promise<boolean> {
  const told = await save(() => put<Note>(`${recordingPath}/notes/${note.id}`, { text }));
  if (told !== null)
    notes.value = notes.value.map((one) => (one.id === note.id ? told : one));
  return told !== null;
}

export async function deleteNote(note: Note): Promise<void> {
  const gone = await save(async () => {
    await remove(`${recordingPath}/notes/${note.id}`);
    return true;
  });
  if (gone) notes.value = notes.value.filter((one) => one.id !== note.id);
}

export const notesFile = (form: string): string => `/api/v1${recordingPath}/notes.${form}`;
