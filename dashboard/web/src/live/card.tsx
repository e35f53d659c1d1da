// The panel's card about what leaves the room: who may watch, how many do, where it is pushed,
// what students ask, and whose screen is on the board.

import { signal, useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { get, post } from "../api/client";
import type { Inquiry, LinkView, LiveView, PushStatus, TalkView } from "../api/types";
import { t, type Key } from "../i18n";
import { ask, link as room } from "../room/store";
import { follow, shared } from "../share/state";
import { Button } from "../ui/button";
import { Dialog } from "../ui/dialog";
import { Qr } from "../ui/qr";
import { Hands } from "./hands";

const VISIBILITIES = ["nobody", "course", "campus", "public"] as const;
const ASK_MS = 3000;

const air = signal<LiveView | null>(null);
const pushes = signal<PushStatus[]>([]);
const questions = signal<Inquiry[]>([]);
const talk = signal<TalkView | null>(null);

async function look(): Promise<void> {
  try {
    const [told, sent, asked, spoken] = await Promise.all([
      get<LiveView>("/live"),
      get<PushStatus[]>("/live/pushes"),
      get<Inquiry[]>("/live/questions"),
      get<TalkView>("/live/talk"),
    ]);
    air.value = told;
    talk.value = spoken;
    pushes.value = sent;
    questions.value = asked;
  } catch {
    // The panel says itself that the room is away.
  }
}

function Watching({ told }: { told: LiveView }) {
  const link = useSignal<LinkView | null>(null);
  const chosen = told.visibility ?? "nobody";
  return (
    <>
      <label class="air-line">
        <span>{t("air.visibility")}</span>
        <select
          value={chosen}
          onChange={async (event) => {
            await ask("/live/visibility", { visibility: event.currentTarget.value });
            await look();
          }}
        >
          {VISIBILITIES.map((one) => (
            <option key={one} value={one}>
              {t(`air.${one}`)}
            </option>
          ))}
        </select>
      </label>
      <p class="air-line">
        <span class="air-count">{t("air.watching", { n: told.viewers })}</span>
        {chosen !== "nobody" && (
          <Button
            kind="quiet"
            act={async () => {
              link.value = await post<LinkView>("/live/link", {});
            }}
          >
            {t("air.link")}
          </Button>
        )}
      </p>
      {link.value !== null && (
        <LinkShown found={link.value} who={t(`air.${chosen}`)} close={() => (link.value = null)} />
      )}
    </>
  );
}

function LinkShown(props: { found: LinkView; who: string; close: () => void }) {
  const address = new URL(props.found.path, location.href).href;
  return (
    <Dialog title={t("air.link")} close={props.close} class="air-dialog">
      <p>{t("air.link.text", { who: props.who })}</p>
      {props.found.qr && <Qr svg={props.found.qr} address={address} />}
      <p>
        <bdi dir="ltr">{address}</bdi>
      </p>
      <Button local act={props.close} autofocus>
        {t("action.close")}
      </Button>
    </Dialog>
  );
}

function Pushed({ push }: { push: PushStatus }) {
  const on = push.state !== "off";
  const mark = { off: "off", connecting: "busy", live: "good", retrying: "bad" }[push.state];
  const name = push.id;
  return (
    <p class="air-line" data-push={push.id}>
      <span>
        <span class={`mark ${mark}`} aria-hidden="true" /> <bdi>{name}</bdi>{" "}
        {t(`air.push.${push.state}`)}
      </span>
      <Button
        kind="quiet"
        act={async () => {
          await ask(`/live/pushes/${push.id}`, { on: !on });
          await look();
        }}
      >
        {t(on ? "air.push.stop" : "air.push.start", { name })}
      </Button>
    </p>
  );
}

function Asked({ question }: { question: Inquiry }) {
  const settle = async (state: Inquiry["state"]) => {
    await ask(`/live/questions/${question.id}`, { state });
    await look();
  };
  return (
    <blockquote class={`air-question is-${question.state}`}>
      <p>
        <bdi>{question.text}</bdi>
      </p>
      {question.name && (
        <footer>
          <bdi>{question.name}</bdi>
        </footer>
      )}
      <div class="air-line">
        {question.state === "waiting" && (
          <Button kind="quiet" act={() => settle("shown")}>
            {t("air.question.show")}
          </Button>
        )}
        <Button kind="quiet" act={() => settle("done")}>
          {t("air.question.done")}
        </Button>
      </div>
    </blockquote>
  );
}

function Sharing() {
  const told = shared.value;
  if (told === null || !told.available) return null;
  const show = (id: string | null) => ask("/share/show", { id });
  const decide = (key: string, allowed: boolean) => ask("/share/allow", { key, allowed });
  const address = `${location.host}/share`;
  return (
    <div class="air-share" role="group" aria-label={t("air.share")}>
      {told.sharers.length === 0 && <p>{t("air.share.none", { address })}</p>}
      {told.sharers.map((one) => (
        <Button
          key={one.id}
          pressed={one.id === told.shown}
          act={() => show(one.id === told.shown ? null : one.id)}
          label={t(one.id === told.shown ? "air.share.hide" : "air.share.show", { name: one.name })}
        >
          <bdi>
            {one.state === "stalled"
              ? t("air.share.stalled", { name: one.name })
              : one.id === told.shown
                ? `${t("air.share")}: ${one.name}`
                : t("air.share.show", { name: one.name })}
          </bdi>
        </Button>
      ))}
      {told.asking.map((one) => (
        <Button key={one.key} kind="quiet" act={() => decide(one.key, !one.allowed)}>
          {t((one.allowed ? "air.share.disallow" : "air.share.allow") as Key, { name: one.name })}
        </Button>
      ))}
    </div>
  );
}

let followed = false;

/** What leaves the room during class; nothing where nothing does. */
export function OnAirCard() {
  useEffect(() => {
    void look();
    if (!followed) follow();
    followed = true;
    const timer = window.setInterval(() => room.value === "open" && void look(), ASK_MS);
    return () => clearInterval(timer);
  }, []);
  const told = air.value;
  const watched = told !== null && told.hls !== null;
  const sends = pushes.value.length > 0 || shared.value?.available === true;
  const hands = talk.value?.hands ?? [];
  if (!watched && !sends && questions.value.length + hands.length === 0) return null;
  return (
    <section class="card on-air-card" aria-labelledby="on-air-title">
      <h2 id="on-air-title">{t("air.title")}</h2>
      {watched && <Watching told={told} />}
      {pushes.value.map((push) => (
        <Pushed key={push.id} push={push} />
      ))}
      {questions.value.length > 0 && (
        <div role="group" aria-label={t("air.questions")}>
          <h3>{t("air.questions")}</h3>
          {questions.value.slice(0, 20).map((one) => (
            <Asked key={one.id} question={one} />
          ))}
        </div>
      )}
      {talk.value !== null && hands.length > 0 && <Hands told={talk.value} look={look} />}
      <Sharing />
    </section>
  );
}
