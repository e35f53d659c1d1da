// Asking: a question, its choices, its deadline.

import { useSignal } from "@preact/signals";
import * as room from "../room";
import { t, type Key } from "../texts";
import type { QuestionKind } from "../types";
import { tab } from "./tab";

const KINDS: QuestionKind[] = ["single", "multiple", "number", "words", "text", "ink"];

export function Ask() {
  const kind = useSignal<QuestionKind>("single");
  const text = useSignal("");
  const choices = useSignal("");
  const seconds = useSignal(0);
  const live = useSignal(true);
  const needs = kind.value === "single" || kind.value === "multiple";
  const listed = choices.value
    .split("\n")
    .map((line) => line.trim())
    .filter(Boolean)
    .slice(0, 20);
  const ask = () => {
    const question = {
      id: room.newId(),
      kind: kind.value,
      text: text.value,
      choices: needs ? listed : [],
      live: live.value,
    };
    const sent = room.say({
      type: "ask",
      questions: [question],
      seconds: seconds.value || null,
    });
    if (!sent) return;
    text.value = choices.value = "";
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
      <label>
        {t("teach.deadline")}
        <select
          value={String(seconds.value)}
          onChange={(event) => (seconds.value = Number(event.currentTarget.value))}
        >
          <option value="0">{t("teach.open")}</option>
          {[30, 60, 120, 300].map((one) => (
            <option key={one} value={one}>
              {t("teach.minutes", { n: one / 60 })}
            </option>
          ))}
        </select>
      </label>
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
      <button type="submit" class="button main" disabled={needs && listed.length < 2}>
        {t("teach.start")}
      </button>
    </form>
  );
}
