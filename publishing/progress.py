"""How fast bytes move, and when they will have moved."""

from __future__ import annotations

import time

_REPORT_S = 0.5
_SMOOTH_S = 5.0


class Pace:
    """A smoothed rate. `rate` is in bytes per second, `eta_s` in seconds, None until known."""

    def __init__(self) -> None:
        self.rate: float | None = None
        self.eta_s: float | None = None
        self._then: float | None = None
        self._sent = 0

    def moved(self, sent: int, left: int) -> bool:
        """Note how much was sent in all and how much is left; True about twice a second."""
        now = time.monotonic()
        if self._then is None:
            self._then, self._sent = now, sent
            return True
        if (passed := now - self._then) < _REPORT_S:
            return False
        seen = (sent - self._sent) / passed
        weight = min(1.0, passed / _SMOOTH_S)
        self.rate = seen if self.rate is None else self.rate + weight * (seen - self.rate)
        self.eta_s = left / self.rate if self.rate > 0 else None
        self._then, self._sent = now, sent
        return True
