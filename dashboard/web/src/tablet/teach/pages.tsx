// The pages of the lesson: turning them, adding some, decks, links, timer.

import { useSignal } from "@preact/signals";
import { Button } from "../parts";
import * as room from "../room";
import { number, t } from "../texts";
import { Decks } from "./decks";

export function Pages() {
  const state = room.lesson.value;
  const address = useSignal("");
  if (!state) return null;
  const link = (type: "add_page" | "push") => {
    const url = address.value.trim();
    if (!/^https?:\/\/\S+$/.test(url)) return;
    room.say({ type, kind: "link", url, title: "" });
    address.value = "";
  };
  return (
    <div class="stack">
      <ol class="thumbs">
        {state.pages.map((page, at) => (
          <li key={page.id}>
            <button
              type="button"
              aria-current={page.id === state.page ? "page" : undefined}
              onClick={() => room.say({ type: "turn", page: page.id })}
            >
              {page.image ? <img src={page.image} alt="" loading="lazy" /> : <span class="blank" />}
              <span>
                {number(at + 1)} <bdi>{page.title}</bdi>
              </span>
            </button>
          </li>
        ))}
      </ol>
      <div class="row">
        <Button act={() => room.say({ type: "add_page", kind: "blank" })}>{t("teach.blank")}</Button>
        <Button act={() => room.say({ type: "add_page", kind: "live" })}>{t("teach.live")}</Button>
        <Button
          disabled={state.page === null}
          act={() => room.say({ type: "clear", page: state.page })}
        >
          {t("pen.clear")}
        </Button>
      </div>
      <Decks />
      <label>
        {t("teach.url")}
        <input
          type="url"
          dir="ltr"
          value={address.value}
          onInput={(event) => (address.value = event.currentTarget.value)}
        />
      </label>
      <div class="row">
        <Button act={() => link("add_page")}>{t("teach.link")}</Button>
        <Button act={() => link("push")}>{t("teach.push")}</Button>
      </div>
      <HandOut />
      <div class="row" role="group" aria-label={t("teach.timer")}>
        {[1, 5, 10].map((minutes) => (
          <Button
            key={minutes}
            act={() => room.say({ type: "timer", seconds: minutes * 60, label: "" })}
          >
            {t("teach.minutes", { n: minutes })}
          </Button>
        ))}
        <Button
          disabled={state.timer === null}
          act={() => room.say({ type: "timer", seconds: null })}
        >
          {t("teach.stop")}
        </Button>
      </div>
    </div>
  );
}

function HandOut() {
  const wrong = useSignal("");
  const busy = useSignal(false);
  const give = async (input: HTMLInputElement) => {
    const file = input.files?.[0];
    if (!file) return;
    busy.value = true;
    wrong.value = "";
    try {
      const answer = await fetch(`/api/v1/tablets/files?name=${encodeURIComponent(file.name)}`, {
        method: "POST",
        headers: { "Content-Type": "application/octet-stream" },
        body: file,
      });
      if (!answer.ok) wrong.value = ((await answer.json()) as { detail: string }).detail;
      input.value = "";
    } catch {
      wrong.value = t("join.away");
    } finally {
      busy.value = false;
    }
  };
  return (
    <>
      <label class="file">
        {t("teach.file")}
        <input
          type="file"
          disabled={busy.value}
          onChange={(event) => void give(event.currentTarget)}
        />
      </label>
      <p role="alert" class="wrong">
        {wrong}
      </p>
    </>
  );
}
