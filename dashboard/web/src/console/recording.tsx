// How recording goes: each source with its picture, its clock and its losses; the encoder; the disk.

import { signal } from "@preact/signals";
import type { EncoderView, RecordingHealth, SourceHealth, SourceView } from "../api/types";
import { language, said, size } from "../i18n";
import { numberIn } from "../i18n/words";
import { Picture } from "../panel/sources";
import { active, room } from "../room/store";
import { told, useEvery } from "./api";
import { t } from "./texts";

const LATE_S = 2;
const health = signal<RecordingHealth | null>(null);

/** Kept up to date while the overview is shown; faster in class. */
export function useRecording(): void {
  const on = active.value;
  useEvery(on ? 2000 : 10_000, async () => {
    const found = await told<RecordingHealth>("GET", "/recorder");
    if (found !== null) health.value = found;
  }, on);
}

function number(value: number, digits = 0): string {
  return numberIn(language.value, Number(value.toFixed(digits)));
}

/** 12345 seconds as hours and minutes. */
export function lasting(seconds: number): string {
  const minutes = Math.floor(seconds / 60);
  if (minutes >= 48 * 60) return t("lasts.days", { n: Math.floor(minutes / 1440) });
  return t("lasts", { hours: Math.floor(minutes / 60), minutes: minutes % 60 });
}

function Clock({ one }: { one: SourceHealth }) {
  return (
    <dl class="facts small">
      <dt>{t("clock.drift")}</dt>
      <dd class="line">
        <span>
          {one.drift_ppm === null ? t("clock.ours") : t("clock.ppm", { n: number(one.drift_ppm, 1) })}
        </span>
        {one.resets > 0 && <span>{t("clock.resets", { n: one.resets })}</span>}
      </dd>
      <dt>{t("clock.offset")}</dt>
      <dd>{t("ms", { n: number(one.offset_ms, 1) })}</dd>
      {one.latency_ms !== null && (
        <>
          <dt>{t("clock.latency")}</dt>
          <dd>{t("ms", { n: number(one.latency_ms) })}</dd>
        </>
      )}
      <dt>{t("source.gaps")}</dt>
      <dd class="line">
        <span class={`mark ${one.gaps + one.dropped > 0 ? "bad" : "good"}`} aria-hidden="true" />
        {t("source.losses", { gaps: one.gaps, dropped: one.dropped })}
      </dd>
      <dt>{t("source.written")}</dt>
      <dd>{size(one.bytes)}</dd>
    </dl>
  );
}

function Source({ source }: { source: SourceView }) {
  const one = health.value?.sources.find((found) => found.id === source.id);
  const mark = source.state === "running" ? "good" : source.state === "idle" ? "off" : "bad";
  return (
    <li class="source">
      {source.has_picture && <Picture source={source} />}
      <p class="line">
        <span class={`mark ${mark}`} aria-hidden="true" />
        <bdi>{source.id}</bdi>
        <span>{said(`source.${source.state}`, source.state)}</span>
        {source.level_dbfs !== null && <bdi dir="ltr">{`${Math.round(source.level_dbfs)} dB`}</bdi>}
      </p>
      {source.detail !== "" && (
        <p class="small" dir="auto">
          {source.detail}
        </p>
      )}
      {source.state !== "idle" && one !== undefined && <Clock one={one} />}
    </li>
  );
}

export function Sources() {
  return (
    <section class="card whole-row" aria-labelledby="sources-title">
      <h2 id="sources-title">{t("sources")}</h2>
      <ul class="source-list">
        {(room.value?.sources ?? []).map((source) => (
          <Source key={source.id} source={source} />
        ))}
      </ul>
    </section>
  );
}

function EncoderFacts({ one }: { one: EncoderView }) {
  const slow = one.fps !== null && one.fps < one.wanted_fps * 0.9;
  return (
    <>
      <dt>{t("encoder.name")}</dt>
      <dd class="line">
        <bdi dir="ltr">{one.name}</bdi>
      </dd>
      <dt>{t("encoder.rate")}</dt>
      <dd class="line">
        <span class={`mark ${one.fps === null ? "busy" : slow ? "bad" : "good"}`} aria-hidden="true" />
        {t("encoder.of", {
          n: one.fps === null ? "–" : number(one.fps, 1),
          all: number(one.wanted_fps),
        })}
      </dd>
      <dt>{t("encoder.skipped")}</dt>
      <dd>{number(one.skipped)}</dd>
      <dt>{t("encoder.behind")}</dt>
      <dd class="line">
        <span class={`mark ${one.behind_s > LATE_S ? "bad" : "good"}`} aria-hidden="true" />
        {t("seconds", { n: number(one.behind_s, 1) })}
      </dd>
      <dt>{t("encoder.queue")}</dt>
      <dd>{size(one.queue_bytes)}</dd>
      <dt>{t("encoder.handovers")}</dt>
      <dd class="line">
        <span class={`mark ${one.hand_overs > 0 ? "bad" : "good"}`} aria-hidden="true" />
        {number(one.hand_overs)}
      </dd>
    </>
  );
}

export function Encoder() {
  const one = health.value;
  return (
    <section class="card" aria-labelledby="encoder-title">
      <h2 id="encoder-title">{t("encoder")}</h2>
      {one?.recording == null ? (
        <p class="small">{t("encoder.none")}</p>
      ) : (
        <dl class="facts">
          {one.encoder === null ? (
            <>
              <dt>{t("encoder.name")}</dt>
              <dd>{t(one.program === "off" ? "encoder.off" : "encoder.starting")}</dd>
            </>
          ) : (
            <EncoderFacts one={one.encoder} />
          )}
          <dt>{t("encoder.restarts")}</dt>
          <dd class="line">
            <span class={`mark ${one.restarts > 0 ? "bad" : "good"}`} aria-hidden="true" />
            {number(one.restarts)}
          </dd>
          {one.disk_seconds_left !== null && (
            <>
              <dt>{t("encoder.disk")}</dt>
              <dd>{lasting(one.disk_seconds_left)}</dd>
            </>
          )}
        </dl>
      )}
    </section>
  );
}
