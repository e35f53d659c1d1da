// The tablet's and the board's texts: their own small catalogues, because a phone on a slow link
// should not load the panel's.

import { computed, signal } from "@preact/signals";
import en from "./texts/en.json";

export type Key = keyof typeof en;
type Forms = Partial<Record<Intl.LDMLPluralRule, string>>;
type Catalogue = Record<string, string | Forms>;

export const NAMES: Record<string, string> = {
  ar: "العربية",
  en: "English",
  es: "Español",
  fr: "Français",
  ru: "Русский",
  zh: "中文",
};
const RIGHT_TO_LEFT = new Set(["ar", "fa", "he", "ur"]);
const KEPT = "classroomd.language";

const loaders = import.meta.glob<Catalogue>("./texts/*.json", { import: "default" });
const catalogue = signal<Catalogue>(en);
export const language = signal("en");
const plurals = computed(() => new Intl.PluralRules(language.value));
const numbers = computed(() => new Intl.NumberFormat(language.value));

export function number(value: number): string {
  return numbers.value.format(value);
}

export function t(key: Key, values: Record<string, string | number> = {}): string {
  const entry = catalogue.value[key] ?? (en as Catalogue)[key] ?? key;
  const text =
    typeof entry === "string"
      ? entry
      : (entry[plurals.value.select(Number(values["n"] ?? 0))] ?? entry.other ?? "");
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => {
    const value = values[name];
    return typeof value === "number" ? number(value) : (value ?? whole);
  });
}

export async function speak(wanted: string, keep = false): Promise<void> {
  const load = loaders[`./texts/${wanted}.json`];
  if (!load) return;
  try {
    if (keep) localStorage.setItem(KEPT, wanted);
  } catch {
    // A private window keeps nothing.
  }
  catalogue.value = wanted === "en" ? (en as Catalogue) : await load().catch(() => en as Catalogue);
  language.value = wanted;
  document.documentElement.lang = wanted;
  document.documentElement.dir = RIGHT_TO_LEFT.has(wanted) ? "rtl" : "ltr";
}

/** Speaks the language of the address, the one chosen here before, or the device's own. */
export function speakFirst(): void {
  let kept: string | null = null;
  try {
    kept = localStorage.getItem(KEPT);
  } catch {
    kept = null;
  }
  const asked = new URLSearchParams(location.search).get("lang");
  const wishes = [asked, kept, ...navigator.languages.map((name) => name.split("-")[0] ?? "")];
  const first = wishes.find((wish) => wish !== null && wish in NAMES) ?? "en";
  void speak(first);
}

/** 754 seconds as 12:34; digits stay Latin and left to right. */
export function clock(seconds: number): string {
  const whole = Math.max(0, Math.ceil(seconds));
  const two = (n: number) => String(n).padStart(2, "0");
  const hours = Math.floor(whole / 3600);
  const rest = `${two(Math.floor(whole / 60) % 60)}:${two(whole % 60)}`;
  return hours > 0 ? `${hours}:${rest}` : rest;
}
