"""How much room the recording's disk has, for how long that lasts, and when to stop writing."""

from __future__ import annotations

import logging
import os
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

log = logging.getLogger(__name__)

LOW_SECONDS = 900.0
FLOOR_BYTES = 64 << 20
FLOOR_SHARE = 50  # on a small disk the floor is a fiftieth of it
WINDOW = 30.0
RETRY_AFTER = 2.0
SLOW_FOR = 30.0


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


class Blockable(Protocol):
    """A track, as far as the disk is concerned."""

    def block(self) -> None: ...
    def unblock(self) -> None: ...


class Class(Protocol):
    """What the guard needs of the recorder."""

    @property
    def tracks(self) -> Mapping[str, Blockable]: ...
    def fact(self, code: str, source: str, active: bool, detail: str = "") -> None: ...


class DiskGuard:
    """Stops the tracks while the disk is full, keeps everything, and lets them go on afterwards."""

    def __init__(self, owner: Class, folder: Path) -> None:
        self.free = 0
        self.seconds_left: float | None = None
        self._owner = owner
        self._watch = DiskWatch(folder)
        self._stopped = False
        self._not_before = 0.0
        self._slow_until = 0.0

    def slow(self, detail: str) -> None:
        """The disk did not follow just now; that is told until it has followed for a while."""
        self._slow_until = time.monotonic() + SLOW_FOR
        self._owner.fact("disk_slow", "", True, detail)

    def failed(self, detail: str) -> None:
        """A write failed: stops everything; it is tried again after a while."""
        self._not_before = time.monotonic() + RETRY_AFTER
        self._stop(detail)

    def look(self, written: int) -> None:
        """Call about once a second with the bytes that the recording has so far."""
        if time.monotonic() > self._slow_until:
            self._owner.fact("disk_slow", "", False)
        try:
            room = self._watch.look(written)
        except OSError as error:
            log.warning("the disk cannot be asked for its room: %s", error)
            return
        self.free, self.seconds_left = room.free, room.seconds_left
        left = f"{room.free >> 20} MiB are free"
        self._owner.fact("disk_low", "", room.low, left)
        if room.full:
            self._stop(left)
        elif self._stopped and time.monotonic() >= self._not_before:
            log.info("writing goes on: %s", left)
            self._stopped = False
            for track in self._owner.tracks.values():
                track.unblock()
            self._owner.fact("disk_full", "", False, left)

    def _stop(self, detail: str) -> None:
        if self._stopped:
            return
        log.warning("the disk takes no more (%s): writing stops, everything is kept", detail)
        self._stopped = True
        for track in self._owner.tracks.values():
            track.block()
        self._owner.fact("disk_full", "", True, detail)
