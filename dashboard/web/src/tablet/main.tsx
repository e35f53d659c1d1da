// The tablet page: follow, answer, write; it keeps working when the room or the network does not.

import "../style/tokens.css";
import "../style/base.css";
import "./tablet.css";
import { batch, effect, signal, useSignal, useSignalEffect } from "@preact/signals";
import { render, type ComponentType } from "preact";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { Join } from "./join";
import { AskLecturer, ShownInquiry } from "./inquiry";
import { Button, Countdown, Shared, Status } from "./parts";
import { COLORS, ink, tool, type Tool } from "./pen";
import { Questions } from "./questions";
import * as room from "./room";
import { Sheet, undo } from "./sheet";
import { NAMES, choose, language, speakFirst, t } from "./texts";

const role: room.Role = new URLSearchParams(location.search).has("teach") ? "lecturer" : "student";
/** The page looked at when it is not the lecturer's; null: following. */
const own = signal<string | null>(null);
/** Where the lecturer has turned to while the room does not know it yet; quick presses add up. */
const ahead = signal<string | null>(null);
const Teach = signal<ComponentType | null>(null);

function Page() {
  const state = room.lesson.value;
  const link = room.link.value;
  if (link === "unpaired" || link === "revoked") {
    if (role === "lecturer") location.href = "/";
    return <Join revoked={link === "revoked"} />;
  }
  const covered = state?.attention !== null && state !== null && role === "student";
  return (
    <div class={`tablet ${role}`} data-seq={state?.seq ?? 0}>
      <header class="top">
        <Status />
        {state?.timer && <Countdown endsAt={state.timer.ends_at} label={state.timer.label} />}
        <Device />
      </header>
      {state === null || state.ended ? (
        <main class="nothing">
          <h1>{t(state?.ended ? "lesson.ended" : "lesson.none")}</h1>
          {!state?.ended && <p>{t("lesson.none.more")}</p>}
        </main>
      ) : (
        <main class="lesson" inert={covered}>
          <View />
          <aside class="beside">
            {Teach.value ? <Teach.value /> : <Student />}
          </aside>
        </main>
      )}
      {covered && (
        <div class="eyes" role="alertdialog" aria-label={t("eyes")}>
          <p aria-hidden="true">👀</p>
          <h1>{t("eyes")}</h1>
          <p>
            <bdi>{state.attention || t("eyes.more")}</bdi>
          </p>
        </div>
      )}
      <p class="unseen" role="status" aria-live="polite">
        {room.problem}
      </p>
    </div>
  );
}

function View() {
  const state = room.lesson.value;
  if (!state) return null;
  const theirs = room.shownPage.value;
  const mode = role === "lecturer" ? "lock" : state.mode;
  const wanted = (role === "lecturer" ? ahead : mode === "lock" ? null : own)?.value ?? theirs;
  const at = state.pages.findIndex((page) => page.id === wanted);
  const page = state.pages[at];
  const title = page ? page.title || t("page.of", { n: at + 1, all: state.pages.length }) : "";
  const go = (step: number) => {
    const next = state.pages[at + step];
    if (!next) return;
    if (role === "lecturer") turn(next.id);
    else own.value = next.id === theirs ? null : next.id;
  };
  const mayTurn = role === "lecturer" || mode !== "lock";
  const mayWrite = role === "lecturer" || state.permits.includes(room.you.value?.seat ?? "");
  usePrefetch(state.pages.slice(Math.max(0, at - 1), at + 3).map((one) => one.image));
  useKeys(mayTurn ? go : null);
  return (
    <section class="view">
      {state.shared ? (
        <Shared sheets={state.shared} />
      ) : page ? (
        <Sheet key={page.id} page={page} mayWrite={mayWrite} title={title} />
      ) : (
        <p class="empty">{t("page.none")}</p>
      )}
      <nav class="row pages" aria-label={t("teach.pages")}>
        {mayTurn && (
          <Button act={() => go(-1)} disabled={at <= 0} label={t("page.previous")}>
            <span class="turns" aria-hidden="true">
              ‹
            </span>
          </Button>
        )}
        <span class="where" aria-live="polite">
          {at >= 0 && t("page.of", { n: at + 1, all: state.pages.length })}
        </span>
        {mayTurn && (
          <Button
            act={() => go(1)}
            disabled={at < 0 || at >= state.pages.length - 1}
            label={t("page.next")}
          >
            <span class="turns" aria-hidden="true">
              ›
            </span>
          </Button>
        )}
        {role === "student" && own.value !== null && mode !== "lock" && (
          <Button kind="main" act={() => (own.value = null)}>
            {t("page.back")}
          </Button>
        )}
        {mayWrite && <Pens />}
      </nav>
    </section>
  );
}

let turned = "";
/** The lesson and the entry of its log in which the room took the last turn. */
const entered = signal<{ session: string; seq: number } | null>(null);

function turn(page: string): void {
  const id = room.newId();
  if (!room.say({ type: "turn", page, id })) return;
  turned = id;
  batch(() => {
    entered.value = null;
    ahead.value = page;
  });
}

room.onSettled.add((id, seq) => {
  const state = room.lesson.peek();
  if (id !== turned) return;
  if (seq === null || state === null) ahead.value = null;
  else entered.value = { session: state.session, seq };
});

// The room shows a page a moment after it took the turn; until then it is where they turned to.
effect(() => {
  const state = room.lesson.value;
  const turn = entered.value;
  if (turn === null) return;
  const behind = state !== null && state.session === turn.session && state.seq < turn.seq;
  if (behind || (state !== null && room.shownPage.value !== state.page)) return;
  batch(() => {
    entered.value = null;
    ahead.value = null;
  });
});

