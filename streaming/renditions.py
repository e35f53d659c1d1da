"""Smaller pictures for thin links, made only of what somebody asks for.

A segment of the lecture begins with a key frame and stands for itself, so a smaller copy of it can
be made at any time: when the first viewer asks for it, by one child at low priority that ends when
nobody has asked for a minute. Its times are those of the large one, so players change between them
at will, and the whole class can be watched small from its beginning.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import sys
import time
from collections import OrderedDict
from pathlib import Path

log = logging.getLogger(__name__)

HEIGHTS = {"360p": 360, "180p": 180}
BANDWIDTH = {"360p": 700_000, "180p": 260_000}
BUSY = 0.9
WAITING = 6
IDLE_S = 60.0
ANSWER_S = 25.0
KEPT_BYTES = 48 * 1024 * 1024

Key = tuple[Path, str, int]


class RenditionError(Exception):
    """There is no smaller picture now. The text says why."""


def size_of(height: int, width: int, full: int) -> tuple[int, int]:
    """Width and height of a smaller copy of a picture of `width` x `full`."""
    return max(2, round(width * height / full / 2) * 2), height


class Renditions:
    """Makes and keeps smaller segments; `busy` is the load per core from which none is begun."""

    def __init__(self, *, busy: float = BUSY) -> None:
        self._busy = busy
        self._kept: OrderedDict[Key, bytes] = OrderedDict()
        self._bytes = 0
        self._making: dict[Key, asyncio.Task[bytes]] = {}
        self._child: asyncio.subprocess.Process | None = None
        self._turn = asyncio.Lock()
        self._used = 0.0
        self._idle: asyncio.Task[None] | None = None

    @property
    def running(self) -> bool:
        """Whether the child is there."""
        return self._child is not None

    def offered(self, height: int) -> list[str]:
        """Which renditions of a picture so high are offered now: none on a busy machine."""
        if not self.running and os.getloadavg()[0] > self._busy * (os.cpu_count() or 1):
            return []
        return [name for name, lower in HEIGHTS.items() if lower < height]

    async def get(self, key: Key, init: bytes, data: bytes) -> bytes:
        """The smaller copy of a segment (or, of empty `data`, of the init segment).

        Raises RenditionError.
        """
        kept = self._kept.get(key)
        if kept is not None:
            return kept
        task = self._making.get(key)
        if task is None:
            if len(self._making) >= WAITING:
                raise RenditionError("the machine is busy")
            task = self._making[key] = asyncio.create_task(self._make(key, init, data))
            task.add_done_callback(lambda _: self._making.pop(key, None))
        return await asyncio.shield(task)

    async def _make(self, key: Key, init: bytes, data: bytes) -> bytes:
        async with self._turn:
            try:
                async with asyncio.timeout(ANSWER_S):
                    made = await self._ask(HEIGHTS[key[1]], key[2] + 1, init, data)
            except (OSError, TimeoutError, ValueError, asyncio.IncompleteReadError) as error:
                await self._end()
                raise RenditionError("the smaller picture could not be made") from error
        self._kept[key] = made
        self._bytes += len(made)
        while self._bytes > KEPT_BYTES:
            self._bytes -= len(self._kept.popitem(last=False)[1])
        return made

    async def _ask(self, height: int, number: int, init: bytes, data: bytes) -> bytes:
        self._used = time.monotonic()
        child = self._child or await self._start()
        assert child.stdin is not None and child.stdout is not None
        order = {"height": height, "number": number, "init": len(init), "data": len(data)}
        child.stdin.write(json.dumps(order).encode() + b"\n" + init + data)
        await child.stdin.drain()
        told = json.loads(await child.stdout.readline())
        if "error" in told:
            raise RenditionError(str(told["error"]))
        made = await child.stdout.readexactly(int(told["size"]))
        self._used = time.monotonic()
        return made

    async def _start(self) -> asyncio.subprocess.Process:
        self._child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "streaming.rendition_child"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        log.info("smaller pictures are being made")
        self._idle = asyncio.create_task(self._end_when_idle(), name="renditions")
        return self._child

    async def _end_when_idle(self) -> None:
        left = IDLE_S
        while True:
            await asyncio.sleep(left)
            async with self._turn:
                left = self._used + IDLE_S - time.monotonic()
                if left <= 0:
                    await self._end()
                    return

    async def _end(self) -> None:
        child = self._child
        if child is not None:
            with contextlib.suppress(ProcessLookupError):
                child.kill()
            await asyncio.shield(child.wait())
            self._child = None  # not before: who is told to stop meanwhile waits for it too

    def drop(self, folder: Path) -> None:
        """Forget what was made of the class in `folder`."""
        for key in [key for key in self._kept if key[0] == folder]:
            self._bytes -= len(self._kept.pop(key))

    async def close(self) -> None:
        """Ends the child and forgets what was made."""
        if self._idle is not None:
            self._idle.cancel()
        for task in list(self._making.values()):
            task.cancel()
        await asyncio.gather(*self._making.values(), return_exceptions=True)
        await self._end()
        self._kept.clear()
        self._bytes = 0
