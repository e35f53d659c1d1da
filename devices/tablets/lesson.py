"""A lesson: the log of one session while it is on, its answers, its seats.

One task commits what is submitted, in order and in batches, and only then changes the state and
tells the tablets; so nothing is ever shown that a power cut could take back, and everybody sees
the same order.
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import structlog

from devices.tablets import inquiries
from devices.tablets import state as lesson_state
from devices.tablets.clock import room_ms
from devices.tablets.log import Answer, Draft, Entry, Receipt, SessionLog, Signal
from devices.tablets.presence import Presence, Seat
from devices.tablets.question import AnswerError, Question, tally
from devices.tablets.snapshot import Snapshot
from devices.tablets.teaching import NotNowError

TAIL = 5000
"""Entries kept in memory for those who come back; who missed more gets a snapshot."""

CLOSE_GRACE_MS = 500
"""A question with a deadline closes this much later, so that an answer pressed in time arrives."""

_log = structlog.get_logger(__name__)


class Lesson:
    """One session's lesson. `on_entries` is told what was committed, `on_change` what is stale."""

    def __init__(
        self,
        session: str,
        log: SessionLog,
        *,
        on_entries: Callable[[Sequence[Entry]], None],
        on_change: Callable[[str], None],
        now: Callable[[], int] = room_ms,
        presence: Presence | None = None,
    ) -> None:
        self.session = session
        self.presence = presence or Presence()
        self.hands: dict[str, int] = {}
        self.confused: set[str] = set()
        self._log, self._now = log, now
        self._on_entries, self._on_change = on_entries, on_change
        self._state = lesson_state.empty(session)
        self.snapshot = Snapshot(self._state)
        self._tail: deque[Entry] = deque(maxlen=TAIL)
        self._questions: dict[str, Question] = {}
        self._answers: dict[str, dict[str, Answer]] = {}
        self._closed: dict[str, int] = {}
        self.inquiries = inquiries.Inquiries()
        self._waiting: asyncio.Queue[tuple[Draft, asyncio.Future[Entry]]] = asyncio.Queue()
        self._tasks: list[asyncio.Task[None]] = []

    # --- life ----------------------------------------------------------------------------------

    async def start(self, title: str = "") -> None:
        """Reads what the session's log holds, or begins it with `title`."""
        for entry in await self._log.read(self.session):
            self._take(entry)
        for ident, body in (await self._log.questions(self.session)).items():
            self._questions[ident] = Question.model_validate(body)
        for answer in await self._log.answers(self.session):
            self._answers.setdefault(answer.question, {})[answer.seat] = answer
        self._tasks = [asyncio.create_task(self._commit()), asyncio.create_task(self._watch())]
        if self.seq == 0:
            await self.put("begin", {"title": title})

    async def stop(self) -> None:
        """Stops after committing what waits; the lesson may be started again from its log."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._waiting.join(), 5)
        for seat in self.presence.here():
            self.presence.leave(seat.id, self._now())
            await self._log.attend(self.session, seat.stay())
        for task in self._tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        while not self._waiting.empty():
            self._waiting.get_nowait()[1].cancel()

    # --- the log -------------------------------------------------------------------------------

    @property
    def seq(self) -> int:
        """The sequence number of the last entry."""
        return int(self._state["seq"])

    @property
    def state(self) -> lesson_state.State:
        """The state now; not to be changed."""
        return self._state

    async def put(
        self, kind: str, body: dict[str, Any], author: str = "room", ident: str | None = None
    ) -> Entry:
        """Puts an entry into the log; returns it when it is committed and told to everybody."""
        done: asyncio.Future[Entry] = asyncio.get_running_loop().create_future()
        draft = Draft(ident or uuid.uuid4().hex, kind, author, body, self._now())
        self._waiting.put_nowait((draft, done))
        return await done

    def tail(self, after: int, upto: int | None = None) -> list[Entry] | None:
        """Returns the entries after `after`, or None when they are not in memory any more."""
        first = self._tail[0].seq if self._tail else self.seq + 1
        if after > self.seq or after + 1 < first:
            return None
        return [e for e in self._tail if e.seq > after and (upto is None or e.seq <= upto)]

    async def _commit(self) -> None:
        while True:
            batch = [await self._waiting.get()]
            while not self._waiting.empty() and len(batch) < 256:
                batch.append(self._waiting.get_nowait())
            try:
                entries = await self._log.append(self.session, [draft for draft, _ in batch])
            except Exception as error:
                _log.error("the lesson's log cannot be written", error=str(error))
                for _, done in batch:
                    self._waiting.task_done()
                    if not done.done():
                        done.set_exception(
                            NotNowError("not_saved", f"The room cannot save: {error}")
                        )
                continue
            fresh = [entry for entry in entries if entry.seq > self.seq]
            for entry in fresh:
                self._take(entry)
            if fresh:
                self._on_entries(fresh)
            for entry, (_, done) in zip(entries, batch, strict=True):
                self._waiting.task_done()
                if not done.done():
                    done.set_result(entry)

    def _take(self, entry: Entry) -> None:
        lesson_state.apply(self._state, entry)
        self.snapshot.note(entry)
        self._tail.append(entry)
        self.inquiries.take(entry)
        if entry.kind == "close":
            for question in entry.body["questions"]:
                self._closed.setdefault(question, entry.at)

    # --- questions -----------------------------------------------------------------------------

    async def keep_questions(self, questions: Sequence[Question]) -> None:
        """Keeps the lecturer's side of questions before they are asked."""
        for question in questions:
            await self._log.keep_question(self.session, question.id, question.model_dump())
            self._questions[question.id] = question

    def question(self, ident: str) -> Question:
        """Returns a question as the lecturer made it. Raises NotNowError."""
        try:
            return self._questions[ident]
        except KeyError:
            raise NotNowError("unknown_question", "This question was not asked.") from None

    async def answer(
        self, ident: str, question: str, seat: str, tablet: str, value: Any, device_at: int
    ) -> Receipt:
        """Takes an answer; on return it is committed. Raises NotNowError or AnswerError."""
        asked = self.question(question)
        shown = self._shown(question)
        now = self._now()
        state: Any = "counted"
        if shown["state"] != "open":
            in_time = device_at <= self._closed_at(question)
            open_still = asked.late == "count" and in_time and shown["result"] is None
            state = "counted" if open_still else "saved"
        kept = Answer(ident, question, seat, tablet, asked.check(value), device_at, now, state)
        receipt = await self._log.answer(self.session, kept, change=asked.changeable)
        if receipt.answer.state == "refused":
            raise AnswerError("this answer's id was used for another question")
        standing = self._answers.setdefault(question, {})
        known = standing.get(seat)
        if known is None or receipt.answer.revision >= known.revision:
            standing[seat] = receipt.answer
        self._on_change("results")
        return receipt

    def result(self, question: str) -> dict[str, Any]:
        """Counts the standing answers that count, one per seat."""
        asked = self.question(question)
        answers = self._answers.get(question, {}).values()
        return tally(asked, [a.value for a in answers if a.state == "counted"])

    def answers_to(self, question: str) -> dict[str, Answer]:
        """The standing answers by seat."""
        return dict(self._answers.get(question, {}))

    def result_view(self, question: str) -> dict[str, Any]:
        """What the lecturer sees: the result, who has not answered, which sheets were handed in."""
        given = self._answers.get(question, {})
        view = {"question": question, **self.result(question)}
        view["missing"] = [s.label for s in self.presence.here() if s.id not in given]
        view["kept"] = sum(answer.state == "saved" for answer in given.values())
        if self.question(question).kind == "ink":
            view["sheets"] = [
                {"seat": seat, "label": self.presence.label(seat), "strokes": answer.value}
                for seat, answer in given.items()
            ]
        return view

    def open_questions(self) -> list[str]:
        """The ids of the questions that take answers now."""
        return [q["id"] for q in self._state["questions"] if q["state"] == "open"]

    def _shown(self, question: str) -> dict[str, Any]:
        for shown in self._state["questions"]:
            if shown["id"] == question:
                return dict(shown)
        raise NotNowError("unknown_question", "This question was not asked.")

    def _closed_at(self, question: str) -> int:
        deadline = self._shown(question)["deadline"]
        return min(at for at in (deadline, self._closed.get(question)) if at is not None)

    async def inquire(
        self, ident: str, asker: str, name: str, text: str, *, remote: bool, seat: str = ""
    ) -> inquiries.Inquiry:
        """Takes what a student asks the lecturer; on return it is committed.

        `asker` is one who asks, for the time between two inquiries. Raises NotNowError.
        """
        text = inquiries.words(text, inquiries.MAX_TEXT)
        if not text:
            raise NotNowError("empty", "Write a question.")
        if known := self.inquiries.allow(ident, asker, self._now()):
            return known
        body = {"name": inquiries.words(name, inquiries.MAX_NAME), "text": text, "remote": remote}
        await self.put(inquiries.ASKED, body, seat or "remote", ident)
        return self.inquiries.get(ident)

    async def settle(self, ident: str, state: inquiries.InquiryState) -> inquiries.Inquiry:
        """Lets an inquiry through (`shown`) or is done with it. Raises NotNowError."""
        found = self.inquiries.get(ident)
        shown = self._state["inquiry"]
        if state == "shown" and (shown is None or shown["id"] != ident):
            told = found.model_dump(include={"name", "text", "remote"})
            await self.put(inquiries.SHOWN, {"inquiry": ident, **told}, "lecturer")
        elif state == "done" and found.state != "done":
            await self.put(inquiries.DONE, {"inquiry": ident}, "lecturer")
        return found

    # --- seats ---------------------------------------------------------------------------------

    async def heard(
        self,
        seat: str,
        label: str,
        tablet: str,
        *,
        visible: bool | None = None,
        battery: int | None = None,
    ) -> None:
        """A seat's tablet was heard: its lease is renewed."""
        now = self._now()
        known = self.presence.touch(seat, label, tablet, now, visible=visible, battery=battery)
        if known:
            self._on_change("seats")
            await self._log.attend(self.session, known.stay())

    async def left(self, seat: str) -> None:
        """A seat said that it goes."""
        if known := self.presence.leave(seat, self._now()):
            await self._gone([known])

    async def signal(self, seat: str, kind: Any, on: bool) -> None:
        """A hand or a sign of confusion."""
        if kind == "hand":
            if on:
                self.hands.setdefault(seat, self._now())
            else:
                self.hands.pop(seat, None)
        elif on:
            self.confused.add(seat)
        else:
            self.confused.discard(seat)
        self._on_change("seats")
        await self._log.signal(self.session, Signal(seat, kind, on, self._now()))

    async def _gone(self, seats: Sequence[Seat]) -> None:
        self._on_change("seats")
        for seat in seats:
            self.hands.pop(seat.id, None)
            self.confused.discard(seat.id)
            await self._log.attend(self.session, seat.stay())

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(0.25)
            now = self._now()
            due = [
                q["id"]
                for q in self._state["questions"]
                if q["state"] == "open" and q["deadline"] and q["deadline"] + CLOSE_GRACE_MS < now
            ]
            try:
                if due:
                    await self.put("close", {"questions": due})
                if gone := self.presence.expire(now):
                    await self._gone(gone)
            except Exception as error:
                _log.error("the lesson cannot be looked after", error=str(error))
