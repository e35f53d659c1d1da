// Who is here, whose hand is up, who may write.

import { Button } from "../parts";
import { Inquiries } from "./inquiries";
import * as room from "../room";
import { t } from "../texts";

export function People() {
  const seats = room.seats.value;
  const permits = room.lesson.value?.permits ?? [];
  if (!seats) return null;
  const hands = seats.hands ?? [];
  return (
    <div class="stack">
      <p>
        {t("teach.present", { n: seats.present })} ·{" "}
        {t("teach.attentive", { n: seats.attentive ?? 0, all: seats.present })}
      </p>
      <Inquiries />
      {(seats.lost ?? 0) > 0 && <p class="warn">{t("teach.lost", { n: seats.lost ?? 0 })}</p>}
      {hands.length > 0 && (
        <section>
          <h2>{t("teach.hands", { n: hands.length })}</h2>
          <ol>
            {hands.map((hand) => (
              <li key={hand.seat}>
                ✋ <bdi>{hand.label}</bdi>
              </li>
            ))}
          </ol>
          <Button act={() => room.say({ type: "lower_hands" })}>{t("teach.lower")}</Button>
        </section>
      )}
      <ul class="seats">
        {(seats.seats ?? []).map((seat) => (
          <li key={seat.seat}>
            <bdi>{seat.label}</bdi>
            <Button
              pressed={permits.includes(seat.seat)}
              act={() =>
                room.say({
                  type: "permit",
                  seat: seat.seat,
                  ink: !permits.includes(seat.seat),
                })
              }
            >
              {t("teach.permit")}
            </Button>
          </li>
        ))}
      </ul>
    </div>
  );
}
