// The state strip: a word, a shape and a running time. The same on every page and light.

import { computed } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";
import { clock, runningTime, said, t, type Key } from "../i18n";
import { elapsed, link, me, nameAtFirst, now, room, session, signedIn, undoLeft, word, lock } from "../room/store";
import { announced, Button } from "./button";
import { LanguageChoice } from "./language";
import { changeLook } from "./look";

/** Ring: free. Disc: recording. Bars: paused. Sand ring: ending. Triangle: not recording. */
function Shape({ state }: { state: string }) {
  return (
    <svg class="state-shape" viewBox="0 0 40 40" aria-hidden="true" focusable="false">
      {state === "free" && <circle cx="20" cy="20" r="14" class="hollow" />}
      {(state === "live" || state === "restarting") && (
        <>
          <circle cx="20" cy="20" r="11" class="solid" />
          <circle cx="20" cy="20" r="17" class="halo" />
        </>
      )}
      {(state === "preparing" || state === "connecting") && (
        <circle cx="20" cy="20" r="14" class="turning" pathLength={100} />
      )}
      {state === "paused" && (
        <>
          <rect x="9" y="7" width="8" height="26" rx="2" class="solid" />
          <rect x="23" y="7" width="8" height="26" rx="2" class="solid" />
        </>
      )}
      {state === "ending" && (
        <>
          <circle cx="20" cy="20" r="15" class="hollow faint" />
          <circle
            cx="20"
            cy="20"
            r="15"
            class="hollow"
            pathLength={10}
            stroke-dasharray={`${undoLeft.value} 10`}
            transform="rotate(-90 20 20)"
          />
          <rect x="14.5" y="14.5" width="11" height="11" rx="1.5" class="solid" />
        </>
      )}
      {state === "none" && (
        <>
          <path d="M20 4 38 36H2z" class="solid" stroke-linejoin="round" />
          <path d="M20 15v10M20 29.5v.5" class="cut" />
        </>
      )}
      {state === "offline" && <path d="M8 8l24 24M32 8 8 32" class="hollow" />}
    </svg>
  );
}

// Computed texts change once a second or minute, and only they are drawn again.
const runningText = computed(() => runningTime(elapsed.value));
const clockText = computed(() => (me.value ? clock(now.value, me.value.timezone) : ""));

const MORE: Partial<Record<string, Key>> = {
  paused: "state.paused.more",
  ending: "state.ending.more",
  restarting: "state.restarting.more",
};

export function StateStrip({ children }: { children?: ComponentChildren }) {
  const state =
    link.value === "lost" ? "offline" : me.value === null ? "connecting" : word.value;
  const text = said(`state.${state}`, state);
  const more = MORE[state];
  const running = state !== "free" && state !== "offline" && state !== "connecting";
  useEffect(() => {
    announced.value = more === undefined ? text : `${text}. ${t(more)}`;
  }, [text]);
  return (
    <header class={`strip is-${state}`}>
      <div class="strip-state">
        <Shape state={state} />
        <div class="strip-words">
          <strong class="strip-word">{text}</strong>
          {more !== undefined && <span class="strip-more">{t(more)}</span>}
        </div>
        {running && (
          <time class="strip-time" dir="ltr" role="timer" aria-live="off">
            {runningText}
          </time>
        )}
      </div>
      <div class="strip-class">
        {running && session.value !== null && signedIn.value ? (
          <>
            <h1 class="strip-title">
              <bdi>{session.value.title}</bdi>
            </h1>
            <PlannedEnd />
          </>
        ) : (
          <span class="strip-title">
            <bdi>{me.value?.room_name ?? nameAtFirst}</bdi>
          </span>
        )}
      </div>
      <div class="strip-tools">
        <WallClock />
        {children}
        <LanguageChoice />
        <Button local kind="quiet" icon="theme" label={t("action.theme")} act={changeLook}>
          {""}
        </Button>
        {signedIn.value && (
          <Button kind="quiet" icon="lock" label={t("action.lock")} act={lock}>
            {""}
          </Button>
        )}
      </div>
    </header>
  );
}

function PlannedEnd() {
  const planned = session.value?.planned_end;
  if (planned == null) return null;
  const left = Math.ceil((Date.parse(planned) - now.value.getTime()) / 60_000);
  const zone = room.value?.timezone ?? "UTC";
  return (
    <span class="strip-until">
      {t("clock.until", { time: clock(new Date(planned), zone) })}
      {" · "}
      {left >= 0 ? t("clock.left", { n: left }) : t("clock.over", { n: -left })}
    </span>
  );
}

function WallClock() {
  return (
    <time class="strip-clock" dir="ltr">
      {clockText}
    </time>
  );
}
