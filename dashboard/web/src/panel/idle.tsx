// The free room: one touch starts a class; a title and a length may be given before.

import { useSignal } from "@preact/signals";
import { day, t } from "../i18n";
import { ask, isTechnician, me, now, room, session } from "../room/store";
import { Button } from "../ui/button";
import { Icon } from "../ui/icons";
import { Devices, Scenes } from "./devices";
import { deliveryWord } from "./deliveries";
import { Offer, offered, Today, Upcoming } from "./timetable";

const LENGTHS = [null, 45, 60, 90] as const;

export function Idle() {
  const title = useSignal("");
  const minutes = useSignal<number | null>(null);
  const free = useSignal(false);
  const slot = offered.value;
  const zone = me.value?.timezone ?? "UTC";
  const today = day(now.value, zone);
  return (
    <main class="idle">
      <section class="hero">
        <p class="hero-day">{today}</p>
        <h1 class="hero-room">
          <bdi>{me.value?.room_name}</bdi>
        </h1>
        {slot !== null && !free.value ? (
          <Offer slot={slot} other={() => (free.value = true)} />
        ) : (
          <form
            class="hero-form"
            onSubmit={(event) => event.preventDefault()}
          >
            <label class="field">
              <span>
                {t("idle.title")} <em>{t("idle.title.hint")}</em>
              </span>
              <input
                dir="auto"
                maxLength={200}
                autocomplete="off"
                enterkeyhint="done"
                value={title.value}
                onInput={(event) => (title.value = event.currentTarget.value)}
              />
            </label>
            <fieldset class="lengths">
              <legend>{t("idle.length")}</legend>
              {LENGTHS.map((one) => (
                <Button
                  key={one ?? 0}
                  local
                  pressed={minutes.value === one}
                  act={() => {
                    minutes.value = one;
                  }}
                >
                  {one === null ? t("idle.length.open") : t("idle.length.minutes", { n: one })}
                </Button>
              ))}
            </fieldset>
            <Button
              kind="main"
              class="start"
              icon="record"
              act={() =>
                ask("/session", {
                  title: title.value || null,
                  minutes: minutes.value,
                  // What stands on the button is what begins, whatever the timetable says now.
                  slot: "",
                })
              }
            >
              {t("idle.start")}
            </Button>
            {slot !== null && (
              <Button local kind="quiet" icon="undo" act={() => void (free.value = false)}>
                {t("timetable.back")}
              </Button>
            )}
          </form>
        )}
        <Upcoming />
        <p class="hero-explain">{t("idle.explain")}</p>
        <a class="button quiet" href="/recordings">
          <Icon name="film" />
          <span class="button-text">{t("recordings")}</span>
        </a>
        {isTechnician.value && (
          <a class="button quiet" href="/console">
            <span class="button-text">{t("console")}</span>
          </a>
        )}
      </section>
      <div class="side">
        <Today />
        <LastClass />
        <Devices />
        <Scenes />
      </div>
    </main>
  );
}

function LastClass() {
  const last = session.value;
  if (last === null || last.state !== "ended" || last.recording === null) return null;
  const ready = last.recording_state === "finished";
  const failed = last.recording_state === "failed";
  const sent = (room.value?.deliveries ?? []).filter((one) => one.recording === last.recording);
  return (
    <section class="card last" aria-labelledby="last-title">
      <h2 id="last-title">{t("last.title")}</h2>
      <p class="last-name">
        <bdi>{last.title}</bdi>
      </p>
      <p class="last-state" role="status">
        <span class={`mark ${ready ? "good" : failed ? "bad" : "busy"}`} aria-hidden="true" />
        {t(ready ? "last.ready" : failed ? "last.failed" : "last.making")}
      </p>
      {sent.map((delivery) => (
        <p key={delivery.id} class="last-state">
          <span class={`mark ${deliveryWord(delivery).mark}`} aria-hidden="true" />
          <span>
            {t("delivery.to", { target: delivery.target })}: {deliveryWord(delivery).text}
          </span>
        </p>
      ))}
      {ready && (
        <a class="button plain" href={`/recordings/${encodeURIComponent(last.recording)}`}>
          <Icon name="resume" />
          <span class="button-text">{t("last.watch")}</span>
        </a>
      )}
    </section>
  );
}
