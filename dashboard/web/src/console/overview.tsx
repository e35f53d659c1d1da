// The room at a glance: calls for help, alarms, sources with pictures, the machine, deliveries.

import { useSignal } from "@preact/signals";
import type { Alarm, HealthView } from "../api/types";
import { clock, day, size, t as shared } from "../i18n";
import { inReadersWords } from "../panel/alarms";
import { deliveryWord } from "../panel/deliveries";
import { ask, room } from "../room/store";
import { Button } from "../ui/button";
import { told, useEvery } from "./api";
import { Encoder, Sources, useRecording } from "./recording";
import { t } from "./texts";

const SLOW_MS = 500;

function HelpCall() {
  const call = room.value?.help;
  if (call === undefined || call.state === "none") return null;
  return (
    <section class="card help-call" aria-labelledby="help-title">
      <h2 id="help-title">{shared("help")}</h2>
      <p>
        <bdi>{call.by}</bdi>
        {call.at !== null && ` · ${clock(new Date(call.at), room.value?.timezone ?? "UTC")}`}
        {call.note !== "" && (
          <>
            {": "}
            <bdi>{call.note}</bdi>
          </>
        )}
      </p>
      <div class="row">
        {call.state === "called" && (
          <Button kind="main" icon="check" act={() => ask("/help/answer")}>
            {t("help.take")}
          </Button>
        )}
        <Button act={() => ask("/help/close")}>{t("help.done")}</Button>
      </div>
    </section>
  );
}

function AlarmWords({ alarm }: { alarm: Alarm }) {
  const { text, remedy } = inReadersWords(alarm);
  return (
    <div dir={text === alarm.text ? "auto" : undefined}>
      <strong>{text}</strong> <span>{remedy}</span>
    </div>
  );
}

function Alarms() {
  const alarms = room.value?.alarms ?? [];
  return (
    <section class="card" aria-labelledby="alarms-title">
      <h2 id="alarms-title">{shared("alarms")}</h2>
      {alarms.length === 0 && (
        <p class="line">
          <span class="mark good" aria-hidden="true" />
          {t("alarms.none")}
        </p>
      )}
      <ul class="alarm-list">
        {alarms.map((alarm) => (
          <li key={alarm.id} class={`alarm is-${alarm.severity}`}>
            <AlarmWords alarm={alarm} />
          </li>
        ))}
      </ul>
    </section>
  );
}

function Disk({ one }: { one: HealthView }) {
  const { disk } = one;
  const full = disk.free_bytes < one.reserve_bytes;
  const wrong = disk.read_only || (disk.errors ?? 0) > 0;
  const slow = disk.sync_ms !== null && disk.sync_ms > SLOW_MS;
  return (
    <>
      <dt>{t("machine.disk")}</dt>
      <dd class="line">
        <span class={`mark ${full ? "bad" : "good"}`} aria-hidden="true" />
        <span>
          {t("machine.free", { free: size(disk.free_bytes), all: size(disk.total_bytes) })}{" "}
          <bdi class="small" dir="ltr">
            {[disk.device, disk.kind].filter(Boolean).join(" · ")}
          </bdi>
        </span>
      </dd>
      <dt>{t("disk.state")}</dt>
      <dd class="line">
        <span class={`mark ${wrong ? "bad" : "good"}`} aria-hidden="true" />
        {disk.read_only
          ? t("disk.readonly")
          : disk.errors === null
            ? t("disk.writable")
            : t("disk.errors", { n: disk.errors })}
      </dd>
      <dt>{t("disk.sync")}</dt>
      <dd class="line">
        <span class={`mark ${disk.sync_ms === null || slow ? "bad" : "good"}`} aria-hidden="true" />
        {disk.sync_ms === null ? t("disk.nosync") : t("ms", { n: Math.round(disk.sync_ms) })}
      </dd>
    </>
  );
}

