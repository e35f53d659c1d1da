"""A spare recorder, kept waiting: the first frame then comes in a few tenths of a second.

One is started with the room, another a while after it was used, so that it takes no CPU from a
class that is just beginning. One that died is replaced, later each time.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable
from pathlib import Path

import structlog

from recorder.spare import Spare, kinds

_log = structlog.get_logger(__name__)

FIRST_S, REST_S, LONGEST_REST_S = 1.0, 8.0, 300.0
STEADY_S = 60.0


class SpareKeeper:
    """`spare` is what `recorder.control.launch` takes; it may be away at any time."""

    def __init__(self, run_dir: Path, sources: Iterable[str]) -> None:
        self.spare = Spare(run_dir, kinds(sources))
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Keep one from here on."""
        self._task = asyncio.create_task(self._keep(), name="spare recorder")

    async def stop(self) -> None:
        """End the one that waits."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None
        await self.spare.stop()

    async def _keep(self) -> None:
        rest = REST_S
        loop = asyncio.get_running_loop()
        await asyncio.sleep(FIRST_S)  # a room that opens has other things to do
        while True:
            began = loop.time()
            try:
                await self.spare.start()
                await self.spare.gone()
            except OSError as error:
                _log.warning("spare_recorder", error=str(error))
            rest = REST_S if loop.time() - began > STEADY_S else min(LONGEST_REST_S, rest * 2)
            await asyncio.sleep(rest)
