// What students ask, from the room and from elsewhere: the lecturer lets it through or is done.

import { Asker } from "../inquiry";
import { Button } from "../parts";
import * as room from "../room";
import { t } from "../texts";

export function Inquiries() {
  const asked = room.inquiries.value;
  if (asked.length === 0) return null;
  const settle = (inquiry: string, state: "shown" | "done") =>
    room.say({ type: "settle", inquiry, state });
  const now = room.lesson.value?.inquiry?.id;
  const title = t("teach.inquiries", { n: asked.length });
  return (
    <section aria-label={title}>
      <h2>{title}</h2>
      {asked.map((one) => (
        <blockquote key={one.id} class="inquiry" data-inquiry={one.id} data-state={one.state}>
          <p>
            <bdi>{one.text}</bdi>
          </p>
          <Asker inquiry={one} />
          <div class="row">
            {one.id !== now && (
              <Button act={() => settle(one.id, "shown")}>{t("teach.share")}</Button>
            )}
            <Button kind="quiet" act={() => settle(one.id, "done")}>
              {t("teach.done")}
            </Button>
          </div>
        </blockquote>
      ))}
    </section>
  );
}