function Machine() {
  const health = useSignal<HealthView | null>(null);
  useEvery(10_000, async () => {
    const found = await told<HealthView>("GET", "/health");
    if (found !== null) health.value = found;
  });
  const one = health.value;
  if (one === null) return null;
  const synced = one.clock_synchronised;
  return (
    <section class="card" aria-labelledby="machine-title">
      <h2 id="machine-title">{t("machine")}</h2>
      <dl class="facts">
        <Disk one={one} />
        <dt>{t("machine.clock")}</dt>
        <dd class="line">
          <span class={`mark ${synced === null ? "off" : synced ? "good" : "bad"}`} aria-hidden="true" />
          {t(synced === null ? "clock.unknown" : synced ? "clock.good" : "clock.bad")}
        </dd>
        <dt>{t("machine.load")}</dt>
        <dd dir="ltr">
          {one.load.toFixed(1)} / {one.cores}
        </dd>
        <dt>{t("machine.memory")}</dt>
        <dd>{size(one.memory_bytes)}</dd>
        <dt>{t("machine.up")}</dt>
        <dd>{t("machine.hours", { n: Math.floor(one.up_s / 3600) })}</dd>
        <dt>{t("machine.version")}</dt>
        <dd>
          <bdi>
            {one.version} · {one.machine}
          </bdi>
        </dd>
      </dl>
    </section>
  );
}

function Timetable() {
  const told = room.value?.timetable;
  if (told == null) return null;
  const zone = room.value?.timezone ?? "UTC";
  const at = (iso: string) => `${day(new Date(iso), zone, "medium")} ${clock(new Date(iso), zone)}`;
  return (
    <section class="card" aria-labelledby="timetable-title">
      <h2 id="timetable-title">{t("timetable")}</h2>
      <dl class="facts">
        <dt>{t("timetable.asked")}</dt>
        <dd class="line">
          <span class={`mark ${told.error === "" ? "good" : "bad"}`} aria-hidden="true" />
          {told.updated === null ? "–" : at(told.updated)}
        </dd>
        <dt>{t("timetable.next")}</dt>
        <dd>
          {told.next === null ? (
            "–"
          ) : (
            <bdi>
              {told.next.title}, {at(told.next.starts)}
            </bdi>
          )}
        </dd>
      </dl>
      {told.error !== "" && (
        <p class="small" dir="auto">
          {told.error} {told.remedy}
        </p>
      )}
      <Button icon="retry" act={() => ask("/timetable/refresh")}>
        {t("timetable.ask")}
      </Button>
    </section>
  );
}

function Deliveries() {
  const all = room.value?.deliveries ?? [];
  return (
    <section class="card" aria-labelledby="deliveries-title">
      <h2 id="deliveries-title">{t("deliveries")}</h2>
      {all.length === 0 && <p class="small">{t("deliveries.none")}</p>}
      <ul class="plain-list">
        {all.map((one) => (
          <li key={one.id} class="delivery">
            <p class="line">
              <span class={`mark ${deliveryWord(one).mark}`} aria-hidden="true" />
              <a href={`/recordings/${encodeURIComponent(one.recording)}`}>
                <bdi>{one.recording}</bdi>
              </a>
              <bdi>{one.target}</bdi>
              <span>{deliveryWord(one).text}</span>
            </p>
            {one.total_bytes > 0 && one.state === "sending" && (
              <progress
                max={one.total_bytes}
                value={one.sent_bytes}
                aria-label={deliveryWord(one).text}
              />
            )}
            {one.detail !== "" && (
              <p class="small" dir="auto">
                {one.detail} {one.remedy}
              </p>
            )}
            {(one.state === "failed" || one.state === "retrying") && (
              <Button
                icon="retry"
                act={() => ask(`/deliveries/${encodeURIComponent(one.id)}/retry`)}
              >
                {shared("action.retry")}
              </Button>
            )}
          </li>
        ))}
      </ul>
    </section>
  );
}

export function Overview() {
  useRecording();
  return (
    <div class="columns">
      <HelpCall />
      <Alarms />
      <Encoder />
      <Sources />
      <Machine />
      <Timetable />
      <Deliveries />
    </div>
  );
}
