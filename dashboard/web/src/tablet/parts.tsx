// Small parts that the tablet and the board share: button, status, countdown, result, drawing.

import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { draw, pointsOf } from "./ink";
import { hostHere, lesson, link, roomNow } from "./room";
import { clock, number, t } from "./texts";
import type { Question, Result, SharedSheets, SheetStroke } from "./types";

interface ButtonProps {
  act: () => void;
  children: ComponentChildren;
  kind?: "plain" | "main" | "quiet" | "danger";
  pressed?: boolean | undefined;
  disabled?: boolean;
  label?: string;
}

export function Button({ act, children, kind = "plain", pressed, disabled, label }: ButtonProps) {
  return (
    <button
      type="button"
      class={`button ${kind}`}
      onClick={act}
      disabled={disabled ?? false}
      aria-pressed={pressed}
      aria-label={label}
    >
      {children}
    </button>
  );
}

/** Where things stand: a word, a shape, and what it means. Room and lecturer are told apart. */
export function Status() {
  const here = link.value === "open";
  const away = here && !hostHere.value && lesson.value !== null && !lesson.value.ended;
  const state = !here ? (link.value === "connecting" ? "busy" : "bad") : away ? "warn" : "good";
  const shape = { good: "●", busy: "◌", warn: "◐", bad: "▲" }[state];
  return (
    <div class={`status ${state}`} role="status" data-link={link.value} data-host={hostHere.value}>
      <span aria-hidden="true">{shape}</span>
      <span>
        <strong>
          {here
            ? away
              ? t("host.away")
              : t("link.open")
            : t(link.value === "connecting" ? "link.connecting" : "link.away")}
        </strong>
        {!here && link.value === "away" && <small>{t("link.away.more")}</small>}
        {away && <small>{t("host.away.more")}</small>}
      </span>
    </div>
  );
}

/** Seconds until a moment on the room's clock, so that it ends everywhere at once. */
export function useSecondsLeft(endsAt: number): number {
  const left = useSignal((endsAt - roomNow()) / 1000);
  useEffect(() => {
    const tick = () => (left.value = (endsAt - roomNow()) / 1000);
    tick();
    const timer = setInterval(tick, 200);
    return () => clearInterval(timer);
  }, [endsAt]);
  return left.value;
}

export function Countdown({ endsAt, label }: { endsAt: number; label?: string }) {
  const left = useSecondsLeft(endsAt);
  return (
    <span class="countdown" role="timer" aria-label={label || t("timer")}>
      {label && <bdi>{label} </bdi>}
      {left > 0 ? <bdi dir="ltr">{clock(left)}</bdi> : t("timer.over")}
    </span>
  );
}

/** Strokes on paper, for sheets. */
export function Drawing({ strokes, label }: { strokes: readonly SheetStroke[]; label: string }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    const pen = canvas.current?.getContext("2d");
    if (!pen) return;
    pen.clearRect(0, 0, pen.canvas.width, pen.canvas.height);
    for (const { points, color, width } of strokes) draw(pen, pointsOf(points), color, width);
  }, [strokes]);
  return <canvas ref={canvas} class="paper" width={960} height={600} role="img" aria-label={label} />;
}

/** Sheets that were handed in, shown to the class: one, or several groups' beside each other. */
export function Shared({ sheets }: { sheets: SharedSheets }) {
  const shown = [{ label: sheets.label, strokes: sheets.strokes }, ...(sheets.others ?? [])];
  return (
    <div class="shared-all" data-sheets={shown.length}>
      {shown.map(({ label, strokes }, at) => (
        <figure key={at} class="shared">
          <Drawing strokes={strokes} label={t("sheet.someone")} />
          <figcaption>
            <bdi>{label === null ? t("sheet.someone") : t("sheet.of", { name: label })}</bdi>
          </figcaption>
        </figure>
      ))}
    </div>
  );
}

/** A question's result: bars with numbers, words by size, texts. */
export function ResultOf({ question, result }: { question: Question; result: Result }) {
  const counts = result.counts;
  const choices = question.kind === "single" || question.kind === "multiple";
  const correct = Array.isArray(question.correct) ? question.correct : [];
  return (
    <section class="result" aria-label={t("result")}>
      <p>{t("result.people", { n: result.answered })}</p>
      {choices && counts && (
        <ul class="bars">
          {question.choices.map((choice, at) => {
            const votes = Number(counts[at] ?? 0);
            const share = result.answered > 0 ? votes / result.answered : 0;
            return (
              <li key={at} class={correct.includes(at) ? "right" : ""}>
                <span class="bar" style={{ inlineSize: `${share * 100}%` }} aria-hidden="true" />
                <bdi>{choice}</bdi>
                {correct.includes(at) && <span class="mark">✓ {t("result.correct")}</span>}
                <b>
                  {number(votes)} <small>{number(Math.round(share * 100))} %</small>
                </b>
              </li>
            );
          })}
        </ul>
      )}
      {question.kind === "number" && result.mean !== undefined && (
        <p>
          {t("result.mean", { mean: result.mean, median: result.median ?? 0 })}
          {typeof question.correct === "number" && (
            <span class="mark"> ✓ {number(question.correct)}</span>
          )}
        </p>
      )}
      {result.words && (
        <p class="words">
          {result.words.map(([word, times]) => (
            <bdi key={word} style={{ fontSize: `${1 + Math.min(3, Math.sqrt(times) - 1)}rem` }}>
              {word}{" "}
            </bdi>
          ))}
        </p>
      )}
      {result.texts && (
        <ul class="texts">
          {result.texts.map((text, at) => (
            <li key={at}>
              <bdi>{text}</bdi>
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}
