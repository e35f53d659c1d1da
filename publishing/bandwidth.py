"""How fast may be sent at this time of day."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import datetime, tzinfo

from publishing.settings import Window

_ASK_AGAIN_S = 30.0


class Throttle:
    """A token bucket whose rate follows the clock; many deliveries may share one.

    Half a second of traffic may go out at once. Without windows nothing is ever held up.
    """

    def __init__(
        self,
        windows: Sequence[Window] = (),
        *,
        timezone: tzinfo | None = None,
        now: Callable[[], datetime] | None = None,
    ) -> None:
        self._windows = windows
        self._now = now or (lambda: datetime.now(timezone).astimezone(timezone))
        self._free_at = 0.0

    def rate(self) -> float | None:
        """Bytes per second now; None is unlimited, 0.0 is not now."""
        if not self._windows:
            return None
        clock = self._now().strftime("%H:%M")
        limits = [window.mbit_s for window in self._windows if _inside(window, clock)]
        return min(limits) * 125_000 if limits else None

    async def take(self, size: int) -> None:
        """Return when `size` more bytes may go out."""
        while (rate := self.rate()) == 0:  # noqa: ASYNC110 - the clock is what changes
            await asyncio.sleep(_ASK_AGAIN_S)
        if rate is None:
            return
        now = time.monotonic()
        self._free_at = max(self._free_at, now - 0.5) + size / rate
        while (wait := self._free_at - time.monotonic()) > 0:  # noqa: ASYNC110
            await asyncio.sleep(min(wait, _ASK_AGAIN_S))


def _inside(window: Window, clock: str) -> bool:
    if window.begin <= window.until:
        return window.begin <= clock < window.until
    return clock >= window.begin or clock < window.until
