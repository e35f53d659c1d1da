"""A client's copy of a lesson, without a transport: what every tablet does with what it hears.

Feed it texts; it keeps the state, holds back entries that come too early, and says what to ask
for. The tablet page does the same in TypeScript; native apps may translate this file.
"""

from __future__ import annotations

import json
from typing import Any

from devices.tablets import state as lesson_state
from devices.tablets.log import Entry


class Replica:
    """The lesson as one tablet knows it. `state` is None before the first snapshot or tail."""

    def __init__(self) -> None:
        self.state: lesson_state.State | None = None
        self.session: str | None = None
        self.you: dict[str, Any] = {}
        self.host_here = False
        self.ready = False
        self._early: dict[int, dict[str, Any]] = {}
        self._whole = False
        self._asked = -1

    @property
    def seq(self) -> int:
        """The last entry known."""
        return self.state["seq"] if self.state else 0

    def hello(self, **fields: Any) -> dict[str, Any]:
        """The first message after connecting."""
        self.ready, self._asked = False, -1
        if not self._whole:
            self.state = None
        session = self.session if self.state else None
        return {"type": "hello", "v": 1, "session": session, "since": self.seq, **fields}

    def take(self, text: str | bytes) -> list[dict[str, Any]]:
        """Takes one message from the room; returns messages to send in reply."""
        message = json.loads(text)
        match message["type"]:
            case "welcome":
                self._welcome(message)
            case "snapshot":
                self.state, self._whole, self.ready = message["state"], False, False
            case "snapshot_ink":
                assert self.state is not None
                page = self.state["ink"].setdefault(message["page"], [])
                page.extend(message["strokes"])
            case "ready":
                self._whole = self.ready = True
                return self._advance()
            case "log":
                for entry in message["entries"]:
                    if entry["seq"] > self.seq:
                        self._early[entry["seq"]] = entry
                return self._advance()
            case "pong" if self.ready and message["seq"] > self.seq and not self._early:
                return [{"type": "gap", "after": self.seq}]
            case "here":
                return [self.hello()]
            case "refused" if message["code"] == "no_hello":
                return [self.hello()]
            case "host":
                self.host_here = message["here"]
        return []

    def _welcome(self, message: dict[str, Any]) -> None:
        self.you, self.host_here = message["you"], message["host"]
        if message["session"] != self.session:
            self.session, self.state, self._early = message["session"], None, {}
            self._whole = False

    def _advance(self) -> list[dict[str, Any]]:
        """Applies what follows on; asks for what is missing before what is held back.

        Nothing is applied while a snapshot is under way, and nothing asked for before `ready`:
        what is missing may be on its way.
        """
        if self.state is None or not self._whole:
            return []
        while (entry := self._early.pop(self.seq + 1, None)) is not None:
            lesson_state.apply(self.state, _entry(entry))
        self._early = {seq: e for seq, e in self._early.items() if seq > self.seq}
        if self._early and self.ready and self._asked != self.seq:
            self._asked = self.seq
            return [{"type": "gap", "after": self.seq, "upto": min(self._early) - 1}]
        return []


def _entry(raw: dict[str, Any]) -> Entry:
    return Entry(raw["seq"], raw["id"], raw["kind"], raw["author"], raw["body"], raw["at"])
