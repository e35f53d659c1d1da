"""Connects again and again, with back-off and jitter, for as long as the daemon runs."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress

from devices.sessions import SessionError
from devices.transports.link import LinkError

log = logging.getLogger(__name__)

FIRST_S, LONGEST_S = 0.5, 10.0
NUDGED_S = 0.3


class Lifeline:
    """Runs `serve` (one connection, from open to loss) for ever.

    `ended(why)` is told after each loss. The wait doubles from half a second to ten, is never in
    step with other devices, and is cut short by `nudge` (a command waits).
    """

    def __init__(
        self, name: str, serve: Callable[[], Awaitable[None]], ended: Callable[[str], object]
    ) -> None:
        self._name, self._serve, self._ended = name, serve, ended
        self._wait = FIRST_S
        self._nudged = asyncio.Event()

    def works(self) -> None:
        """The device answered: the next wait is short again."""
        self._wait = FIRST_S

    def at_once(self) -> None:
        """The connection is given up on purpose: the next one comes at once."""
        self._wait = 0.05

    def nudge(self) -> None:
        """Something waits to be sent."""
        self._nudged.set()

    async def run(self) -> None:
        """Never returns; ends by being cancelled."""
        while True:
            try:
                await self._serve()
            except LinkError as error:
                if isinstance(error, SessionError):
                    self._wait = max(self._wait, LONGEST_S / 2)
                self._ended(f"{error} ({error.remedy})" if error.remedy else str(error))
            except Exception:
                log.exception("driver of %s failed; it starts again", self._name)
                self._ended("internal error; see the log")
            await self._back_off()

    async def _back_off(self) -> None:
        self._nudged.clear()
        delay = self._wait * random.uniform(0.7, 1.3)  # noqa: S311 - jitter
        self._wait = min(self._wait * 2, LONGEST_S)
        with suppress(TimeoutError):
            async with asyncio.timeout(delay):
                await self._nudged.wait()
            await asyncio.sleep(min(delay, NUDGED_S))
