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
        self.owed: dict[str, Request] = {}

    def begun(self, key: str, halt: Request, seconds: float) -> None:
        """Something moves; without a renewed command it is halted after `seconds`."""
        self._disarm(key)
        self.owed[key] = halt
        self._timers[key] = asyncio.get_running_loop().call_later(seconds, self._stop, halt)

    def ended(self, key: str) -> None:
        """The stop was acknowledged."""
        self._disarm(key)
        self.owed.pop(key, None)

    def _disarm(self, key: str) -> None:
        if (timer := self._timers.pop(key, None)) is not None:
            timer.cancel()

    def close(self) -> list[Request]:
        """No timer runs any longer; returns the stops that are still owed."""
        for key in list(self._timers):
            self._disarm(key)
        return list(self.owed.values())


async def travel(request: Request, knowledge: Knowledge, clock: Clock) -> None:
    """No answer tells the end of this movement: it is over after the profile's time."""
    knowledge.set_value(request.state, "moving")
    knowledge.show()
    await clock.sleep(request.command.spec.travel_s or 0)
    knowledge.set_value(request.state, request.value)
    knowledge.show()
