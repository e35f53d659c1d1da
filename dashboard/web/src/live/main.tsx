// The live page: the class for those who are not in the room. They choose how to watch: at once,
// from the beginning, or sound and slides for a slow link.

import "../style/tokens.css";
import "../style/base.css";
import "./live.css";
import { effect, signal, useSignal } from "@preact/signals";
import { render } from "preact";
import { useEffect, useRef } from "preact/hooks";
import type { LiveView } from "../api/types";
import { captioned, captionsOn, NewestCaption } from "./captions";
import type { HlsPlayer } from "./hls";
import { playHls } from "./hls";
import { keepInStep } from "./pair";
import type { PlayerState } from "./player";
import { LivePlayer } from "./player";
import { Speak } from "./speak";
import type { Key } from "./texts";
import { speakFirst, t } from "./texts";
import { enter } from "../ui/member";
import { WhepPlayer } from "./whep";

type Way = "now" | "rtc" | "hls" | "thin";

const ASK_MS = 5000;
const BOTH = "both";
const live = signal<LiveView | null>(null);
const way = signal<Way>(LivePlayer.supported ? "now" : "hls");
const chosen = signal<string | null>(null);
const muted = signal(true);
const player = signal<PlayerState>("connecting");

async function ask(): Promise<void> {
  const key = new URLSearchParams(location.search).get("key");
  const address = `/api/v1/live${key === null ? "" : `?key=${encodeURIComponent(key)}`}`;
  try {
    const answer = await fetch(address, { cache: "no-store", credentials: "same-origin" });
    if (answer.ok) {
      const told = (await answer.json()) as LiveView;
      // A class that has just ended stays on the page for those who watch it from the beginning.
      if (told.state !== "off" || live.value?.state !== "ended") live.value = told;
    }
  } catch {
    // The page keeps what it shows, and asks again.
  }
}

function view(): string {
  const known = live.value?.views ?? [];
  const wish = chosen.value;
  if (wish === BOTH || known.some((one) => one.id === wish)) return wish ?? "";
  return known[0]?.id ?? "program";
}

function socketOf(id: string): string {
  const address = new URL((live.value?.socket ?? "").replace("{view}", id), location.href);
  address.protocol = address.protocol.replace("http", "ws");
  return address.href;
}

function Picture({ id, label }: { id: string; label: string }) {
  const video = useRef<HTMLVideoElement>(null);
  useEffect(() => {
    if (!video.current) return;
    const playing = new LivePlayer(video.current, socketOf(id), {
      state: (state) => (player.value = state),
      room: (state, viewers) => {
        if (live.value) live.value = { ...live.value, state, viewers };
      },
    });
    player.value = "connecting";
    playing.start();
    return () => playing.stop();
  }, [id]);
  return <video ref={video} muted={muted.value} playsInline autoplay aria-label={label} />;
}

function ByWebRtc({ url, label }: { url: string; label: string }) {
  const video = useRef<HTMLVideoElement>(null);
  useEffect(() => {
    if (!video.current) return;
    player.value = "connecting";
    const playing = new WhepPlayer(video.current, url, (state) => (player.value = state));
    playing.start();
    return () => playing.stop();
  }, [url]);
  return <video ref={video} muted={muted.value} playsInline autoplay aria-label={label} />;
}

function Pair({ lead, follow }: { lead: string; follow: string }) {
  const first = useRef<HTMLVideoElement>(null);
  const second = useRef<HTMLVideoElement>(null);
  useEffect(() => {
    if (!first.current || !second.current) return;
    const leader = new LivePlayer(first.current, socketOf(lead), {
      state: (state) => (player.value = state),
      room: (state, viewers) => {
        if (live.value) live.value = { ...live.value, state, viewers };
      },
    });
    const follower = new LivePlayer(second.current, socketOf(follow));
    follower.led = true;
    // Both must have arrived: the one that leads waits a little for the other.
    leader.target = 0.5;
    leader.start();
    follower.start();
    const stop = keepInStep(first.current, second.current);
    return () => {
      stop();
      leader.stop();
      follower.stop();
    };
  }, [lead, follow]);
  return (
    <div class="pair">
      <video ref={second} muted playsInline autoplay aria-label={t("view.slides")} />
      <video ref={first} muted={muted.value} playsInline autoplay aria-label={t("view.presenter")} />
    </div>
  );
}

