// Cutting after class: what stays and what goes, heard before it is done. No track is changed, and
// it can be taken back.

import { computed, signal } from "@preact/signals";
import { post } from "../api/client";
import { playTime } from "../i18n";
import { Button } from "../ui/button";
import { at, length, passOver, seek } from "./player";
import type { RightsView } from "../api/types";
import { detail, problem, recordingPath, rights, watchEdit } from "./store";
import { t } from "./texts";

export const trimming = signal(false);
const start = signal(0);
const end = signal<number | null>(null);
const middle = signal<[number, number][]>([]);
const opened = signal<number | null>(null);
const preview = signal(true);
const wrong = signal<{ text: string; remedy: string } | null>(null);
const asked = signal(false);

/** Everything that goes, in lecture seconds. */
export const cuts = computed<[number, number][]>(() => {
  const found: [number, number][] = [];
  if (start.value > 0) found.push([0, start.value]);
  found.push(...middle.value);
  if (end.value !== null && end.value < length.value) found.push([end.value, length.value]);
  return found.sort((a, b) => a[0] - b[0]);
});

const left = computed(() => {
  let gone = 0;
  let reached = 0;
  for (const [from, to] of cuts.value) {
    gone += Math.max(0, to - Math.max(from, reached));
    reached = Math.max(reached, to);
  }
  return Math.max(0, length.value - gone);
});

function heard(): void {
  passOver(trimming.value && preview.value ? cuts.value : []);
}

function clear(): void {
  start.value = 0;
  end.value = null;
  middle.value = [];
  opened.value = null;
  asked.value = false;
  wrong.value = null;
}

export function openTrim(): void {
  clear();
  trimming.value = true;
  heard();
}

function close(): void {
  trimming.value = false;
  clear();
  heard();
}

const round = (seconds: number) => Math.round(seconds * 10) / 10;

async function ask(path: string, body: unknown): Promise<void> {
  wrong.value = null;
  try {
    watchEdit(await post<RightsView>(`${recordingPath}${path}`, body));
    close();
  } catch (error) {
    wrong.value = problem(error);
  }
}

async function cut(): Promise<void> {
  const body = {
    start: start.value,
    end: end.value ?? undefined,
    cuts: middle.value,
  };
  await ask("/trim", body);
}

function Row({ from, to, drop }: { from: number; to: number; drop: () => void }) {
  return (
    <li class="trim-row">
      <button type="button" class="trim-time" onClick={() => seek(Math.max(0, from - 3))}>
        <bdi dir="ltr">
          {playTime(from)} – {playTime(to)}
        </bdi>
      </button>
      <span>{t("trim.goes", { time: playTime(to - from) })}</span>
      <Button local kind="quiet" icon="undo" label={t("trim.keep")} act={drop}>
        {""}
      </Button>
    </li>
  );
}

/** A change that is being made now, or could not be made; what was cut can be taken back. */
export function Edited() {
  const now = rights.value;
  if (now === null || trimming.value) return null;
  const failed = now.edit?.["error"];
  if (now.edit === null && !now.can_restore) return null;
  return (
    <p class={`edited ${failed ? "is-bad" : ""}`} role="status">
      <span class={`mark ${now.edit === null ? "good" : failed ? "bad" : "busy"}`} aria-hidden="true" />
      <span>
        {now.edit === null
          ? t("edit.done", { time: playTime(now.cut_s) })
          : failed
            ? `${t("edit.failed")} ${String(failed)}`
            : t("edit.making")}
      </span>
      {now.can_restore && (now.edit === null || Boolean(failed)) && (
        <Button local act={() => ask("/restore", {})}>
          {t("edit.restore")}
        </Button>
      )}
      {wrong.value !== null && <span role="alert">{`${wrong.value.text} ${wrong.value.remedy}`}</span>}
    </p>
  );
}

export function Trim() {
  if (!trimming.value) return null;
  const now = round(at.value);
  return (
    <section class="card trim" aria-labelledby="trim-title">
      <h2 id="trim-title">{t("trim")}</h2>
      <p>{t("trim.explain")}</p>
      <div class="trim-tools">
        <Button local act={() => ((start.value = now), heard())}>
          {t("trim.start")}
        </Button>
        {opened.value === null ? (
          <Button local act={() => (opened.value = now)}>
            {t("trim.from")}
          </Button>
        ) : (
          <Button
            local
            kind="main"
            disabled={now <= opened.value}
            act={() => {
              if (opened.value === null) return;
              middle.value = [...middle.value, [opened.value, now]];
              opened.value = null;
              heard();
            }}
          >
            {t("trim.to", { time: playTime(opened.value) })}
          </Button>
        )}
        <Button local act={() => ((end.value = now), heard())}>
          {t("trim.end")}
        </Button>
      </div>
      {cuts.value.length > 0 && (
        <ol class="trim-list" role="list">
          {start.value > 0 && <Row from={0} to={start.value} drop={() => ((start.value = 0), heard())} />}
          {middle.value.map(([from, to]) => (
            <Row
              key={from}
              from={from}
              to={to}
              drop={() => {
                middle.value = middle.value.filter((one) => one[0] !== from);
                heard();
              }}
            />
          ))}
          {end.value !== null && (
            <Row from={end.value} to={length.value} drop={() => ((end.value = null), heard())} />
          )}
        </ol>
      )}
      <label class="trim-preview">
        <input
          type="checkbox"
          checked={preview.value}
          onChange={(event) => {
            preview.value = event.currentTarget.checked;
            heard();
          }}
        />
        {t("trim.preview")}
      </label>
      {wrong.value !== null && (
        <p class="alarm is-problem" role="alert">
          {wrong.value.text} {wrong.value.remedy}
        </p>
      )}
      <p role="status">{t("trim.left", { time: playTime(left.value), from: playTime(length.value) })}</p>
      <div class="trim-tools">
        <Button local act={close}>
          {t("cancel")}
        </Button>
        {!asked.value ? (
          <Button
            local
            kind="main"
            disabled={cuts.value.length === 0 || left.value < 1}
            act={() => (asked.value = true)}
          >
            {t("trim.do")}
          </Button>
        ) : (
          <Button local kind="danger" act={cut}>
            {t("trim.sure", { time: playTime(length.value - left.value) })}
          </Button>
        )}
      </div>
      {detail.value?.life === "published" && <p class="empty">{t("trim.published")}</p>}
    </section>
  );
}
