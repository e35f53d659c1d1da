// Analytics: classes in numbers for those who teach, devices in hours for technicians.

import "../style/tokens.css";
import "../style/base.css";
import "../style/frame.css";
import "../style/dense.css";
import "./analytics.css";
import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { day } from "../i18n";
import { isTechnician, me, signedIn } from "../room/store";
import { Button } from "../ui/button";
import { Frame, Gate, showPage } from "../ui/frame";
import { Class } from "./class";
import type { SessionFigures } from "../api/types";
import { course, courses, days, detail, look, number, open, overview, own, problem, query } from "./figures";
import { Devices } from "./devices";
import { Columns, Csv } from "./plots";
import { t } from "./texts";

const SPANS = [7, 30, 90, 365];
const chosen = signal(new URLSearchParams(location.search).get("session"));

export function choose(session: string | null): void {
  const address = new URL(location.href);
  if (session === null) address.searchParams.delete("session");
  else address.searchParams.set("session", session);
  history.pushState(null, "", address);
  chosen.value = session;
}

function Page() {
  const back = chosen.value !== null && (
    <Button local kind="quiet" icon="back" act={() => choose(null)}>
      {t("title")}
    </Button>
  );
  return (
    <Frame back={back || undefined}>
      <Gate may={signedIn.value}>
        <main class="analytics dense">
          <p class={problem.value ? "alarm is-problem" : "unseen"} role="alert">
            {problem}
          </p>
          {chosen.value !== null ? <Chosen id={chosen.value} /> : <All keeps={isTechnician.value} />}
        </main>
      </Gate>
    </Frame>
  );
}

function Chosen({ id }: { id: string }) {
  useEffect(() => {
    detail.value = null;
    void open(id);
  }, [id]);
  return detail.value ? <Class detail={detail.value} /> : <p aria-busy={problem.value === ""} />;
}

function All({ keeps }: { keeps: boolean }) {
  useEffect(() => void look(keeps), [days.value, course.value]);
  const found = overview.value;
  const zone = me.value?.timezone ?? "UTC";
  if (found === null) return <p aria-busy={problem.value === ""} />;
  const held = found.sessions;
  const sum = (of: (one: SessionFigures) => number) =>
    held.reduce((total, one) => total + of(one), 0);
  const tiles: [string, string][] = [
    [t("sessions"), number(found.sessions.length)],
    [t("hours"), number(sum((one) => one.minutes) / 60, 1)],
    [t("seats"), number(sum((one) => one.seats))],
    [t("polls"), number(sum((one) => one.polls))],
    [t("watched"), number(sum((one) => one.watched_minutes) / 60, 1)],
  ];
  return (
    <>
      <header class="analytics-head">
        <h1>
          {t("title")}
          {own.value && <small class="whose">{t("own")}</small>}
        </h1>
        <label class="field">
          <span>{t("span")}</span>
          <select
            value={String(days.value)}
            onChange={(event) => (days.value = Number(event.currentTarget.value))}
          >
            {SPANS.map((one) => (
              <option key={one} value={one}>
                {t("days", { n: one })}
              </option>
            ))}
          </select>
        </label>
        <label class="field">
          <span>{t("course")}</span>
          <select
            value={course.value}
            onChange={(event) => (course.value = event.currentTarget.value)}
          >
            <option value="">{t("course.all")}</option>
            {courses.value.map((one) => (
              <option key={one} value={one}>
                {one}
              </option>
            ))}
          </select>
        </label>
      </header>
      <dl class="tiles">
        {tiles.map(([name, value]) => (
          <div key={name} class="card tile">
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      <Columns
        title={t("byday")}
        heads={[t("day"), t("minutes")]}
        bars={found.by_day.map((one) => ({
          label: day(new Date(`${one.day}T12:00:00Z`), "UTC", "medium"),
          value: one.minutes,
          said: t("day.said", { minutes: number(one.minutes), n: one.sessions }),
        }))}
      />
      <section class="card plot">
        <header class="plot-head">
          <h2>{t("sessions")}</h2>
          {found.sessions.length > 0 && <Csv href={`sessions.csv${query()}`} of={t("sessions")} />}
        </header>
        {found.sessions.length === 0 ? (
          <p class="empty">{t("none")}</p>
        ) : (
          <div class="scroll" tabIndex={0} role="region" aria-label={t("sessions")}>
            <table>
              <thead>
                <tr>
                  {[t("class"), t("day"), t("minutes"), t("seats"), t("polls"), t("lost"), t("watched.minutes")].map(
                    (head) => (
                      <th key={head} scope="col">
                        {head}
                      </th>
                    ),
                  )}
                </tr>
              </thead>
              <tbody>
                {found.sessions.map((one) => (
                  <tr key={one.id} data-session={one.id}>
                    <th scope="row">
                      <button type="button" class="opens" onClick={() => choose(one.id)}>
                        <bdi>{one.title}</bdi>
                      </button>{" "}
                      {one.course !== null && <bdi class="course">{one.course}</bdi>}
                    </th>
                    <td>{day(new Date(one.started), zone, "medium")}</td>
                    <td>{number(one.minutes)}</td>
                    <td>{number(one.seats)}</td>
                    <td>{number(one.polls)}</td>
                    <td>{number(one.lost)}</td>
                    <td>{number(one.watched_minutes)}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        )}
      </section>
      {keeps && <Devices />}
    </>
  );
}

addEventListener("popstate", () => {
  chosen.value = new URLSearchParams(location.search).get("session");
});

showPage(<Page />, () => t("title"));
