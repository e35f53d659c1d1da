"""A member: one connected tablet, whichever way it came in, and what it may still send."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from typing import Any

from devices.tablets.limits import TokenBucket
from devices.tablets.pairing import Tablet

STUDENT_RATE = (15.0, 60.0)
STAFF_RATE = (60.0, 240.0)
MAX_REFUSALS = 50


def text_of(message: dict[str, Any]) -> str:
    """The message as it goes over the wire: compact JSON."""
    return json.dumps(message, ensure_ascii=False, separators=(",", ":"))


class Member(ABC):
    """One connected tablet. `greeted`: it has said hello and hears the lesson."""

    hears_log = True
    """Whether live entries must be sent to this member; MQTT members hear them on one topic."""

    def __init__(self, tablet: Tablet) -> None:
        self.tablet = tablet
        self.greeted = False
        self.refused = 0
        rate, burst = STAFF_RATE if self.drives else STUDENT_RATE
        self._bucket = TokenBucket(rate, burst)

    @property
    def drives(self) -> bool:
        """May turn pages, ask, and see results: the lecturer's devices."""
        return self.tablet.role == "lecturer"

    @property
    def answers(self) -> bool:
        """Takes a seat and may answer."""
        return self.tablet.role == "student"

    def allows(self) -> bool:
        """Counts one message; false when it is one too many."""
        if self._bucket.take():
            return True
        self.refused += 1
        return False

    @abstractmethod
    def send(self, text: str) -> None:
        """Queues a text for this tablet; never blocks, may close a member that is too slow."""

    @abstractmethod
    def close(self, code: str, reason: str) -> None:
        """Ends the connection after telling why."""

    def tell(self, kind: str, **fields: Any) -> None:
        """Sends one message."""
        self.send(text_of({"type": kind, **fields}))


class WallPanel(Member):
    """The wall panel as an author; what it is told it sees in the room's own view."""

    def __init__(self) -> None:
        super().__init__(Tablet(id="panel", seat="panel", name="Panel", role="lecturer", created=0))

    def send(self, text: str) -> None:
        pass

    def close(self, code: str, reason: str) -> None:
        pass
