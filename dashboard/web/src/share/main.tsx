// The share page: a lecturer's laptop or a chosen tablet shows its screen or camera on the board.

import "../style/tokens.css";
import "../style/base.css";
import "./share.css";
import { effect, signal, useSignal } from "@preact/signals";
import { render } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { Publisher } from "./publisher";
import { call } from "./rtc";
import { follow, link, shared, type ShareView } from "./state";
import type { Key } from "./texts";
import { speakFirst, t } from "./texts";

const publisher = new Publisher();
const trouble = signal<string>("");

const media: Partial<MediaDevices> | undefined = navigator.mediaDevices;
const canScreen = media?.getDisplayMedia !== undefined;
const canCamera = media?.getUserMedia !== undefined;

function SignIn() {
  const pin = useSignal("");
  const busy = useSignal(false);
  const wrong = useSignal("");
  const enter = async () => {
    busy.value = true;
    try {
      const answer = await fetch("/api/v1/login", {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ pin: pin.value }),
      });
      if (answer.ok) {
        link.value = "connecting";
        follow(true);
        return;
      }
      wrong.value = t("wrong");
    } catch {
      wrong.value = t("away");
    } finally {
      busy.value = false;
    }
  };
  return (
    <form
      class="card"
      onSubmit={(event) => {
        event.preventDefault();
        void enter();
      }}
    >
      <label>
        {t("pin")}
        <input
          type="password"
          inputMode="numeric"
          autocomplete="current-password"
          dir="ltr"
          required
          value={pin.value}
          onInput={(event) => (pin.value = event.currentTarget.value)}
        />
      </label>
      {wrong.value && <p role="alert">{wrong}</p>}
      <button type="submit" class="button main" disabled={busy.value}>
        {t("enter")}
      </button>
      <p class="hint">{t("tablet")}</p>
    </form>
  );
}

async function start(kind: "screen" | "camera"): Promise<void> {
  trouble.value = "";
  try {
    await publisher.start(kind);
  } catch (error) {
    const refused = error instanceof DOMException;
    trouble.value = refused || !(error instanceof Error) ? t("refused") : error.message;
  }
}

function Start() {
  if (!canCamera) return <p class="said bad">{t("insecure")}</p>;
  return (
    <>
      {canScreen ? (
        <button type="button" class="button main" onClick={() => void start("screen")}>
          {t("screen")}
        </button>
      ) : (
        <p class="hint">{t("noscreen")}</p>
      )}
      <button type="button" class="button plain" onClick={() => void start("camera")}>
        {t("camera")}
      </button>
      <p class="hint">{t("recorded")}</p>
    </>
  );
}

function words(told: ShareView): Key {
  if (publisher.state.value === "again") return "again";
  if (publisher.state.value === "starting") return "starting";
  if (told.shown === publisher.id.value) return "shown";
  return told.shown === null ? "nothing" : "other";
}

function Sharing({ told, stream }: { told: ShareView; stream: MediaStream }) {
  const video = useRef<HTMLVideoElement>(null);
  useEffect(() => {
    if (video.current) video.current.srcObject = stream;
  }, [stream]);
  const said = words(told);
  const shown = told.sharers.find((one) => one.id === told.shown);
  return (
    <>
      <p class={`said ${said === "shown" ? "good" : ""}`} role="status" data-said={said}>
        {t(said, { name: shown?.name ?? "" })}
      </p>
      <video ref={video} muted autoplay playsInline aria-label={t("title")} />
      {(said === "other" || said === "nothing") && told.leads && (
        <button
          type="button"
          class="button plain"
          onClick={() => void call("POST", "/show", { id: publisher.id.value })}
        >
          {t("mine")}
        </button>
      )}
      <button type="button" class="button danger" onClick={() => publisher.stop()}>
        {t("stop")}
      </button>
    </>
  );
}

function Inside() {
  const told = shared.value;
  const stream = publisher.stream.value;
  if (link.value === "stranger") return <SignIn />;
  if (told === null) return <p role="status">{t(link.value === "away" ? "away" : "connecting")}</p>;
  if (!told.available) {
    return (
      <p class="said bad" role="alert">
        {told.reason} {told.remedy}
      </p>
    );
  }
  return (
    <section class="card">
      {link.value === "away" && <p role="status">{t("away")}</p>}
      {stream !== null ? (
        <Sharing told={told} stream={stream} />
      ) : told.may ? (
        <Start />
      ) : (
        <p class="said" role="status">
          {t("asked")}
        </p>
      )}
      {trouble.value && <p role="alert">{trouble}</p>}
    </section>
  );
}

function Page() {
  return (
    <main class="share-page" data-link={link.value} data-sending={publisher.state.value}>
      <h1>{t(link.value === "stranger" ? "signin" : "title")}</h1>
      <Inside />
    </main>
  );
}

// A room that was restarted no longer has what this page sends; what was ended there stays so.
effect(() => {
  const told = shared.value;
  const id = publisher.id.value;
  if (told === null || id === null || publisher.state.peek() !== "on") return;
  if (told.sharers.some((one) => one.id === id)) return;
  if (told.may && !told.ended.includes(id)) publisher.missing();
  else publisher.stop();
});

effect(() => {
  document.title = t("title");
});
addEventListener("pagehide", () => publisher.stop());

const page = document.getElementById("page");
if (page !== null) render(<Page />, page);
void speakFirst();
follow(true);
