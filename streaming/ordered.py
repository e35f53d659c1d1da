"""A child that is given orders: one JSON line each, answered by its `id`.

It is started with the first order and ends when nothing has used it for a while. What happens
there by itself it tells as `{"event": …}`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import sys
import time
from collections.abc import Callable
from typing import Any

from streaming.obeying import MAX_LINE

log = logging.getLogger(__name__)

ANSWER_S = 20.0
IDLE_S = 60.0
LOOK_S = 5.0


class OrderError(Exception):
    """An order was not carried out. The text says why."""


class Ordered:
    """One child, `python -m module …`. All methods are called on the event loop.

    `busy` says whether it still holds something; `on_event` takes what it tells; `on_end` is
    called when it has ended, whatever the reason.
    """

    def __init__(
        self,
        module: str,
        *arguments: str,
        busy: Callable[[], bool],
        on_event: Callable[[dict[str, Any]], None],
        on_end: Callable[[], None],
    ) -> None:
        self.process: asyncio.subprocess.Process | None = None
        self._command = (sys.executable, "-m", module, *arguments)
        self._name = module.rpartition(".")[2]
        self._busy, self._on_event, self._on_end = busy, on_event, on_end
        self._reading: asyncio.Task[None] | None = None
        self._starting = asyncio.Lock()
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._number = 0
        self._used = 0.0

    async def order(self, what: str, **about: Any) -> dict[str, Any]:
        """Has an order carried out; its answer. Raises OrderError."""
        self._number += 1
        number, answer = self._number, asyncio.get_running_loop().create_future()
        line = json.dumps({"id": number, "do": what, **about}).encode() + b"\n"
        if len(line) > MAX_LINE:  # the child would end of it, for everybody
            raise OrderError("the order is too long")
        async with self._starting:
            if self.process is None:
                await self._start()
        assert self.process is not None and self.process.stdin is not None
        self._used = time.monotonic()
        self._answers[number] = answer
        try:
            self.process.stdin.write(line)
            async with asyncio.timeout(ANSWER_S):
                await self.process.stdin.drain()
                told: dict[str, Any] = await answer
        except (OSError, TimeoutError):
            told = {"error": "its process does not answer"}
        finally:
            self._answers.pop(number, None)
        if "error" in told:
            log.warning("%s: %s failed: %s", self._name, what, told["error"])
            raise OrderError(told["error"])
        return told

    async def stop(self) -> None:
        """Ends the child and everything that it holds."""
        task, self._reading = self._reading, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _start(self) -> None:
        self.process = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=MAX_LINE,
        )
        self._reading = asyncio.create_task(self._read(self.process), name=self._name)

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        """Takes what the child says; clears up when it has ended."""
        assert process.stdout is not None
        idle = asyncio.create_task(self._end_when_idle(process))
        try:
            while line := await process.stdout.readline():
                with contextlib.suppress(ValueError, KeyError):
                    self._hear(json.loads(line))
        except ValueError:
            log.exception("%s said too much", self._name)
        finally:
            idle.cancel()
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await asyncio.shield(process.wait())
            self.process = None
            for answer in self._answers.values():
                if not answer.done():
                    answer.set_result({"error": "its process has ended"})
            self._on_end()

    def _hear(self, told: dict[str, Any]) -> None:
        if "id" in told:
            answer = self._answers.get(told["id"])
            if answer is not None and not answer.done():
                answer.set_result(told)
        else:
            self._on_event(told)

    async def _end_when_idle(self, process: asyncio.subprocess.Process) -> None:
        while self._busy() or time.monotonic() - self._used < IDLE_S:  # noqa: ASYNC110
            await asyncio.sleep(LOOK_S)
        if process.stdin is not None:
            process.stdin.close()