/** Where the captions are, when there are any and the viewer wants them. */
function captions(): { url: string; language: string } | null {
  const told = live.value;
  const language = told?.captions.find((one) => one === document.documentElement.lang);
  const spoken = language ?? told?.captions[0];
  if (told?.recording == null || spoken === undefined) return null;
  return { url: `/api/v1/live/${told.recording}/captions/${spoken}.vtt`, language: spoken };
}

function FromTheBeginning({ url, thin }: { url: string; thin: boolean }) {
  const video = useRef<HTMLVideoElement>(null);
  const playing = useSignal<HlsPlayer | null>(null);
  useEffect(() => {
    if (!video.current) return;
    let gone = false;
    player.value = "playing";
    playHls(video.current, url, () => (player.value = "stalled")).then(
      (started) => {
        if (gone) started.stop();
        else playing.value = started;
      },
      () => (player.value = "unsupported"),
    );
    return () => {
      gone = true;
      playing.value?.stop();
    };
  }, [url]);
  const spoken = captioned.value ? captions() : null;
  useEffect(() => {
    if (!video.current || spoken === null) return undefined;
    return captionsOn(video.current, spoken.url, spoken.language);
  }, [url, spoken?.url]);
  return (
    <>
      <video
        ref={video}
        class={thin ? "sound-only" : ""}
        muted={muted.value}
        controls
        playsInline
        aria-label={live.value?.title ?? t("picture")}
      />
      <button type="button" class="to-live" onClick={() => playing.value?.toLive()}>
        {t("to.live")}
      </button>
    </>
  );
}

function SlidePicture({ url }: { url: string }) {
  const address = useSignal<string | null>(null);
  useEffect(() => {
    let gone = false;
    const show = async () => {
      const answer = await fetch(url, { cache: "no-store" }).catch(() => null);
      if (gone || answer?.status !== 200) return;
      const fresh = URL.createObjectURL(await answer.blob());
      if (address.value !== null) URL.revokeObjectURL(address.value);
      address.value = fresh;
    };
    void show();
    const timer = window.setInterval(() => void show(), 2000);
    return () => {
      gone = true;
      clearInterval(timer);
    };
  }, [url]);
  return address.value === null ? null : (
    <img class="slide" src={address.value} alt={t("view.slides")} />
  );
}

function Screen({ told }: { told: LiveView }) {
  const shown = view();
  if (way.value === "hls" && told.hls !== null) {
    return <FromTheBeginning url={told.hls} thin={false} />;
  }
  if (way.value === "rtc" && told.whep !== null && told.state !== "ended") {
    return <ByWebRtc url={told.whep} label={told.title ?? t("picture")} />;
  }
  if (way.value === "thin" && told.hls !== null) {
    return (
      <div class="thin">
        {told.slides !== null && <SlidePicture url={told.slides} />}
        <FromTheBeginning url={told.hls.replace("index.m3u8", "sound/index.m3u8")} thin />
      </div>
    );
  }
  if (shown === BOTH) {
    const lead = told.views.find((one) => one.role === "presenter")?.id ?? "";
    const follow = told.views.find((one) => one.role === "slides")?.id ?? "";
    return <Pair lead={lead} follow={follow} />;
  }
  return <Picture key={shown} id={shown} label={told.title ?? t("picture")} />;
}

function label(role: string): string {
  return t(`view.${role}` as Key);
}

function Choices({ told }: { told: LiveView }) {
  const roles = told.views.map((one) => one.role);
  const both = roles.includes("presenter") && roles.includes("slides");
  const pictures = [...told.views, ...(both ? [{ id: BOTH, role: BOTH }] : [])];
  const ways: Way[] = told.hls === null ? ["now"] : ["now", "hls", "thin"];
  if (told.whep !== null && WhepPlayer.supported) ways.splice(1, 0, "rtc");
  return (
    <nav class="choices">
      {ways.length > 1 && (
        <select
          aria-label={t("way")}
          value={way.value}
          onChange={(event) => (way.value = event.currentTarget.value as Way)}
        >
          {ways.map((one) => (
            <option key={one} value={one}>
              {t(`way.${one}`)}
            </option>
          ))}
        </select>
      )}
      {way.value === "now" && pictures.length > 1 && (
        <select
          aria-label={t("picture")}
          value={view()}
          onChange={(event) => (chosen.value = event.currentTarget.value)}
        >
          {pictures.map((one) => (
            <option key={one.id} value={one.id}>
              {label(one.role)}
            </option>
          ))}
        </select>
      )}
      {captions() !== null && (
        <button
          type="button"
          aria-pressed={captioned.value}
          onClick={() => (captioned.value = !captioned.value)}
        >
          {t("captions")}
        </button>
      )}
      <button type="button" aria-pressed={!muted.value} onClick={() => (muted.value = !muted.value)}>
        {t(muted.value ? "sound.on" : "sound.off")}
      </button>
      <button
        type="button"
        onClick={() => void document.querySelector(".screen")?.requestFullscreen?.()}
      >
        {t("full")}
      </button>
    </nav>
  );
}

