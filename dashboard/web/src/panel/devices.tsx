// The room's devices: what each has confirmed, in words, and its power.

import { useSignal } from "@preact/signals";
import type { DeviceState } from "../api/types";
import { said, t } from "../i18n";
import { ask, isTechnician, room, session, warmLeft } from "../room/store";
import { deviceName } from "../room/names";
import { beat } from "../room/time";
import { Button } from "../ui/button";
import { Icon } from "../ui/icons";
import { hasMore } from "./commands";
import { DeviceSheet, MoreButton, Quick } from "./controls";

type Mark = "good" | "busy" | "off" | "bad";

export interface DeviceWord {
  text: string;
  mark: Mark;
}

/** What switches a device: its power, or the relay that it is. */
function switchOf(device: DeviceState): "power" | "relay" | null {
  const names = device.commands.map((command) => command.name);
  return names.includes("power") ? "power" : names.includes("relay") ? "relay" : null;
}

export function deviceWord(device: DeviceState): DeviceWord {
  if (device.health === "offline") return { text: t("device.offline"), mark: "bad" };
  if (device.health === "connecting") return { text: t("device.connecting"), mark: "busy" };
  const left = device.warm_s === null || beat.value < 0 ? null : warmLeft(device.id, device.warm_s);
  if (device.power === "warming" || device.power === "cooling") {
    const text =
      left !== null && left > 0
        ? t(`device.${device.power}.s`, { n: left })
        : t(`device.${device.power}`);
    return { text, mark: "busy" };
  }
  const asked = device.desired["power"];
  if (asked === true && device.power !== "on") return { text: t("device.asked.on"), mark: "busy" };
  if (asked === false && device.power === "on") return { text: t("device.asked.off"), mark: "busy" };
  if (device.health === "degraded") return { text: t("device.degraded"), mark: "busy" };
  if (device.power === "on") return { text: t("device.on"), mark: "good" };
  if (device.power === "off") return { text: t("device.off"), mark: "off" };
  const relay = device.values["relay"];
  if (typeof relay === "boolean")
    return relay ? { text: t("device.on"), mark: "good" } : { text: t("device.off"), mark: "off" };
  return switchOf(device) === "power"
    ? { text: t("device.unknown"), mark: "off" }
    : { text: t("device.ready"), mark: "good" };
}

function Device({ device }: { device: DeviceState }) {
  const { text, mark } = deviceWord(device);
  const command = switchOf(device);
  const on =
    command === "relay"
      ? device.values["relay"] === true
      : device.power === "on" || device.power === "warming";
  const step = session.value?.steps.find(
    (one) => one.device === device.id && one.state === "failed",
  );
  const name = deviceName(device);
  const open = useSignal(false);
  return (
    <li class={`device is-${mark}`}>
      <Icon name={device.kind} size={32} />
      <div class="device-words">
        <span class="device-name">
          <bdi>{name}</bdi>
        </span>
        <span class="device-state">
          <span class={`mark ${mark}`} aria-hidden="true" />
          {text}
        </span>
        {(step !== undefined || (isTechnician.value && mark === "bad" && device.detail)) && (
          <span class="device-detail">
            <bdi>{step === undefined ? device.detail : `${step.detail} ${step.remedy}`}</bdi>
          </span>
        )}
      </div>
      {hasMore(device) && <MoreButton device={device} open={() => (open.value = true)} />}
      {command !== null && (
        <Button
          class="device-power"
          kind="plain"
          icon="power"
          pressed={on}
          label={t(on ? "device.turn.off" : "device.turn.on", { name })}
          disabled={device.health === "offline" || device.health === "connecting"}
          act={() => ask(`/devices/${encodeURIComponent(device.id)}/${command}`, { value: !on })}
        >
          {""}
        </Button>
      )}
      <Quick device={device} />
      {open.value && <DeviceSheet device={device} close={() => (open.value = false)} />}
    </li>
  );
}

export function Devices() {
  const devices = room.value?.devices ?? [];
  return (
    <section class="card devices" aria-labelledby="devices-title">
      <h2 id="devices-title">{t("devices")}</h2>
      {devices.length === 0 ? (
        <p class="empty">{t("devices.none")}</p>
      ) : (
        <ul class="device-list">
          {devices.map((device) => (
            <Device key={device.id} device={device} />
          ))}
        </ul>
      )}
    </section>
  );
}

/** Scenes that one runs by hand; those of start and end come with the class. */
export function Scenes() {
  const names = room.value?.scene_names ?? {};
  const scenes = (room.value?.scenes ?? []).filter((one) => one !== "start" && one !== "end");
  if (scenes.length === 0) return null;
  return (
    <section class="card scenes" aria-labelledby="scenes-title">
      <h2 id="scenes-title">{t("scenes")}</h2>
      <div class="scene-list">
        {scenes.map((scene) => (
          <Button key={scene} act={() => ask(`/scenes/${encodeURIComponent(scene)}`)}>
            <bdi>{names[scene] ?? scene}</bdi>
          </Button>
        ))}
      </div>
    </section>
  );
}

/** A device's or source's name as people know it. */
export function nameOf(id: string): string {
  const device = room.value?.devices.find((one) => one.id === id);
  if (device !== undefined) return deviceName(device);
  const source = room.value?.sources.find((one) => one.id === id);
  return source === undefined ? id : said(`source.${source.role}`, source.id);
}
