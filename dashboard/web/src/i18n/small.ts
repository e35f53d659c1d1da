// A small catalogue of a page's own, for pages that come over slow links.

import { signal, type ReadonlySignal } from "@preact/signals";
import { keep } from "../ui/kept";
import { CHOSEN, turnPage, wishes, worded, type Catalogue, type Loaders, type Values } from "./words";

export interface Texts<Key extends string> {
  t(key: Key, values?: Values): string;
  language: ReadonlySignal<string>;
  /** Speak it, here and on other pages of this browser from now on. */
  choose(wanted: string): Promise<void>;
  /** Speaks the language of the address, the one chosen on another page, or the browser's own. */
  speakFirst(): Promise<void>;
}

export function texts<English extends Catalogue>(
  english: English,
  loaders: Loaders,
): Texts<Extract<keyof English, string>> {
  const catalogue = signal<Catalogue>(english);
  const language = signal("en");
  const loaderOf = (wanted: string) => loaders[`./texts/${wanted}.json`];
  const speak = async (wanted: string): Promise<void> => {
    const load = loaderOf(wanted);
    if (!load) return;
    catalogue.value = wanted === "en" ? english : await load().catch(() => english);
    language.value = wanted;
    turnPage(wanted);
  };
  return {
    language,
    t: (key, values = {}) =>
      worded(catalogue.value[key] ?? english[key] ?? key, values, language.value),
    choose(wanted) {
      keep(CHOSEN, wanted);
      return speak(wanted);
    },
    speakFirst: () => speak(wishes(navigator.languages).find((wish) => loaderOf(wish)) ?? "en"),
  };
}
