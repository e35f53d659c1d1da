"""Class time: one clock per recording, and the mapping of each source's own clock onto it.

Class time runs on CLOCK_BOOTTIME, so setting the wall clock changes nothing. A source's stamps
come from the source's clock, which starts anywhere, drifts and may jump; only the arrival of its
packets ties it to ours. The least delayed arrivals are the truthful ones: the lower envelope of
(arrival - stamp) is followed, slowly, so that network jitter never shows in the stamps.
"""

from __future__ import annotations

import ctypes
from collections import deque
from dataclasses import dataclass
from time import CLOCK_BOOTTIME, clock_gettime

US = 1_000_000
_TIME_ERROR = 5


def synchronised() -> bool:
    """Whether the wall clock is kept in step by NTP or PTP, as the kernel knows (adjtimex(2)).

    Class time does not depend on it, but the dates of a recording and a reboot in class do.
    """
    state = ctypes.create_string_buffer(256)  # struct timex with no modes: asks only
    return int(ctypes.CDLL(None).adjtimex(state)) not in (-1, _TIME_ERROR)


class ClassClock:
    """Tells class time in this process. Made once at its start, also after a reboot."""

    def __init__(self, base: float) -> None:
        """`base` is the CLOCK_BOOTTIME (seconds) at which class time was zero."""
        self.base = base
        self._base_us = round(base * US)

    def now(self) -> float:
        """Class time in seconds."""
        return clock_gettime(CLOCK_BOOTTIME) - self.base

    def now_us(self) -> int:
        return round(self.now() * US)

    def from_boottime_us(self, stamp: int) -> int:
        """Class microseconds of a CLOCK_BOOTTIME stamp in microseconds."""
        return stamp - self._base_us


@dataclass(frozen=True, slots=True)
class Measured:
    """What was learnt of a source's clock: `drift_ppm` is how much it runs slow against ours."""

    drift_ppm: float
    offset_s: float
    resets: int


class SourceClock:
    """Maps one source's stamps to class time; all its streams share the mapping.

    Feed every packet in arrival order; both arguments are seconds. The correction changes by at
    most `SLEW` of elapsed time (`FAST_SLEW` while more than `COARSE` is wrong), which bounds how
    much two neighbouring stamps may be pulled together or apart.
    """

    WINDOW = 2.0
    HISTORY = 300
    SLEW = 0.01
    FAST_SLEW = 0.05
    COARSE = 0.05
    JUMP = 1.5
    STALL = 0.25
    FIT_AFTER = 5
    PATIENCE = 3

    def __init__(self) -> None:
        self.resets = 0
        self._offset: float | None = None
        self._target = 0.0
        self._slope = 0.0
        self._last = 0.0
        self._last_arrival = 0.0
        self._windows: deque[tuple[float, float]] = deque(maxlen=self.HISTORY)
        self._late: list[tuple[float, float]] = []
        self._window_end = 0.0
        self._least: tuple[float, float] | None = None

    def anchor(self, stamp: float, arrival: float) -> None:
        """Ties the source's `stamp` to `arrival` and forgets what was known before."""
        self._offset = self._target = arrival - stamp
        self._last, self._last_arrival = stamp, arrival
        self._window_end = stamp + self.WINDOW
        self._least = None
        self._windows.clear()
        self._late.clear()

    def offset(self, stamp: float, arrival: float) -> float:
        """Returns what to add to the packet's stamps to have class time."""
        if self._offset is None:
            self.anchor(stamp, arrival)
            return arrival - stamp
        step = stamp - self._last
        if step < -self.JUMP or step > arrival - self._last_arrival + self.JUMP:
            self.resets += 1
            self.anchor(stamp, arrival)
            return arrival - stamp
        self._last_arrival = arrival
        delay = arrival - stamp
        if self._least is None or delay < self._least[1]:
            self._least = (stamp, delay)
            # An arrival earlier than thought possible shows at once that the anchor was late.
            if delay < self._target - (self.COARSE if self._fitted else 0.0):
                self._target = delay
        if step > 0:
            self._last = stamp
            self._follow(step)
            if stamp >= self._window_end:
                self._close_window(stamp)
        return self._offset

    def _follow(self, step: float) -> None:
        assert self._offset is not None
        self._target += self._slope * step
        wrong = self._target - self._offset
        limit = step * (self.SLEW if abs(wrong) <= self.COARSE else self.FAST_SLEW)
        self._offset += min(max(wrong, -limit), limit)

    def _close_window(self, stamp: float) -> None:
        least, self._least = self._least, None
        self._window_end = stamp + self.WINDOW
        assert least is not None
        if self._windows and least[1] > self._target + self.COARSE:
            # All of a window came late: the network stalls, or the source itself stood still.
            self._late.append(least)
            if len(self._late) < self.PATIENCE:
                return
            if all(delay > self._target + self.STALL for _, delay in self._late):
                self._stood_still()
                return
        else:
            self._late.clear()
            self._late.append(least)
        self._windows.extend(self._late)
        self._late.clear()
        if self._fitted:
            self._slope, intercept = _line(self._windows)
            self._target = intercept + self._slope * stamp
        else:  # too little to tell drift from jitter
            self._target = self._windows[-1][1]

    def _stood_still(self) -> None:
        """Goes on from the new, longer delay at once: the time between is a gap."""
        self.resets += 1
        self._windows.clear()
        self._windows.extend(self._late)
        self._late.clear()
        self._slope = 0.0
        self._target = self._offset = min(delay for _, delay in self._windows)

    @property
    def _fitted(self) -> bool:
        return len(self._windows) >= self.FIT_AFTER

    def measured(self) -> Measured:
        return Measured(
            round(self._slope * 1e6, 1),
            round(self._target, 6) if self._offset else 0.0,
            self.resets,
        )


class SenderClock:
    """What the sender itself says (RTCP sender reports): when each packet was captured, by its wall
    clock. `latency` is how long the fastest packet of each stream was under way, by both clocks.

    Where the sender's clock is `trusted` (kept by the same NTP as ours) its word takes the place of
    the arrival, as long as it makes sense; otherwise it is measured only.
    """

    LEAST, MOST = -0.05, 2.0

    def __init__(self, trusted: bool) -> None:
        self.trusted = trusted
        self.used = False
        self.latency: dict[int, float] = {}

    def arrival(self, stream: int, sent: float, arrival: float, wall: float) -> float:
        """What to take for the arrival (class seconds) of a packet captured at `sent`.

        `sent` is by the sender's wall clock, `wall` is ours now; both are seconds since 1970.
        """
        under_way = wall - sent
        if not self.LEAST < under_way < self.MOST:
            self.used = False
            return arrival
        self.latency[stream] = min(under_way, self.latency.get(stream, under_way))
        if not self.trusted:
            return arrival
        self.used = True
        return arrival - under_way


def _line(points: deque[tuple[float, float]]) -> tuple[float, float]:
    """Least squares: returns slope and intercept."""
    count = len(points)
    mean_x = sum(x for x, _ in points) / count
    mean_y = sum(y for _, y in points) / count
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    slope = sum((x - mean_x) * (y - mean_y) for x, y in points) / spread if spread else 0.0
    return slope, mean_y - slope * mean_x
