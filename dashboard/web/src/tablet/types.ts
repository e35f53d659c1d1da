// What the room says and what a lesson is made of (docs/tablet-protocol.md).

export interface LessonPage {
  id: string;
  kind: "image" | "link" | "live" | "blank";
  title: string;
  url: string | null;
  image: string | null;
  width?: number;
  height?: number;
}

export interface Stroke {
  id: string;
  author: string;
  color: string;
  width: number;
  parts: string[];
}

export interface SheetStroke {
  points: string;
  color: string;
  width: number;
}

export type QuestionKind = "single" | "multiple" | "number" | "words" | "text" | "ink";

export interface Result {
  answered: number;
  counts?: number[] | [number, number][];
  words?: [string, number][];
  texts?: string[];
  min?: number;
  max?: number;
  mean?: number;
  median?: number;
}

export interface Question {
  id: string;
  kind: QuestionKind;
  text: string;
  choices: string[];
  changeable: boolean;
  state: "open" | "closed";
  deadline: number | null;
  result: Result | null;
  correct: number[] | number | null;
}

export interface Sheet {
  question: string;
  label: string | null;
  strokes: SheetStroke[];
}

export interface Pushed {
  id: string;
  kind: "link" | "file";
  url: string;
  title: string;
}

export interface SharedSheets extends Sheet {
  others?: { label: string | null; strokes: SheetStroke[] }[];
}

/** What a student asks the lecturer; `remote`: one who is not in the room. */
export interface Inquiry {
  id: string;
  name: string;
  text: string;
  remote: boolean;
}

export interface OpenInquiry extends Inquiry {
  at: number;
  state: "waiting" | "shown" | "done";
}

export interface LessonState {
  session: string;
  seq: number;
  title: string;
  deck: { id: string; title: string } | null;
  pages: LessonPage[];
  page: string | null;
  show_at: number;
  ink: Record<string, Stroke[]>;
  mode: "follow" | "free" | "lock";
  attention: string | null;
  timer: { id: string; label: string; seconds: number; ends_at: number } | null;
  driver: { tablet: string; name: string } | null;
  questions: Question[];
  pushed: Pushed[];
  permits: string[];
  shared: SharedSheets | null;
  /** What a student asked and the lecturer let through. */
  inquiry: Inquiry | null;
  ended: boolean;
}

export interface Entry {
  seq: number;
  id: string;
  kind: string;
  author: string;
  at: number;
  // The log's own words; state.ts knows which kind has which.
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  body: any;
}

export interface You {
  tablet: string;
  seat: string;
  name: string;
  role: "student" | "board" | "lecturer";
}

export interface ResultView extends Result {
  question: string;
  missing?: string[];
  kept?: number;
  sheets?: { seat: string; label: string; strokes: SheetStroke[] }[];
}

export interface Seats {
  present: number;
  attentive?: number;
  lost?: number;
  hands?: { seat: string; label: string; since: number }[];
  seats?: { seat: string; label: string; battery: number | null }[];
}

export type FromRoom =
  | { type: "welcome"; room: string; session: string | null; now: number; host: boolean; you: You }
  | { type: "snapshot"; state: LessonState; more: number }
  | { type: "snapshot_ink"; page: string; strokes: Stroke[] }
  | { type: "ready"; seq: number }
  | { type: "log"; entries: Entry[] }
  | { type: "pong"; t: number; room: number; seq: number }
  | { type: "host"; here: boolean }
  | { type: "pointer"; page: string; at: [number, number] | null }
  | {
      type: "saved";
      id: string;
      /** The log entry that it became, for what is in the log. */
      seq?: number;
      question?: string;
      state: "counted" | "saved" | "refused";
      standing?: string;
      value?: unknown;
    }
  | { type: "refused"; id: string | null; code: string; message: string }
  | {
      type: "mine";
      answers: { question: string; value: unknown; state: "counted" | "saved"; id: string }[];
      hand: boolean;
      lost: boolean;
    }
  | { type: "mine_hand"; up: boolean }
  | { type: "results"; results: ResultView[] }
  | ({ type: "seats" } & Seats)
  | { type: "inquiries"; inquiries: OpenInquiry[] }
  | { type: "error"; code: string; message: string }
  | { type: "bye"; code: string; message: string };
