// Signing in: a number pad for fingers and keyboards, or a name with its password.

import { useSignal } from "@preact/signals";
import { useLayoutEffect, useRef } from "preact/hooks";
import { ApiError, inWords } from "../api/client";
import { t } from "../i18n";
import { lock, me, signIn } from "../room/store";
import { beat, steady } from "../room/time";
import { Button } from "./button";
import { Icon } from "./icons";
import { Phone } from "./phone";

const LONGEST_PIN = 12;
/** A card reader types the card's number, letters and all, and Enter. */
const LONGEST_CARD = 64;
const KEYS = ["1", "2", "3", "4", "5", "6", "7", "8", "9", "delete", "0", "enter"];

export function Login() {
  const byName = useSignal(me.value !== null && !me.value.ways.includes("pin"));
  const wrong = useSignal("");
  const lockedUntil = useSignal(0);
  const left = Math.max(0, Math.ceil(lockedUntil.value - (lockedUntil.value ? beat.value : 0)));
  const ways = me.value?.ways ?? ["pin"];

  const attempt = async (secret: { pin: string } | { name: string; password: string }) => {
    wrong.value = "";
    try {
      await signIn(secret);
      return true;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (error.status === 429) lockedUntil.value = steady() + error.waitSeconds;
      else if (error.status === 401)
        wrong.value = t("pin" in secret ? "login.wrong.pin" : "login.wrong.name");
      else wrong.value = inWords(error);
      return false;
    }
  };

  if (me.value?.role === "student") {
    return (
      <main class="login">
        <div class="card login-card">
          <p class="login-note">{t("login.student")}</p>
          <a class="button main" href="/recordings">
            <Icon name="film" />
            <span class="button-text">{t("recordings")}</span>
          </a>
          <Button kind="plain" act={lock} icon="lock">
            {t("action.lock")}
          </Button>
        </div>
      </main>
    );
  }
  return (
    <main class="login">
      <div class="card login-card">
        {byName.value ? (
          <NameForm attempt={attempt} />
        ) : (
          <PinPad attempt={attempt} locked={left > 0} />
        )}
        <p class="login-note" role="alert">
          {left > 0 ? t("login.locked", { n: left }) : wrong.value}
        </p>
        {ways.length > 1 && (
          <Button
            local
            kind="quiet"
            act={() => {
              byName.value = !byName.value;
              wrong.value = "";
            }}
          >
            {byName.value ? t("login.bypin") : t("login.byname")}
          </Button>
        )}
        {/* Nobody can press anything here yet, but ring. */}
        <Phone number={me.value?.help_phone ?? ""} />
      </div>
    </main>
  );
}

type Attempt = (secret: { pin: string } | { name: string; password: string }) => Promise<boolean>;

function PinPad({ attempt, locked }: { attempt: Attempt; locked: boolean }) {
  const pin = useSignal("");
  const before = useRef<Promise<unknown>>(Promise.resolve());
  const shut = useRef(locked);
  shut.current = locked;

  const enter = () => {
    if (pin.value === "" || shut.current) return undefined;
    const typed = pin.value;
    pin.value = "";
    // Quick fingers may be ahead of the room: one PIN after the other is tried.
    before.current = before.current.then(() => attempt({ pin: typed }));
    return before.current;
  };
  const press = (key: string) => {
    if (key === "enter") return enter();
    if (key === "delete") pin.value = pin.value.slice(0, -1);
    else if (pin.value.length < LONGEST_PIN) pin.value += key;
    return undefined;
  };
  const read = (key: string) => {
    if (!shut.current && pin.value.length < LONGEST_CARD) pin.value += key;
  };
  useLayoutEffect(() => {
    // A keyboard, or a card reader that types like one, works without focus on anything; from the
    // moment the pad is shown, and not a frame later.
    const typed = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      if (/^[\x21-\x7e]$/.test(event.key)) read(event.key);
      else if (event.key === "Backspace") void press("delete");
      else if (event.key === "Enter" && !(event.target instanceof HTMLButtonElement)) void enter();
    };
    document.addEventListener("keydown", typed);
    return () => document.removeEventListener("keydown", typed);
  }, []);
  return (
    <>
      <h1 class="login-title">{t("login.pin")}</h1>
      <div class="pin-dots" role="status">
        <span class="unseen">{t("login.pin.digits", { n: pin.value.length })}</span>
        {Array.from({ length: Math.min(LONGEST_PIN, Math.max(4, pin.value.length)) }, (_, index) => (
          <span key={index} class={index < pin.value.length ? "dot full" : "dot"} aria-hidden="true" />
        ))}
      </div>
      <div class="pin-pad" dir="ltr">
        {KEYS.map((key) => (
          <Button
            key={key}
            kind={key === "enter" ? "main" : "plain"}
            act={() => press(key)}
            disabled={locked || (key === "enter" && pin.value === "")}
            {...(key === "delete" && { icon: "backspace", label: t("login.delete") })}
            {...(key === "enter" && { icon: "check", label: t("login.enter") })}
          >
            {key.length === 1 ? key : ""}
          </Button>
        ))}
      </div>
    </>
  );
}

function NameForm({ attempt }: { attempt: Attempt }) {
  const name = useSignal("");
  const password = useSignal("");
  return (
    <form
      class="name-form"
      onSubmit={(event) => {
        event.preventDefault();
        void attempt({ name: name.value, password: password.value });
      }}
    >
      <h1 class="login-title">{t("login.enter")}</h1>
      <label class="field">
        <span>{t("login.name")}</span>
        <input
          autocomplete="username"
          required
          value={name.value}
          onInput={(event) => (name.value = event.currentTarget.value)}
        />
      </label>
      <label class="field">
        <span>{t("login.password")}</span>
        <input
          type="password"
          autocomplete="current-password"
          required
          value={password.value}
          onInput={(event) => (password.value = event.currentTarget.value)}
        />
      </label>
      <button type="submit" class="button main">
        <span class="button-text">{t("login.enter")}</span>
      </button>
    </form>
  );
}
