// Captions of a class that is on. They come some ten seconds after the words: beside the picture
// of right now the newest is simply shown; from the beginning on they stand at their time.

import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";

const ASK_MS = 3000;
const SHOWN_MS = 9000;
const TIMING = /^(\d+):(\d\d):([\d.]+) --> (\d+):(\d\d):([\d.]+)/;

interface Cue {
  start: number;
  end: number;
  text: string;
}

export const captioned = signal(false);
const newest = signal<string | null>(null);

/** Asks for what has been added, and hands whole cues on; call the result to stop. */
function follow(url: string, take: (cues: Cue[], first: boolean) => void): () => void {
  let rest = "";
  let bytes = 0;
  let first = true;
  let stopped = false;
  const ask = async () => {
    const answer = await fetch(`${url}?after=${bytes}`, { cache: "no-store" }).catch(() => null);
    if (stopped || !answer?.ok) return;
    const data = await answer.arrayBuffer();
    bytes += data.byteLength;
    const blocks = (rest + new TextDecoder().decode(data)).split("\n\n");
    rest = blocks.pop() ?? "";
    take(blocks.flatMap(parsed), first);
    first = false;
  };
  void ask();
  const timer = window.setInterval(() => void ask(), ASK_MS);
  return () => {
    stopped = true;
    clearInterval(timer);
  };
}

function parsed(block: string): Cue[] {
  const [head, ...lines] = block.split("\n");
  const found = TIMING.exec(head ?? "");
  if (!found || lines.length === 0) return [];
  const [h, m, s, h2, m2, s2] = found.slice(1).map(Number);
  const start = (h ?? 0) * 3600 + (m ?? 0) * 60 + (s ?? 0);
  return [{ start, end: (h2 ?? 0) * 3600 + (m2 ?? 0) * 60 + (s2 ?? 0), text: lines.join("\n") }];
}

function plain(text: string): string {
  const words: Record<string, string> = { amp: "&", lt: "<", gt: ">", nbsp: "\u00a0" };
  return text.replace(/<[^>]*>/g, "").replace(/&(\w+);/g, (whole, name) => words[name] ?? whole);
}

/** The newest caption under the picture. */
export function NewestCaption({ url, language }: { url: string; language: string }) {
  useEffect(() => {
    let timer = 0;
    const stop = follow(url, (cues) => {
      const last = cues[cues.length - 1];
      if (!last) return;
      newest.value = plain(last.text);
      clearTimeout(timer);
      timer = window.setTimeout(() => (newest.value = null), SHOWN_MS);
    });
    return () => {
      stop();
      clearTimeout(timer);
      newest.value = null;
    };
  }, [url]);
  if (newest.value === null) return null;
  return (
    <p class="caption" lang={language} dir="auto">
      {newest.value}
    </p>
  );
}

/** Puts captions onto a video whose time is that of the lecture; call the result to stop. */
export function captionsOn(video: HTMLVideoElement, url: string, language: string): () => void {
  const known = [...video.textTracks].find((one) => one.language === language);
  const track = known ?? video.addTextTrack("captions", language, language);
  for (const cue of [...(track.cues ?? [])]) track.removeCue(cue);
  track.mode = "showing";
  const stop = follow(url, (cues) => {
    for (const cue of cues) track.addCue(new VTTCue(cue.start, cue.end, cue.text));
  });
  return () => {
    stop();
    track.mode = "disabled";
  };
}
