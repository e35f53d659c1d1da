"""The child side of `streaming.ordered`: orders on standard input, answers on standard output."""

from __future__ import annotations

import asyncio
import json
import sys
from abc import ABC, abstractmethod
from collections.abc import Coroutine
from typing import Any

MAX_LINE = 256 * 1024
"""Bytes of one order or answer; escapes make a short text long."""
ORDER_S = 15.0


def say(**data: Any) -> None:
    """Tells the parent: the answer to an order (`id`), or what happened by itself (`event`)."""
    sys.stdout.write(json.dumps(data) + "\n")
    sys.stdout.flush()


class Obedient(ABC):
    """What carries orders out: a child's desk. Those that come together run side by side."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def later(self, job: Coroutine[Any, Any, Any]) -> None:
        """Runs a job beside everything else."""
        task = asyncio.ensure_future(job)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    @abstractmethod
    async def take(self, order: dict[str, Any]) -> dict[str, Any]:
        """Carries one order out; what the answer holds. Whatever it raises is the answer."""

    async def carry_out(self, order: dict[str, Any]) -> None:
        """Answers one order, whatever comes of it."""
        try:
            say(id=order["id"], **await asyncio.wait_for(self.take(order), ORDER_S))
        except Exception as error:
            say(id=order.get("id"), error=str(error) or type(error).__name__)

    async def obey(self) -> None:
        """Takes orders until standard input closes."""
        reader = asyncio.StreamReader(limit=MAX_LINE)
        loop = asyncio.get_running_loop()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        while line := await reader.readline():
            self.later(self.carry_out(json.loads(line)))
