// The room's event stream, typed: what each kind carries.

import type {
  Alarm,
  DeliveryView,
  DeviceState,
  HelpView,
  RecordingView,
  RoomView,
  SessionView,
  SourceView,
  StepResult,
  TimetableView,
} from "./types";

export interface PollNow {
  id: string;
  kind: string;
  text: string;
  choices: string[];
  state: "open" | "closed";
  shown: boolean;
  result: {
    answered: number;
    counts?: unknown[];
    words?: [string, number][];
    mean?: number;
    median?: number;
  };
}

/** The lesson on the tablets, in numbers. */
export interface LessonNow {
  session: string;
  present: number;
  attentive: number;
  hands: number;
  lost: number;
  attention: boolean;
  question: PollNow | null;
}

export type RoomEvent =
  | { kind: "snapshot"; data: RoomView }
  | { kind: "session"; data: SessionView }
  | { kind: "device"; data: DeviceState }
  | { kind: "sources"; data: { sources: SourceView[] } }
  | { kind: "levels"; data: Record<string, number> }
  | { kind: "alarms"; data: { alarms: Alarm[] } }
  | { kind: "delivery"; data: DeliveryView }
  | { kind: "recording"; data: RecordingView }
  | { kind: "step"; data: StepResult }
  | { kind: "timetable"; data: TimetableView }
  | { kind: "help"; data: HelpView }
  | { kind: "lesson"; data: { lesson: LessonNow | null } }
  | { kind: "tick"; data: { now: string } };

/** The server says something at least every 5 s; this long a silence is a dead connection. */
const SILENCE_MS = 16_000;

/** Open the stream. `closed` is called once, whatever ends it. */
export function listen(heard: (event: RoomEvent) => void, closed: () => void): () => void {
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  const socket = new WebSocket(`${scheme}//${location.host}/api/v1/events`);
  let over = false;
  let watchdog = 0;
  const end = () => {
    if (over) return;
    over = true;
    clearTimeout(watchdog);
    socket.close();
    closed();
  };
  const alive = () => {
    clearTimeout(watchdog);
    watchdog = window.setTimeout(end, SILENCE_MS);
  };
  socket.onmessage = (message) => {
    alive();
    if (!over) heard(JSON.parse(String(message.data)) as RoomEvent);
  };
  socket.onclose = end;
  socket.onerror = end;
  alive();
  return () => {
    over = true;
    clearTimeout(watchdog);
    socket.close();
  };
}
