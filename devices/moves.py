"""Movements that must end: the dead man's handle, stops that are owed, and travel by time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from devices.clock import Clock
from devices.codec import Request
from devices.knowledge import Knowledge

REFUSED_S, REFUSED_TIMES = 0.3, 10
BLIND_S, BLIND_TIMES = 0.2, 2


class Moves:
    """What moves now. `stop(request)` must bring a stop onto the wire before anything else."""

    def __init__(self, stop: Callable[[Request], None]) -> None:
        self._stop = stop
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._travels: dict[str, asyncio.Task[None]] = {}
        self._refused: dict[str, int] = {}
        self._blind: dict[str, int] = {}
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
        self._refused.pop(key, None)
        self.owed[key] = halt
        self._timers[key] = asyncio.get_running_loop().call_later(seconds, self._stop, halt)

    def refused(self, key: str, halt: Request) -> None:
        """The device would not stop now: it is told again, until it has refused ten times."""
        times = self._refused[key] = self._refused.get(key, 0) + 1
        if key in self.owed and times < REFUSED_TIMES:
            self._disarm(key)
            later = asyncio.get_running_loop().call_later
            self._timers[key] = later(REFUSED_S, self._stop, halt)

    def unacknowledged(self, key: str, halt: Request) -> None:
        """Nothing tells whether the stop arrived: it is said twice more, or until a new move."""
        times = self._blind[key] = self._blind.get(key, 0) + 1
        if times > BLIND_TIMES:
            del self._blind[key]
            return
        self._disarm(key)
        self._timers[key] = asyncio.get_running_loop().call_later(BLIND_S, self._stop, halt)

    def renewed(self, key: str) -> None:
        """A new move was asked for: stops that were only said again are no longer wanted."""
        if self._blind.pop(key, None) is not None:
            self._disarm(key)

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
