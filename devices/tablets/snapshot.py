"""The lesson's state as messages, made once for all who join: the head, then each page's ink.

A class joins at once, in the middle of a lesson that has been written on for an hour. So a page's
messages are kept until something is drawn on that page, and the head until the next entry.
"""

from __future__ import annotations

from typing import Any

from devices.tablets.log import Entry
from devices.tablets.member import text_of
from devices.tablets.state import State

PART = 32_768
"""About how many bytes of ink one message carries."""

_DRAWN = frozenset({"ink", "erase", "clear"})


class Snapshot:
    """The messages of one lesson's state, which must be told of every entry."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._head: str | None = None
        self._pages: dict[str, list[str]] = {}

    def note(self, entry: Entry) -> None:
        """The state has changed by `entry`."""
        self._head = None
        if entry.kind in _DRAWN:
            self._pages.pop(entry.body["page"], None)

    def texts(self) -> list[str]:
        """The messages: the head, then the ink of every page, the current one's first."""
        ink = self._state["ink"]
        parts: list[str] = []
        for page in sorted(ink, key=lambda page: page != self._state["page"]):
            if page not in self._pages:
                self._pages[page] = _messages(page, ink[page])
            parts += self._pages[page]
        if self._head is None:
            head = {**self._state, "ink": {}}
            self._head = text_of({"type": "snapshot", "state": head, "more": len(parts)})
        return [self._head, *parts]


def _messages(page: str, strokes: list[dict[str, Any]]) -> list[str]:
    """A page's ink in messages of about PART bytes."""
    groups: list[list[dict[str, Any]]] = [[]]
    size = 0
    for stroke in strokes:
        weight = 80 + sum(map(len, stroke["parts"]))
        if size and size + weight > PART:
            groups.append([])
            size = 0
        groups[-1].append(stroke)
        size += weight
    return [text_of({"type": "snapshot_ink", "page": page, "strokes": each}) for each in groups]
