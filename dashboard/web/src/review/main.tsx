// Review: one lecture, so that whoever missed the minute finds it.

import "../style/tokens.css";
import "../style/base.css";
import "../style/frame.css";
import "../style/recordings.css";
import "../style/review.css";
import { effect, signal } from "@preact/signals";
import { clock, day, playTime, said, t as say } from "../i18n";
import { me } from "../room/store";
import { Button } from "../ui/button";
import { Back, Frame, showPage } from "../ui/frame";
import { Icon } from "../ui/icons";
import { Login } from "../ui/login";
import { Controls } from "./controls";
import { Downloads } from "./downloads";
import { Help } from "./help";
import { helping, listen } from "./keys";
import { seek } from "./player";
import { Share } from "./share";
import { Side } from "./side";
import { Stage } from "./stage";
import { detail, failed, load, resumed } from "./store";
import { SlideStrip } from "./strip";
import { t } from "./texts";
import { Edited, openTrim, Trim, trimming } from "./trim";
import "./viewed";

const open = signal<"" | "downloads" | "share">("");

function KeysButton() {
  return (
    <Button local kind="quiet" icon="help" label={t("help")} act={() => (helping.value = true)}>
      {""}
    </Button>
  );
}

function About() {
  const recording = detail.value;
  if (recording === null) return null;
  const zone = me.value?.timezone ?? "UTC";
  const started = new Date(recording.started);
  return (
    <div class="about">
      <div class="about-words">
        <h1>
          <bdi>{recording.title}</bdi>
        </h1>
        <p>
          {[recording.course, recording.lecturer].filter(Boolean).map((one) => (
            <span key={one}>
              <bdi>{one}</bdi> ·{" "}
            </span>
          ))}
          {day(started, zone)}, <bdi dir="ltr">{clock(started, zone)}</bdi>
          {recording.may_edit && (
            <>
              {" "}
              · {said(`life.${recording.life}`, recording.life)}
            </>
          )}
        </p>
      </div>
      <div class="about-tools">
        <Button local icon="download" act={() => (open.value = "downloads")}>
          {t("downloads")}
        </Button>
        <Button local icon="link" act={() => (open.value = "share")}>
          {t("share")}
        </Button>
        {recording.may_edit && recording.lecture && !trimming.value && (
          <Button local icon="cut" act={openTrim}>
            {t("trim")}
          </Button>
        )}
      </div>
    </div>
  );
}

function Resumed() {
  const from = resumed.value;
  if (from === null) return null;
  return (
    <p class="resumed" role="status">
      {t("resumed", { time: playTime(from) })}{" "}
      <button
        type="button"
        class="button plain small"
        onClick={() => {
          resumed.value = null;
          seek(0);
        }}
      >
        {t("resumed.start")}
      </button>
      <button
        type="button"
        class="button quiet small"
        aria-label={t("close")}
        onClick={() => (resumed.value = null)}
      >
        <Icon name="cross" size={20} />
      </button>
    </p>
  );
}

function Failed() {
  const told = failed.value;
  if (told === null) return null;
  return (
    <main class="recordings">
      <div class="card review-failed" role="alert">
        <Icon name={told.status === 0 ? "unplugged" : "film"} size={56} />
        <p>{told.status === 0 ? say("problem.offline") : told.status === 404 ? t("unknown") : told.status >= 500 ? t("error") : told.text}</p>
        {told.status === 0 && <p class="empty">{say("problem.offline.remedy")}</p>}
        <Button local act={load}>
          {t("again")}
        </Button>
      </div>
    </main>
  );
}

function Review() {
  return (
    <main class="review">
      <section class="review-main">
        <Stage>
          <Controls />
        </Stage>
        <Resumed />
        <SlideStrip />
        <About />
        <Edited />
        <Trim />
      </section>
      <Side />
      {open.value === "downloads" && <Downloads close={() => (open.value = "")} />}
      {open.value === "share" && <Share close={() => (open.value = "")} />}
      {helping.value && <Help close={() => (helping.value = false)} />}
    </main>
  );
}

function Page() {
  return (
    <Frame back={<Back href="/recordings" text={t("all")} />} tools={<KeysButton />}>
      {detail.value !== null ? (
        <Review />
      ) : failed.value?.status === 401 ? (
        <Login />
      ) : failed.value !== null ? (
        <Failed />
      ) : (
        <main class="review is-loading" aria-busy="true">
          <p class="unseen" role="status">
            {t("loading")}
          </p>
          <div class="review-main">
            <div class="stage-pictures skeleton" />
            <div class="skeleton-line" />
            <div class="skeleton-line is-short" />
          </div>
          <div class="side card skeleton" />
        </main>
      )}
    </Frame>
  );
}

// Whoever has just signed in sees the lecture at once.
let role: string | null | undefined;
effect(() => {
  const now = me.value?.role;
  if (now !== role && now != null && failed.peek()?.status === 401) void load();
  role = now;
});

listen();
void load();
showPage(<Page />, () => detail.value?.title ?? "");
