// What a viewer sees of speaking into the room: the words on it first, then the hand, then the
// microphone.

import { useSignal } from "@preact/signals";
import type { TalkOffer } from "../api/types";
import { TalkBack } from "./talk";
import { t, type Key } from "./texts";

const talk = new TalkBack();

/** Who hears what is said, as the end of a text's key. */
function reach(told: { heard: boolean; recorded: boolean }): "both" | "heard" | "recorded" | "none" {
  if (told.heard) return told.recorded ? "both" : "heard";
  return told.recorded ? "recorded" : "none";
}

function Said() {
  const said = talk.said.value;
  if (said === null) return null;
  return (
    <div class="talk-bar">
      <p role="alert">{t(said)}</p>
      <button type="button" onClick={() => (talk.said.value = null)}>
        {t("talk.close")}
      </button>
    </div>
  );
}

function Form({ offer }: { offer: TalkOffer }) {
  const name = useSignal("");
  if (!TalkBack.secure) return <p>{t("talk.insecure")}</p>;
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        talk.raise(offer.socket, name.value);
      }}
    >
      <p class="talk-consent">{t(`talk.consent.${reach(offer)}`)}</p>
      <input
        required
        maxLength={60}
        dir="auto"
        pattern=".*\S.*"
        aria-label={t("talk.name")}
        placeholder={t("talk.name")}
        value={name.value}
        onInput={(event) => (name.value = event.currentTarget.value)}
      />
      <button type="submit">{t("talk.raise")}</button>
    </form>
  );
}

function speaking(): Key {
  const hand = talk.hand.value;
  if (hand === null || talk.sending.value === "opening") return "talk.opening";
  if (talk.sending.value === "again") return "talk.again";
  if (hand.muted) return "talk.muted";
  return `talk.speaking.${reach(hand)}`;
}

/** `listen` chooses the way of watching that is not behind what is said. */
function Raised({ listen }: { listen: () => void }) {
  const hand = talk.hand.value;
  if (hand === null) return null;
  if (talk.sending.value !== "off") {
    const on = talk.sending.value === "on" && !hand.muted;
    return (
      <div class="talk-bar" data-talk={on ? "on" : "off"}>
        <p role="status">
          <span class={on ? "talk-light is-on" : "talk-light"} aria-hidden="true" />
          {t(speaking())}
        </p>
        <button type="button" onClick={talk.lower}>
          {t("talk.stop")}
        </button>
        <p class="talk-hint">{t("talk.headphones")}</p>
      </div>
    );
  }
  if (hand.state === "asking") {
    return (
      <div class="talk-bar" data-talk="asking">
        <p role="status">{t("talk.waiting")}</p>
        <button type="button" onClick={talk.lower}>
          {t("talk.lower")}
        </button>
      </div>
    );
  }
  return (
    <div class="talk-bar" data-talk="admitted">
      <p role="alert">
        <strong>{t("talk.admitted")}</strong> {t(`talk.open.${reach(hand)}`)}
      </p>
      <button
        type="button"
        class="talk-open"
        onClick={() => {
          listen();
          void talk.open();
        }}
      >
        {t("talk.open")}
      </button>
      <button type="button" onClick={talk.lower}>
        {t("talk.not_now")}
      </button>
    </div>
  );
}

export function Speak({ offer, listen }: { offer: TalkOffer; listen: () => void }) {
  if (!TalkBack.supported) return null;
  if (talk.hand.value !== null) {
    return (
      <section class="ask talking" aria-label={t("talk")}>
        <Said />
        <Raised listen={listen} />
      </section>
    );
  }
  return (
    <>
      <details class="ask">
        <summary>{t("talk")}</summary>
        <Form offer={offer} />
      </details>
      {talk.said.value !== null && (
        <section class="ask talking" aria-label={t("talk")}>
          <Said />
        </section>
      )}
    </>
  );
}
