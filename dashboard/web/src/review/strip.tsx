// The slide strip: every slide as a picture, the current one marked and in sight.

import { useEffect, useRef } from "preact/hooks";
import { playTime } from "../i18n";
import { play, seek } from "./player";
import { thin } from "./stage";
import { files, slide, slides } from "./store";
import { t } from "./texts";

export function SlideStrip() {
  const list = useRef<HTMLOListElement>(null);
  const now = slide.value;
  useEffect(() => {
    const box = list.current;
    const one = box?.children[now];
    if (!box || !(one instanceof HTMLElement)) return;
    // Both offsets mirror together, so this holds in right-to-left pages, too.
    const off = one.offsetLeft + one.offsetWidth / 2 - box.offsetLeft - box.clientWidth / 2;
    box.scrollTo({ left: off, behavior: "auto" });
  }, [now]);
  if (slides.value.length < 2) return null;
  return (
    <nav class="slide-strip" aria-label={t("slides")}>
      <ol ref={list} role="list">
        {slides.value.map((one, n) => (
          <li key={one.number}>
            <button
              type="button"
              class="slide"
              aria-current={n === now ? "true" : undefined}
              onClick={() => {
                seek(one.time);
                play();
              }}
            >
              {one.picture && !thin ? (
                <img src={files + one.picture} alt="" loading="lazy" decoding="async" />
              ) : (
                <span class="slide-words" dir="auto" aria-hidden="true">
                  {one.title || one.number}
                </span>
              )}
              <span class="slide-foot">
                <bdi class="slide-title">{one.title || t("slide", { n: one.number })}</bdi>
                <time dir="ltr">{playTime(one.time)}</time>
              </span>
            </button>
          </li>
        ))}
      </ol>
    </nav>
  );
}
