// A small catalogue of a page's own, for pages that come over slow links.

import { signal } from "@preact/signals";

type Catalogue = Record<string, string>;
type Loaders = Record<string, () => Promise<Catalogue>>;

const RIGHT_TO_LEFT = new Set(["ar", "fa", "he", "ur"]);

export interface Texts<Key extends string> {
  t(key: Key, values?: Record<string, string | number>): string;
  /** Speaks the language of the address, the one chosen on another page, or the browser's own. */
  speakFirst(): Promise<void>;
}

export function texts<English extends Catalogue>(
  english: English,
  loaders: Loaders,
): Texts<Extract<keyof English, string>> {
  const catalogue = signal<Catalogue>(english);
  const language = signal("en");
  return {
    t(key, values = {}) {
      const text = catalogue.value[key] ?? english[key] ?? key;
      return text.replace(/\{(\w+)\}/g, (whole, name: string) => {
        const value = values[name];
        if (typeof value === "number") return new Intl.NumberFormat(language.value).format(value);
        return value ?? whole;
      });
    },
    async speakFirst() {
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
        catalogue.value = wish === "en" ? english : await load().catch(() => english);
        language.value = wish;
        document.documentElement.lang = wish;
        document.documentElement.dir = RIGHT_TO_LEFT.has(wish) ? "rtl" : "ltr";
        return;
      }
    },
  };
}
