// The page on the screen: its picture, the room's ink, one's own pen, the lecturer's pointer.

import { useSignalEffect } from "@preact/signals";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { draw, pointsOf, type Point } from "./ink";
import { ink, listen, tool, touches } from "./pen";
import { insist, lesson, newId, onSettled, pointer, say, you } from "./room";
import { t } from "./texts";
import type { LessonPage } from "./types";

interface Props {
  page: LessonPage;
  mayWrite: boolean;
  title: string;
}

interface Own {
  page: string;
  points: Point[];
  /** Parts that the room has not confirmed. */
  waiting: number;
  ended: boolean;
  color: string;
  width: number;
}

/** Strokes made here that the room does not have whole yet. */
const own = new Map<string, Own>();
const erased = new Set<string>();
/** Strokes made here, the newest last, for undo. */
const made: { page: string; stroke: string }[] = [];

export function undo(): void {
  const last = made.pop();
  if (last) insist({ type: "erase", page: last.page, strokes: [last.stroke] });
}

export function Sheet({ page, mayWrite, title }: Props) {
  const base = useRef<HTMLCanvasElement>(null);
  const live = useRef<HTMLCanvasElement>(null);
  const shape = (page.height ?? 9) / (page.width ?? 16);
  const size = { width: 1600, height: Math.round(1600 * shape) };
  const dot = pointer.value?.page === page.id ? pointer.value.at : null;

  useSignalEffect(() => {
    const pen = base.current?.getContext("2d");
    const strokes = lesson.value?.ink[page.id] ?? [];
    if (!pen) return;
    pen.clearRect(0, 0, pen.canvas.width, pen.canvas.height);
    for (const { parts, color, width } of strokes) {
      for (const part of parts) draw(pen, pointsOf(part), color, width);
    }
    const top = live.current?.getContext("2d");
    if (!top) return;
    top.clearRect(0, 0, top.canvas.width, top.canvas.height);
    for (const stroke of own.values()) {
      if (stroke.page === page.id) draw(top, stroke.points, stroke.color, stroke.width);
    }
  });

  // The first touch may follow the page, or the leave to write on it, at once.
  useLayoutEffect(() => {
    const canvas = live.current;
    if (!canvas || !mayWrite) return undefined;
    const letters = new Map<string, string>();
    const settled = (id: string, seq: number | null) => {
      const stroke = letters.get(id);
      const known = stroke === undefined ? undefined : own.get(stroke);
      letters.delete(id);
      if (stroke === undefined || !known) return;
      known.waiting--;
      // The room's own picture of the stroke came before its confirmation.
      if (seq === null || (known.ended && known.waiting === 0)) own.delete(stroke);
    };
    onSettled.add(settled);
    const end = listen(canvas, {
      newId,
      part: (stroke, part, points, { color, width }) => {
        let known = own.get(stroke);
        if (!known) {
          known = { page: page.id, points: [], waiting: 0, ended: false, color, width };
          own.set(stroke, known);
          made.push({ page: page.id, stroke });
        }
        known.points.push(...pointsOf(points));
        known.waiting++;
        const id = insist({ type: "ink", page: page.id, stroke, part, points, color, width });
        letters.set(id, stroke);
      },
      end: (stroke) => {
        const known = own.get(stroke);
        if (known) known.ended = true;
        if (known?.waiting === 0) own.delete(stroke);
      },
      at: (point) => {
        if (tool.peek() === "pointer") {
          pointAt(page.id, point && [point[0], point[1]]);
        } else if (tool.peek() === "eraser" && point) {
          erase(page.id, point, you.peek()?.role === "lecturer");
        }
      },
    });
    return () => {
      end();
      onSettled.delete(settled);
    };
  }, [page.id, mayWrite]);

  return (
    <figure class="sheet" style={{ "--shape": String(1 / shape) }} aria-label={title}>
      {page.kind === "image" && page.image && <img src={page.image} alt={title} draggable={false} />}
      {page.kind === "live" && <LivePicture />}
      {page.kind === "link" && page.url && (
        <a class="button main" href={page.url} target="_blank" rel="noopener noreferrer">
          {page.title || t("page.open")}
        </a>
      )}
      <canvas ref={base} {...size} aria-hidden="true" />
      <canvas
        ref={live}
        {...size}
        class={mayWrite && tool.value !== "none" ? `live ${tool.value}` : "live off"}
        aria-hidden="true"
      />
      {dot && (
        <span
          class="dot"
          aria-hidden="true"
          style={{ left: `${dot[0] / 655.35}%`, top: `${dot[1] / 655.35}%`, color: ink.value.color }}
        />
      )}
    </figure>
  );
}

function LivePicture() {
  const picture = useRef<HTMLImageElement>(null);
  useEffect(() => {
    const load = () => {
      if (picture.current) picture.current.src = `/api/v1/tablets/live.jpg?${Date.now()}`;
    };
    load();
    const timer = setInterval(load, 1000);
    return () => clearInterval(timer);
  }, []);
  return <img ref={picture} alt={t("page.live")} draggable={false} />;
}

const POINT_MS = 40;
let pointed = 0;
let pointing: ReturnType<typeof setTimeout> | undefined;

/** Says where the pointer is: no more often than the room takes it, and the last place for sure. */
function pointAt(page: string, at: [number, number] | null): void {
  clearTimeout(pointing);
  const wait = pointed + POINT_MS - Date.now();
  if (wait > 0) {
    pointing = setTimeout(() => pointAt(page, at), wait);
    return;
  }
  pointed = Date.now();
  say({ type: "pointer", page, at });
}

function erase(page: string, point: Point, any: boolean): void {
  const seat = you.peek()?.seat;
  const hit = (lesson.peek()?.ink[page] ?? [])
    .filter((stroke) => !erased.has(stroke.id))
    .filter((stroke) => any || stroke.author === seat)
    .filter((stroke) => stroke.parts.some((part) => touches(pointsOf(part), point)))
    .map((stroke) => stroke.id);
  if (hit.length === 0) return;
  for (const stroke of hit) erased.add(stroke);
  insist({ type: "erase", page, strokes: hit });
}
