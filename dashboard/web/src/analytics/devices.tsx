// The room's devices: hours on, hours out of reach, faults.

import { days, devices, number } from "./figures";
import { Bars, Csv } from "./plots";
import { t } from "./texts";

export function Devices() {
  const listed = devices.value;
  if (listed === null) return null;
  return (
    <>
      <Bars
        title={t("devices.hours")}
        heads={[t("device"), t("hours")]}
        bars={listed.map((one) => ({
          label: one.name,
          value: one.on_hours,
          said: number(one.on_hours, 1),
        }))}
      />
      <section class="card plot">
        <header class="plot-head">
          <h2>{t("devices.faults")}</h2>
          {listed.length > 0 && (
            <Csv href={`devices.csv?days=${days.value}`} of={t("devices.faults")} />
          )}
        </header>
        <table>
          <thead>
            <tr>
              {[t("device"), t("hours"), t("devices.away"), t("devices.failed")].map((head) => (
                <th key={head} scope="col">
                  {head}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {listed.map((one) => (
              <tr key={one.id} data-device={one.id}>
                <th scope="row">
                  <bdi>{one.name}</bdi>
                </th>
                <td>{number(one.on_hours, 1)}</td>
                <td>{number(one.away_hours, 1)}</td>
                <td>{number(one.faults)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </section>
    </>
  );
}
