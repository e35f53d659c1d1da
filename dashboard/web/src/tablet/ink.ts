// Ink: points packed as zigzag varint differences in base64url (docs/tablet-protocol.md, "Ink").

/** x and y are 0..65535 across and down the page, pressure is 0..255. */
export type Point = [number, number, number];

export function encode(points: readonly Point[]): string {
  const bytes: number[] = [];
  const last: Point = [0, 0, 0];
  for (const point of points) {
    for (let axis = 0; axis < 3; axis++) {
      const value = point[axis] ?? 0;
      const difference = value - (last[axis] ?? 0);
      last[axis] = value;
      let coded = difference >= 0 ? difference * 2 : -difference * 2 - 1;
      while (coded > 127) {
        bytes.push((coded & 127) | 128);
        coded >>>= 7;
      }
      bytes.push(coded);
    }
  }
  const text = btoa(String.fromCharCode(...bytes));
  return text.replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
}

export function decode(text: string): Point[] {
  const binary = atob(text.replace(/-/g, "+").replace(/_/g, "/"));
  const points: Point[] = [];
  let now: Point = [0, 0, 0];
  let axis = 0;
  let number = 0;
  let shift = 0;
  for (let at = 0; at < binary.length; at++) {
    const byte = binary.charCodeAt(at);
    number |= (byte & 127) << shift;
    shift += 7;
    if (byte & 128) continue;
    now[axis] = (now[axis] ?? 0) + (number & 1 ? -((number + 1) >>> 1) : number >>> 1);
    number = shift = 0;
    if (++axis === 3) {
      points.push([...now]);
      axis = 0;
    }
  }
  return points;
}

const decoded = new Map<string, Point[]>();

/** The points of a part; each part is decoded once. */
export function pointsOf(part: string): Point[] {
  let points = decoded.get(part);
  if (!points) {
    if (decoded.size > 20_000) decoded.clear();
    decoded.set(part, (points = decode(part)));
  }
  return points;
}

/** Draws `points` from the one numbered `from` on; width is in thousandths of the page's width. */
export function draw(
  pen: CanvasRenderingContext2D,
  points: readonly Point[],
  color: string,
  width: number,
  from = 0,
): void {
  const { width: across, height: down } = pen.canvas;
  const unit = (width * across) / 1000;
  pen.strokeStyle = pen.fillStyle = color;
  pen.lineCap = pen.lineJoin = "round";
  const first = points[0];
  if (first && points.length === 1) {
    pen.beginPath();
    pen.arc((first[0] * across) / 65535, (first[1] * down) / 65535, unit / 2, 0, 7);
    pen.fill();
  }
  for (let at = Math.max(1, from); at < points.length; at++) {
    const a = points[at - 1];
    const b = points[at];
    if (!a || !b) continue;
    pen.lineWidth = unit * (0.5 + (a[2] + b[2]) / 512);
    pen.beginPath();
    pen.moveTo((a[0] * across) / 65535, (a[1] * down) / 65535);
    pen.lineTo((b[0] * across) / 65535, (b[1] * down) / 65535);
    pen.stroke();
  }
}
