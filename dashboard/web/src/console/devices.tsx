// Every device: what it says of itself, every command that it knows, and its wire as it talks.

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { CommandInfo, CommandResult, DeviceState, Traffic } from "../api/types";
import { t as shared } from "../i18n";
import { deviceWord } from "../panel/devices";
import { room } from "../room/store";
import { deviceName, isPlayed } from "../room/names";
import { Button } from "../ui/button";
import { told } from "./api";
import { t, type Key } from "./texts";

const LINES = 200;

export function Wire({ entries }: { entries: Traffic[] }) {
  return (
    <ol class="wire" dir="ltr" tabIndex={0} aria-label={t("wire")}>
      {entries.map((one, index) => (
        <li key={`${one.time}${index}`} class={`wire-${one.direction}`}>
          <time>{one.time.slice(11, 23)}</time>
          <span aria-label={t(`wire.${one.direction}` as Key)}>
            {one.direction === "out" ? "→" : one.direction === "in" ? "←" : "·"}
          </span>
          <span class="wire-text">{one.text}</span>
          <code>{one.data}</code>
        </li>
      ))}
    </ol>
  );
}

/** A device's wire, live: what was, then each exchange as it happens. */
function LiveWire({ device }: { device: string }) {
  const entries = useSignal<Traffic[]>([]);
  useEffect(() => {
    let over = false;
    let socket: WebSocket | null = null;
    let timer = 0;
    const open = async () => {
      const path = `/devices/${encodeURIComponent(device)}/traffic`;
      const before = await told<Traffic[]>("GET", path);
      if (over) return;
      entries.value = (before ?? []).reverse().slice(0, LINES);
      const scheme = location.protocol === "https:" ? "wss:" : "ws:";
      socket = new WebSocket(`${scheme}//${location.host}/api/v1${path}/live`);
      socket.onmessage = (message) => {
        const one = JSON.parse(String(message.data)) as Traffic;
        entries.value = [one, ...entries.value].slice(0, LINES);
      };
      socket.onclose = () => {
        if (!over) timer = window.setTimeout(() => void open(), 2000);
      };
    };
    void open();
    return () => {
      over = true;
      clearTimeout(timer);
      socket?.close();
    };
  }, [device]);
  return <Wire entries={entries.value} />;
}

export function valueOf(info: CommandInfo, text: string): unknown {
  if (info.kind === "boolean") return text === "true";
  return info.kind === "number" ? Number(text) : info.kind === "choice" ? text : null;
}

/** What a command takes, as a field of its kind. */
export function ValueField(props: { info: CommandInfo; value: string; set: (text: string) => void }) {
  const { info, value, set } = props;
  const label = t("command.value.of", { name: info.name });
  if (info.kind === "number")
    return (
      <input
        type="number"
        aria-label={label}
        min={info.minimum ?? undefined}
        max={info.maximum ?? undefined}
        step="any"
        value={value}
        onInput={(event) => set(event.currentTarget.value)}
      />
    );
  if (info.kind === "action") return null;
  const choices = info.kind === "boolean" ? ["true", "false"] : info.choices;
  return (
    <select aria-label={label} value={value} onChange={(event) => set(event.currentTarget.value)}>
      {choices.map((one) => (
        <option key={one} value={one}>
          {one === "true" ? shared("device.on") : one === "false" ? shared("device.off") : one}
        </option>
      ))}
    </select>
  );
}

export function firstValue(info: CommandInfo): string {
  if (info.kind === "boolean") return "true";
  return info.kind === "number" ? String(info.minimum ?? 0) : (info.choices[0] ?? "");
}

export function Outcome({ result }: { result: CommandResult }) {
  const good = result.outcome === "confirmed" || result.outcome === "queued";
  return (
    <p class="line" role="status">
      <span class={`mark ${good ? "good" : "bad"}`} aria-hidden="true" />
      {t(`outcome.${result.outcome}` as Key)}
      {result.reply_ms !== null && <bdi dir="ltr">{`${Math.round(result.reply_ms)} ms`}</bdi>}
      {result.detail !== "" && <bdi>{result.detail}</bdi>}
    </p>
  );
}

function Command({ device, info }: { device: DeviceState; info: CommandInfo }) {
  const value = useSignal(firstValue(info));
  const result = useSignal<CommandResult | null>(null);
  const path = `/devices/${encodeURIComponent(device.id)}/${info.name}`;
  return (
    <li class="command">
      <code class="command-name">{info.name}</code>
      <ValueField info={info} value={value.value} set={(text) => (value.value = text)} />
      <Button
        label={t("command.send", { name: info.name })}
        act={async () => {
          const body = { value: valueOf(info, value.value) };
          result.value = await told<CommandResult>("POST", path, body);
        }}
      >
        {t("send")}
      </Button>
      {result.value !== null && <Outcome result={result.value} />}
    </li>
  );
}

/** The simulator in the device's place, for a trial: the room control begins anew with it. */
function StandIn({ device }: { device: DeviceState }) {
  const on = isPlayed(device);
  return (
    <Button
      act={() => told("POST", `/standins/${encodeURIComponent(device.id)}`, { on: !on })}
      label={`${deviceName(device)}: ${t(on ? "standin.off" : "standin.on")}`}
    >
      {t(on ? "standin.off" : "standin.on")}
    </Button>
  );
}

function Device({ device }: { device: DeviceState }) {
  const open = useSignal(false);
  const { text, mark } = deviceWord(device);
  const values = Object.entries(device.values);
  return (
    <section class="card device-card" aria-labelledby={`device-${device.id}`}>
      <div class="line">
        <span class={`mark ${mark}`} aria-hidden="true" />
        <h2 id={`device-${device.id}`}>
          <bdi>{deviceName(device)}</bdi>
        </h2>
        <span>{text}</span>
      </div>
      <p class="small" dir="ltr">
        {[device.profile, device.dialect, device.model, device.firmware].filter(Boolean).join(" · ")}
      </p>
      {device.detail !== "" && <p class="small" dir="auto">{device.detail}</p>}
      {values.length > 0 && (
        <p class="values" dir="ltr">
          {values.map(([name, value]) => (
            <code key={name}>
              {name}={String(value)}
            </code>
          ))}
        </p>
      )}
      <div class="row">
        <Button local pressed={open.value} act={() => void (open.value = !open.value)}>
          {t("device.open")}
        </Button>
        <StandIn device={device} />
      </div>
      {open.value && (
        <div class="device-inside">
          <ul class="command-list">
            {device.commands.map((info) => (
              <Command key={info.name} device={device} info={info} />
            ))}
          </ul>
          <LiveWire device={device.id} />
        </div>
      )}
    </section>
  );
}

export function Devices() {
  const devices = room.value?.devices ?? [];
  if (devices.length === 0) return <p>{shared("devices.none")}</p>;
  return (
    <div class="stack">
      {devices.map((device) => (
        <Device key={device.id} device={device} />
      ))}
    </div>
  );
}
