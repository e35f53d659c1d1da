// Where a launch from a course platform ends when it does not lead on: a refusal, a lecturer's
// choice, a window of its own. Without a launch: what to enter in the platform.

import "../style/tokens.css";
import "../style/base.css";
import "./lti.css";
import { effect, useSignal } from "@preact/signals";
import { render } from "preact";
import type { ChoiceAnswer } from "../api/types";
import type { Key } from "./texts";
import { language, speakFirst, t } from "./texts";

interface Recorded {
  place: string;
  title: string;
  started: string;
}

type Told =
  | { kind: "problem"; code: string; detail: string; remedy: string }
  | { kind: "window"; path: string; plain: boolean }
  | { kind: "choose"; ticket: string; course: string; zone: string; recordings: Recorded[] }
  | { kind: "setup" };

const AGAIN = new Set(
  "late not_begun other_browser replayed expired nonce token signature times resource no_return".split(" "),
);
const YOURS = new Set("not_teacher closed no_recording refused no_link target message".split(" "));

const meta = document.querySelector<HTMLMetaElement>("meta[name=lti]");
const told: Told = meta === null ? { kind: "setup" } : (JSON.parse(meta.content) as Told);

function lead(code: string): Key {
  const word = code.replace("lti_", "");
  if (AGAIN.has(word)) return "problem.again";
  return YOURS.has(word) ? "problem.yours" : "problem.setup";
}

function Problem({ code, detail, remedy }: { code: string; detail: string; remedy: string }) {
  return (
    <section role="alert">
      <p class="lead">{t(lead(code))}</p>
      <blockquote lang="en" dir="ltr" data-code={code}>
        <p>{detail}</p>
        <p>{remedy}</p>
      </blockquote>
    </section>
  );
}

function Window({ path, plain }: { path: string; plain: boolean }) {
  return (
    <section>
      <p class="lead">{t("window")}</p>
      <a class="button main" href={path} target="_blank" rel="noopener">
        {t("window.open")}
      </a>
      {plain && <p class="hint">{t("window.plain")}</p>}
    </section>
  );
}

function when(started: string, zone: string): string {
  return new Intl.DateTimeFormat(language.value, {
    dateStyle: "medium",
    timeStyle: "short",
    timeZone: zone,
    numberingSystem: "latn",
  }).format(new Date(started));
}

/** Sends the answer as the platform wants it: as a form, from the page that the lecturer sees. */
function hand({ return_url, jwt }: ChoiceAnswer): void {
  const form = document.createElement("form");
  form.method = "post";
  form.action = return_url;
  const field = document.createElement("input");
  field.type = "hidden";
  field.name = "JWT";
  field.value = jwt;
  form.append(field);
  document.body.append(form);
  form.submit();
}

function Choose({ told }: { told: Extract<Told, { kind: "choose" }> }) {
  const place = useSignal("live");
  const state = useSignal<"" | "busy" | "failed">("");
  const put = async () => {
    state.value = "busy";
    const chosen = told.recordings.find((one) => one.place === place.value);
    const title = chosen?.title ?? t("choose.live.title", { course: told.course });
    const body = { ticket: told.ticket, place: place.value, title: title.slice(0, 200) };
    const answer = await fetch("/api/v1/lti/choice", {
      method: "POST",
      credentials: "same-origin",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    }).catch(() => null);
    if (answer?.ok) hand((await answer.json()) as ChoiceAnswer);
    else state.value = "failed";
  };
  const places = [
    { place: "live", title: t("choose.live"), more: t("choose.live.more") },
    ...told.recordings.map((one) => ({ ...one, more: when(one.started, told.zone) })),
  ];
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        void put();
      }}
    >
      <fieldset>
        <legend>
          {t("choose")} <bdi>{told.course}</bdi>
        </legend>
        {places.map((one) => (
          <label key={one.place}>
            <input
              type="radio"
              name="place"
              value={one.place}
              checked={place.value === one.place}
              onChange={() => (place.value = one.place)}
            />
            <span>
              <bdi>{one.title}</bdi>
              <small>{one.more}</small>
            </span>
          </label>
        ))}
      </fieldset>
      {told.recordings.length === 0 && <p class="hint">{t("choose.none")}</p>}
      {state.value === "failed" && <p role="alert">{t("choose.failed")}</p>}
      <button type="submit" class="button main" disabled={state.value === "busy"}>
        {t("choose.put")}
      </button>
    </form>
  );
}

const ADDRESSES: [Key, string][] = [
  ["setup.tool", "/live"],
  ["setup.login", "/lti/login"],
  ["setup.redirect", "/lti/launch"],
  ["setup.keys", "/lti/jwks"],
  ["setup.choose", "/lti/launch"],
];

function Setup() {
  return (
    <section>
      <p>{t("setup")}</p>
      <dl>
        {ADDRESSES.map(([name, path]) => (
          <div key={name}>
            <dt>{t(name)}</dt>
            <dd dir="ltr">
              <code>{location.origin + path}</code>
            </dd>
          </div>
        ))}
      </dl>
      {location.protocol !== "https:" && <p class="hint">{t("window.plain")}</p>}
    </section>
  );
}

function Said() {
  switch (told.kind) {
    case "problem":
      return <Problem {...told} />;
    case "window":
      return <Window {...told} />;
    case "choose":
      return <Choose told={told} />;
    default:
      return <Setup />;
  }
}

function Page() {
  return (
    <main class="lti-page" data-kind={told.kind}>
      <h1>{t(`title.${told.kind}`)}</h1>
      <Said />
    </main>
  );
}

effect(() => {
  document.title = t(`title.${told.kind}`);
});

const page = document.getElementById("page");
if (page !== null) render(<Page />, page);
void speakFirst();
