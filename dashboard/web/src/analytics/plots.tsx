// Plots: drawn inline, each with the table it was drawn from beside it.

import type { ComponentChildren } from "preact";
import { t } from "./texts";

export interface Bar {
  label: string;
  value: number;
  /** The value in words, as the table and a screen reader say it. */
  said: string;
}

interface Props {
  title: string;
  bars: Bar[];
  /** Heads of the table's two columns. */
  heads: [string, string];
  csv?: string;
  children?: ComponentChildren;
}

const HIGH = 160;
const WIDE = 720;

/** Few values with names: bars that lie. */
export function Bars(props: Props) {
  const most = Math.max(1e-9, ...props.bars.map((bar) => bar.value));
  return (
    <Figure {...props}>
      <ul class="lying" aria-hidden="true">
        {props.bars.map((bar, at) => (
          <li key={at}>
            <span class="lying-name">
              <bdi>{bar.label}</bdi>
            </span>
            <svg viewBox="0 0 100 10" preserveAspectRatio="none" focusable="false">
              <rect class="ground" width="100" height="10" />
              <rect class="bar" width={(100 * bar.value) / most} height="10" />
            </svg>
            <span class="lying-value">{bar.said}</span>
          </li>
        ))}
      </ul>
    </Figure>
  );
}

/** Many values in order of time: columns that stand. Time runs with the reading direction. */
export function Columns(props: Props) {
  const { bars } = props;
  const most = Math.max(1, ...bars.map((bar) => bar.value));
  const step = WIDE / Math.max(1, bars.length);
  const [first, last] = [bars[0], bars[bars.length - 1]];
  return (
    <Figure {...props}>
      <div class="standing" aria-hidden="true">
        <div class="ends">
          <span>{bars.find((bar) => bar.value === most)?.said}</span>
        </div>
        <svg
          class="turns"
          viewBox={`0 0 ${WIDE} ${HIGH}`}
          preserveAspectRatio="none"
          focusable="false"
        >
          {[0.25, 0.5, 0.75, 1].map((share) => (
            <line key={share} class="rule" x2={WIDE} y1={HIGH * (1 - share)} y2={HIGH * (1 - share)} />
          ))}
          {bars.map((bar, at) => {
            const high = (HIGH * bar.value) / most;
            return (
              <rect
                key={at}
                class="bar"
                x={at * step + step * 0.08}
                y={HIGH - high}
                width={Math.max(0.5, step * 0.84)}
                height={high}
              >
                <title>{`${bar.label}: ${bar.said}`}</title>
              </rect>
            );
          })}
          <line class="base" x2={WIDE} y1={HIGH} y2={HIGH} />
        </svg>
        <div class="ends">
          <span>{first?.label}</span>
          <span>{bars.length > 1 && last?.label}</span>
        </div>
      </div>
    </Figure>
  );
}

function Figure({ title, bars, heads, csv, children }: Props) {
  return (
    <section class="card plot">
      <header class="plot-head">
        <h2>{title}</h2>
        {csv !== undefined && bars.length > 0 && <Csv href={csv} of={title} />}
      </header>
      {bars.length === 0 ? (
        <p class="empty">{t("none")}</p>
      ) : (
        <>
          {children}
          <details>
            <summary>{t("table")}</summary>
            <table>
              <caption class="unseen">{title}</caption>
              <thead>
                <tr>
                  <th scope="col">{heads[0]}</th>
                  <th scope="col">{heads[1]}</th>
                </tr>
              </thead>
              <tbody>
                {bars.map((bar, at) => (
                  <tr key={at}>
                    <th scope="row">
                      <bdi>{bar.label}</bdi>
                    </th>
                    <td>{bar.said}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </details>
        </>
      )}
    </section>
  );
}

export function Csv({ href, of }: { href: string; of: string }) {
  return (
    <a class="button quiet" href={`/api/v1/analytics/${href}`} download aria-label={`${t("csv")}: ${of}`}>
      {t("csv")}
    </a>
  );
}
