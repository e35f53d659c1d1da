// The timeline: where one is, what is loaded, chapters, hits, notes, silences; for those who teach
// also where the lecture is watched most. Time runs from left to right in every language.

import { computed, useSignal } from "@preact/signals";
import { playTime } from "../i18n";
import { at, buffered, length, seek } from "./player";
import { detail, files, heat, hits, notes, query, slides } from "./store";
import { t } from "./texts";
import { lastBegun } from "./vtt";
import { cuts, trimming } from "./trim";

const share = (seconds: number) => `${(100 * seconds) / Math.max(1, length.value)}%`;
const span = (from: number, to: number) => ({
  left: share(Math.max(0, from)),
  width: share(Math.max(0, Math.min(to, length.value) - Math.max(0, from))),
});

const curve = computed(() => {
  const counts = heat.value?.counts ?? [];
  const most = Math.max(0, ...counts);
  if (most === 0) return null;
  const points = counts.map((count, n) => `L${n} ${(100 - (100 * count) / most).toFixed(1)}`);
  return { path: `M0 100 ${points.join(" ")} L${counts.length} 100Z`, wide: counts.length };
});

function Heat() {
  const drawn = curve.value;
  if (drawn === null) return null;
  return (
    <svg
      class="timeline-heat"
      viewBox={`0 0 ${drawn.wide} 100`}
      preserveAspectRatio="none"
      role="img"
      aria-label={t("heat")}
    >
      <path d={drawn.path} />
    </svg>
  );
}

export function Timeline() {
  const hover = useSignal<number | null>(null);
  const recording = detail.value;
  if (recording === null) return null;
  const chapter = recording.chapters[lastBegun(recording.chapters, at.value + 0.25, (c) => c.start_s)];
  const label = chapter?.label ? `, ${chapter.label}` : "";
  const under = hover.value;
  const peek = under === null ? undefined : slides.value[lastBegun(slides.value, under, (s) => s.time)];
  return (
    <div class="timeline" dir="ltr">
      <Heat />
      <div
        class="timeline-bar"
        onPointerMove={(event) => {
          if (event.pointerType === "touch") return;
          const box = event.currentTarget.getBoundingClientRect();
          hover.value = ((event.clientX - box.left) / box.width) * length.value;
        }}
        onPointerLeave={() => (hover.value = null)}
      >
        <div class="timeline-track" aria-hidden="true">
          <span class="timeline-loaded" style={{ width: share(buffered.value) }} />
          {recording.silences.map((one) => (
            <span key={one.from_s} class="timeline-silence" style={span(one.from_s, one.to_s)} />
          ))}
          <span class="timeline-played" style={{ width: share(at.value) }} />
          {recording.chapters.slice(1).map((one, n) => (
            <span key={n} class="timeline-chapter" style={{ left: share(one.start_s) }} />
          ))}
          {trimming.value &&
            cuts.value.map(([from, to]) => (
              <span key={from} class="timeline-cut" style={span(from, to)} />
            ))}
        </div>
        <div class="timeline-marks" aria-hidden="true">
          {notes.value.map((one) => (
            <span key={one.id} class="timeline-note" style={{ left: share(one.at_s) }} />
          ))}
          {query.value &&
            hits.value.map((one, n) => (
              <span key={n} class="timeline-hit" style={{ left: share(one.at) }} />
            ))}
        </div>
        <input
          type="range"
          class="timeline-input"
          min={0}
          max={Math.max(1, Math.floor(length.value))}
          step={1}
          value={Math.floor(at.value)}
          aria-label={t("timeline")}
          aria-valuetext={`${playTime(at.value)} / ${playTime(length.value)}${label}`}
          onInput={(event) => seek(Number(event.currentTarget.value))}
        />
        {under !== null && (
          <div class="timeline-peek" style={{ left: `clamp(5rem, ${share(under)}, calc(100% - 5rem))` }}>
            {peek?.picture && <img src={files + peek.picture} alt="" />}
            <span>
              {playTime(under)}
              {peek?.title ? ` · ${peek.title}` : ""}
            </span>
          </div>
        )}
      </div>
    </div>
  );
}
