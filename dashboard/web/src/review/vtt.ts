// WebVTT as the room writes it: cues with a begin, an end and a text, all in lecture seconds.

export interface Cue {
  from: number;
  to: number;
  text: string;
}

const TIMES = /^\s*((?:\d+:)?\d{1,2}:\d{2}[.,]\d{3})\s+-->\s+((?:\d+:)?\d{1,2}:\d{2}[.,]\d{3})/;

function seconds(stamp: string): number {
  return stamp
    .replace(",", ".")
    .split(":")
    .reduce((sum, part) => sum * 60 + Number(part), 0);
}

const NAMED: Record<string, string> = { lt: "<", gt: ">", amp: "&", nbsp: " ", lrm: "", rlm: "" };

function plain(text: string): string {
  return text
    .replace(/<[^>]*>/g, "")
    .replace(/&(\w+);/g, (whole, name: string) => NAMED[name] ?? whole)
    .trim();
}

export function parse(vtt: string): Cue[] {
  const found: Cue[] = [];
  for (const block of vtt.replace(/\r\n?/g, "\n").split(/\n{2,}/)) {
    const lines = block.split("\n");
    const at = lines.findIndex((line) => TIMES.test(line));
    const [, from, to] = TIMES.exec(lines[at] ?? "") ?? [];
    if (from === undefined || to === undefined) continue;
    const text = plain(lines.slice(at + 1).join("\n"));
    if (text) found.push({ from: seconds(from), to: seconds(to), text });
  }
  return found;
}

/** The last of `list`, which is in order, that has begun at `t`; -1 before the first. */
export function lastBegun<T>(list: readonly T[], t: number, begin: (one: T) => number): number {
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (begin(list[middle] as T) <= t) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
