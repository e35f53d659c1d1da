// The sheet that hangs beside the panel: addresses as QR codes, devices and their wires, whom to ring.

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { Address, SheetView } from "../api/types";
import { room } from "../room/store";
import { deviceName } from "../room/names";
import { Button } from "../ui/button";
import { told } from "./api";
import { t } from "./texts";

const BORDER = 4;

function Code({ address, title }: { address: Address; title: string }) {
  const all = address.size + 2 * BORDER;
  return (
    <figure class="code">
      <svg viewBox={`${-BORDER} ${-BORDER} ${all} ${all}`} role="img" aria-label={title} shape-rendering="crispEdges">
        <rect x={-BORDER} y={-BORDER} width={all} height={all} fill="#fff" />
        <path d={address.path} fill="#000" />
      </svg>
      <figcaption>
        <strong>{title}</strong>
        <bdi dir="ltr">{address.url}</bdi>
      </figcaption>
    </figure>
  );
}

export function Sheet() {
  const sheet = useSignal<SheetView | null>(null);
  useEffect(() => void told<SheetView>("GET", "/sheet").then((found) => (sheet.value = found)), []);
  const one = sheet.value;
  if (one === null) return null;
  return (
    <section class="card sheet" aria-labelledby="sheet-title">
      <div class="row sheet-head">
        <h2 id="sheet-title">
          <bdi>{one.name}</bdi>
        </h2>
        <code>{one.room}</code>
        <Button local act={() => print()}>
          {t("sheet.print")}
        </Button>
      </div>
      <div class="codes">
        <Code address={one.panel} title={t("sheet.panel")} />
        <Code address={one.join} title={t("sheet.join")} />
      </div>
      {one.phone !== "" && (
        <p class="sheet-phone">
          {t("sheet.phone")} <bdi dir="ltr">{one.phone}</bdi>
        </p>
      )}
      <table>
        <thead>
          <tr>
            <th scope="col">{t("column.device")}</th>
            <th scope="col">{t("field.id")}</th>
            <th scope="col">{t("field.profile")}</th>
            <th scope="col">{t("column.model")}</th>
          </tr>
        </thead>
        <tbody>
          {(room.value?.devices ?? []).map((device) => (
            <tr key={device.id}>
              <td>
                <bdi>{deviceName(device)}</bdi>
              </td>
              <td>
                <code>{device.id}</code>
              </td>
              <td>
                <code>{device.profile}</code>
              </td>
              <td>
                <bdi>{device.model ?? ""}</bdi>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      <p class="small" dir="ltr">
        {one.console}
      </p>
    </section>
  );
}
