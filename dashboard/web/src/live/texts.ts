// The live page's texts.

import { texts } from "../i18n/small";
import en from "./texts/en.json";

export type Key = keyof typeof en;
export const { t, speakFirst } = texts(
  en,
  import.meta.glob<Record<string, string>>("./texts/*.json", { import: "default" }),
);
