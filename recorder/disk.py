"""How much room the recording's disk has, for how long that lasts, and when to stop writing."""

from __future__ import annotations

import os
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path

LOW_SECONDS = 900.0
FLOOR_BYTES = 64 << 20
FLOOR_SHARE = 50  # on a small disk the floor is a fiftieth of it
WINDOW = 30.0


@dataclass(frozen=True, slots=True)
class Room:
    """`full`: stop writing; `low`: less than a quarter of an hour at the present rate."""

    free: int
    seconds_left: float | None
    low: bool
    full: bool


class DiskWatch:
    """Measures the rate at which the recording grows and forecasts the end of the disk."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._written: deque[tuple[float, int]] = deque()
        self._full = self._low = False

    def look(self, written: int) -> Room:
        """Call about once a second with the bytes that the recording has so far."""
        facts = os.statvfs(self._folder)
        free = facts.f_bavail * facts.f_frsize
        floor = min(FLOOR_BYTES, facts.f_blocks * facts.f_frsize // FLOOR_SHARE)
        now = time.monotonic()
        self._written.append((now, written))
        while now - self._written[0][0] > WINDOW:
            self._written.popleft()
        seconds = self._forecast(free - floor)
        # Room must be seen to come back, or the two states would flap.
        self._full = free < (2 * floor if self._full else floor)
        limit = LOW_SECONDS * (1.2 if self._low else 1.0)
        self._low = self._full or (seconds is not None and seconds < limit)
        return Room(free, seconds, self._low, self._full)

    def _forecast(self, usable: int) -> float | None:
        (first, before), (last, after) = self._written[0], self._written[-1]
        if last - first < 3.0 or after <= before:
            return None
        return max(0.0, usable / ((after - before) / (last - first)))
