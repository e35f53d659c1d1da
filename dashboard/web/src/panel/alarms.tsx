// What someone in this room can act on: what is wrong, and the next step.

import type { Alarm } from "../api/types";
import { said, t } from "../i18n";
import { ask, problem, room, session, speaking, word } from "../room/store";
import { Button } from "../ui/button";
import { Icon } from "../ui/icons";
import { nameOf } from "./devices";

/** An alarm's own words, in the reader's language where its kind is known. */
function words(alarm: Alarm): { text: string; remedy: string } {
  const kind = alarm.id.split(/[:/]/)[0] ?? "";
  const name = nameOf(alarm.subject);
  return {
    text: said(`alarm.${kind}.text`, alarm.text, { name }),
    remedy: said(`alarm.${kind}.remedy`, alarm.remedy, { name }),
  };
}

function AlarmRow({ alarm }: { alarm: Alarm }) {
  const { text, remedy } = words(alarm);
  return (
    <li class={`alarm is-${alarm.severity}`}>
      <Icon name="warning" size={32} />
      <div>
        <strong>{text}</strong> <span>{remedy}</span>
      </div>
    </li>
  );
}

export function Alarms() {
  const mine = (room.value?.alarms ?? []).filter((alarm) => alarm.who === "instructor");
  const error = session.value?.recording_error;
  const stopped = word.value === "none" && error != null;
  return (
    <div class="notices" aria-label={t("alarms")} role="region">
      {problem.value !== null && (
        <div class="alarm is-problem" role="alert">
          <Icon name="cross" size={32} />
          <div>
            <strong>{problem.value.detail}</strong> <span>{problem.value.remedy}</span>
          </div>
          <Button local kind="quiet" icon="cross" label={t("action.close")} act={() => (problem.value = null)}>
            {""}
          </Button>
        </div>
      )}
      {speaking.value && (
        <div class="alarm is-critical" role="alert">
          <Icon name="microphone" size={32} />
          <div>
            <strong>{t("speaking")}</strong>
          </div>
          {word.value === "paused" && (
            <Button kind="main" icon="resume" act={() => ask("/session/resume")}>
              {t("action.resume")}
            </Button>
          )}
        </div>
      )}
      {stopped && (
        <div class="alarm is-critical" role="alert">
          <Icon name="warning" size={32} />
          <div>
            <strong>{t("state.none")}.</strong> <span>{error}</span>
          </div>
          <Button kind="main" icon="undo" act={() => ask("/session/retry")}>
            {t("action.retry")}
          </Button>
        </div>
      )}
      {mine.length > 0 && (
        <ul class="alarm-list" role="list">
          {mine.map((alarm) => (
            <AlarmRow key={alarm.id} alarm={alarm} />
          ))}
        </ul>
      )}
    </div>
  );
}
