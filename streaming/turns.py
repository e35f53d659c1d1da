"""A count of changes that others wait for: a page is told anew when it has gone up."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

LOOK_S = 2.0


class Turns:
    """Goes up with each change. On the event loop."""

    def __init__(self) -> None:
        self.count = 0
        self._changed = asyncio.Event()

    def change(self) -> None:
        """Something has changed."""
        self.count += 1
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def follow(self) -> AsyncIterator[int]:
        """Yields now, and after each change; at the latest every two seconds."""
        while True:
            yield self.count
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self._changed.wait()
