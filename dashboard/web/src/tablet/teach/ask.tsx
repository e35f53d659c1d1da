// Asking: a question or a quiz of several, their choices, what is right, the deadline.

import { useSignal } from "@preact/signals";
import { Button } from "../parts";
import * as room from "../room";
import { t, type Key } from "../texts";
import type { QuestionKind } from "../types";
import { tab } from "./tab";

const KINDS: QuestionKind[] = ["single", "multiple", "number", "words", "text", "ink"];
const MOST = 30;

interface Draft {
  id: string;
  kind: QuestionKind;
  text: string;
  choices: string[];
  correct: number[] | number | null;
  live: boolean;
}

export function Ask() {
  const kind = useSignal<QuestionKind>("single");
  const text = useSignal("");
  const choices = useSignal("");
  const correct = useSignal<number[]>([]);
  const right = useSignal("");
  const seconds = useSignal(0);
  const live = useSignal(true);
  const quiz = useSignal<Draft[]>([]);
  const needs = kind.value === "single" || kind.value === "multiple";
  const listed = choices.value
    .split("\n")
    .map((line) => line.trim())
    .filter(Boolean)
    .slice(0, 20);
  const whole = !needs || listed.length >= 2;
  const written = text.value.trim() !== "" || listed.length > 0;
  const draft = (): Draft => {
    const chosen = correct.value.filter((at) => at < listed.length);
    const number = Number(right.value.replace(",", "."));
    return {
      id: room.newId(),
      kind: kind.value,
      text: text.value,
      choices: needs ? listed : [],
      correct: needs
        ? chosen.length > 0
          ? chosen
          : null
        : kind.value === "number" && right.value.trim() !== "" && Number.isFinite(number)
          ? number
          : null,
      live: live.value,
    };
  };
  const clear = () => {
    text.value = choices.value = right.value = "";
    correct.value = [];
  };
  const more = () => {
    quiz.value = [...quiz.value, draft()];
    clear();
  };
  const ask = () => {
    const own = quiz.value.length === 0 || (written && whole) ? [draft()] : [];
    const sent = room.say({
      type: "ask",
      questions: [...quiz.value, ...own],
      seconds: seconds.value || null,
    });
    if (!sent) return;
    quiz.value = [];
    clear();
    tab.value = "results";
  };
  return (
    <form
      class="stack"
      onSubmit={(event) => {
        event.preventDefault();
        ask();
      }}
    >
      {quiz.value.length > 0 && (
        <section aria-label={t("teach.quiz", { n: quiz.value.length })}>
          <h2>{t("teach.quiz", { n: quiz.value.length })}</h2>
          <ol class="quiz">
            {quiz.value.map((one) => (
              <li key={one.id}>
                <bdi>{one.text || t(`teach.kind.${one.kind}` as Key)}</bdi>
                <Button
                  kind="quiet"
                  label={`${t("deck.remove")}: ${one.text}`}
                  act={() => (quiz.value = quiz.value.filter((other) => other !== one))}
                >
                  <span aria-hidden="true">✕</span>
                </Button>
              </li>
            ))}
          </ol>
        </section>
      )}
      <label>
        {t("teach.kind")}
        <select
          value={kind.value}
          onChange={(event) => (kind.value = event.currentTarget.value as QuestionKind)}
        >
          {KINDS.map((one) => (
            <option key={one} value={one}>
              {t(`teach.kind.${one}` as Key)}
            </option>
          ))}
        </select>
      </label>
      <label>
        {t("teach.question")}
        <textarea
          rows={2}
          maxLength={2000}
          value={text.value}
          onInput={(event) => (text.value = event.currentTarget.value)}
        />
      </label>
      {needs && (
        <label>
          {t("teach.choices")}
          <textarea
            rows={4}
            value={choices.value}
            onInput={(event) => (choices.value = event.currentTarget.value)}
          />
        </label>
      )}
      {needs && listed.length > 0 && (
        <fieldset class="stack">
          <legend>{t("teach.correct")}</legend>
          {listed.map((choice, at) => (
            <label key={at} class="tick">
              <input
                type="checkbox"
                checked={correct.value.includes(at)}
                onChange={(event) => {
                  const others = correct.value.filter((one) => one !== at);
                  correct.value = event.currentTarget.checked ? [...others, at].sort() : others;
                }}
              />
              <bdi>{choice}</bdi>
            </label>
          ))}
        </fieldset>
      )}
      {kind.value === "number" && (
        <label>
          {t("teach.right")}
          <input
            inputMode="decimal"
            dir="ltr"
            value={right.value}
            onInput={(event) => (right.value = event.currentTarget.value)}
          />
        </label>
      )}
      {kind.value !== "text" && kind.value !== "ink" && (
        <label class="tick">
          <input
            type="checkbox"
            checked={live.value}
            onChange={(event) => (live.value = event.currentTarget.checked)}
          />
          {t("teach.onboard")}
        </label>
      )}
      <Button disabled={!whole || !written || quiz.value.length >= MOST - 1} act={more}>
        {t("teach.more")}
      </Button>
      <label>
        {t("teach.deadline")}
        <select
          value={String(seconds.value)}
          onChange={(event) => (seconds.value = Number(event.currentTarget.value))}
        >
          <option value="0">{t("teach.open")}</option>
          {[30, 60, 120, 300, 600, 1200].map((one) => (
            <option key={one} value={one}>
              {t("teach.minutes", { n: one / 60 })}
            </option>
          ))}
        </select>
      </label>
      <button
        type="submit"
        class="button main"
        disabled={!whole && (quiz.value.length === 0 || written)}
      >
        {t("teach.start")}
      </button>
    </form>
  );
}
