// A lesson after its log so far. The same rules as devices/tablets/state.py: every entry has a
// defined effect on every state, so a snapshot and its tail equal having been there.

import type { Entry, LessonState } from "./types";

const MAX_PUSHED = 20;

export function emptyState(session: string): LessonState {
  return {
    session,
    seq: 0,
    title: "",
    deck: null,
    pages: [],
    page: null,
    show_at: 0,
    ink: {},
    mode: "follow",
    attention: null,
    timer: null,
    driver: null,
    questions: [],
    pushed: [],
    permits: [],
    shared: null,
    inquiry: null,
    ended: false,
  };
}

type Rule = (state: LessonState, entry: Entry) => void;

const RULES: Record<string, Rule> = {
  begin: (state, { body }) => {
    state.title = body.title;
  },
  deck: (state, { body }) => {
    state.deck = body.deck;
    state.pages = [...body.pages];
    if (!state.pages.some((page) => page.id === state.page)) {
      state.page = state.pages[0]?.id ?? null;
    }
  },
  add_page: (state, { body }) => {
    if (state.pages.some((page) => page.id === body.page.id)) return;
    const at = state.pages.findIndex((page) => page.id === body.after);
    state.pages.splice(at < 0 ? state.pages.length : at + 1, 0, body.page);
  },
  page: (state, { body }) => {
    if (!state.pages.some((page) => page.id === body.page)) return;
    state.page = body.page;
    state.show_at = body.show_at;
    state.shared = null;
  },
  ink: (state, { body, author }) => {
    const strokes = (state.ink[body.page] ??= []);
    const known = strokes.find((stroke) => stroke.id === body.stroke);
    if (body.part > 0) {
      if (known && known.parts.length === body.part && known.author === author) {
        known.parts.push(body.points);
      }
    } else if (!known) {
      const { stroke: id, color, width, points } = body;
      strokes.push({ id, author, color, width, parts: [points] });
    }
  },
  erase: (state, { body, author }) => {
    const strokes = state.ink[body.page];
    if (!strokes) return;
    const gone = new Set<string>(body.strokes);
    state.ink[body.page] = strokes.filter(
      (stroke) => !gone.has(stroke.id) || !(body.any || stroke.author === author),
    );
  },
  clear: (state, { body }) => {
    delete state.ink[body.page];
  },
  timer: (state, { body }) => {
    state.timer = body.timer;
  },
  attention: (state, { body }) => {
    state.attention = body.on ? body.text : null;
  },
  mode: (state, { body }) => {
    state.mode = body.mode;
  },
  push: (state, { body }) => {
    state.pushed = [...state.pushed, body].slice(-MAX_PUSHED);
  },
  ask: (state, { body }) => {
    const known = new Set(state.questions.map((question) => question.id));
    for (const question of body.questions) {
      if (known.has(question.id)) continue;
      const rest = { state: "open", deadline: body.deadline, result: null, correct: null };
      state.questions.push({ ...question, ...rest });
    }
  },
  close: (state, { body }) => {
    for (const question of state.questions) {
      if (body.questions.includes(question.id)) question.state = "closed";
    }
  },
  reveal: (state, { body }) => {
    for (const question of state.questions) {
      if (question.id === body.question) {
        question.result = body.result;
        question.correct = body.correct;
      }
    }
  },
  share: (state, { body }) => {
    state.shared = body.sheet;
  },
  permit: (state, { body }) => {
    const kept = state.permits.filter((seat) => seat !== body.seat);
    if (body.ink) kept.push(body.seat);
    state.permits = kept.sort();
  },
  driver: (state, { body }) => {
    state.driver = body.driver;
  },
  inquiry_shown: (state, { body }) => {
    const { inquiry: id, name, text, remote } = body;
    state.inquiry = { id, name, text, remote };
  },
  inquiry_done: (state, { body }) => {
    if (state.inquiry?.id === body.inquiry) state.inquiry = null;
  },
  end: (state) => {
    state.ended = true;
  },
};

/** Changes `state` by `entry`, the next in sequence. */
export function apply(state: LessonState, entry: Entry): void {
  state.seq = entry.seq;
  RULES[entry.kind]?.(state, entry);
}
