"""The event bus: what changed, told to every open page and door.

Events are told after the journal has them. A subscriber that does not keep up is closed
(`SlowSubscriber`), because one that silently misses events shows a wrong room; it subscribes
again and begins with a fresh view.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

from controller.state import Event

QUEUE = 512


class SlowSubscriber(Exception):  # noqa: N818 - said of the subscriber, not of the bus
    """The subscriber was closed: it fell more than `QUEUE` events behind."""


class _Subscription:
    def __init__(self) -> None:
        self.queue: asyncio.Queue[Event | None] = asyncio.Queue()
        self.dropped = False

    def put(self, event: Event, limit: int) -> bool:
        if self.queue.qsize() >= limit:
            if event.kind == "levels":
                return True  # the next levels are at most 0.2 s away
            self.dropped = True
            while not self.queue.empty():
                self.queue.get_nowait()
            self.queue.put_nowait(None)
            return False
        self.queue.put_nowait(event)
        return True

    async def __aiter__(self) -> AsyncIterator[Event]:
        while (event := await self.queue.get()) is not None:
            yield event
        if self.dropped:
            raise SlowSubscriber("The subscriber was too slow; subscribe again.")


class EventBus:
    """Tells events to subscribers; used from the event loop's thread only."""

    def __init__(self, limit: int = QUEUE) -> None:
        self._limit = limit
        self._open: set[_Subscription] = set()

    def publish(self, event: Event) -> None:
        """Tell every subscriber; never waits."""
        for subscription in list(self._open):
            if not subscription.put(event, self._limit):
                self._open.discard(subscription)

    @asynccontextmanager
    async def subscribe(self) -> AsyncGenerator[AsyncIterator[Event]]:
        """Events from now on. The iterator ends when the bus closes; SlowSubscriber if too slow."""
        subscription = _Subscription()
        self._open.add(subscription)
        try:
            yield aiter(subscription)
        finally:
            self._open.discard(subscription)

    def close(self) -> None:
        """End every subscription; the daemon stops."""
        for subscription in self._open:
            subscription.queue.put_nowait(None)
        self._open.clear()

    @property
    def subscribers(self) -> int:
        """How many are listening now."""
        return len(self._open)
