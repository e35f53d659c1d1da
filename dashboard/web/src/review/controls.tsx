// What one does to the lecture while it plays. Everything here has a key, too.

import { useSignal } from "@preact/signals";
import { useLayoutEffect, useRef } from "preact/hooks";
import { direction, playTime } from "../i18n";
import { Icon } from "../ui/icons";
import * as player from "./player";
import { full, fullScreen, offered, show, view } from "./stage";
import { addNote, chooseCaptions, detail, spoken } from "./store";
import { nameOf, t, type Key } from "./texts";
import { Timeline } from "./timeline";

interface ToolProps {
  icon: string;
  label: string;
  keys?: string;
  act: () => void;
  pressed?: boolean;
  class?: string;
}

export function Tool({ icon, label, keys, act, pressed, class: kind }: ToolProps) {
  return (
    <button
      type="button"
      class={`tool ${kind ?? ""}`}
      aria-label={label}
      aria-pressed={pressed}
      aria-keyshortcuts={keys}
      title={keys === undefined ? label : `${label} (${keys})`}
      onClick={act}
    >
      <Icon name={icon} />
    </button>
  );
}

interface Choice {
  value: string;
  label: string;
  lang?: string;
}

/** A small menu: a button that opens a list of choices of which one holds. */
function Menu(props: {
  label: string;
  icon?: string;
  text?: string;
  value: string;
  choices: Choice[];
  choose: (value: string) => void;
}) {
  const open = useSignal(false);
  const box = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    if (!open.value) return;
    box.current?.querySelector<HTMLElement>('[aria-checked="true"], [role="menuitemradio"]')?.focus();
    const away = (event: Event) => {
      if (!box.current?.contains(event.target as Node)) open.value = false;
    };
    document.addEventListener("pointerdown", away);
    return () => document.removeEventListener("pointerdown", away);
  }, [open.value]);
  const close = () => {
    open.value = false;
    box.current?.querySelector("button")?.focus();
  };
  const move = (event: KeyboardEvent) => {
    const items = [...(box.current?.querySelectorAll<HTMLElement>('[role="menuitemradio"]') ?? [])];
    const now = items.indexOf(document.activeElement as HTMLElement);
    const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
    if (event.key === "Escape") close();
    else if (step !== 0) items[(now + step + items.length) % items.length]?.focus();
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  return (
    <div class="menu" ref={box}>
      <button
        type="button"
        class="tool has-text"
        aria-haspopup="menu"
        aria-expanded={open.value}
        aria-label={`${props.label}: ${props.choices.find((one) => one.value === props.value)?.label ?? ""}`}
        title={props.label}
        onClick={() => (open.value = !open.value)}
      >
        {props.icon !== undefined && <Icon name={props.icon} />}
        {props.text !== undefined && <span dir="ltr">{props.text}</span>}
      </button>
      {open.value && (
        <div class="menu-list" dir={direction.value} role="menu" aria-label={props.label} onKeyDown={move}>
          {props.choices.map((one) => (
            <button
              key={one.value}
              type="button"
              role="menuitemradio"
              aria-checked={one.value === props.value}
              lang={one.lang}
              tabIndex={-1}
              onClick={() => {
                props.choose(one.value);
                close();
              }}
            >
              {one.label}
            </button>
          ))}
        </div>
      )}
    </div>
  );
}

const number = (value: number) => `${value}×`;

export function Controls() {
  const recording = detail.value;
  if (recording === null || view.value === null) return null;
  const captions = recording.captions;
  return (
    <div class="controls" role="group" aria-label={t("controls")}>
      <Timeline />
      <div class="controls-row" dir="ltr">
        <Tool
          icon={player.playing.value ? "pause" : "resume"}
          label={t(player.playing.value ? "pause" : "play")}
          keys="k"
          class="is-main"
          act={player.toggle}
        />
        <Tool icon="rewind" label={t("back", { n: 10 })} keys="j" act={() => player.skip(-10)} />
        <Tool icon="forward" label={t("ahead", { n: 10 })} keys="l" act={() => player.skip(10)} />
        <time class="controls-time" dir="ltr">
          {playTime(player.at.value)} <span>/ {playTime(player.length.value)}</span>
        </time>
        <span class="controls-gap" />
        <Tool
          icon={player.muted.value ? "muted" : "sound"}
          label={t(player.muted.value ? "sound.on" : "sound.off")}
          keys="m"
          act={player.mute}
        />
        <input
          type="range"
          class="controls-volume"
          dir="ltr"
          min={0.05}
          max={1}
          step={0.05}
          value={player.volume.value}
          aria-label={t("volume")}
          onInput={(event) => player.setVolume(Number(event.currentTarget.value))}
        />
        <Menu
          label={t("speed")}
          text={number(player.rate.value)}
          value={String(player.rate.value)}
          choices={player.SPEEDS.map((one) => ({ value: String(one), label: number(one) }))}
          choose={(value) => player.setRate(Number(value))}
        />
        {captions.length > 0 && (
          <Menu
            label={t("captions")}
            icon="captions"
            value={spoken.value ?? ""}
            choices={[
              { value: "", label: t("captions.off") },
              ...captions.map((one) => ({
                value: one.language,
                label: nameOf(one.language),
                lang: one.language,
              })),
            ]}
            choose={(value) => chooseCaptions(value || null)}
          />
        )}
        {offered.value.length > 1 && (
          <Menu
            label={t("view")}
            icon="layout"
            value={view.value}
            choices={offered.value.map((one) => ({ value: one, label: t(`view.${one}` as Key) }))}
            choose={(value) => show(value as never)}
          />
        )}
        {recording.may_note && (
          <Tool
            icon="pin"
            label={t("bookmark")}
            keys="b"
            act={() => void addNote(Math.floor(player.at.value), "")}
          />
        )}
        <Tool
          icon={full.value ? "unfull" : "full"}
          label={t(full.value ? "full.off" : "full")}
          keys="f"
          act={fullScreen}
        />
      </div>
    </div>
  );
}
