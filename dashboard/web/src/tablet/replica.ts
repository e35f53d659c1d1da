// This device's copy of the lesson: holds back what comes too early and asks for what is missing.
// The same as devices/tablets/replica.py.

import { apply, emptyState } from "./state";
import type { Entry, FromRoom, LessonState } from "./types";

export class Replica {
  state: LessonState | null = null;
  session: string | null = null;
  ready = false;
  #early = new Map<number, Entry>();
  #whole = false;
  #asked = -1;

  get seq(): number {
    return this.state?.seq ?? 0;
  }

  hello(): { session: string | null; since: number } {
    this.ready = false;
    this.#asked = -1;
    if (!this.#whole) this.state = null;
    return { session: this.state ? this.session : null, since: this.seq };
  }

  /** Takes one message; returns a gap to ask for, if there is one. */
  take(message: FromRoom): object | null {
    switch (message.type) {
      case "welcome":
        if (message.session !== this.session) {
          this.session = message.session;
          this.state = null;
          this.#early.clear();
          this.#whole = false;
        }
        if (!this.state && this.session !== null) this.state = emptyState(this.session);
        return null;
      case "snapshot":
        this.state = message.state;
        this.#whole = this.ready = false;
        return null;
      case "snapshot_ink":
        (this.state!.ink[message.page] ??= []).push(...message.strokes);
        return null;
      case "ready":
        this.#whole = this.ready = true;
        return this.#advance();
      case "log":
        for (const entry of message.entries) {
          if (entry.seq > this.seq) this.#early.set(entry.seq, entry);
        }
        return this.#advance();
      case "pong":
        if (this.ready && message.seq > this.seq && this.#early.size === 0) {
          return { type: "gap", after: this.seq };
        }
        return null;
      default:
        return null;
    }
  }

  #advance(): object | null {
    if (!this.state || !this.#whole) return null;
    for (let next; (next = this.#early.get(this.seq + 1)); ) {
      this.#early.delete(next.seq);
      apply(this.state, next);
    }
    for (const seq of this.#early.keys()) if (seq <= this.seq) this.#early.delete(seq);
    if (this.#early.size > 0 && this.ready && this.#asked !== this.seq) {
      this.#asked = this.seq;
      return { type: "gap", after: this.seq, upto: Math.min(...this.#early.keys()) - 1 };
    }
    return null;
  }
}
