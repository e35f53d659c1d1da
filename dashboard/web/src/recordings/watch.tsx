// One lecture: the video, its chapters, its files.

import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { ApiError, get } from "../api/client";
import type { Chapter, RecordingDetail } from "../api/types";
import { clock, day, playTime, said, size, t } from "../i18n";
import { me } from "../room/store";
import { Icon } from "../ui/icons";

export function Watch({ id }: { id: string }) {
  const found = useSignal<RecordingDetail | null>(null);
  const failed = useSignal<string | null>(null);
  const at = useSignal(0);
  const video = useRef<HTMLVideoElement>(null);
  const base = `/api/v1/recordings/${encodeURIComponent(id)}/products`;
  useEffect(() => {
    get<RecordingDetail>(`/recordings/${encodeURIComponent(id)}`).then(
      (detail) => (found.value = detail),
      (error: unknown) => {
        failed.value = error instanceof ApiError ? `${error.detail} ${error.remedy}` : String(error);
      },
    );
  }, [id]);
  const recording = found.value;
  if (recording === null) {
    return (
      <main class="recordings">
        <p class="empty card" role={failed.value === null ? "status" : "alert"}>
          {failed.value ?? t("recordings.loading")}
        </p>
      </main>
    );
  }
  const zone = me.value?.timezone ?? "UTC";
  const started = new Date(recording.started);
  const play = (chapter: Chapter) => {
    if (video.current === null) return;
    video.current.currentTime = chapter.start_s;
    void video.current.play().catch(() => undefined);
  };
  const current = recording.chapters.reduce(
    (last, chapter, index) => (chapter.start_s <= at.value + 0.25 ? index : last),
    0,
  );
  return (
    <main class="watch">
      <section class="watch-main">
        {recording.lecture ? (
          <video
            ref={video}
            class="watch-video"
            src={`${base}/lecture.mp4`}
            controls
            preload="metadata"
            playsInline
            aria-label={recording.title}
            onTimeUpdate={(event) => (at.value = event.currentTarget.currentTime)}
          />
        ) : (
          <div class="watch-video picture-empty">
            <Icon name="film" size={56} />
            <span>{t("recordings.unplayable")}</span>
          </div>
        )}
        <h1>
          <bdi>{recording.title}</bdi>
        </h1>
        <p class="recording-facts">
          {recording.lecturer !== null && (
            <>
              <bdi>{recording.lecturer}</bdi> ·{" "}
            </>
          )}
          {day(started, zone)}, <bdi dir="ltr">{clock(started, zone)}</bdi>
        </p>
      </section>
      <aside class="watch-side">
        {recording.chapters.length > 0 && (
          <nav class="card" aria-labelledby="chapters-title">
            <h2 id="chapters-title">{t("chapters")}</h2>
            <ol class="chapter-list" role="list">
              {recording.chapters.map((chapter, index) => (
                <li key={`${chapter.kind} ${chapter.start_s}`}>
                  <button
                    type="button"
                    class="chapter"
                    aria-current={index === current ? "true" : undefined}
                    onClick={() => play(chapter)}
                    disabled={!recording.lecture}
                  >
                    <time dir="ltr">{playTime(chapter.start_s)}</time>
                    <bdi>{chapterName(chapter)}</bdi>
                  </button>
                </li>
              ))}
            </ol>
          </nav>
        )}
        {recording.products.length > 0 && (
          <section class="card" aria-labelledby="files-title">
            <h2 id="files-title">{t("recordings.files")}</h2>
            <ul class="file-list" role="list">
              {recording.products.map((file) => (
                <li key={file.name}>
                  <a
                    class="file"
                    href={`${base}/${encodeURIComponent(file.name)}?download=true`}
                    download
                  >
                    <Icon name="download" />
                    <bdi dir="ltr">{file.name}</bdi>
                    <span>{size(file.bytes)}</span>
                  </a>
                </li>
              ))}
            </ul>
          </section>
        )}
      </aside>
    </main>
  );
}

function chapterName(chapter: Chapter): string {
  if (chapter.kind === "bookmark" && chapter.label) return chapter.label;
  const name = chapter.kind === "layout" ? said(`layout.${chapter.label}`, chapter.label) : chapter.label;
  return said(`chapter.${chapter.kind}`, chapter.label, { name });
}
