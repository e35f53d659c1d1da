"""The scribe: writes markers in order, in a thread of its own; on a full disk they wait."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from recorder.recording import Marker, Recording

log = logging.getLogger(__name__)


class Scribe:
    """`written(marker)` hears of each marker, in the scribe's thread."""

    def __init__(self, recording: Recording, written: Callable[[Marker], None]) -> None:
        self._recording, self._written = recording, written
        self._waiting: list[Marker] = []
        self._thread = ThreadPoolExecutor(1, "scribe")

    def mark(self, kind: str, t: float, **data: Any) -> asyncio.Future[None]:
        """Writes a marker without holding up the loop that runs."""
        marker = Marker(t=round(t, 6), kind=kind, data=data)
        return asyncio.get_running_loop().run_in_executor(self._thread, self._write, marker)

    def retry(self) -> None:
        """Writes what waits, where anything does."""
        if self._waiting:
            self._thread.submit(self._write_waiting)

    def stop(self) -> None:
        self._thread.shutdown()

    def _write(self, marker: Marker) -> None:
        self._waiting.append(marker)
        self._write_waiting()
        self._written(marker)

    def _write_waiting(self) -> None:
        try:
            while self._waiting:
                marker = self._waiting[0]
                self._recording.mark(marker.kind, marker.t, **marker.data)
                self._waiting.pop(0)
        except OSError as error:
            log.warning("%d markers wait for room: %s", len(self._waiting), error.strerror)
