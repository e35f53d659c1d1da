"""What students ask the lecturer, from the room and from elsewhere: one channel, moderated.

Every inquiry is an entry of the lesson's log, in the order in which it came. Its words are told to
those who lead only; the class is told that there was one. The lecturer lets it through (the board
and every tablet show it) or is done with it.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel

from devices.tablets.log import Entry
from devices.tablets.teaching import NotNowError

ASKED, SHOWN, DONE = "inquiry", "inquiry_shown", "inquiry_done"
KINDS = frozenset({ASKED, SHOWN, DONE})

MAX_WAITING = 100
AGAIN_MS = 15_000
MAX_TEXT, MAX_NAME = 500, 60

InquiryState = Literal["waiting", "shown", "done"]


class Inquiry(BaseModel):
    """What somebody asked; `at` in ms since 1970, `remote`: by one who is not in the room."""

    id: str
    name: str
    text: str
    at: int
    remote: bool = False
    state: InquiryState = "waiting"


class Inquiries:
    """The inquiries of one lesson, as they follow from its log, and who may ask when."""

    def __init__(self) -> None:
        self._all: dict[str, Inquiry] = {}
        self._asked: dict[str, int] = {}

    def take(self, entry: Entry) -> None:
        """Follows the log."""
        body = entry.body
        if entry.kind == ASKED:
            fields = {key: body[key] for key in ("name", "text", "remote")}
            self._all.setdefault(entry.id, Inquiry(id=entry.id, at=entry.at, **fields))
        elif entry.kind in KINDS and (found := self._all.get(body["inquiry"])):
            found.state = "shown" if entry.kind == SHOWN else "done"

    def allow(self, ident: str, asker: str, now: int) -> Inquiry | None:
        """Whether `asker` may ask now; returns what was asked before with this id.

        `asker` names one who asks for the time between two inquiries; it is not kept.
        Raises NotNowError: `too_soon`, `too_many`.
        """
        if (known := self._all.get(ident)) is not None:
            return known
        if now - self._asked.get(asker, now - AGAIN_MS) < AGAIN_MS:
            raise NotNowError("too_soon", "Wait a moment before the next question.")
        if sum(one.state == "waiting" for one in self._all.values()) >= MAX_WAITING:
            raise NotNowError("too_many", "Too many questions are waiting already.")
        self._asked[asker] = now
        return None

    def get(self, ident: str) -> Inquiry:
        """Raises NotNowError: `unknown`."""
        try:
            return self._all[ident]
        except KeyError:
            raise NotNowError("unknown", "There is no such question (any more).") from None

    def open(self) -> list[Inquiry]:
        """What is not done with, oldest first."""
        return [one for one in self._all.values() if one.state != "done"]


def words(text: str, most: int) -> str:
    """One line of at most `most` characters."""
    return " ".join(text.split())[:most].strip()
