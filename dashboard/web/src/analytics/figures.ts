// What the API says in figures.

import { signal } from "@preact/signals";
import { get, inWords } from "../api/client";
import type { Detail, DeviceFigures, Overview } from "../api/types";
import { language } from "../i18n";

export const days = signal(30);
export const course = signal("");
/** Every course that was seen; choosing one does not take the others away. */
export const courses = signal<string[]>([]);
export const overview = signal<Overview | null>(null);
export const detail = signal<Detail | null>(null);
export const devices = signal<DeviceFigures[] | null>(null);
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
  if (withDevices) devices.value = await fetched<DeviceFigures[]>(`/devices?days=${days.value}`);
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
