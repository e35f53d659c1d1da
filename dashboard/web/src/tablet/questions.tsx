// Questions as a student sees them: an answer is waiting, saved or counted, and says so.

import { useSignal } from "@preact/signals";
import { useLayoutEffect, useRef } from "preact/hooks";
import { draw, encode, pointsOf, type Point } from "./ink";
import { Button, Countdown, Drawing, ResultOf, useSecondsLeft } from "./parts";
import { listen } from "./pen";
import { answer, answers, lesson, newId, type Given } from "./room";
import { t, type Key } from "./texts";
import type { Question, SheetStroke } from "./types";

export function Questions() {
  const all = lesson.value?.questions ?? [];
  const shown = all.filter((one) => one.state === "open" || one.result !== null || isRecent(all, one));
  if (shown.length === 0) return null;
  // A quiz is read in its own order; what is over stands below, the newest first.
  const open = shown.filter((one) => one.state === "open");
  return (
    <section class="questions" aria-label={t("question")}>
      {[...open, ...shown.filter((one) => !open.includes(one)).reverse()].map((question) => (
        <OneQuestion key={question.id} question={question} />
      ))}
    </section>
  );
}

function isRecent(all: Question[], question: Question): boolean {
  return all.indexOf(question) >= all.length - 2;
}

function OneQuestion({ question }: { question: Question }) {
  const given = answers.value[question.id];
  const left = useSecondsLeft(question.deadline ?? Infinity);
  const open = question.state === "open" && left > 0;
  const fixed = given !== undefined && given.state !== "refused" && !question.changeable;
  return (
    <article class={`card question ${open ? "open" : "closed"}`} data-question={question.id}>
      <header>
        <h2>
          <bdi>{question.text || t("question")}</bdi>
        </h2>
        {open && question.deadline !== null && <Countdown endsAt={question.deadline} />}
        {!open && <span class="tag">{t("question.closed")}</span>}
      </header>
      {(open || given) && <Form question={question} given={given} disabled={!open || fixed} />}
      {open && fixed && <p class="hint">{t("question.fixed")}</p>}
      {given && <State given={given} />}
      {question.result && <ResultOf question={question} result={question.result} />}
    </article>
  );
}

const SHAPES = { waiting: "◌", saved: "◐", counted: "●", refused: "▲" };

function State({ given }: { given: Given }) {
  return (
    <p class={`given ${given.state}`} role="status" data-state={given.state}>
      <span aria-hidden="true">{SHAPES[given.state]}</span> {t(`given.${given.state}` as Key)}
      {given.why && <small>{given.why}</small>}
    </p>
  );
}

interface FormProps {
  question: Question;
  given: Given | undefined;
  disabled: boolean;
}

function Form({ question, given, disabled }: FormProps) {
  switch (question.kind) {
    case "single":
    case "multiple":
      return <Choices question={question} given={given} disabled={disabled} />;
    case "ink":
      return <Draw question={question} given={given} disabled={disabled} />;
    default:
      return <Write question={question} given={given} disabled={disabled} />;
  }
}

function Choices({ question, given, disabled }: FormProps) {
  const many = question.kind === "multiple";
  const value = given?.value;
  const chosen = new Set(Array.isArray(value) ? (value as number[]) : [value as number]);
  const choose = (at: number) => {
    if (!many) return answer(question.id, at);
    if (chosen.has(at)) chosen.delete(at);
    else chosen.add(at);
    return answer(
      question.id,
      [...chosen].filter((one) => typeof one === "number").sort((a, b) => a - b),
    );
  };
  return (
    <fieldset class="choices" disabled={disabled}>
      <legend class="unseen">{question.text}</legend>
      {question.choices.map((choice, at) => (
        <label key={at} class={chosen.has(at) ? "chosen" : ""}>
          <input
            type={many ? "checkbox" : "radio"}
            name={question.id}
            checked={chosen.has(at)}
            onChange={() => choose(at)}
          />
          <bdi>{choice}</bdi>
        </label>
      ))}
    </fieldset>
  );
}

function Write({ question, given, disabled }: FormProps) {
  const text = useSignal(given ? String(given.value) : "");
  const isNumber = question.kind === "number";
  const value = isNumber ? Number(text.value.replace(",", ".")) : text.value.trim();
  const usable = text.value.trim() !== "" && (!isNumber || Number.isFinite(value));
  const label = t(`question.${question.kind}` as Key);
  return (
    <form
      class="write"
      onSubmit={(event) => {
        event.preventDefault();
        if (usable) answer(question.id, value);
      }}
    >
      <label>
        {label}
        {question.kind === "text" ? (
          <textarea
            rows={3}
            maxLength={2000}
            disabled={disabled}
            value={text.value}
            onInput={(event) => (text.value = event.currentTarget.value)}
          />
        ) : (
          <input
            type="text"
            inputMode={isNumber ? "decimal" : "text"}
            maxLength={isNumber ? 20 : 300}
            dir={isNumber ? "ltr" : "auto"}
            disabled={disabled}
            value={text.value}
            onInput={(event) => (text.value = event.currentTarget.value)}
          />
        )}
      </label>
      <button type="submit" class="button main" disabled={disabled || !usable}>
        {t(given ? "question.change" : "question.send")}
      </button>
    </form>
  );
}

function Draw({ question, given, disabled }: FormProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const strokes = useSignal<SheetStroke[]>((given?.value as SheetStroke[] | undefined) ?? []);
  // The first touch may follow the sheet at once.
  useLayoutEffect(() => {
    const target = canvas.current;
    const pen = target?.getContext("2d");
    if (!target || !pen) return undefined;
    pen.clearRect(0, 0, target.width, target.height);
    for (const { points, color, width } of strokes.peek()) {
      draw(pen, pointsOf(points), color, width);
    }
    return listen(target, {
      newId,
      tool: () => "pen",
      part: () => undefined,
      end: (_id: string, points: Point[], { color, width }) => {
        strokes.value = [...strokes.peek(), { points: encode(thin(points)), color, width }];
      },
    });
  }, [disabled]);
  if (disabled) return <Drawing strokes={strokes.value} label={question.text} />;
  const undo = () => {
    strokes.value = strokes.peek().slice(0, -1);
    const pen = canvas.current?.getContext("2d");
    if (!pen) return;
    pen.clearRect(0, 0, pen.canvas.width, pen.canvas.height);
    for (const { points, color, width } of strokes.peek()) draw(pen, pointsOf(points), color, width);
  };
  return (
    <div class="draw">
      <canvas ref={canvas} class="paper live pen" width={960} height={600} aria-label={question.text} />
      <div class="row">
        <Button act={undo} disabled={strokes.value.length === 0}>
          {t("pen.undo")}
        </Button>
        <Button
          kind="main"
          disabled={strokes.value.length === 0}
          act={() => answer(question.id, strokes.peek())}
        >
          {t("question.hand")}
        </Button>
      </div>
    </div>
  );
}

/** At most 500 points a stroke; a hand draws no more than that in one line. */
function thin(points: Point[]): Point[] {
  const step = Math.ceil(points.length / 500);
  return points.filter((_, at) => at % step === 0 || at === points.length - 1);
}


