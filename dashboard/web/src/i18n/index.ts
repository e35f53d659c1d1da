// Texts in the room's languages: t(key) gives a text, t(key, { n }) picks the plural form of n.
// A language is one JSON file in locales/; `en` is the measure of completeness.

import { computed, signal } from "@preact/signals";
import { keep } from "../ui/kept";
import en from "./locales/en.json";
import { CHOSEN, directionOf, NAMES, turnPage, wishes, worded, type Catalogue, type Values } from "./words";

export type Key = keyof typeof en;
export { NAMES };

const loaders = import.meta.glob<Catalogue>("./locales/*.json", { import: "default" });
const catalogue = signal<Catalogue>(en);
export const language = signal("en");
export const direction = computed(() => directionOf(language.value));

export function known(): string[] {
  return Object.keys(loaders).map((path) => path.slice("./locales/".length, -".json".length));
}

export function t(key: Key, values: Values = {}): string {
  return worded(catalogue.value[key] ?? (en as Catalogue)[key] ?? key, values, language.value);
}

/** A text whose key is made at run time from a word of the API; `otherwise` when it is unknown. */
export function said(key: string, otherwise: string, values: Values = {}): string {
  return key in en ? t(key as Key, values) : otherwise;
}

/** Asked for last: what is loaded more slowly than it is not spoken any more. */
let latest = "";

export async function speak(wanted: string, keeping = true): Promise<void> {
  const load = loaders[`./locales/${wanted}.json`];
  if (!load) return;
  latest = wanted;
  if (keeping) keep(CHOSEN, wanted);
  const texts = wanted === "en" ? (en as Catalogue) : await load();
  if (latest !== wanted) return;
  catalogue.value = texts;
  language.value = wanted;
  turnPage(wanted);
}

/** The language of a page: asked for in the address, chosen here before, or the first that fits. */
export function firstLanguage(offered: string[], own: readonly string[]): string {
  const usable = offered.filter((name) => `./locales/${name}.json` in loaders);
  return wishes(own).find((wish) => usable.includes(wish)) ?? usable[0] ?? "en";
}

// --- numbers, times, sizes ----------------------------------------------------------------------

function two(n: number): string {
  return String(n).padStart(2, "0");
}

/** 754 seconds as 00:12:34. Digits stay Latin and left to right in every language. */
export function runningTime(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  return `${two(Math.floor(whole / 3600))}:${two(Math.floor(whole / 60) % 60)}:${two(whole % 60)}`;
}

/** 754 seconds as 12:34, as players write it. */
export function playTime(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  const hours = Math.floor(whole / 3600);
  const rest = `${two(Math.floor(whole / 60) % 60)}:${two(whole % 60)}`;
  return hours > 0 ? `${hours}:${rest}` : rest.replace(/^0(\d:)/, "$1");
}

export function clock(when: Date, zone: string): string {
  return new Intl.DateTimeFormat(language.value, {
    hour: "2-digit",
    minute: "2-digit",
    hourCycle: "h23",
    timeZone: zone,
    numberingSystem: "latn",
  }).format(when);
}

/** The time of day with seconds, for what is looked at closely. */
export function toTheSecond(when: Date, zone: string): string {
  return new Intl.DateTimeFormat("en-GB", { timeStyle: "medium", timeZone: zone }).format(when);
}

export function day(when: Date, zone: string, style: "long" | "medium" = "long"): string {
  const options: Intl.DateTimeFormatOptions =
    style === "long"
      ? { weekday: "long", day: "numeric", month: "long" }
      : { day: "numeric", month: "short", year: "numeric" };
  return new Intl.DateTimeFormat(language.value, { ...options, timeZone: zone }).format(when);
}

export function size(bytes: number): string {
  const units = ["byte", "kilobyte", "megabyte", "gigabyte"] as const;
  const step = bytes < 1000 ? 0 : Math.min(3, Math.floor(Math.log10(bytes) / 3));
  return new Intl.NumberFormat(language.value, {
    style: "unit",
    unit: units[step] ?? "byte",
    unitDisplay: "short",
    maximumFractionDigits: step === 0 ? 0 : 1,
  }).format(bytes / 1000 ** step);
}
