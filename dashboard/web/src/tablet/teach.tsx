// The lecturer's side of the tablet page: pages, questions, results, people.

import { signal, useSignal } from "@preact/signals";
import { Button, Countdown, Drawing, ResultOf } from "./parts";
import * as room from "./room";
import { number, t, type Key } from "./texts";
import type { Question, QuestionKind } from "./types";

type Tab = "pages" | "ask" | "results" | "people";
const tab = signal<Tab>("pages");
const KINDS: QuestionKind[] = ["single", "multiple", "number", "words", "text", "ink"];

export function Teach() {
  const state = room.lesson.value;
  const seats = room.seats.value;
  if (!state) return null;
  const away = room.link.value !== "open";
  const driver = state.driver;
  const names: Record<Tab, Key> = {
    pages: "teach.pages",
    ask: "teach.ask",
    results: "teach.results",
    people: "teach.people",
  };
  return (
    <section class="teach" aria-label={t("teach.title")} inert={away}>
      {driver && !room.driving.value && (
        <p class="row driver">
          <bdi>{t("teach.driven", { name: driver.name })}</bdi>
          <Button act={() => room.say({ type: "drive", take: true })}>{t("teach.take")}</Button>
        </p>
      )}
      <div class="row">
        <Button
          pressed={state.attention !== null}
          kind={state.attention !== null ? "main" : "plain"}
          act={() => room.say({ type: "attention", on: state.attention === null, text: "" })}
        >
          {t(state.attention !== null ? "teach.release" : "teach.attention")}
        </Button>
        {(["follow", "free", "lock"] as const).map((mode) => (
          <Button
            key={mode}
            pressed={state.mode === mode}
            act={() => room.say({ type: "mode", mode })}
          >
            {t(`teach.${mode}`)}
          </Button>
        ))}
      </div>
      <div class="row tabs" role="tablist">
        {(Object.keys(names) as Tab[]).map((name) => (
          <button
            key={name}
            type="button"
            role="tab"
            class="button plain"
            aria-selected={tab.value === name}
            onClick={() => (tab.value = name)}
          >
            {t(names[name])}
            {name === "people" && seats && (
              <small>
                {" "}
                {number(seats.present)}
                {(seats.hands?.length ?? 0) > 0 && ` ✋${number(seats.hands?.length ?? 0)}`}
              </small>
            )}
          </button>
        ))}
      </div>
      {tab.value === "pages" && <Pages />}
      {tab.value === "ask" && <Ask />}
      {tab.value === "results" && <Results />}
      {tab.value === "people" && <People />}
    </section>
  );
}

