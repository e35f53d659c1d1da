// What a device can be told besides its power: sound, picture, input.

import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { DeviceState } from "../api/types";
import { said, t, type Key } from "../i18n";
import { deviceName } from "../room/names";
import { Button } from "../ui/button";
import { Dialog } from "../ui/dialog";
import { Icon } from "../ui/icons";
import { Camera } from "./camera";
import { awake, commandOf, inputs, isCamera, reachable, switches, tell, type Switch } from "./commands";

export function SwitchButton({ device, name }: { device: DeviceState; name: Switch }) {
  const on = device.values[name] === true;
  const key: Key = `control.${name}.${on ? "on" : "off"}`;
  const whose = deviceName(device);
  return (
    <Button
      class="switch"
      icon={on && name === "mute" ? "muted" : name === "mute" ? "sound" : name}
      pressed={on}
      label={`${whose}: ${t(key)}`}
      disabled={!awake(device)}
      act={() => tell(device, name, !on)}
    >
      {t(`control.${name}`)}
    </Button>
  );
}

const SEND_MS = 150;

/** The knob follows the finger at once; the number is what the device has confirmed. */
export function Volume({ device }: { device: DeviceState }) {
  const info = commandOf(device, "volume");
  const told = device.values["volume"];
  const asked = device.desired["volume"];
  const known = typeof asked === "number" ? asked : typeof told === "number" ? told : null;
  const held = useSignal<number | null>(null);
  const due = useRef(0);
  const sending = useRef(false);
  const low = info?.minimum ?? 0;
  const high = info?.maximum ?? 100;

  const send = async () => {
    if (sending.current) return;
    sending.current = true;
    try {
      while (held.value !== null) {
        const value = held.value;
        await tell(device, "volume", value);
        if (held.value === value) held.value = null;
      }
    } finally {
      sending.current = false;
      held.value = null;
    }
  };
  useEffect(() => () => clearTimeout(due.current), []);
  const shown = held.value ?? known ?? low;
  const name = deviceName(device);
  return (
    <div class="volume">
      <input
        type="range"
        class="slider"
        min={low}
        max={high}
        step={Math.max(1, Math.round((high - low) / 100))}
        value={shown}
        style={{ "--filled": `${((shown - low) / Math.max(1, high - low)) * 100}%` }}
        aria-label={t("control.volume.of", { name })}
        disabled={!awake(device)}
        onInput={(event) => {
          held.value = Number(event.currentTarget.value);
          clearTimeout(due.current);
          due.current = window.setTimeout(() => void send(), SEND_MS);
        }}
      />
      <output class={`volume-number ${held.value === null ? "" : "is-asked"}`} dir="ltr">
        {known === null && held.value === null ? "–" : Math.round(shown)}
      </output>
    </div>
  );
}

/** The line under a device that is on: what is needed in every class. */
export function Quick({ device }: { device: DeviceState }) {
  if (!awake(device)) return null;
  const loud = commandOf(device, "volume") !== undefined;
  const shown = switches(device);
  if (!loud && shown.length === 0) return null;
  return (
    <div class={`quick ${loud ? "is-loud" : ""}`}>
      {shown.map((name) => (
        <SwitchButton key={name} device={device} name={name} />
      ))}
      {loud && <Volume device={device} />}
    </div>
  );
}

export function inputName(choice: string): string {
  const [, kind = choice, number = ""] = /^([a-z_-]+?)[_-]?(\d*)$/i.exec(choice) ?? [];
  const word = said(`input.${kind}`, kind.replaceAll("_", " ").toUpperCase());
  return number === "" ? word : `${word} ${number}`;
}

export function DeviceSheet({ device, close }: { device: DeviceState; close: () => void }) {
  const input = device.desired["input"] ?? device.values["input"];
  const list = inputs(device);
  return (
    <Dialog title={deviceName(device)} close={close} class="sheet">
      {isCamera(device) && <Camera device={device} />}
      {list.length > 0 && (
        <section class="sheet-part" aria-labelledby="input-title">
          <h3 id="input-title">{t("control.input")}</h3>
          {!awake(device) && <p class="empty">{t("control.asleep")}</p>}
          <div class="inputs">
            {list.map((choice) => (
              <Button
                key={choice}
                pressed={input === choice}
                disabled={!awake(device)}
                act={() => tell(device, "input", choice)}
              >
                <bdi dir="ltr">{inputName(choice)}</bdi>
              </Button>
            ))}
          </div>
        </section>
      )}
      <Button local kind="main" act={close}>
        {t("action.close")}
      </Button>
    </Dialog>
  );
}

export function MoreButton({ device, open }: { device: DeviceState; open: () => void }) {
  const camera = isCamera(device);
  return (
    <button
      type="button"
      class="button plain device-more"
      aria-label={t(camera ? "control.camera.of" : "control.input.of", {
        name: deviceName(device),
      })}
      aria-haspopup="dialog"
      disabled={!reachable(device)}
      onClick={open}
    >
      <Icon name={camera ? "aim" : "input"} />
    </button>
  );
}
