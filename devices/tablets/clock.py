"""The room's clock as a tablet estimates it from pings, in milliseconds.

A ping carries the tablet's time, the pong repeats it beside the room's. Half the round trip is the
most that an estimate can be wrong; so the sample with the shortest round trip of the last few is
the one that counts (the clock filter of NTP, RFC 5905 section 10, without its statistics).
"""

from __future__ import annotations

import time
from collections import deque


def room_ms() -> int:
    """The room's clock: milliseconds since 1970, UTC."""
    return time.time_ns() // 1_000_000


class ClockOffset:
    """Estimates what to add to this device's clock to get the room's."""

    def __init__(self, samples: int = 8) -> None:
        self._samples: deque[tuple[float, float]] = deque(maxlen=samples)

    def sample(self, sent: float, room: float, received: float) -> None:
        """Takes one exchange: local send time, the room's time, local receive time (ms)."""
        self._samples.append((received - sent, room - (sent + received) / 2))

    @property
    def offset_ms(self) -> float:
        """Room time minus local time; 0 before the first sample."""
        return min(self._samples)[1] if self._samples else 0.0

    @property
    def error_ms(self) -> float:
        """The most that `offset_ms` can be wrong; infinite before the first sample."""
        return min(self._samples)[0] / 2 if self._samples else float("inf")
