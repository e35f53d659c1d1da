// The texts of the page for course platforms.

import { texts } from "../i18n/small";
import en from "./texts/en.json";

export type Key = keyof typeof en;
export const { t, speakFirst, language } = texts(
  en,
  import.meta.glob<Record<string, string>>("./texts/*.json", { import: "default" }),
);
