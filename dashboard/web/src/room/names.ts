// What a device is called on the pages.

import type { DeviceState } from "../api/types";
import { t } from "../i18n";

const PLAYED = " (simulator)";

/** A simulator stands in for it: the room says so at the end of its name. */
export function isPlayed(device: DeviceState): boolean {
  return device.name.endsWith(PLAYED);
}

export function deviceName(device: DeviceState): string {
  if (!isPlayed(device)) return device.name || device.id;
  return `${device.name.slice(0, -PLAYED.length)} (${t("device.simulated")})`;
}
