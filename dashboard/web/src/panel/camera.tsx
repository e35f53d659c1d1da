// A camera in someone's hand: its presets as pictures, and the pad that moves it while it is held.

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { ApiError, get, post } from "../api/client";
import type { DeviceState, PresetPicture } from "../api/types";
import { t, type Key } from "../i18n";
import { active, room } from "../room/store";
import { Button } from "../ui/button";
import { HoldButton } from "../ui/hold";
import { Icon } from "../ui/icons";
import { awake, commandOf, tell } from "./commands";
import { Picture } from "./sources";

const PRESETS = 6;
/** A camera has arrived by then, and its new picture has been taken. */
const ARRIVED_MS = 4_000;

/** The source that shows what this camera sees: by its name, else the one of the presenter. */
function sourceOf(device: DeviceState) {
  const cameras = (room.value?.sources ?? []).filter((source) => source.role !== "microphone");
  return (
    cameras.find((source) => source.id === device.id) ??
    cameras.find((source) => source.id.includes(device.id) || device.id.includes(source.id)) ??
    cameras.find((source) => source.role === "presenter")
  );
}

const PAD: [string, Key, number][] = [
  ["up_left", "ptz.up_left", -45],
  ["up", "ptz.up", 0],
  ["up_right", "ptz.up_right", 45],
  ["left", "ptz.left", -90],
  ["home", "ptz.home", 0],
  ["right", "ptz.right", 90],
  ["down_left", "ptz.down_left", -135],
  ["down", "ptz.down", 180],
  ["down_right", "ptz.down_right", 135],
];

function Arrow({ turn }: { turn: number }) {
  return (
    <svg viewBox="0 0 24 24" width="30" height="30" aria-hidden="true" focusable="false">
      <path d="M12 3.5 19 12h-4.5v8h-5v-8H5z" fill="currentColor" transform={`rotate(${turn} 12 12)`} />
    </svg>
  );
}

function Pad({ device }: { device: DeviceState }) {
  const able = commandOf(device, "pan_tilt")?.choices ?? [];
  const stop = () => tell(device, "pan_tilt", "stop");
  const off = !awake(device);
  if (able.length === 0) return null;
  // Left is where the camera's picture is left, in every language.
  return (
    <div class="pad" dir="ltr" role="group" aria-label={t("ptz")}>
      {PAD.map(([way, word, turn]) =>
        way === "home" ? (
          commandOf(device, "home") ? (
            <Button
              key={way}
              class="hold"
              icon="home"
              label={t(word)}
              disabled={off}
              act={() => tell(device, "home")}
            >
              {""}
            </Button>
          ) : (
            <span key={way} />
          )
        ) : able.includes(way) ? (
          <HoldButton
            key={way}
            label={t(word)}
            disabled={off}
            begin={() => tell(device, "pan_tilt", way)}
            end={stop}
          >
            <Arrow turn={turn} />
          </HoldButton>
        ) : (
          <span key={way} />
        ),
      )}
    </div>
  );
}

function Zoom({ device }: { device: DeviceState }) {
  const able = commandOf(device, "zoom")?.choices ?? [];
  if (!able.includes("tele") || !able.includes("wide")) return null;
  const stop = () => tell(device, "zoom", "stop");
  return (
    <div class="zoom" role="group" aria-label={t("ptz.zoom")}>
      {(["tele", "wide"] as const).map((way) => (
        <HoldButton
          key={way}
          label={t(`ptz.${way}`)}
          disabled={!awake(device)}
          begin={() => tell(device, "zoom", way)}
          end={stop}
        >
          <Icon name={way === "tele" ? "plus" : "minus"} />
        </HoldButton>
      ))}
    </div>
  );
}

function Presets({ device }: { device: DeviceState }) {
  const recall = commandOf(device, "preset_recall");
  const set = commandOf(device, "preset_set");
  const pictures = useSignal<PresetPicture[]>([]);
  const saving = useSignal(false);
  const source = sourceOf(device);
  const base = `/devices/${encodeURIComponent(device.id)}/presets`;
  const read = async () => {
    try {
      pictures.value = await get<PresetPicture[]>(base);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
    }
  };
  useEffect(() => void read(), [device.id]);
  if (recall === undefined) return null;
  const first = Math.max(recall.minimum ?? 0, 1);
  const last = Math.min(recall.maximum ?? PRESETS, first + PRESETS - 1);
  const numbers = Array.from({ length: last - first + 1 }, (_, index) => first + index);

  const keep = async (number: number) => {
    if (source === undefined || !active.value) return;
    try {
      await post(`${base}/${number}/picture`, { source: source.id });
      await read();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
    }
  };
  const use = async (number: number) => {
    if (saving.value) {
      saving.value = false;
      if (await tell(device, "preset_set", number)) await keep(number);
      return;
    }
    if (await tell(device, "preset_recall", number))
      window.setTimeout(() => void keep(number), ARRIVED_MS);
  };
  return (
    <section class="sheet-part" aria-labelledby="presets-title">
      <div class="sheet-head">
        <h3 id="presets-title">{t(saving.value ? "preset.choose" : "preset.title")}</h3>
        {set !== undefined && (
          <Button
            local
            icon={saving.value ? "cross" : "pin"}
            pressed={saving.value}
            disabled={!awake(device)}
            act={() => void (saving.value = !saving.value)}
          >
            {t(saving.value ? "action.cancel" : "preset.save")}
          </Button>
        )}
      </div>
      <div class={`presets ${saving.value ? "is-saving" : ""}`}>
        {numbers.map((number) => {
          const shown = pictures.value.find((one) => one.number === number);
          const name = device.presets[String(number)] ?? String(number);
          return (
            <Button
              key={number}
              class="preset"
              label={t(saving.value ? "preset.save.at" : "preset.go", { n: name })}
              pressed={device.values["preset"] === number}
              disabled={!awake(device)}
              act={() => use(number)}
            >
              {shown !== undefined ? (
                <img src={`/api/v1${base}/${number}/picture?${shown.kept}`} alt="" />
              ) : (
                <span class="preset-empty">
                  <Icon name="camera" />
                </span>
              )}
              <bdi class="preset-number">{name}</bdi>
            </Button>
          );
        })}
      </div>
    </section>
  );
}

export function Camera({ device }: { device: DeviceState }) {
  const source = sourceOf(device);
  return (
    <div class="camera">
      {!awake(device) && <p class="empty">{t("control.asleep")}</p>}
      <div class="camera-hand">
        {source !== undefined && <Picture source={source} />}
        <div class="camera-pads">
          <Pad device={device} />
          <Zoom device={device} />
        </div>
      </div>
      <Presets device={device} />
    </div>
  );
}
