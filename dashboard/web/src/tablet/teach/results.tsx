// What was answered; showing it, and the sheets that groups have handed in.

import { useSignal } from "@preact/signals";
import { Button, Countdown, Drawing, ResultOf } from "../parts";
import * as room from "../room";
import { t } from "../texts";
import type { Question } from "../types";

/** So many sheets stand beside each other at most. */
const MOST = 6;

export function Results() {
  const state = room.lesson.value;
  const views = room.results.value;
  const here = room.seats.value?.present ?? 0;
  if (!state) return null;
  return (
    <div class="stack">
      {[...state.questions].reverse().map((question) => {
        const view = views.find((one) => one.question === question.id);
        return (
          <article key={question.id} class="card" data-result={question.id}>
            <header>
              <h2>
                <bdi>{question.text || t("question")}</bdi>
              </h2>
              {question.state === "open" && question.deadline !== null && (
                <Countdown endsAt={question.deadline} />
              )}
            </header>
            {view && (
              <>
                <p>
                  {t("teach.answered", {
                    n: view.answered,
                    all: Math.max(view.answered, here),
                  })}
                </p>
                <ResultOf question={question} result={view} />
                {question.state === "open" && (view.missing?.length ?? 0) > 0 && (
                  <details>
                    <summary>{t("teach.missing", { n: view.missing?.length ?? 0 })}</summary>
                    <bdi>{view.missing?.join(", ")}</bdi>
                  </details>
                )}
                <Sheets question={question} />
              </>
            )}
            <div class="row">
              {question.state === "open" && (
                <Button act={() => room.say({ type: "close", questions: [question.id] })}>
                  {t("teach.close")}
                </Button>
              )}
              {question.result === null && question.kind !== "ink" && (
                <Button
                  kind="main"
                  act={() => room.say({ type: "reveal", question: question.id, correct: true })}
                >
                  {t("teach.reveal")}
                </Button>
              )}
            </div>
          </article>
        );
      })}
    </div>
  );
}

function Sheets({ question }: { question: Question }) {
  const view = room.results.value.find((one) => one.question === question.id);
  const shared = room.lesson.value?.shared;
  const chosen = useSignal<string[]>([]);
  if (!view?.sheets) return null;
  const on = shared?.question === question.id ? chosen.value : [];
  const show = (seats: string[]) => {
    chosen.value = seats;
    room.say({ type: "share", question: seats.length > 0 ? question.id : null, seats, named: false });
  };
  return (
    <>
      <ul class="sheets">
        {view.sheets.map((sheet) => (
          <li key={sheet.seat}>
            <Drawing strokes={sheet.strokes} label={t("sheet.of", { name: sheet.label })} />
            <bdi>{sheet.label}</bdi>
            <Button
              pressed={on.includes(sheet.seat)}
              disabled={on.length >= MOST && !on.includes(sheet.seat)}
              act={() =>
                show(
                  on.includes(sheet.seat)
                    ? on.filter((seat) => seat !== sheet.seat)
                    : [...on, sheet.seat],
                )
              }
            >
              {t("teach.share")}
            </Button>
          </li>
        ))}
      </ul>
      {shared && <Button act={() => show([])}>{t("teach.unshare")}</Button>}
    </>
  );
}