function AskLecturer({ told }: { told: LiveView }) {
  const text = useSignal("");
  const name = useSignal("");
  const said = useSignal<"ask.sent" | "ask.failed" | null>(null);
  const send = async () => {
    const answer = await fetch(`/api/v1/live/${told.recording}/questions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ text: text.value, name: name.value }),
    }).catch(() => null);
    said.value = answer?.ok ? "ask.sent" : "ask.failed";
    if (answer?.ok) text.value = "";
  };
  return (
    <details class="ask">
      <summary>{t("ask")}</summary>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void send();
        }}
      >
        <input
          required
          maxLength={500}
          dir="auto"
          aria-label={t("ask.words")}
          placeholder={t("ask.words")}
          value={text.value}
          onInput={(event) => (text.value = event.currentTarget.value)}
        />
        <input
          maxLength={60}
          dir="auto"
          aria-label={t("ask.name")}
          placeholder={t("ask.name")}
          value={name.value}
          onInput={(event) => (name.value = event.currentTarget.value)}
        />
        <button type="submit">{t("ask.send")}</button>
      </form>
      {said.value && <p role="status">{t(said.value)}</p>}
    </details>
  );
}

/** What a student asks, as the class sees it now. */
function AskedNow({ question }: { question: NonNullable<LiveView["question"]> }) {
  return (
    <blockquote class="asked-now" aria-label={t("asked.now")} aria-live="polite">
      <bdi>{question.text}</bdi>
      {question.name && (
        <footer>
          <bdi>{question.name}</bdi>
        </footer>
      )}
    </blockquote>
  );
}

/** Who speaks must not be seconds behind what they answer to. */
function listenAtOnce(told: LiveView): void {
  if (way.value === "now" || way.value === "rtc") return;
  if (told.whep !== null && WhepPlayer.supported) way.value = "rtc";
  else if (LivePlayer.supported) way.value = "now";
}

function message(told: LiveView | null): Key | null {
  if (told === null) return "connecting";
  if (told.state === "off" || told.state === "paused") return told.state;
  if (told.state === "ended") return way.value === "now" || way.value === "rtc" ? "ended" : null;
  return player.value === "playing" ? null : player.value;
}

function Page() {
  const told = live.value;
  const said = message(told);
  const open = told !== null && told.state !== "off";
  const spoken = captions();
  return (
    <div class="live-page" data-state={told?.state ?? ""} data-player={player.value}>
      <header>
        <h1>
          <bdi>{told?.title ?? told?.room ?? ""}</bdi>
        </h1>
        {told?.state === "live" && <strong class="on-air">{t("live")}</strong>}
        {open && <span>{t("watching", { n: told.viewers })}</span>}
      </header>
      <main class="screen">
        {open && <Screen told={told} />}
        {open && captioned.value && way.value === "now" && spoken !== null && (
          <NewestCaption key={spoken.url} {...spoken} />
        )}
        {said !== null && (
          <p class="said" role="status">
            {t(said)}
          </p>
        )}
      </main>
      {open && told.question !== null && <AskedNow question={told.question} />}
      {open && <Choices told={told} />}
      {open && told.asks && (told.state === "live" || told.state === "paused") && (
        <AskLecturer told={told} />
      )}
      {open && told.talk !== null && (
        <Speak offer={told.talk} listen={() => listenAtOnce(told)} />
      )}
    </div>
  );
}

effect(() => {
  document.title = live.value?.title ?? live.value?.room ?? "classroomd";
});

const page = document.getElementById("page");
if (page !== null) render(<Page />, page);
void speakFirst();
void enter().then(ask);
window.setInterval(() => void ask(), ASK_MS);
