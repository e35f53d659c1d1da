// The tablets of the class, in numbers: who is here, eyes up, a quick poll and its result.

import "./tablets.css";
import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { ApiError, get, post } from "../api/client";
import type { PollNow } from "../api/events";
import { t } from "../i18n";
import { active, lesson, problem, session } from "../room/store";
import { Button } from "../ui/button";

const LETTERS = ["A", "B", "C", "D"];
const none = signal(false);

async function look(): Promise<void> {
  try {
    lesson.value = (await get<{ lesson: typeof lesson.value }>("/tablets/lesson/summary")).lesson;
    none.value = false;
  } catch (error) {
    none.value = error instanceof ApiError && error.status === 404;
  }
}

async function say(path: string, body: unknown = {}): Promise<void> {
  try {
    await post(`/tablets/lesson/${path}`, body);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    problem.value = { detail: error.detail, remedy: error.remedy };
  }
}

export function Tablets() {
  const on = session.value?.id;
  useEffect(() => void look(), [on, active.value]);
  const now = lesson.value;
  if (none.value || now === null) return null;
  // A class without tablets has no use for this.
  if (now.present === 0 && now.question === null && !now.attention) return null;
  const ask = (choices: string[]) => say("polls", { kind: "single", choices });
  const open = now.question?.state === "open";
  return (
    <section class="card class-tablets" aria-labelledby="tablets-title">
      <h2 id="tablets-title">{t("tablets")}</h2>
      <p class="class-counts" role="status">
        <span>{t("tablets.here", { n: now.present })}</span>
        {now.present > 0 && (
          <span>{t("tablets.looking", { n: now.attentive, all: now.present })}</span>
        )}
        {now.hands > 0 && <b>{t("tablets.hands", { n: now.hands })}</b>}
        {now.lost > 0 && <b>{t("tablets.lost", { n: now.lost })}</b>}
      </p>
      {now.question && (open || now.question.result.answered > 0) && <Poll poll={now.question} />}
      <div class="class-acts">
        <Button
          pressed={now.attention}
          act={() => say("attention", { on: !now.attention, text: "" })}
        >
          {t(now.attention ? "tablets.release" : "tablets.eyes")}
        </Button>
        {now.hands > 0 && <Button act={() => say("hands/lower")}>{t("tablets.lower")}</Button>}
        {!open && (
          <>
            <Button act={() => ask([t("tablets.yes"), t("tablets.no")])}>
              {t("tablets.ask.yesno")}
            </Button>
            <Button act={() => ask(LETTERS)}>{t("tablets.ask.letters")}</Button>
          </>
        )}
      </div>
    </section>
  );
}

function Poll({ poll }: { poll: PollNow }) {
  const { result } = poll;
  const most = Math.max(1, result.answered);
  const present = Math.max(lesson.value?.present ?? 0, result.answered);
  const path = `polls/${poll.id}`;
  return (
    <div class="class-poll" data-poll={poll.id}>
      {poll.text && (
        <h3>
          <bdi>{poll.text}</bdi>
        </h3>
      )}
      <p>{t("tablets.answered", { n: result.answered, all: present })}</p>
      {result.counts && poll.choices.length > 0 && (
        <ul class="class-bars">
          {poll.choices.map((choice, at) => {
            const votes = Number(result.counts?.[at] ?? 0);
            return (
              <li key={at}>
                <span
                  class={votes > 0 ? "class-bar" : "unseen"}
                  style={{ inlineSize: `${(votes / most) * 100}%` }}
                  aria-hidden="true"
                />
                <bdi>{choice}</bdi> <b>{t("tablets.votes", { n: votes })}</b>
              </li>
            );
          })}
        </ul>
      )}
      {result.median !== undefined && (
        <p>{t("tablets.mean", { mean: result.mean ?? 0, median: result.median })}</p>
      )}
      {result.words && (
        <p>
          <bdi>
            {result.words
              .slice(0, 8)
              .map(([word]) => word)
              .join(" · ")}
          </bdi>
        </p>
      )}
      <div class="class-acts">
        {poll.state === "open" && (
          <Button act={() => say(`${path}/close`)}>{t("tablets.close")}</Button>
        )}
        {!poll.shown && (
          <Button kind="main" act={() => say(`${path}/reveal`)}>
            {t("tablets.show")}
          </Button>
        )}
      </div>
    </div>
  );
}
