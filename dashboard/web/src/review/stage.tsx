// The stage: the lecture as it was mixed, or its pictures side by side, in step.

import { computed, effect, signal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { Icon } from "../ui/icons";
import { keep, kept } from "../ui/kept";
import * as player from "./player";
import { cue, detail, files, slide, slides, spoken } from "./store";
import { t } from "./texts";

/** `lecture`: as it was mixed. `still`: sound and the slides' pictures, for slow links. */
export const VIEWS = ["lecture", "side", "inset", "slides", "presenter", "still"] as const;
export type View = (typeof VIEWS)[number];

function before(): View | null {
  const found = kept("review.view");
  return VIEWS.find((one) => one === found) ?? null;
}

interface Connection {
  saveData?: boolean;
  effectiveType?: string;
}

const connection = (navigator as { connection?: Connection }).connection;
/** The person or the network asks for few bytes. */
export const thin = connection?.saveData === true || /2g/.test(connection?.effectiveType ?? "");
const narrow = matchMedia("(max-width: 48rem)");
const chosen = signal<View | null>(before());

const stream = (role: string) => detail.value?.streams.find((one) => one.role === role)?.name;

/** What this recording can be watched as. */
export const offered = computed<View[]>(() => {
  const recording = detail.value;
  if (recording === null) return [];
  const found: View[] = recording.lecture ? ["lecture"] : [];
  const two = stream("slides") !== undefined && stream("presenter") !== undefined;
  const heard = recording.sound !== null;
  if (two && (heard || recording.lecture)) found.push("side", "inset", "slides", "presenter");
  if (heard && slides.value.some((one) => one.picture)) found.push("still");
  return found;
});

export const view = computed<View | null>(() => {
  const wishes: (View | null)[] = [chosen.value, thin ? "still" : null, narrow.matches ? "lecture" : "side"];
  return wishes.find((one) => one !== null && offered.value.includes(one)) ?? offered.value[0] ?? null;
});

export function show(wanted: View): void {
  chosen.value = wanted;
  keep("review.view", wanted);
}

export function nextView(): void {
  const now = offered.value.indexOf(view.value ?? "lecture");
  const next = offered.value[(now + 1) % offered.value.length];
  if (next !== undefined) show(next);
}

function Owner({ kind, src, label }: { kind: "audio" | "video"; src: string; label: string }) {
  const box = useRef<HTMLMediaElement>(null);
  useEffect(() => (box.current === null ? undefined : player.own(box.current)), [src, kind]);
  if (kind === "audio")
    return <audio key={src} ref={box as never} src={src} preload="metadata" aria-label={label} />;
  return (
    <video
      key={src}
      ref={box as never}
      class="stage-picture"
      src={src}
      preload="metadata"
      playsInline
      aria-label={label}
      poster={detail.value?.poster ? files + detail.value.poster : undefined}
      onClick={player.toggle}
    />
  );
}

function Follower({ name, label, area }: { name: string; label: string; area: string }) {
  const box = useRef<HTMLVideoElement>(null);
  useEffect(() => (box.current === null ? undefined : player.follow(box.current)), [name]);
  return (
    <video
      key={name}
      ref={box}
      class={`stage-picture in-${area}`}
      src={files + name}
      preload="metadata"
      muted
      playsInline
      aria-label={label}
      onClick={player.toggle}
    />
  );
}

function Still() {
  const shown = slides.value[Math.max(0, slide.value)];
  return shown?.picture ? (
    <img class="stage-picture" src={files + shown.picture} alt={shown.title ?? ""} onClick={player.toggle} />
  ) : (
    <div class="stage-picture" />
  );
}

function Pictures({ as }: { as: View }) {
  const recording = detail.value;
  if (recording === null) return null;
  if (as === "lecture") return <Owner kind="video" src={`${files}lecture.mp4`} label={recording.title} />;
  const wants = (one: string) => as === "side" || as === "inset" || as === one;
  const [shown, speaker] = [stream("slides"), stream("presenter")];
  return (
    <>
      {recording.sound !== null ? (
        <Owner kind="audio" src={files + recording.sound} label={recording.title} />
      ) : (
        <div class="stage-heard" aria-hidden="true">
          <Owner kind="video" src={`${files}lecture.mp4`} label={recording.title} />
        </div>
      )}
      {as === "still" && <Still />}
      {shown !== undefined && wants("slides") && (
        <Follower name={shown} label={t("view.slides")} area="slides" />
      )}
      {speaker !== undefined && wants("presenter") && (
        <Follower name={speaker} label={t("view.presenter")} area="presenter" />
      )}
    </>
  );
}

const box = signal<HTMLDivElement | null>(null);
export const full = signal(false);
document.addEventListener("fullscreenchange", () => (full.value = document.fullscreenElement !== null));

export function fullScreen(): void {
  if (document.fullscreenElement !== null) void document.exitFullscreen();
  else if (box.value?.requestFullscreen) void box.value.requestFullscreen();
  else (box.value?.querySelector("video") as { webkitEnterFullscreen?: () => void } | null)?.webkitEnterFullscreen?.();
}

/** Controls go away in full screen while nothing moves. */
const awake = signal(true);
let sleep = 0;
function stir(): void {
  awake.value = true;
  clearTimeout(sleep);
  sleep = window.setTimeout(() => (awake.value = false), 3000);
}
effect(() => {
  if (full.value) stir();
});

export function Stage({ children }: { children: ComponentChildren }) {
  const as = view.value;
  const quiet = full.value && !awake.value && player.playing.value;
  return (
    <div
      class={`stage ${quiet ? "is-quiet" : ""}`}
      ref={(element) => {
        box.value = element;
      }}
      onPointerMove={stir}
      onKeyDown={stir}
    >
      <div class={`stage-pictures as-${as ?? "none"}`} dir="ltr">
        {as === null ? (
          <div class="stage-empty" dir="auto">
            <Icon name="film" size={56} />
            <p>{t(detail.value?.life === "recording" ? "not.yet" : "not.ready")}</p>
          </div>
        ) : (
          <Pictures as={as} />
        )}
        {spoken.value !== null && cue.value !== null && (
          <p class="stage-captions" lang={spoken.value} dir="auto">
            <span>{cue.value.text}</span>
          </p>
        )}
        {as !== null && player.waiting.value && !player.broken.value && (
          <div class="stage-wait" role="status">
            <span class="stage-spinner" aria-hidden="true" />
            <span class="unseen">{t("loading")}</span>
          </div>
        )}
        {player.broken.value && (
          <div class="stage-broken" role="alert" dir="auto">
            <Icon name="unplugged" size={48} />
            <p>{t(navigator.onLine ? "broken" : "offline")}</p>
            <button type="button" class="button main" onClick={() => player.retry()}>
              {t("again")}
            </button>
          </div>
        )}
        {as !== null && !player.playing.value && !player.waiting.value && !player.broken.value && (
          <button type="button" class="stage-play" aria-label={t("play")} onClick={player.toggle} tabIndex={-1}>
            <Icon name="resume" size={56} />
          </button>
        )}
      </div>
      {children}
    </div>
  );
}
