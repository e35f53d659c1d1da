"""The newest lines of the daemon's log, kept in memory for the console."""

from __future__ import annotations

import logging
from collections import deque
from datetime import UTC, datetime

from pydantic import BaseModel

LINES = 2000
LEVELS = ("debug", "info", "warning", "error", "critical")


class LogLine(BaseModel):
    """One line: `seq` grows by one with each."""

    seq: int
    at: datetime
    level: str
    name: str
    text: str


class Logbook(logging.Handler):
    """A log handler that remembers; what it cannot read it leaves out."""

    def __init__(self, lines: int = LINES) -> None:
        super().__init__(logging.INFO)
        self._lines: deque[LogLine] = deque(maxlen=lines)
        self._seq = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record's words."""
        try:
            if isinstance(record.msg, dict):  # structlog's
                said = dict(record.msg)
                skipped = {"event", "timestamp", "level", "logger", "exc_info", "stack_info"}
                more = [f"{key}={value}" for key, value in said.items() if key not in skipped]
                text = " ".join([str(said.get("event", "")), *more])
            else:
                text = record.getMessage()
            if record.exc_info and record.exc_info[1] is not None:
                text += f" ({type(record.exc_info[1]).__name__}: {record.exc_info[1]})"
        except Exception:
            return
        self._seq += 1
        self._lines.append(
            LogLine(
                seq=self._seq,
                at=datetime.fromtimestamp(record.created, UTC),
                level=record.levelname.lower(),
                name=record.name,
                text=text[:2000],
            )
        )

    def tail(self, n: int, *, level: str = "info", text: str = "") -> list[LogLine]:
        """The last lines of at least this level that hold `text`, the newest first."""
        least = LEVELS.index(level) if level in LEVELS else 0
        wanted = text.casefold()
        found: list[LogLine] = []
        for line in reversed(self._lines):
            rank = LEVELS.index(line.level) if line.level in LEVELS else 0
            if rank >= least and wanted in f"{line.name} {line.text}".casefold():
                found.append(line)
                if len(found) >= n:
                    break
        return found


LOGBOOK = Logbook()
"""The daemon's; `set_up_logging` hangs it in."""
