// Longer: 5, 10 or 15 minutes; where the next class begins before that, the choice is asked for.

import { signal } from "@preact/signals";
import { t } from "../i18n";
import { ask, now, session } from "../room/store";
import { Button } from "../ui/button";
import { Dialog } from "../ui/dialog";
import { timeOf, timetable } from "./timetable";

const EXTENSIONS = [5, 10, 15];
const MINUTE = 60_000;

interface Meeting {
  minutes: number;
  title: string;
  starts: string;
  /** Until when there is room, when there is some. */
  free: string | null;
}

const meeting = signal<Meeting | null>(null);

/** What an extension would run into, as the room's policy sees it. */
function met(minutes: number): Meeting | null {
  const told = timetable.value;
  const next = told?.next;
  if (told === null || next == null || told.extend === "allow") return null;
  const planned = session.value?.planned_end;
  const base = Math.max(now.value.getTime(), planned == null ? 0 : Date.parse(planned));
  const free = Date.parse(next.starts) - told.gap_minutes * MINUTE;
  if (base + minutes * MINUTE <= free) return null;
  const room = free - base >= MINUTE && told.extend === "shorten";
  return {
    minutes,
    title: next.title,
    starts: next.starts,
    free: room ? new Date(free).toISOString() : null,
  };
}

/** Extend at once, or ask how when the next class is in the way. */
export function extend(minutes: number): Promise<boolean> | undefined {
  meeting.value = met(minutes);
  return meeting.value === null ? ask("/session/extend", { minutes }) : undefined;
}

export function Extend() {
  return (
    <div class="extend" role="group" aria-label={t("action.extend")}>
      <span class="extend-word" aria-hidden="true">
        {t("action.extend")}
      </span>
      {EXTENSIONS.map((minutes) => (
        <Button
          key={minutes}
          label={t("action.extend.by", { n: minutes })}
          act={() => extend(minutes)}
        >
          <bdi dir="ltr">+{minutes}</bdi>
        </Button>
      ))}
      {meeting.value !== null && <Question asked={meeting.value} />}
    </div>
  );
}

function Question({ asked }: { asked: Meeting }) {
  const close = () => void (meeting.value = null);
  const go = async (force: boolean) => {
    await ask("/session/extend", { minutes: asked.minutes, force });
    close();
  };
  const title = t("extend.meets", { title: asked.title, time: timeOf(asked.starts) });
  return (
    <Dialog title={title} close={close} class="extend-dialog">
      <p>{t("extend.meets.text")}</p>
      <div class="choices">
        {asked.free !== null && (
          <Button kind="main" autofocus act={() => go(false)}>
            {t("extend.until", { time: timeOf(asked.free) })}
          </Button>
        )}
        <Button act={() => go(true)}>{t("extend.anyway", { n: asked.minutes })}</Button>
        <Button local autofocus={asked.free === null} act={close}>
          {t("action.cancel")}
        </Button>
      </div>
    </Dialog>
  );
}