function Pages() {
  const state = room.lesson.value;
  const reading = useSignal(false);
  const wrong = useSignal("");
  const address = useSignal("");
  if (!state) return null;
  const bring = async (file: File | undefined) => {
    if (!file) return;
    reading.value = true;
    wrong.value = "";
    try {
      const type = file.type || "application/octet-stream";
      const where = `/api/v1/tablets/decks?name=${encodeURIComponent(file.name)}`;
      const made = await fetch(where, {
        method: "POST",
        headers: { "Content-Type": type },
        body: file,
      });
      const deck = (await made.json()) as { id?: string; detail?: string };
      if (!made.ok || deck.id === undefined) throw new Error(deck.detail);
      await fetch(`/api/v1/tablets/decks/${deck.id}/open`, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: "{}",
      });
    } catch (error) {
      wrong.value = error instanceof Error && error.message ? error.message : t("join.away");
    } finally {
      reading.value = false;
    }
  };
  const link = (type: "add_page" | "push") => {
    const url = address.value.trim();
    if (!/^https?:\/\/\S+$/.test(url)) return;
    room.say({ type, kind: "link", url, title: "" });
    address.value = "";
  };
  return (
    <div class="stack">
      <ol class="thumbs">
        {state.pages.map((page, at) => (
          <li key={page.id}>
            <button
              type="button"
              aria-current={page.id === state.page ? "page" : undefined}
              onClick={() => room.say({ type: "turn", page: page.id })}
            >
              {page.image ? <img src={page.image} alt="" loading="lazy" /> : <span class="blank" />}
              <span>
                {number(at + 1)} <bdi>{page.title}</bdi>
              </span>
            </button>
          </li>
        ))}
      </ol>
      <div class="row">
        <Button act={() => room.say({ type: "add_page", kind: "blank" })}>{t("teach.blank")}</Button>
        <Button act={() => room.say({ type: "add_page", kind: "live" })}>{t("teach.live")}</Button>
        <Button
          disabled={state.page === null}
          act={() => room.say({ type: "clear", page: state.page })}
        >
          {t("pen.clear")}
        </Button>
      </div>
      <label class="file">
        {t(reading.value ? "teach.deck.reading" : "teach.deck")}
        <input
          type="file"
          accept=".pdf,.pptx,.ppt,.odp"
          disabled={reading.value}
          onChange={(event) => void bring(event.currentTarget.files?.[0])}
        />
      </label>
      <p role="alert" class="wrong">
        {wrong}
      </p>
      <label>
        {t("teach.url")}
        <input
          type="url"
          dir="ltr"
          value={address.value}
          onInput={(event) => (address.value = event.currentTarget.value)}
        />
      </label>
      <div class="row">
        <Button act={() => link("add_page")}>{t("teach.link")}</Button>
        <Button act={() => link("push")}>{t("teach.push")}</Button>
      </div>
      <div class="row" role="group" aria-label={t("teach.timer")}>
        {[1, 5, 10].map((minutes) => (
          <Button
            key={minutes}
            act={() => room.say({ type: "timer", seconds: minutes * 60, label: "" })}
          >
            {t("teach.minutes", { n: minutes })}
          </Button>
        ))}
        <Button
          disabled={state.timer === null}
          act={() => room.say({ type: "timer", seconds: null })}
        >
          {t("teach.stop")}
        </Button>
      </div>
    </div>
  );
}

function Ask() {
  const kind = useSignal<QuestionKind>("single");
  const text = useSignal("");
  const choices = useSignal("");
  const seconds = useSignal(0);
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
      <button type="submit" class="button main" disabled={needs && listed.length < 2}>
        {t("teach.start")}
      </button>
    </form>
  );
}

function Results() {
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
  if (!view?.sheets) return null;
  return (
    <>
      <ul class="sheets">
        {view.sheets.map((sheet) => (
          <li key={sheet.seat}>
            <Drawing strokes={sheet.strokes} label={t("sheet.of", { name: sheet.label })} />
            <bdi>{sheet.label}</bdi>
            <Button
              act={() =>
                room.say({ type: "share", question: question.id, seat: sheet.seat, named: false })
              }
            >
              {t("teach.share")}
            </Button>
          </li>
        ))}
      </ul>
      {shared && (
        <Button act={() => room.say({ type: "share", question: null })}>{t("teach.unshare")}</Button>
      )}
    </>
  );
}

function People() {
  const seats = room.seats.value;
  const permits = room.lesson.value?.permits ?? [];
  if (!seats) return null;
  const hands = seats.hands ?? [];
  return (
    <div class="stack">
      <p>
        {t("teach.present", { n: seats.present })} ·{" "}
        {t("teach.attentive", { n: seats.attentive ?? 0, all: seats.present })}
      </p>
      {(seats.lost ?? 0) > 0 && <p class="warn">{t("teach.lost", { n: seats.lost ?? 0 })}</p>}
      {hands.length > 0 && (
        <section>
          <h2>{t("teach.hands", { n: hands.length })}</h2>
          <ol>
            {hands.map((hand) => (
              <li key={hand.seat}>
                ✋ <bdi>{hand.label}</bdi>
              </li>
            ))}
          </ol>
          <Button act={() => room.say({ type: "lower_hands" })}>{t("teach.lower")}</Button>
        </section>
      )}
      <ul class="seats">
        {(seats.seats ?? []).map((seat) => (
          <li key={seat.seat}>
            <bdi>{seat.label}</bdi>
            <Button
              pressed={permits.includes(seat.seat)}
              act={() =>
                room.say({
                  type: "permit",
                  seat: seat.seat,
                  ink: !permits.includes(seat.seat),
                })
              }
            >
              {t("teach.permit")}
            </Button>
          </li>
        ))}
      </ul>
    </div>
  );
}
