// What is on air, on the board as on the panel: a word, a shape and the running time.

import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { Me, Sign } from "../api/types";
import { clock, t, type Key } from "../tablet/texts";

const EVERY_MS = 2000;
const sign = signal<(Sign & { at: number }) | null>(null);
const beat = signal(0);

async function look(): Promise<void> {
  try {
    const told = (await (await fetch("/api/v1/me")).json()) as Me;
    sign.value = { ...told.sign, at: performance.now() };
  } catch {
    sign.value = null;
  }
}

/** What is not recorded is never called recording. */
function word({ state, recording_state: recording }: Sign): "live" | "paused" | "none" | "wait" | null {
  if (!["preparing", "live", "paused", "ending"].includes(state)) return null;
  if (recording === "failed" || recording === "none") return "none";
  if (state === "paused") return "paused";
  return recording === "recording" ? "live" : "wait";
}

export function OnAir() {
  useEffect(() => {
    void look();
    const timers = [setInterval(() => void look(), EVERY_MS), setInterval(() => beat.value++, 500)];
    return () => timers.forEach(clearInterval);
  }, []);
  const now = sign.value;
  const what = now && word(now);
  if (!now || !what) return null;
  const passed = (performance.now() - now.at + beat.value * 0) / 1000;
  return (
    <p class={`onair is-${what}`} role="status">
      <svg viewBox="0 0 24 24" aria-hidden="true">
        {what === "live" && <circle cx="12" cy="12" r="8" />}
        {what === "paused" && <path d="M5 4h5v16H5zM14 4h5v16h-5z" />}
        {what === "none" && <path d="M12 3 22 21H2z" />}
        {what === "wait" && <circle cx="12" cy="12" r="7" class="hollow" />}
      </svg>
      <span>{t(`air.${what}` as Key)}</span>
      <time dir="ltr" aria-live="off">
        {clock(Math.floor(now.elapsed_s + passed))}
      </time>
    </p>
  );
}
