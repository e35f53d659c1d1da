// The lecturer's side of the tablet page: pages, questions, results, people.

import { Button } from "../parts";
import * as room from "../room";
import { number, t, type Key } from "../texts";
import { Ask } from "./ask";
import { Pages } from "./pages";
import { People } from "./people";
import { Results } from "./results";
import { tab, type Tab } from "./tab";

export function Teach() {
  const state = room.lesson.value;
  const seats = room.seats.value;
  if (!state) return null;
  const away = room.link.value !== "open";
  const driver = state.driver;
  const asked = room.inquiries.value.filter((one) => one.state === "waiting").length;
  const names: Record<Tab, Key> = {
    pages: "teach.pages",
    ask: "teach.ask",
    results: "teach.results",
    people: "teach.people",
  };
  return (
    <section class="teach" aria-label={t("teach.title")} inert={away}>
      {driver && !room.driving.value && (
        <p class="row driver">
          <bdi>{t("teach.driven", { name: driver.name })}</bdi>
          <Button act={() => room.say({ type: "drive", take: true })}>{t("teach.take")}</Button>
        </p>
      )}
      <div class="row">
        <Button
          pressed={state.attention !== null}
          kind={state.attention !== null ? "main" : "plain"}
          act={() => room.say({ type: "attention", on: state.attention === null, text: "" })}
        >
          {t(state.attention !== null ? "teach.release" : "teach.attention")}
        </Button>
        {(["follow", "free", "lock"] as const).map((mode) => (
          <Button
            key={mode}
            pressed={state.mode === mode}
            act={() => room.say({ type: "mode", mode })}
          >
            {t(`teach.${mode}`)}
          </Button>
        ))}
      </div>
      <div class="row tabs" role="tablist">
        {(Object.keys(names) as Tab[]).map((name) => (
          <button
            key={name}
            type="button"
            role="tab"
            class="button plain"
            aria-selected={tab.value === name}
            onClick={() => (tab.value = name)}
          >
            {t(names[name])}
            {name === "people" && seats && (
              <small>
                {" "}
                {number(seats.present)}
                {(seats.hands?.length ?? 0) > 0 && ` ✋${number(seats.hands?.length ?? 0)}`}
                {asked > 0 && ` ?${number(asked)}`}
              </small>
            )}
          </button>
        ))}
      </div>
      {tab.value === "pages" && <Pages />}
      {tab.value === "ask" && <Ask />}
      {tab.value === "results" && <Results />}
      {tab.value === "people" && <People />}
    </section>
  );
}
