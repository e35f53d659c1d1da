// The room's file: edited, checked line by line, kept with its history, and applied.

import { signal, useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { Checked, Draft, Fault, OldText, Restored, RoomText } from "../api/types";
import { clock, day } from "../i18n";
import { room } from "../room/store";
import { Button } from "../ui/button";
import { Dialog } from "../ui/dialog";
import { sent, told } from "./api";
import { t } from "./texts";

/** A text that was made elsewhere (a new device) and is not saved yet. */
export const draft = signal<string | null>(null);

/** The whole room as one file, and back. */
function Backup() {
  const done = useSignal("");
  const put = async (file: File | undefined) => {
    if (file === undefined) return;
    done.value = "";
    const answer = await sent<Restored>("/restore", file);
    if (answer !== null) done.value = t("backup.done", { n: answer.files.length });
  };
  return (
    <section class="card" aria-labelledby="backup-title">
      <h2 id="backup-title">{t("backup")}</h2>
      <p class="small">{t("backup.text")}</p>
      <div class="row">
        <a class="button plain" href="/api/v1/backup" download>
          <span class="button-text">{t("backup.take")}</span>
        </a>
        <label class="field">
          <span>{t("backup.put")}</span>
          <input
            type="file"
            accept=".zip,application/zip"
            onChange={(event) => void put(event.currentTarget.files?.[0])}
          />
        </label>
      </div>
      <p role="status">{done}</p>
    </section>
  );
}

export function RoomFile() {
  const file = useSignal<RoomText | null>(null);
  const text = useSignal("");
  const faults = useSignal<Fault[] | null>(null);
  const old = useSignal<OldText[]>([]);
  const asking = useSignal(false);
  const area = useRef<HTMLTextAreaElement>(null);

  const read = async () => {
    file.value = await told<RoomText>("GET", "/config");
    text.value = draft.value ?? file.value?.text ?? "";
    old.value = (await told<OldText[]>("GET", "/config/history")) ?? [];
  };
  useEffect(() => void read(), []);
  const check = async () => {
    const made = await told<Checked>("POST", "/config/check", { text: text.value });
    faults.value = made?.faults ?? null;
    return made !== null && made.faults.length === 0;
  };
  const save = async () => {
    if (file.value === null || !(await check())) return;
    const body = { text: text.value, version: file.value.version };
    const saved = await told<RoomText>("PUT", "/config", body);
    if (saved === null) return;
    draft.value = null;
    await read();
  };
  const show = (line: number | null) => {
    const box = area.current;
    if (box === null || line === null) return;
    const lines = text.value.split("\n");
    const start = lines.slice(0, line - 1).reduce((sum, one) => sum + one.length + 1, 0);
    box.focus();
    box.setSelectionRange(start, start + (lines[line - 1]?.length ?? 0));
    box.scrollTop = Math.max(0, (line - 5) * 20);
  };
  if (file.value === null) return null;
  const zone = room.value?.timezone ?? "UTC";
  const changed = text.value !== file.value.text;
  return (
    <div class="stack">
      <section class="card" aria-labelledby="file-title">
        <h2 id="file-title">
          <bdi>{file.value.path}</bdi>
        </h2>
        <p class="line" role="status">
          <span class={`mark ${changed || !file.value.running ? "busy" : "good"}`} aria-hidden="true" />
          {t(changed ? "config.changed" : file.value.running ? "config.running" : "config.saved")}
        </p>
        <textarea
          ref={area}
          class="editor"
          dir="ltr"
          spellcheck={false}
          aria-label={t("tab.config")}
          value={text.value}
          onInput={(event) => {
            text.value = event.currentTarget.value;
            draft.value = text.value;
            faults.value = null;
          }}
        />
        {faults.value?.length === 0 && (
          <p class="line" role="status">
            <span class="mark good" aria-hidden="true" />
            {t("config.good")}
          </p>
        )}
        <ul class="plain-list" aria-live="polite">
          {(faults.value ?? []).map((one, index) => (
            <li key={index} class="alarm is-critical">
              <div dir="auto">
                <strong>{one.key}</strong> {one.message}. {one.remedy}
              </div>
              {one.line !== null && (
                <Button local act={() => show(one.line)}>
                  {t("config.line", { n: one.line })}
                </Button>
              )}
            </li>
          ))}
        </ul>
        <div class="row">
          <Button act={check}>{t("config.check")}</Button>
          <Button kind="main" disabled={!changed || !file.value.writable} act={save}>
            {t("config.save")}
          </Button>
          <Button
            disabled={!changed}
            act={async () => {
              draft.value = null;
              faults.value = null;
              await read();
            }}
          >
            {t("config.drop")}
          </Button>
          <Button kind="danger" disabled={changed} act={() => void (asking.value = true)}>
            {t("config.apply")}
          </Button>
        </div>
        {!file.value.writable && <p class="small">{t("config.readonly")}</p>}
      </section>
      <section class="card" aria-labelledby="history-title">
        <h2 id="history-title">{t("config.history")}</h2>
        <ul class="plain-list">
          {old.value.map((one) => (
            <li key={one.id} class="row">
              <span>
                {day(new Date(one.at), zone, "medium")} {clock(new Date(one.at), zone)}
              </span>
              <code>{one.id.slice(-8)}</code>
              <Button
                act={async () => {
                  const found = await told<Draft>("GET", `/config/history/${one.id}`);
                  if (found === null) return;
                  text.value = draft.value = found.text;
                  faults.value = null;
                }}
              >
                {t("config.take")}
              </Button>
            </li>
          ))}
        </ul>
      </section>
      <Backup />
      {asking.value && (
        <Dialog title={t("apply.title")} close={() => (asking.value = false)}>
          <p>{t("apply.text")}</p>
          <div class="dialog-actions">
            <Button local autofocus act={() => void (asking.value = false)}>
              {t("apply.not")}
            </Button>
            <Button
              kind="danger"
              act={async () => {
                await told("POST", "/config/apply");
                asking.value = false;
              }}
            >
              {t("config.apply")}
            </Button>
          </div>
        </Dialog>
      )}
    </div>
  );
}
