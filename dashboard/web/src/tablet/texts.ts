// The tablet's and the board's texts: their own small catalogues, because a phone on a slow link
// should not load the panel's.

import { texts } from "../i18n/small";
import { numberIn, type Catalogue } from "../i18n/words";
import en from "./texts/en.json";

export { NAMES } from "../i18n/words";
export type Key = keyof typeof en;
export const { t, language, choose, speakFirst } = texts(
  en,
  import.meta.glob<Catalogue>("./texts/*.json", { import: "default" }),
);

export function number(value: number): string {
  return numberIn(language.value, value);
}

/** 754 seconds as 12:34; digits stay Latin and left to right. */
export function clock(seconds: number): string {
  const whole = Math.max(0, Math.ceil(seconds));
  const two = (n: number) => String(n).padStart(2, "0");
  const hours = Math.floor(whole / 3600);
  const rest = `${two(Math.floor(whole / 60) % 60)}:${two(whole % 60)}`;
  return hours > 0 ? `${hours}:${rest}` : rest;
}
