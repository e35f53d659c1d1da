"""The ordered log of a lesson, as this part needs it; the controller's store implements it.

Every entry has a sequence number that the store gives out, 1, 2, 3 … without a gap. What is
returned has been committed: an acknowledgement sent afterwards survives a power cut. Times are
milliseconds since 1970, UTC, on the room's clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

Body = dict[str, Any]
ReceiptState = Literal["counted", "saved", "refused"]


@dataclass(frozen=True, slots=True)
class Draft:
    """An entry that wants to be in the log. `id` is the sender's; the same id enters once."""

    id: str
    kind: str
    author: str
    body: Body
    at: int


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the log."""

    seq: int
    id: str
    kind: str
    author: str
    body: Body
    at: int

    def public(self) -> Body:
        """The entry as it goes over the wire; what somebody asked is for those who lead."""
        private = self.kind == "inquiry"
        return {
            "seq": self.seq,
            "id": self.id,
            "kind": self.kind,
            "author": "" if private else self.author,
            "at": self.at,
            "body": {} if private else self.body,
        }


@dataclass(frozen=True, slots=True)
class Answer:
    """What one seat answered to one question.

    `id` is given by the tablet and makes a repetition harmless; `device_at` is when the student
    pressed, on the room's clock as the tablet estimates it. `state` is `counted` when the answer
    is part of the result and `saved` when it is kept without counting (too late, for instance).
    """

    id: str
    question: str
    seat: str
    tablet: str
    value: Any
    device_at: int
    received_at: int
    state: ReceiptState = "counted"
    revision: int = 1


@dataclass(frozen=True, slots=True)
class Receipt:
    """How an answer was taken: `answer` is what stands now for that question and seat.

    `fresh` is false when this id had been taken before; then nothing has changed.
    """

    answer: Answer
    fresh: bool


@dataclass(frozen=True, slots=True)
class Stay:
    """One seat was there from `joined` until `left` (None: still there)."""

    seat: str
    label: str
    joined: int
    left: int | None


@dataclass(frozen=True, slots=True)
class Signal:
    """A hand or a sign of confusion: kept for analytics, never shown by name to the class."""

    seat: str
    kind: Literal["hand", "confused"]
    on: bool
    at: int


class SessionLog(Protocol):
    """The log, the answers and the attendance of every lesson in this room."""

    async def append(self, session: str, drafts: Sequence[Draft]) -> list[Entry]:
        """Commits `drafts` in order and returns their entries.

        A draft whose id the session's log already holds returns the entry that is there.
        """

    async def read(self, session: str, after: int = 0) -> list[Entry]:
        """Returns the entries with a sequence number above `after`, in order."""

    async def answer(self, session: str, answer: Answer, *, change: bool) -> Receipt:
        """Commits `answer` and returns what stands for its question and seat.

        One answer stands per question and seat. A known id changes nothing. Another id replaces
        the standing answer, with the next revision, when `change` is true, and is dropped when
        not; an answer that only is `saved` never replaces one that is `counted`.
        """

    async def answers(self, session: str) -> list[Answer]:
        """Returns the standing answers of the session, in the order of their arrival."""

    async def keep_question(self, session: str, question: str, private: Body) -> None:
        """Keeps what students must not see of a question (the correct answer)."""

    async def questions(self, session: str) -> dict[str, Body]:
        """Returns what `keep_question` kept, by question id."""

    async def attend(self, session: str, stay: Stay) -> None:
        """Keeps `stay`; one with the same seat and time of joining is replaced."""

    async def attendance(self, session: str) -> list[Stay]:
        """Returns the stays of the session in the order of joining."""

    async def signal(self, session: str, signal: Signal) -> None:
        """Keeps a hand or a sign of confusion."""

    async def signals(self, session: str) -> list[Signal]:
        """Returns them in order."""
