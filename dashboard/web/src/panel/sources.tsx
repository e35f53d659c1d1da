// What is being recorded, to be believed at a glance: a moving picture of each source, moving sound.

import { computed, useComputed, useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { ApiError, picture } from "../api/client";
import type { SourceView } from "../api/types";
import { said, t, type Key } from "../i18n";
import { active, levels, link, room, session, word } from "../room/store";
import { beat, steady } from "../room/time";
import { Icon } from "../ui/icons";

const PICTURE_MS = 1_000;
const OLD_S = 5;

export function Picture({ source }: { source: SourceView }) {
  const address = useSignal<string | null>(null);
  const newest = useSignal(steady());
  const shown = session.value?.state !== "paused" && active.value;
  useEffect(() => {
    if (!shown || link.value !== "open") return undefined;
    let stopped = false;
    let timer = 0;
    const next = async () => {
      try {
        if (!document.hidden) {
          const jpeg = await picture(source.id);
          if (stopped) return;
          if (jpeg !== null) {
            const old = address.value;
            address.value = URL.createObjectURL(jpeg);
            newest.value = steady();
            if (old !== null) URL.revokeObjectURL(old);
          }
        }
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
      }
      if (!stopped) timer = window.setTimeout(() => void next(), PICTURE_MS);
    };
    void next();
    return () => {
      stopped = true;
      clearTimeout(timer);
      if (address.value !== null) URL.revokeObjectURL(address.value);
      address.value = null;
    };
  }, [source.id, shown, link.value === "open"]);
  const stale = useComputed(() => beat.value - newest.value > OLD_S);
  const name = said(`source.${source.role}`, source.id);
  const trouble = source.state === "lost" || source.state === "failed";
  const moving = address.value !== null && !stale.value;
  const mark = trouble ? "bad" : !shown ? "off" : moving ? "good" : "busy";
  return (
    <figure class={`picture is-${source.state}`}>
      {address.value !== null && shown ? (
        <img src={address.value} alt={t("picture.of", { name })} />
      ) : (
        <div class="picture-empty">
          <Icon name={word.value === "paused" ? "pause" : source.role} size={56} />
          <span>
            {trouble
              ? t(`source.${source.state}` as Key)
              : word.value === "paused"
                ? t("picture.paused")
                : t("picture.waiting")}
          </span>
        </div>
      )}
      <figcaption>
        <span class={`mark ${mark}`} aria-hidden="true" />
        <bdi>{name}</bdi>
        {address.value !== null && shown && (trouble || stale.value) && (
          <strong class="picture-trouble">
            {trouble ? t(`source.${source.state}` as Key) : t("picture.stale")}
          </strong>
        )}
      </figcaption>
    </figure>
  );
}

const FLOOR_DBFS = -60;

/** The word for a level; words change slowly, so that they can be read. */
function soundWord(dbfs: number): Key {
  if (dbfs < -55) return "sound.silent";
  if (dbfs < -38) return "sound.quiet";
  return dbfs > -3 ? "sound.loud" : "sound.good";
}

function Meter({ source }: { source: SourceView }) {
  const level = useComputed(() => levels.value[source.id] ?? source.level_dbfs ?? -120);
  const filled = useComputed(() => Math.min(1, Math.max(0, 1 - level.value / FLOOR_DBFS)));
  const peak = useSignal({ dbfs: -120, at: 0 });
  useEffect(() => {
    if (level.value >= peak.value.dbfs || steady() - peak.value.at > 1.5)
      peak.value = { dbfs: level.value, at: steady() };
  }, [level.value]);
  const text = useComputed(() => t(soundWord(peak.value.dbfs)));
  const name = said(`source.${source.role}`, source.id);
  const trouble = source.state === "lost" || source.state === "failed";
  return (
    <div class="meter">
      <Icon name="microphone" />
      <bdi class="meter-name">{name}</bdi>
      <div
        class="meter-bar"
        role="meter"
        aria-label={`${t("sound")}: ${name}`}
        aria-valuemin={FLOOR_DBFS}
        aria-valuemax={0}
        aria-valuenow={Math.round(Math.max(FLOOR_DBFS, peak.value.dbfs))}
        aria-valuetext={text.value}
      >
        <span class="meter-fill" style={{ inlineSize: `${filled.value * 100}%` }} />
      </div>
      <span class={`meter-word ${trouble ? "bad" : ""}`}>
        {trouble ? t(`source.${source.state}` as Key) : text}
      </span>
    </div>
  );
}

const seen = computed(() => (room.value?.sources ?? []).filter((one) => one.video || isCamera(one)));
const heard = computed(() =>
  (room.value?.sources ?? []).filter((one) => one.audio || one.role === "microphone"),
);

function isCamera(source: SourceView): boolean {
  return source.role !== "microphone";
}

export function Sources() {
  return (
    <section class="sources" aria-label={t("pictures")}>
      <div class={`pictures of-${Math.min(4, seen.value.length)}`}>
        {seen.value.map((source) => (
          <Picture key={source.id} source={source} />
        ))}
      </div>
      {heard.value.length > 0 && (
        <div class="card meters">
          {heard.value.map((source) => (
            <Meter key={source.id} source={source} />
          ))}
        </div>
      )}
    </section>
  );
}
