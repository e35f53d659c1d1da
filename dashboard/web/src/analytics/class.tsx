// One class: who was there, what was asked, how long pages stood, where its recording is watched.

import { clock, day, playTime } from "../i18n";
import { me } from "../room/store";
import type { Count, Detail, PollFigures } from "../api/types";
import { names, number } from "./figures";
import { Bars, Columns, Csv } from "./plots";
import { t } from "./texts";

export function Class({ detail }: { detail: Detail }) {
  const { session } = detail;
  const zone = me.value?.timezone ?? "UTC";
  const base = `sessions/${encodeURIComponent(session.id)}`;
  const started = new Date(session.started);
  const curve = (counts: Count[]) =>
    counts.map((one) => ({ label: playTime(one.at), value: one.n, said: number(one.n) }));
  return (
    <>
      <header class="analytics-head">
        <h1>
          <bdi>{session.title}</bdi>
        </h1>
        <p>
          {day(started, zone, "medium")}, <bdi dir="ltr">{clock(started, zone)}</bdi> ·{" "}
          {t("minutes.n", { n: Math.round(session.minutes) })} ·{" "}
          {t("seats.n", { n: session.seats })} ·{" "}
          {t("seat.minutes", { minutes: number(session.seat_minutes) })}
        </p>
        {session.recording !== null && (
          <a class="button plain" href={`/recordings/${encodeURIComponent(session.recording)}`}>
            {t("recording")}
          </a>
        )}
      </header>
      <Columns
        title={t("present")}
        heads={[t("time"), t("seats")]}
        bars={curve(detail.present)}
        csv={`${base}/present.csv`}
      />
      {names.value && session.seats > 0 && (
        <p>
          <a
            class="button plain"
            download
            href={`/api/v1/tablets/sessions/${encodeURIComponent(session.id)}/attendance.csv`}
          >
            {t("attendance.names")}
          </a>
        </p>
      )}
      <Polls polls={detail.polls} csv={`${base}/polls.csv`} />
      <Bars
        title={t("pages")}
        heads={[t("page"), t("time")]}
        csv={`${base}/pages.csv`}
        bars={detail.pages.map((one) => ({
          label: one.title,
          value: one.seconds,
          said: playTime(one.seconds),
        }))}
      />
      <Columns
        title={t("confused")}
        heads={[t("time"), t("lost")]}
        bars={curve(detail.lost)}
        csv={`${base}/lost.csv`}
      />
      <Columns
        title={t("heat")}
        heads={[t("time"), t("heat.times")]}
        bars={curve(detail.watched)}
        csv={`${base}/watched.csv`}
      />
    </>
  );
}

function Polls({ polls, csv }: { polls: PollFigures[]; csv: string }) {
  return (
    <section class="card plot">
      <header class="plot-head">
        <h2>{t("polls")}</h2>
        {polls.length > 0 && <Csv href={csv} of={t("polls")} />}
      </header>
      {polls.length === 0 && <p class="empty">{t("none")}</p>}
      {polls.map((poll) => (
        <article key={poll.id} class="poll" data-poll={poll.id}>
          <h3>
            <bdi>{poll.text || t("poll.untitled")}</bdi>
          </h3>
          <p>
            {t("poll.answered", { n: poll.answered, all: poll.present })}
            {poll.right !== null && <> · {t("poll.right", { n: Math.round(poll.right * 100) })}</>}
            {poll.median !== null && (
              <> · {t("poll.median", { median: number(poll.median, 2), mean: number(poll.mean ?? 0, 2) })}</>
            )}
          </p>
          {poll.counts.length > 0 && (
            <ul class="lying">
              {poll.choices.map((choice, at) => (
                <li key={at}>
                  <span class="lying-name">
                    <bdi>{choice}</bdi>
                  </span>
                  <svg viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">
                    <rect class="ground" width="100" height="10" />
                    <rect
                      class="bar"
                      width={(100 * (poll.counts[at] ?? 0)) / Math.max(1, poll.answered)}
                      height="10"
                    />
                  </svg>
                  <span class="lying-value">{number(poll.counts[at] ?? 0)}</span>
                </li>
              ))}
            </ul>
          )}
        </article>
      ))}
    </section>
  );
}
