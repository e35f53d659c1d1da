// The board: what the class sees on the big screen: how to join, the page, results, the timer.

import "../style/tokens.css";
import "../style/base.css";
import "../tablet/tablet.css";
import "./board.css";
import { signal, useSignalEffect } from "@preact/signals";
import { render } from "preact";
import { SharedScreen } from "../share/board";
import { Join } from "../tablet/join";
import { ShownInquiry } from "../tablet/inquiry";
import { Countdown, ResultOf, Shared, Status } from "../tablet/parts";
import { answers, lesson, link, results, seats, shownPage, start } from "../tablet/room";
import { Sheet } from "../tablet/sheet";
import { speakFirst, t } from "../tablet/texts";
import "../ui/look";
import { Qr } from "../ui/qr";
import { OnAir } from "./onair";

interface JoinCode {
  code: string;
  url: string;
  qr: string;
  expires: number;
}

const join = signal<JoinCode | null>(null);

async function refresh(): Promise<void> {
  try {
    const answer = await fetch("/api/v1/tablets/join");
    join.value = answer.ok ? ((await answer.json()) as JoinCode) : null;
  } catch {
    join.value = null;
  }
}

/** An address that is too long for its line goes on before its last part, not within a word. */
function breakable(address: string): string {
  return address.replace(/\/(?=[^/]+$)/, "\u200b/");
}

function HowToJoin({ large }: { large: boolean }) {
  const { code, url, qr } = join.value ?? { code: "", url: "", qr: "" };
  if (!code) return null;
  return (
    <section class={`howto ${large ? "large" : ""}`} aria-label={t("board.join")}>
      <Qr svg={qr} address={url} />
      <p>
        {large && <strong>{t("board.join")}</strong>}
        <bdi dir="ltr">{t("board.address", { address: breakable(url.split("#")[0] ?? "") })}</bdi>
        <b class="bigcode" dir="ltr">
          {code}
        </b>
      </p>
    </section>
  );
}

function Board() {
  const state = lesson.value;
  if (link.value === "unpaired" || link.value === "revoked") return <Join revoked={false} />;
  const page = state?.pages.find((one) => one.id === shownPage.value);
  const asked = [...(state?.questions ?? [])].reverse().find((one) => one.state === "open");
  const shown = [...(state?.questions ?? [])].reverse().find((one) => one.result !== null);
  const question = asked ?? shown;
  const view = results.value.find((one) => one.question === question?.id);
  const answered = view?.answered ?? 0;
  const counts = view && (view.counts ?? view.words ?? view.mean) !== undefined;
  return (
    <div class="board" data-seq={state?.seq ?? 0} data-answers={Object.keys(answers.value).length}>
      {state && link.value !== "open" && <Status />}
      <SharedScreen here={link.value === "open"} />
      {state && !state.ended && (
        <main class={page || state.shared ? "with-page" : "bare"}>
          {state.shared ? (
            <Shared sheets={state.shared} />
          ) : (
            page && <Sheet key={page.id} page={page} mayWrite={false} title={page.title} />
          )}
          <aside>
            <OnAir />
            {state.timer && <Countdown endsAt={state.timer.ends_at} label={state.timer.label} />}
            {state.inquiry && <ShownInquiry inquiry={state.inquiry} />}
            {question && (
              <article class="card">
                <h2>
                  <bdi>{question.text}</bdi>
                </h2>
                {question.result ? (
                  <ResultOf question={question} result={question.result} />
                ) : (
                  <>
                    {counts ? (
                      <ResultOf question={question} result={view} />
                    ) : (
                      <ol class="asked">
                        {question.choices.map((choice) => (
                          <li key={choice}>
                            <bdi>{choice}</bdi>
                          </li>
                        ))}
                      </ol>
                    )}
                    <p class="many">
                      {t("teach.answered", {
                        n: answered,
                        all: Math.max(answered, seats.value?.present ?? 0),
                      })}
                    </p>
                  </>
                )}
                {question.state === "open" && question.deadline !== null && (
                  <Countdown endsAt={question.deadline} />
                )}
              </article>
            )}
            <HowToJoin large={!page && !state.shared && !question} />
            <p>{t("teach.present", { n: seats.value?.present ?? 0 })}</p>
          </aside>
        </main>
      )}
      {!state && link.value === "open" && (
        <main class="nothing">
          <h1>{t("lesson.none")}</h1>
        </main>
      )}
      {!state && link.value !== "open" && (
        <main class="nothing" aria-busy="true">
          <h1>{t(link.value === "connecting" ? "link.connecting" : "link.away")}</h1>
        </main>
      )}
    </div>
  );
}

function KeepCode() {
  useSignalEffect(() => {
    // A class that begins or ends changes the code.
    void lesson.value?.session;
    if (lesson.value && !lesson.value.ended && join.peek() === null) void refresh();
  });
  return null;
}

setInterval(() => void refresh(), 60_000);
void speakFirst();
Object.assign(globalThis, { lessonState: () => lesson.peek() });
const root = document.getElementById("page");
if (root) {
  render(
    <>
      <Board />
      <KeepCode />
    </>,
    root,
  );
}
void start("board");
