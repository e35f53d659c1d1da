"""Waiting commands: by priority, a newer one of the same key in place of the older, stop first."""

from __future__ import annotations

import asyncio
import itertools
import time
from dataclasses import dataclass, field
from typing import Literal

from devices.codec import Request
from devices.model import CommandResult

STOP, POWER, COMMAND, READ, POLL = 0, 10, 20, 30, 50

Outcome = Literal["confirmed", "queued", "refused", "failed", "replaced"]
_order = itertools.count()


def key_of(request: Request) -> str:
    """Requests of one key replace each other while they wait."""
    spec = request.command.spec
    if request.action == "get":
        return f"get {request.state}"
    if spec.coalesce:
        return spec.coalesce
    if spec.idempotent:
        return request.command.name if request.command.kind == "action" else request.state
    return f"{request.command.name} {id(request)}"


@dataclass(eq=False)
class Item:
    """One request on its way. `done` gets its result once; `first_byte_ms` when it was sent."""

    request: Request
    priority: int
    key: str
    device: str
    done: asyncio.Future[CommandResult] | None = None
    created: float = field(default_factory=time.perf_counter)
    order: int = field(default_factory=lambda: next(_order))
    first_byte_ms: float | None = None
    reply_ms: float | None = None

    @property
    def is_stop(self) -> bool:
        """Does it end a movement?"""
        return self.priority == STOP

    def mark_sent(self) -> None:
        """Its first byte is on the wire."""
        if self.first_byte_ms is None:
            self.first_byte_ms = round((time.perf_counter() - self.created) * 1000, 3)

    def mark_answered(self) -> None:
        """Its answer came."""
        self.reply_ms = round((time.perf_counter() - self.created) * 1000, 3)

    def finish(self, outcome: Outcome, detail: str = "") -> None:
        """Tell the caller; a second call does nothing."""
        if self.done is not None and not self.done.done():
            self.done.set_result(
                CommandResult(
                    device=self.device,
                    command=self.request.command.name,
                    value=self.request.value,
                    outcome=outcome,
                    detail=detail,
                    first_byte_ms=self.first_byte_ms,
                    reply_ms=self.reply_ms,
                )
            )


class CommandQueue:
    """The commands of one device that wait for the wire."""

    def __init__(self) -> None:
        self._items: list[Item] = []
        self._filled = asyncio.Event()

    def __len__(self) -> int:
        return len(self._items)

    def __contains__(self, key: str) -> bool:
        return any(item.key == key for item in self._items)

    def put(self, item: Item) -> None:
        """Add; an older item of the same key is told `replaced` and gives its place. A stop
        goes first and drops what moves the same thing."""
        older = next((i for i in self._items if i.key == item.key), None)
        if older is not None:
            self._items.remove(older)
            older.finish("replaced", "a newer command took its place")
            if not item.is_stop and older.priority == item.priority:
                item.order = older.order
        self._items.append(item)
        self._items.sort(key=lambda i: (i.priority, i.order))
        self._filled.set()

    async def get(self) -> Item:
        """The next item; waits for one."""
        while not self._items:
            self._filled.clear()
            await self._filled.wait()
        return self._items.pop(0)

    def put_back(self, item: Item) -> None:
        """Return an item that could not be sent; a newer one of its key wins."""
        if any(other.key == item.key for other in self._items):
            item.finish("replaced", "a newer command took its place")
            return
        self._items.append(item)
        self._items.sort(key=lambda i: (i.priority, i.order))
        self._filled.set()

    def has_stop(self) -> bool:
        """Does a stop wait?"""
        return bool(self._items) and self._items[0].is_stop

    def remove(self, item: Item) -> bool:
        """Take an item back; False when it is no longer here."""
        if item in self._items:
            self._items.remove(item)
            return True
        return False

    def drop_reads(self) -> None:
        """Forget what was only to be read."""
        self._items = [item for item in self._items if item.request.action == "set"]

    def take_all(self) -> list[Item]:
        """Empty the queue."""
        items, self._items = self._items, []
        return items
