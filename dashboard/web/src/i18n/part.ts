// The texts of one page, beside the shared ones: other pages do not load them.

import { effect, signal } from "@preact/signals";
import { language } from ".";
import { worded, type Catalogue, type Forms, type Loaders, type Values } from "./words";

export type { Catalogue };

/** Gives the page's t(): follows the language of the page; English where something is missing. */
export function textsOf<K extends string>(
  english: Record<K, string | Forms>,
  loaders: Loaders,
): (key: K, values?: Values) => string {
  const fallback = english as Catalogue;
  const catalogue = signal<Catalogue>(fallback);
  const spoken = signal("en");
  effect(() => {
    const wanted = language.value;
    const load = loaders[`./texts/${wanted}.json`];
    if (wanted === "en" || !load) {
      catalogue.value = fallback;
      spoken.value = "en";
      return;
    }
    void load().then((texts) => {
      if (language.peek() !== wanted) return;
      catalogue.value = texts;
      spoken.value = wanted;
    });
  });
  return (key, values = {}) =>
    worded(catalogue.value[key] ?? fallback[key] ?? key, values, spoken.value);
}
