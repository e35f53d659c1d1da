// The review page's own texts, beside the shared ones.

import { textsOf, type Catalogue } from "../i18n/part";
import en from "./texts/en.json";

export type Key = keyof typeof en;

export const t = textsOf<Key>(en, import.meta.glob<Catalogue>("./texts/*.json", { import: "default" }));

/** The own name of a language (BCP 47): العربية, Français. */
export function nameOf(language: string): string {
  try {
    return new Intl.DisplayNames([language], { type: "language" }).of(language) ?? language;
  } catch {
    return language;
  }
}
