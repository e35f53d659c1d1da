// What every catalogue of texts shares: the languages, plural forms, places for values.

import { kept } from "../ui/kept";

export type Forms = Partial<Record<Intl.LDMLPluralRule, string>>;
export type Catalogue = Record<string, string | Forms>;
export type Loaders = Record<string, () => Promise<Catalogue>>;
export type Values = Record<string, string | number>;

export const NAMES: Record<string, string> = {
  en: "English",
  fr: "Français",
  es: "Español",
  ar: "العربية",
  ru: "Русский",
  zh: "中文",
};
const RIGHT_TO_LEFT = new Set(["ar", "fa", "he", "ur"]);
/** The name under which a browser keeps the language that was chosen there. */
export const CHOSEN = "language";

const plurals = new Map<string, Intl.PluralRules>();
const numbers = new Map<string, Intl.NumberFormat>();

function made<T>(known: Map<string, T>, language: string, make: () => T): T {
  const found = known.get(language) ?? make();
  known.set(language, found);
  return found;
}

export function numberIn(language: string, value: number): string {
  return made(numbers, language, () => new Intl.NumberFormat(language)).format(value);
}

/** A text with its values in their places; of several forms the one for `n`. */
export function worded(entry: string | Forms, values: Values, language: string): string {
  const formOf = (n: number) => made(plurals, language, () => new Intl.PluralRules(language)).select(n);
  const text =
    typeof entry === "string" ? entry : (entry[formOf(Number(values["n"] ?? 0))] ?? entry.other ?? "");
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => {
    const value = values[name];
    return typeof value === "number" ? numberIn(language, value) : (value ?? whole);
  });
}

export function directionOf(language: string): "rtl" | "ltr" {
  return RIGHT_TO_LEFT.has(language) ? "rtl" : "ltr";
}

/** The whole page is in this language from now on. */
export function turnPage(language: string): void {
  document.documentElement.lang = language;
  document.documentElement.dir = directionOf(language);
}

/** The languages to try, best first: of the address, chosen in this browser, the reader's `own`. */
export function wishes(own: readonly string[]): string[] {
  const asked = new URLSearchParams(location.search).get("lang");
  const all = [asked, kept(CHOSEN), ...own.map((name) => name.split("-")[0] ?? name)];
  return all.filter((wish) => wish !== null);
}
