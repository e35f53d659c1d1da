// The panel's raised hands from elsewhere: who asks to speak, who speaks, and whether it is heard.

import type { Hand, TalkView } from "../api/types";
import { t } from "../i18n";
import { ask } from "../room/store";
import { Button } from "../ui/button";

interface Props {
  told: TalkView;
  look: () => Promise<void>;
}

function Raised({ hand, free, look }: { hand: Hand; free: boolean; look: () => Promise<void> }) {
  const decide = (what: "admit" | "mute" | "unmute" | "end") => async () => {
    await ask(`/live/talk/${hand.id}`, { do: what });
    await look();
  };
  const name = hand.name;
  const asks = hand.state === "asking";
  const state = hand.muted && !asks ? "muted" : hand.state === "over" ? "asking" : hand.state;
  return (
    <div class={`air-question ${asks ? "" : "is-shown"}`} data-hand={hand.id} data-state={state}>
      <p>
        <bdi>{t(`air.talk.${state}`, { name })}</bdi>
      </p>
      <div class="air-line">
        {asks ? (
          <Button disabled={!free} act={decide("admit")}>
            <bdi>{t("air.talk.admit", { name })}</bdi>
          </Button>
        ) : (
          <Button kind="quiet" act={decide(hand.muted ? "unmute" : "mute")}>
            {t(hand.muted ? "air.talk.unmute" : "air.talk.mute")}
          </Button>
        )}
        <Button kind="quiet" act={decide("end")}>
          {t(asks ? "air.talk.decline" : "air.talk.end")}
        </Button>
      </div>
    </div>
  );
}

export function Hands({ told, look }: Props) {
  const free = told.hands.every((one) => one.state === "asking");
  return (
    <div role="group" aria-label={t("air.talk")}>
      <h3>{t("air.talk")}</h3>
      {!told.heard && <p>{t(told.trouble === "" ? "air.talk.unheard" : "air.talk.trouble")}</p>}
      {told.hands.map((one) => (
        <Raised key={one.id} hand={one} free={free} look={look} />
      ))}
    </div>
  );
}
