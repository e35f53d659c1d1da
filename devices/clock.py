"""Time for pacing, warm-up and polling: real, or running faster for simulators and tests."""

from __future__ import annotations

import asyncio
import time


class Clock:
    """Seconds of a monotonic clock that runs `scale` times as fast as real time."""

    def __init__(self, scale: float = 1.0) -> None:
        self.scale = scale
        self._zero = time.monotonic()

    def now(self) -> float:
        """Seconds since this clock was made."""
        return (time.monotonic() - self._zero) * self.scale

    async def sleep(self, seconds: float) -> None:
        """Wait so long by this clock."""
        await asyncio.sleep(max(0.0, seconds) / self.scale)
