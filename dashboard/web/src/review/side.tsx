// Beside the picture: chapters, what was said, one's own notes, what was found.

import { computed, useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import type { Chapter, Note } from "../api/types";
import { playTime, said } from "../i18n";
import { Icon } from "../ui/icons";
import { at, play, seek } from "./player";
import * as store from "./store";
import { detail, hits, notes, query, tab } from "./store";
import { nameOf, t, type Key } from "./texts";
import { lastBegun } from "./vtt";

export function chapterName(chapter: Chapter): string {
  if (chapter.label && /^(bookmark|slide|start)$/.test(chapter.kind)) return chapter.label;
  const name = chapter.kind === "layout" ? said(`layout.${chapter.label}`, chapter.label) : chapter.label;
  return said(`chapter.${chapter.kind}`, chapter.label, { name });
}

function go(seconds: number): void {
  seek(seconds);
  play();
}

/** One line that leads to a time. */
function Line(props: { time: number; current?: boolean; children: ComponentChildren }) {
  return (
    <button
      type="button"
      class="line"
      aria-current={props.current === true ? "true" : undefined}
      onClick={() => go(props.time)}
    >
      <time dir="ltr">{playTime(props.time)}</time>
      <span class="line-text" dir="auto">
        {props.children}
      </span>
    </button>
  );
}

/** Keeps the current line in sight, unless the person is reading elsewhere in the list. */
function useFollow(index: number) {
  const list = useRef<HTMLOListElement>(null);
  const touched = useRef(0);
  useEffect(() => {
    const box = list.current;
    const line = box?.children[index];
    if (!box || !(line instanceof HTMLElement) || performance.now() - touched.current < 5000) return;
    const goal = line.offsetTop - box.offsetTop - box.clientHeight / 3;
    if (Math.abs(box.scrollTop - goal) > box.clientHeight / 4) box.scrollTo({ top: goal });
  }, [index]);
  const touch = () => (touched.current = performance.now());
  return { ref: list, onWheel: touch, onTouchMove: touch, onKeyDown: touch };
}

const chapter = computed(() => lastBegun(detail.value?.chapters ?? [], at.value + 0.25, (c) => c.start_s));
const cue = computed(() => lastBegun(store.cues.value, at.value + 0.05, (c) => c.from));

function Chapters() {
  const follow = useFollow(chapter.value);
  const list = detail.value?.chapters ?? [];
  if (list.length === 0) return <p class="empty">{t("chapters.none")}</p>;
  return (
    <ol class="lines" role="list" {...follow}>
      {list.map((one, n) => (
        <li key={`${one.kind} ${one.start_s}`}>
          <Line time={one.start_s} current={n === chapter.value}>
            {chapterName(one)}
          </Line>
        </li>
      ))}
    </ol>
  );
}

function Transcript() {
  const follow = useFollow(cue.value);
  const offered = detail.value?.captions ?? [];
  if (offered.length === 0) return <p class="empty">{t("transcript.none")}</p>;
  if (store.cues.value.length === 0) return <p class="empty">{t("loading")}</p>;
  const language = store.reading.value;
  return (
    <>
      {offered.length > 1 && (
        <label class="side-choice">
          {t("transcript.language")}
          <select
            value={language}
            onChange={(event) => store.readCaptions(event.currentTarget.value)}
          >
            {offered.map((one) => (
              <option key={one.language} value={one.language} lang={one.language}>
                {nameOf(one.language)}
              </option>
            ))}
          </select>
        </label>
      )}
      <ol class="lines" role="list" lang={language} {...follow}>
        {store.cues.value.map((one, n) => (
          <li key={one.from}>
            <Line time={one.from} current={n === cue.value}>
              {one.text}
            </Line>
          </li>
        ))}
      </ol>
    </>
  );
}

function OneNote({ note }: { note: Note }) {
  const text = useSignal<string | null>(null);
  if (text.value !== null) {
    return (
      <form
        class="note-form"
        onSubmit={async (event) => {
          event.preventDefault();
          if (await store.changeNote(note, text.value ?? "")) text.value = null;
        }}
      >
        <textarea
          aria-label={t("note.text")}
          value={text.value}
          maxLength={4000}
          dir="auto"
          onInput={(event) => (text.value = event.currentTarget.value)}
        />
        <div class="note-tools">
          <button type="submit" class="button main small">
            {t("save")}
          </button>
          <button type="button" class="button quiet small" onClick={() => (text.value = null)}>
            {t("cancel")}
          </button>
        </div>
      </form>
    );
  }
  return (
    <div class="note">
      <Line time={note.at_s}>{note.text || t("bookmark")}</Line>
      <button
        type="button"
        class="tool"
        aria-label={t("note.change")}
        title={t("note.change")}
        onClick={() => (text.value = note.text)}
      >
        <Icon name="note" size={22} />
      </button>
      <button
        type="button"
        class="tool"
        aria-label={t("note.delete")}
        title={t("note.delete")}
        onClick={() => void store.deleteNote(note)}
      >
        <Icon name="cross" size={22} />
      </button>
    </div>
  );
}

function Notes() {
  const text = useSignal("");
  const when = useSignal<number | null>(null);
  if (detail.value?.may_note !== true) return <p class="empty">{t("notes.signin")}</p>;
  const time = when.value ?? Math.floor(at.value);
  return (
    <>
      <form
        class="note-form"
        onSubmit={async (event) => {
          event.preventDefault();
          if (await store.addNote(time, text.value)) {
            text.value = "";
            when.value = null;
          }
        }}
      >
        <label class="unseen" for="new-note">
          {t("note.new")}
        </label>
        <textarea
          id="new-note"
          placeholder={t("note.new")}
          value={text.value}
          maxLength={4000}
          dir="auto"
          onInput={(event) => {
            // The note belongs to the moment at which one began to write it.
            if (when.value === null) when.value = Math.floor(at.value);
            text.value = event.currentTarget.value;
            if (!text.value) when.value = null;
          }}
          onKeyDown={(event) => {
            if (event.key === "Enter" && (event.ctrlKey || event.metaKey))
              event.currentTarget.form?.requestSubmit();
          }}
        />
        <div class="note-tools">
          <button type="submit" class="button main small" disabled={store.saving.value === "saving"}>
            {t("note.keep", { time: playTime(time) })}
          </button>
        </div>
      </form>
      {store.saving.value === "failed" && (
        <p class="alarm is-problem" role="alert">
          {t("note.failed")}
        </p>
      )}
      {notes.value.length === 0 ? (
        <p class="empty">{t("notes.none")}</p>
      ) : (
        <>
          <ol class="lines" role="list">
            {notes.value.map((one) => (
              <li key={one.id}>
                <OneNote note={one} />
              </li>
            ))}
          </ol>
          <p class="note-take">
            <a href={store.notesFile("txt")}>{t("notes.text")}</a>
            <a href={store.notesFile("csv")}>{t("notes.table")}</a>
            <a href={store.notesFile("vtt")}>{t("notes.vtt")}</a>
          </p>
        </>
      )}
      <p class="empty small">{t(store.ownNotes.value ? "notes.yours" : "notes.browser")}</p>
    </>
  );
}

function Hits() {
  const found = hits.value;
  return (
    <>
      <p role="status" class="side-count">
        {t("hits", { n: found.length })}
      </p>
      <ol class="lines" role="list">
        {found.map((one, n) => (
          <li key={n}>
            <Line time={one.at}>
              <Icon name={one.where === "slide" ? "slides" : one.where === "said" ? "captions" : "note"} size={18} />
              <span class="unseen">{t(`hit.${one.where}` as Key)}: </span>
              {one.before}
              <mark>{one.match}</mark>
              {one.after}
            </Line>
          </li>
        ))}
      </ol>
    </>
  );
}

const TABS = { chapters: Chapters, transcript: Transcript, notes: Notes, hits: Hits };
type Tab = keyof typeof TABS;

export function Side() {
  const searching = query.value.trim() !== "";
  const offered: Tab[] = ["chapters", "transcript", "notes", ...(searching ? (["hits"] as const) : [])];
  const now: Tab = offered.includes(tab.value) ? tab.value : "chapters";
  const Shown = TABS[now];
  const turn = (event: KeyboardEvent) => {
    const rtl = document.documentElement.dir === "rtl" ? -1 : 1;
    const step = event.key === "ArrowRight" ? rtl : event.key === "ArrowLeft" ? -rtl : 0;
    if (step === 0) return;
    event.preventDefault();
    event.stopPropagation();
    const next = offered[(offered.indexOf(now) + step + offered.length) % offered.length];
    if (next === undefined) return;
    tab.value = next;
    document.getElementById(`tab-${next}`)?.focus();
  };
  return (
    <aside class="side card" aria-label={t("side")}>
      <form role="search" class="search" onSubmit={(event) => event.preventDefault()}>
        <Icon name="search" size={22} />
        <input
          id="search"
          type="search"
          value={query.value}
          placeholder={t("search")}
          aria-label={t("search")}
          aria-keyshortcuts="/"
          dir="auto"
          onInput={(event) => {
            query.value = event.currentTarget.value;
            if (query.value.trim()) tab.value = "hits";
            else if (tab.value === "hits") tab.value = "chapters";
          }}
          onKeyDown={(event) => {
            if (event.key !== "Enter") return;
            const next = hits.value.find((one) => one.at > at.value + 1) ?? hits.value[0];
            if (next !== undefined) seek(next.at);
          }}
        />
      </form>
      <div class="tabs" role="tablist" aria-label={t("side")} onKeyDown={turn}>
        {offered.map((one) => (
          <button
            key={one}
            id={`tab-${one}`}
            type="button"
            role="tab"
            aria-selected={one === now}
            aria-controls="side-panel"
            tabIndex={one === now ? 0 : -1}
            onClick={() => (tab.value = one)}
          >
            {t(`tab.${one}` as Key)}
          </button>
        ))}
      </div>
      <div class="side-panel" id="side-panel" role="tabpanel" aria-labelledby={`tab-${now}`}>
        <Shown />
      </div>
    </aside>
  );
}
