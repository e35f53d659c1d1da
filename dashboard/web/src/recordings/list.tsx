// Every recording of this room, newest first.

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { get, inWords } from "../api/client";
import type { RecordingView } from "../api/types";
import { clock, day, said, size, t } from "../i18n";
import { me } from "../room/store";
import { Icon } from "../ui/icons";

function Row({ recording }: { recording: RecordingView }) {
  const zone = me.value?.timezone ?? "UTC";
  const started = new Date(recording.started);
  return (
    <li>
      <a class="recording" href={`/review/${encodeURIComponent(recording.id)}`}>
        <Icon name={recording.lecture ? "resume" : "film"} size={32} />
        <span class="recording-words">
          <span class="recording-title">
            <bdi>{recording.title}</bdi>
          </span>
          <span class="recording-facts">
            {day(started, zone, "medium")}, <bdi dir="ltr">{clock(started, zone)}</bdi>
            {recording.duration_s !== null && (
              <> · {t("recordings.minutes", { n: Math.max(1, Math.round(recording.duration_s / 60)) })}</>
            )}{" "}
            · {size(recording.bytes)}
          </span>
          {production(recording) !== null && <span class="recording-facts">{production(recording)}</span>}
        </span>
        <span class="recording-life">
          <span class={`mark ${mark(recording)}`} aria-hidden="true" />
          {said(`life.${recording.life}`, recording.life)}
        </span>
      </a>
    </li>
  );
}

function mark(recording: RecordingView): string {
  if (recording.life === "failed") return "bad";
  return recording.life === "recording" || recording.life === "delivering" ? "busy" : "good";
}

/** What is still being made of it, in a sentence; nothing once all is done. */
function production(recording: RecordingView): string | null {
  const state = recording.production?.state;
  return state === undefined || state === "done" ? null : said(`production.${state}`, state);
}

export function List() {
  const found = useSignal<RecordingView[] | null>(null);
  const failed = useSignal<string | null>(null);
  useEffect(() => {
    get<RecordingView[]>("/recordings").then(
      (list) => (found.value = list),
      (error: unknown) => {
        failed.value = inWords(error);
      },
    );
  }, []);
  return (
    <main class="recordings">
      <h1>{t("recordings")}</h1>
      {failed.value !== null && (
        <p class="alarm is-problem" role="alert">
          {failed.value}
        </p>
      )}
      {found.value === null && failed.value === null && <p class="empty">{t("recordings.loading")}</p>}
      {found.value?.length === 0 && <p class="empty card">{t("recordings.none")}</p>}
      {found.value !== null && found.value.length > 0 && (
        <ul class="recording-list" role="list">
          {found.value.map((recording) => (
            <Row key={recording.id} recording={recording} />
          ))}
        </ul>
      )}
    </main>
  );
}
