"""Movements that must end: the dead man's handle, stops that are owed, and travel by time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from devices.clock import Clock
from devices.codec import Request
from devices.knowledge import Knowledge


class Moves:
    """What moves now. `stop(request)` must bring a stop onto the wire before anything else."""

    def __init__(self, stop: Callable[[Request], None]) -> None:
        self._stop = stop
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._travels: dict[str, asyncio.Task[None]] = {}
        self.owed: dict[str, Request] = {}

    def travels(self, key: str, request: Request, knowledge: Knowledge, clock: Clock) -> None:
        """Something moves whose end nothing tells: it is over after the profile's time."""
        self._arrest(key)
        self._travels[key] = asyncio.create_task(_travel(request, knowledge, clock))

    def _arrest(self, key: str) -> None:
        if (task := self._travels.pop(key, None)) is not None:
            task.cancel()

    def begun(self, key: str, halt: Request, seconds: float) -> None:
        """Something moves; without a renewed command it is halted after `seconds`."""
        self._disarm(key)
        self.owed[key] = halt
        self._timers[key] = asyncio.get_running_loop().call_later(seconds, self._stop, halt)

    def ended(self, key: str) -> None:
        """The stop was acknowledged."""
        self._disarm(key)
        self._arrest(key)
        self.owed.pop(key, None)

    def _disarm(self, key: str) -> None:
        if (timer := self._timers.pop(key, None)) is not None:
            timer.cancel()

    def close(self) -> list[Request]:
        """No timer runs any longer; returns the stops that are still owed."""
        for key in [*self._timers, *self._travels]:
            self._disarm(key)
            self._arrest(key)
        return list(self.owed.values())


async def _travel(request: Request, knowledge: Knowledge, clock: Clock) -> None:
    knowledge.set_value(request.state, "moving")
    knowledge.show()
    await clock.sleep(request.command.spec.travel_s or 0)
    knowledge.set_value(request.state, request.value)
    knowledge.show()
