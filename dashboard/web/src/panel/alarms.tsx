// What someone in this room can act on: what is wrong, and the next step as a button where it is one.

import type { Alarm } from "../api/types";
import { said, t } from "../i18n";
import { ask, problem, room, session, word } from "../room/store";
import { Button } from "../ui/button";
import { Icon } from "../ui/icons";
import { nameOf } from "./devices";
import { extend } from "./extend";
import { timeOf, timetable } from "./timetable";

const RETRIED = ["recorder.no_source", "recorder.source_failed", "recorder.disk_full", "recording.refused"];
const LONGER = ["class.overtime", "class.ending"];
const RESUMED = ["class.speaking", "class.paused"];

/** `recorder.silent.lectern` is of the kind `recorder.silent`; `device.projector` of `device`. */
function kindOf(alarm: Alarm): string {
  const [area = "", what = ""] = alarm.id.split(".");
  return area === "device" ? area : `${area}.${what}`;
}

/** What the timetable's alarms speak of. */
function planned(kind: string): Record<string, string> {
  const next = timetable.value?.next;
  if (kind === "class.next" && next != null)
    return { title: next.title, time: timeOf(next.starts) };
  const end = session.value?.planned_end;
  return kind === "class.ending" && end != null ? { time: timeOf(end) } : {};
}

/** An alarm's words in the reader's language where its kind is known, else as the room says it. */
export function inReadersWords(alarm: Alarm): { text: string; remedy: string } {
  const kind = kindOf(alarm);
  const values = { name: nameOf(alarm.subject), ...planned(kind) };
  return {
    text: said(`alarm.${kind}.text`, alarm.text, values),
    remedy: said(`alarm.${kind}.remedy`, alarm.remedy, values),
  };
}

function NextStep({ kind }: { kind: string }) {
  if (word.value === "ending") return null;
  if (RETRIED.includes(kind))
    return (
      <Button kind="main" icon="retry" act={() => ask("/session/retry")}>
        {t("action.retry")}
      </Button>
    );
  if (RESUMED.includes(kind))
    return (
      <Button kind="main" icon="resume" act={() => ask("/session/resume")}>
        {t("action.resume")}
      </Button>
    );
  if (LONGER.includes(kind))
    return (
      <Button
        kind="main"
        icon="extend"
        label={t("action.extend.by", { n: 5 })}
        act={() => extend(5)}
      >
        <bdi dir="ltr">+5</bdi>
      </Button>
    );
  return null;
}

function AlarmRow({ alarm }: { alarm: Alarm }) {
  const { text, remedy } = inReadersWords(alarm);
  return (
    <li class={`alarm is-${alarm.severity}`}>
      <Icon name={kindOf(alarm) === "class.speaking" ? "microphone" : "warning"} size={32} />
      <div>
        <strong>{text}</strong> <span>{remedy}</span>
        {kindOf(alarm) === "recording.refused" && <bdi class="alarm-detail">{alarm.text}</bdi>}
      </div>
      <NextStep kind={kindOf(alarm)} />
    </li>
  );
}

export function Alarms() {
  const mine = (room.value?.alarms ?? []).filter((alarm) => alarm.who === "instructor");
  const error = session.value?.recording_error;
  // Why nothing is recorded is an alarm already, or else is said here.
  const unsaid = word.value === "none" && !mine.some((alarm) => RETRIED.includes(kindOf(alarm)));
  return (
    <div class="notices" aria-label={t("alarms")} role="region">
      {problem.value !== null && (
        <div class="alarm is-problem" role="alert">
          <Icon name="warning" size={32} />
          <div>
            <strong>{problem.value.detail}</strong> <span>{problem.value.remedy}</span>
          </div>
          <Button local kind="quiet" icon="cross" label={t("action.close")} act={() => void (problem.value = null)}>
            {""}
          </Button>
        </div>
      )}
      {unsaid && (
        <div class="alarm is-critical" role="alert">
          <Icon name="warning" size={32} />
          <div>
            <strong>{t("alarm.recording.refused.text")}</strong>{" "}
            <span>{t("alarm.recording.refused.remedy")}</span>
            {error != null && <bdi class="alarm-detail">{error}</bdi>}
          </div>
          <NextStep kind="recording.refused" />
        </div>
      )}
      {mine.length > 0 && (
        <ul class="alarm-list" role="list" aria-live="polite">
          {mine.map((alarm) => (
            <AlarmRow key={alarm.id} alarm={alarm} />
          ))}
        </ul>
      )}
    </div>
  );
}
