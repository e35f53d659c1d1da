// Search in what was shown and said. Case, accents and Arabic vowel marks make no difference.

import type { Cue } from "./vtt";

export interface Slide {
  number: number;
  time: number;
  end?: number;
  picture?: string | null;
  title?: string;
  text?: string;
}

export interface Hit {
  at: number;
  where: "slide" | "said" | "note";
  before: string;
  match: string;
  after: string;
}

const ROUND = 48;
const MOST = 200;

function folded(character: string): string {
  return character
    .normalize("NFKD")
    .replace(/[\p{M}\u0640]/gu, "")
    .toLowerCase()
    .replace(/ё/g, "е")
    .replace(/[أإآ]/g, "ا");
}

/** The text folded, with the place in the original of every folded character. */
function fold(text: string): { plain: string; places: number[] } {
  let plain = "";
  const places: number[] = [];
  let place = 0;
  for (const character of text) {
    const simple = folded(character);
    plain += simple;
    for (let n = 0; n < simple.length; n += 1) places.push(place);
    place += character.length;
  }
  places.push(text.length);
  return { plain, places };
}

function look(text: string, wanted: string): Omit<Hit, "at" | "where"> | null {
  const { plain, places } = fold(text);
  const found = plain.indexOf(wanted);
  if (found < 0) return null;
  const from = places[found] ?? 0;
  const to = places[found + wanted.length] ?? text.length;
  const start = Math.max(0, from - ROUND);
  const end = Math.min(text.length, to + ROUND);
  return {
    before: (start > 0 ? "…" : "") + text.slice(start, from),
    match: text.slice(from, to),
    after: text.slice(to, end) + (end < text.length ? "…" : ""),
  };
}

/** Hits in the order of the lecture. */
export function search(
  query: string,
  slides: readonly Slide[],
  cues: readonly Cue[],
  notes: readonly { at_s: number; text: string }[],
): Hit[] {
  const wanted = fold(query.trim()).plain;
  if (wanted.length < 2 && !/[\p{Script=Han}]/u.test(wanted)) return [];
  const found: Hit[] = [];
  const add = (at: number, where: Hit["where"], text: string) => {
    const hit = look(text, wanted);
    if (hit) found.push({ at, where, ...hit });
  };
  for (const slide of slides) {
    const lines = [slide.title ?? "", slide.text ?? ""];
    // The title is the first line of the text, too.
    add(slide.time, "slide", lines[1]?.startsWith(lines[0] ?? "") ? (lines[1] ?? "") : lines.join("\n"));
  }
  for (const cue of cues) add(cue.from, "said", cue.text);
  for (const note of notes) add(note.at_s, "note", note.text);
  return found.sort((a, b) => a.at - b.at).slice(0, MOST);
}
