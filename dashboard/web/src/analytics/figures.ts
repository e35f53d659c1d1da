// What the API says in figures, as dashboard/api/analytics.py has it.

import { signal } from "@preact/signals";
import { get, inWords } from "../api/client";
import { language } from "../i18n";

export interface Session {
  id: string;
  title: string;
  course: string | null;
  started: string;
  minutes: number;
  recording: string | null;
  seats: number;
  seat_minutes: number;
  polls: number;
  lost: number;
  watched_minutes: number;
}

export interface Overview {
  days: number;
  sessions: Session[];
  by_day: { day: string; sessions: number; minutes: number }[];
}

export interface Count {
  at: number;
  n: number;
}

export interface Poll {
  id: string;
  text: string;
  kind: string;
  choices: string[];
  answered: number;
  present: number;
  counts: number[];
  mean: number | null;
  median: number | null;
  right: number | null;
}

export interface Detail {
  session: Session;
  present: Count[];
  lost: Count[];
  polls: Poll[];
  pages: { title: string; seconds: number; times: number }[];
  watched: Count[];
}

export interface Device {
  id: string;
  name: string;
  on_hours: number;
  away_hours: number;
  faults: number;
}

export const days = signal(30);
export const course = signal("");
/** Every course that was seen; choosing one does not take the others away. */
export const courses = signal<string[]>([]);
export const overview = signal<Overview | null>(null);
export const detail = signal<Detail | null>(null);
export const devices = signal<Device[] | null>(null);
export const names = signal(false);
/** Only the classes that the caller held are shown. */
export const own = signal(false);
export const problem = signal("");

export function query(): string {
  const asked = new URLSearchParams({ days: String(days.value) });
  if (course.value) asked.set("course", course.value);
  return `?${asked.toString()}`;
}

async function fetched<T>(path: string): Promise<T | null> {
  try {
    const found = await get<T>(`/analytics${path}`);
    problem.value = "";
    return found;
  } catch (error) {
    problem.value = inWords(error);
    return null;
  }
}

export async function look(withDevices: boolean): Promise<void> {
  const found = await fetched<Overview>(query());
  overview.value = found;
  const seen = (found?.sessions ?? []).flatMap((one) => (one.course === null ? [] : [one.course]));
  courses.value = [...new Set([...courses.value, ...seen])].sort();
  await learnRules();
  if (withDevices) devices.value = await fetched<Device[]>(`/devices?days=${days.value}`);
}

async function learnRules(): Promise<void> {
  const rules = await fetched<{ names: boolean; own: boolean }>("/rules");
  names.value = rules?.names ?? false;
  own.value = rules?.own ?? false;
}

export async function open(session: string): Promise<void> {
  await learnRules();
  detail.value = await fetched<Detail>(`/sessions/${encodeURIComponent(session)}`);
}

export function number(value: number, digits = 0): string {
  return new Intl.NumberFormat(language.value, { maximumFractionDigits: digits }).format(value);
}
