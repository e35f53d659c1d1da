"""What went over the wire, kept for the technician."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Literal

from pydantic import BaseModel


class Traffic(BaseModel):
    """One frame, or a note about the link. `text` says what it means; secrets are blotted out."""

    time: datetime
    direction: Literal["out", "in", "note"]
    data: str = ""
    text: str = ""


class TrafficLog:
    """The last `size` entries of one device; `watchers` are called with each new one."""

    def __init__(self, size: int = 400) -> None:
        self._entries: deque[Traffic] = deque(maxlen=size)
        self.watchers: list[Callable[[Traffic], None]] = []

    def add(self, direction: Literal["out", "in", "note"], data: bytes, text: str) -> Traffic:
        """Note one frame (`data` as it was on the wire) or a word about the link."""
        entry = Traffic(
            time=datetime.now(UTC), direction=direction, data=data.hex(" "), text=text[:400]
        )
        self._entries.append(entry)
        for watcher in list(self.watchers):
            watcher(entry)
        return entry

    def entries(self) -> list[Traffic]:
        """Oldest first."""
        return list(self._entries)
