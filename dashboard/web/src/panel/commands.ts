// What a device can be told, and whether it can be told now.

import type { CommandInfo, DeviceState } from "../api/types";
import { ask } from "../room/store";

/** Switches that a page has a word for, in the order in which they are shown. */
const SWITCHES = ["mute", "blank", "freeze"] as const;
export type Switch = (typeof SWITCHES)[number];

export function commandOf(device: DeviceState, name: string): CommandInfo | undefined {
  return device.commands.find((command) => command.name === name);
}

export function tell(device: DeviceState, command: string, value?: unknown): Promise<boolean> {
  return ask(`/devices/${encodeURIComponent(device.id)}/${command}`, { value: value ?? null });
}

export function reachable(device: DeviceState): boolean {
  return device.health === "online" || device.health === "degraded";
}

/** Sound and picture can be told only to what is on (or does not say whether it is). */
export function awake(device: DeviceState): boolean {
  return reachable(device) && (device.power === "on" || device.power === "unknown");
}

export function isCamera(device: DeviceState): boolean {
  return ["pan_tilt", "zoom", "preset_recall"].some((name) => commandOf(device, name));
}

export function switches(device: DeviceState): Switch[] {
  return SWITCHES.filter((name) => commandOf(device, name)?.kind === "boolean");
}

export function inputs(device: DeviceState): string[] {
  return commandOf(device, "input")?.choices ?? [];
}

/** Is there more than the row and its line show? */
export function hasMore(device: DeviceState): boolean {
  return isCamera(device) || inputs(device).length > 0;
}
