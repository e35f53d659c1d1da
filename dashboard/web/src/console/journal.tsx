// What happened: who did what, and what the daemon said of itself.

import { useSignal } from "@preact/signals";
import type { JournalEntry, LogLine } from "../api/types";
import { clock, day, toTheSecond } from "../i18n";
import { room } from "../room/store";
import { Icon } from "../ui/icons";
import { told, useEvery } from "./api";
import { t, type Key } from "./texts";

const LEVELS = ["info", "warning", "error"];

function When({ at }: { at: string }) {
  const zone = room.value?.timezone ?? "UTC";
  const when = new Date(at);
  return (
    <time dateTime={at}>
      {day(when, zone, "medium")} {clock(when, zone)}
    </time>
  );
}

/** A file of what is shown, for someone else to read: the room leaves secrets out. */
function Download({ name, kind, query }: { name: string; kind: string; query: string }) {
  return (
    <a
      class="button plain"
      href={`/api/v1/${name}?${query}`}
      download
      aria-label={t("download.as", { kind })}
    >
      <Icon name="download" />
      <span class="button-text">{kind}</span>
    </a>
  );
}

function Trail() {
  const text = useSignal("");
  const entries = useSignal<JournalEntry[]>([]);
  const query = `n=200&text=${encodeURIComponent(text.value)}`;
  useEvery(5000, async () => {
    const found = await told<JournalEntry[]>("GET", `/journal?${query}`);
    if (found !== null) entries.value = found;
  }, query);
  return (
    <section class="card" aria-labelledby="journal-title">
      <h2 id="journal-title">{t("tab.journal")}</h2>
      <div class="row">
        <label class="field">
          <span>{t("journal.filter")}</span>
          <input type="search" value={text.value} onInput={(event) => (text.value = event.currentTarget.value)} />
        </label>
        <Download name="journal.csv" kind="CSV" query={`text=${encodeURIComponent(text.value)}`} />
        <Download name="journal.jsonl" kind="JSONL" query={`text=${encodeURIComponent(text.value)}`} />
      </div>
      <div class="scroll" tabIndex={0} role="group" aria-label={t("tab.journal")}>
        <table>
          <thead>
            <tr>
              <th scope="col">{t("column.when")}</th>
              <th scope="col">{t("column.what")}</th>
              <th scope="col">{t("column.who")}</th>
              <th scope="col">{t("column.more")}</th>
            </tr>
          </thead>
          <tbody>
            {entries.value.map((one) => (
              <tr key={one.seq}>
                <td>
                  <When at={one.at} />
                </td>
                <td>
                  <code>{one.kind}</code>
                </td>
                <td>
                  <bdi>{one.actor}</bdi> <span class="small">{one.door}</span>
                </td>
                <td class="small" dir="ltr">
                  {Object.entries(one.data)
                    .map(([key, value]) => `${key}=${typeof value === "object" ? JSON.stringify(value) : String(value)}`)
                    .join(" ")}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

function Log() {
  const text = useSignal("");
  const level = useSignal("info");
  const lines = useSignal<LogLine[]>([]);
  const zone = room.value?.timezone ?? "UTC";
  const filter = `level=${level.value}&text=${encodeURIComponent(text.value)}`;
  const query = `n=200&${filter}`;
  useEvery(3000, async () => {
    const found = await told<LogLine[]>("GET", `/logs?${query}`);
    if (found !== null) lines.value = found;
  }, query);
  return (
    <section class="card" aria-labelledby="log-title">
      <h2 id="log-title">{t("log")}</h2>
      <div class="row">
        <label class="field">
          <span>{t("journal.filter")}</span>
          <input type="search" value={text.value} onInput={(event) => (text.value = event.currentTarget.value)} />
        </label>
        <label class="field">
          <span>{t("log.level")}</span>
          <select value={level.value} onChange={(event) => (level.value = event.currentTarget.value)}>
            {LEVELS.map((one) => (
              <option key={one} value={one}>
                {t(`level.${one}` as Key)}
              </option>
            ))}
          </select>
        </label>
        <Download name="logs.txt" kind={t("log.text")} query={filter} />
        <Download name="logs.jsonl" kind="JSONL" query={filter} />
      </div>
      <ol class="wire" dir="ltr" tabIndex={0} aria-label={t("log")}>
        {lines.value.map((line) => (
          <li key={line.seq} class={`log-${line.level}`}>
            <time dateTime={line.at}>{toTheSecond(new Date(line.at), zone)}</time>
            <span>{LEVELS.includes(line.level) ? t(`level.${line.level}` as Key) : line.level}</span>
            <span class="wire-text">
              {line.name}: {line.text}
            </span>
          </li>
        ))}
      </ol>
    </section>
  );
}

export function Journal() {
  return (
    <div class="stack">
      <Trail />
      <Log />
    </div>
  );
}
