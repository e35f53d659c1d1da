// The pen: what the finger or stylus draws is on the screen in the same frame, and goes to the
// room in parts while it is being drawn. Once a stylus was seen, fingers and palms draw nothing.

import { signal } from "@preact/signals";
import { draw, encode, type Point } from "./ink";

export type Tool = "none" | "pen" | "eraser" | "pointer";

export interface Ink {
  color: string;
  width: number;
}

export const COLORS = [
  ["#1a1a1a", "pen.black"],
  ["#c01c28", "pen.red"],
  ["#1a5fb4", "pen.blue"],
  ["#1c7c3c", "pen.green"],
  ["#f5c21166", "pen.marker"],
] as const;

export const tool = signal<Tool>("none");
export const ink = signal<Ink>({ color: COLORS[0][0], width: 3 });

const PART_MS = 60;
const PART_POINTS = 250;

export interface Strokes {
  /** A part is ready: number 0 begins a stroke. */
  part: (stroke: string, part: number, points: string, ink: Ink) => void;
  /** The stroke has ended with all its points. */
  end?: (stroke: string, points: Point[], ink: Ink) => void;
  /** The eraser or pointer is here; null when it was lifted. */
  at?: (point: Point | null) => void;
  newId: () => string;
  /** The tool now; the shared one unless a sheet has its own. */
  tool?: () => Tool;
}

let stylusSeen = false;

/** Lets `canvas` be drawn on; returns what ends it. The live stroke is drawn on `canvas` itself. */
export function listen(canvas: HTMLCanvasElement, strokes: Strokes): () => void {
  const pen = canvas.getContext("2d", { desynchronized: true });
  let active: number | null = null;
  let points: Point[] = [];
  let sent = 0;
  let part = 0;
  let id = "";
  let timer: ReturnType<typeof setInterval> | undefined;

  const which = () => strokes.tool?.() ?? tool.peek();
  const place = (event: PointerEvent): Point => {
    const box = canvas.getBoundingClientRect();
    const clamp = (value: number) => Math.round(65535 * Math.min(1, Math.max(0, value)));
    const pressure = event.pointerType === "mouse" ? 128 : Math.round(event.pressure * 255);
    return [
      clamp((event.clientX - box.left) / box.width),
      clamp((event.clientY - box.top) / box.height),
      Math.min(255, pressure),
    ];
  };
  const flush = () => {
    if (sent >= points.length) return;
    // A part begins with the last point of the one before, so that the line has no gap.
    const from = Math.max(0, sent - 1);
    for (let at = from; at < points.length; at += PART_POINTS) {
      const piece = points.slice(at > from ? at - 1 : at, at + PART_POINTS);
      strokes.part(id, part++, encode(piece), ink.peek());
    }
    sent = points.length;
  };
  const down = (event: PointerEvent) => {
    if (which() === "none" || active !== null || event.button !== 0) return;
    if (event.pointerType === "pen") stylusSeen = true;
    if (event.pointerType === "touch" && stylusSeen) return;
    event.preventDefault();
    active = event.pointerId;
    canvas.setPointerCapture(active);
    if (which() !== "pen") {
      strokes.at?.(place(event));
      return;
    }
    points = [place(event)];
    sent = part = 0;
    id = strokes.newId();
    if (pen) draw(pen, points, ink.peek().color, ink.peek().width);
    timer = setInterval(flush, PART_MS);
  };
  const move = (event: PointerEvent) => {
    if (event.pointerId !== active) {
      if (which() === "pointer" && event.pointerType === "mouse") strokes.at?.(place(event));
      return;
    }
    if (which() !== "pen") {
      strokes.at?.(place(event));
      return;
    }
    const before = points.length;
    const all = event.getCoalescedEvents?.() ?? [];
    for (const each of all.length > 0 ? all : [event]) points.push(place(each));
    if (pen) draw(pen, points, ink.peek().color, ink.peek().width, before);
  };
  const up = (event: PointerEvent) => {
    if (event.pointerId !== active) return;
    active = null;
    clearInterval(timer);
    if (which() !== "pen") {
      strokes.at?.(null);
      return;
    }
    flush();
    strokes.end?.(id, points, ink.peek());
  };
  canvas.addEventListener("pointerdown", down);
  canvas.addEventListener("pointermove", move);
  canvas.addEventListener("pointerup", up);
  canvas.addEventListener("pointercancel", up);
  return () => {
    clearInterval(timer);
    canvas.removeEventListener("pointerdown", down);
    canvas.removeEventListener("pointermove", move);
    canvas.removeEventListener("pointerup", up);
    canvas.removeEventListener("pointercancel", up);
  };
}

/** Whether a stroke passes within about a finger's width of a point. */
export function touches(points: readonly Point[], [x, y]: Point): boolean {
  return points.some(([a, b]) => Math.hypot(a - x, (b - y) * 0.6) < 900);
}
