// The timetable on a free panel: what is on next, one tap to start it, and the day.

import { computed, useSignal } from "@preact/signals";
import type { SlotView } from "../api/types";
import { clock, day, said, t } from "../i18n";
import { ask, now, room } from "../room/store";
import { Button } from "../ui/button";
import { Dialog } from "../ui/dialog";

export const timetable = computed(() => room.value?.timetable ?? null);
const zone = computed(() => room.value?.timezone ?? "UTC");

/** The class that one tap starts now. */
export const offered = computed<SlotView | null>(() => {
  const next = timetable.value?.next ?? null;
  const acts = timetable.value !== null && timetable.value.start !== "never";
  return acts && next !== null && (next.state === "due" || next.state === "now") ? next : null;
});

export function timeOf(iso: string): string {
  return clock(new Date(iso), zone.value);
}

/** "11:00", or with its day when that is not today. */
function whenOf(iso: string): string {
  const when = new Date(iso);
  const other = day(when, zone.value, "medium") !== day(now.value, zone.value, "medium");
  return other ? `${day(when, zone.value)}, ${timeOf(iso)}` : timeOf(iso);
}

function Who({ slot }: { slot: SlotView }) {
  const parts = [slot.course, slot.lecturer].filter((one) => one && !slot.title.includes(one));
  return (
    <p class="offer-who">
      <span dir="ltr">
        {timeOf(slot.starts)}–{timeOf(slot.ends)}
      </span>
      {parts.map((one) => (
        <bdi key={one}>{one}</bdi>
      ))}
    </p>
  );
}

/** What the timetable says for now: one tap starts it. */
export function Offer({ slot, other }: { slot: SlotView; other: () => void }) {
  const asking = useSignal(false);
  const alone = timetable.value?.start === "start" && slot.state === "due";
  return (
    <div class="offer hero-form">
      <div class="offer-words">
        <h2 class="offer-title">
          <bdi>{slot.title}</bdi>
        </h2>
        <Who slot={slot} />
      </div>
      <Button kind="main" class="start" icon="record" act={() => ask("/session", { slot: slot.id })}>
        <span class="start-words">
          {t("idle.start")}
          <small>{t("clock.until", { time: timeOf(slot.ends) })}</small>
        </span>
      </Button>
      {alone && (
        <p class="hero-explain" role="status">
          {t("timetable.begins", { time: timeOf(slot.starts) })}
        </p>
      )}
      <div class="offer-others">
        <Button local act={other}>
          {t("timetable.other")}
        </Button>
        <Button local act={() => void (asking.value = true)}>
          {t("timetable.skip")}
        </Button>
      </div>
      {asking.value && <SkipQuestion slot={slot} close={() => (asking.value = false)} />}
    </div>
  );
}

function SkipQuestion({ slot, close }: { slot: SlotView; close: () => void }) {
  return (
    <Dialog title={t("timetable.skip.title", { title: slot.title })} close={close}>
      <p>{t("timetable.skip.text")}</p>
      <div class="dialog-actions">
        <Button local act={close} autofocus>
          {t("action.cancel")}
        </Button>
        <Button
          kind="main"
          act={async () => {
            if (await ask("/timetable/skip", { slot: slot.id })) close();
          }}
        >
          {t("timetable.skip")}
        </Button>
      </div>
    </Dialog>
  );
}

/** A line under the form: what comes later, and that it may begin already. */
export function Upcoming() {
  const next = timetable.value?.next;
  if (next == null || offered.value !== null) return null;
  return (
    <div class="upcoming">
      <p>
        <bdi>{t("timetable.next", { title: next.title, time: whenOf(next.starts) })}</bdi>
      </p>
      {timetable.value?.start !== "never" && timetable.value?.today.some((one) => one.id === next.id) && (
        <Button kind="quiet" icon="resume" act={() => ask("/session", { slot: next.id })}>
          {t("timetable.early")}
        </Button>
      )}
    </div>
  );
}

const MARKS: Record<string, string> = { started: "good", now: "busy", due: "busy" };

function Row({ slot }: { slot: SlotView }) {
  const running = timetable.value?.current?.id === slot.id;
  const state = running ? "running" : slot.state;
  return (
    <li class={`slot is-${slot.state}`}>
      <span class="slot-time" dir="ltr">
        {timeOf(slot.starts)}–{timeOf(slot.ends)}
      </span>
      <div class="slot-words">
        <span class="slot-title">
          <bdi>{slot.title}</bdi>
        </span>
        <span class="slot-state">
          <span class={`mark ${MARKS[slot.state] ?? "off"}`} aria-hidden="true" />
          {said(`timetable.state.${state}`, state)}
        </span>
      </div>
    </li>
  );
}

export function Today() {
  const shown = timetable.value;
  if (shown === null) return null;
  return (
    <section class="card today" aria-labelledby="today-title">
      <h2 id="today-title">{t("timetable.today")}</h2>
      {shown.today.length === 0 ? (
        <p class="empty">{t("timetable.none")}</p>
      ) : (
        <ul class="slot-list">
          {shown.today.map((slot) => (
            <Row key={slot.id} slot={slot} />
          ))}
        </ul>
      )}
      {shown.error !== "" && shown.updated !== null && (
        <p class="empty">
          {t("timetable.old", {
            day: day(new Date(shown.updated), zone.value, "medium"),
            time: timeOf(shown.updated),
          })}
        </p>
      )}
    </section>
  );
}
