// The texts of one page, beside the shared ones: other pages do not load them.

import { effect, signal } from "@preact/signals";
import { language } from ".";

type Forms = Partial<Record<Intl.LDMLPluralRule, string>>;
export type Catalogue = Record<string, string | Forms>;
type Loaders = Record<string, () => Promise<Catalogue>>;
type Values = Record<string, string | number>;

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
  return (key, values = {}) => {
    const entry = catalogue.value[key] ?? fallback[key] ?? key;
    const text =
      typeof entry === "string"
        ? entry
        : (entry[new Intl.PluralRules(spoken.value).select(Number(values["n"] ?? 0))] ??
          entry.other ??
          "");
    return text.replace(/\{(\w+)\}/g, (whole, name: string) => {
      const value = values[name];
      if (typeof value === "number") return new Intl.NumberFormat(spoken.value).format(value);
      return value ?? whole;
    });
  };
}
