// The live page's texts: a small catalogue of its own, because viewers come on slow links.

import { signal } from "@preact/signals";
import en from "./texts/en.json";

export type Key = keyof typeof en;
type Catalogue = Record<string, string>;

const RIGHT_TO_LEFT = new Set(["ar", "fa", "he", "ur"]);
const loaders = import.meta.glob<Catalogue>("./texts/*.json", { import: "default" });
const catalogue = signal<Catalogue>(en);
export const language = signal("en");

export function t(key: Key, values: Record<string, string | number> = {}): string {
  const text = catalogue.value[key] ?? en[key];
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => {
    const value = values[name];
    if (typeof value === "number") return new Intl.NumberFormat(language.value).format(value);
    return value ?? whole;
  });
}

/** Speaks the language of the address, the one chosen on another page, or the browser's own. */
export async function speakFirst(): Promise<void> {
  let kept: string | null = null;
  try {
    kept = localStorage.getItem("classroomd.language");
  } catch {
    // A private window keeps nothing.
  }
  const asked = new URLSearchParams(location.search).get("lang");
  const own = navigator.languages.map((name) => name.split("-")[0] ?? name);
  for (const wish of [asked, kept, ...own]) {
    const load = wish === null ? undefined : loaders[`./texts/${wish}.json`];
    if (wish === null || !load) continue;
    catalogue.value = wish === "en" ? en : await load().catch(() => en);
    language.value = wish;
    document.documentElement.lang = wish;
    document.documentElement.dir = RIGHT_TO_LEFT.has(wish) ? "rtl" : "ltr";
    return;
  }
}