function usePrefetch(images: (string | null)[]): void {
  const wanted = images.join(" ");
  useEffect(() => {
    for (const image of images) if (image) new Image().src = image;
  }, [wanted]);
}

function useKeys(go: ((step: number) => void) | null): void {
  // A key counts from the page that is shown: effects run a frame later than what they belong to.
  const now = useRef(go);
  now.current = go;
  useLayoutEffect(() => {
    const press = (event: KeyboardEvent) => {
      const turnPage = now.current;
      if (!turnPage || (event.target as Element).closest("input, textarea, select, dialog")) return;
      const forward = document.documentElement.dir === "rtl" ? "ArrowLeft" : "ArrowRight";
      if (["PageDown", " ", forward].includes(event.key)) turnPage(1);
      else if (["PageUp", "ArrowRight", "ArrowLeft"].includes(event.key)) turnPage(-1);
      else return;
      event.preventDefault();
    };
    addEventListener("keydown", press);
    return () => removeEventListener("keydown", press);
  }, []);
}

function Pens() {
  const tools: [Tool, string][] = [
    ["pen", t("pen")],
    ["eraser", t("pen.erase")],
  ];
  if (role === "lecturer") tools.push(["pointer", t("pen.pointer")]);
  return (
    <span class="pens" role="toolbar" aria-label={t("pen")}>
      {tools.map(([which, name]) => (
        <Button
          key={which}
          pressed={tool.value === which}
          act={() => (tool.value = tool.value === which ? "none" : which)}
        >
          {name}
        </Button>
      ))}
      <Button act={undo}>{t("pen.undo")}</Button>
      {tool.value === "pen" &&
        COLORS.map(([color, name]) => (
          <button
            key={color}
            type="button"
            class="color"
            style={{ background: color }}
            aria-label={`${t("pen.color")}: ${t(name)}`}
            aria-pressed={ink.value.color === color}
            onClick={() => (ink.value = { color, width: name === "pen.marker" ? 16 : 3 })}
          />
        ))}
    </span>
  );
}

function Student() {
  const state = room.lesson.value;
  const away = room.link.value !== "open";
  return (
    <>
      <div class="row signals">
        <Button
          pressed={room.handUp.value}
          disabled={away}
          act={() => room.raiseHand(!room.handUp.value)}
        >
          ✋ {t(room.handUp.value ? "hand.lower" : "hand.raise")}
        </Button>
        <Button pressed={room.lost.value} disabled={away} act={() => room.sayLost(!room.lost.value)}>
          ❓ {t(room.lost.value ? "lost.said" : "lost.say")}
        </Button>
        <a class="button plain" href="/share">
          {t("share.open")}
        </a>
      </div>
      {state?.inquiry && <ShownInquiry inquiry={state.inquiry} />}
      <Questions />
      <AskLecturer />
      {state && state.pushed.length > 0 && (
        <section class="card">
          <h2>{t("pushed")}</h2>
          <ul>
            {[...state.pushed].reverse().map((given) => (
              <li key={given.id}>
                <a href={given.url} target="_blank" rel="noopener noreferrer">
                  <bdi>{given.title}</bdi>
                </a>
              </li>
            ))}
          </ul>
        </section>
      )}
    </>
  );
}

function Device() {
  const open = useSignal(false);
  const leave = async () => {
    await fetch("/api/v1/tablets/forget", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: "{}",
    }).catch(() => undefined);
    location.reload();
  };
  return (
    <details
      class="device"
      open={open.value}
      onToggle={(event) => (open.value = event.currentTarget.open)}
    >
      <summary class="button quiet">
        <bdi>{room.you.value?.name ?? t("menu")}</bdi>
      </summary>
      <div class="card menu">
        <label>
          {t("menu.language")}
          <select
            value={language.value}
            onChange={(event) => void choose(event.currentTarget.value)}
          >
            {Object.entries(NAMES).map(([name, own]) => (
              <option key={name} value={name} lang={name}>
                {own}
              </option>
            ))}
          </select>
        </label>
        {!isSecureContext && <p class="hint">{t("menu.degraded")}</p>}
        {role === "student" && (
          <Button kind="danger" act={() => void leave()}>
            {t("menu.leave")}
          </Button>
        )}
      </div>
    </details>
  );
}

/** The screen stays on while class is on, where the browser lets a page ask for that. */
function StayAwake() {
  useSignalEffect(() => {
    if (room.link.value !== "open") ahead.value = null;
    const on = room.lesson.value !== null && !room.lesson.value.ended;
    if (on !== awake) {
      awake = on;
      void stayAwake();
    }
  });
  return null;
}

let awake = false;
let lock: WakeLockSentinel | null = null;

async function stayAwake(): Promise<void> {
  try {
    if (!awake) await lock?.release();
    else if (document.visibilityState === "visible") lock = await navigator.wakeLock.request("screen");
  } catch {
    lock = null;
  }
}

document.addEventListener("visibilitychange", () => void stayAwake());
if ("serviceWorker" in navigator) {
  navigator.serviceWorker.register("/tablet-sw.js", { scope: "/tablet" }).catch(() => undefined);
}
if (role === "lecturer") {
  void import("./teach/teach").then((module) => (Teach.value = module.Teach));
}
void speakFirst();
// Tests compare what every page holds.
Object.assign(globalThis, { lessonState: () => room.lesson.peek() });
const page = document.getElementById("page");
if (page) {
  render(
    <>
      <Page />
      <StayAwake />
    </>,
    page,
  );
}
void room.start(role);
