"""How long devices are on, how long they cannot be reached, how often they fail: by day.

Follows the event bus and adds up in the journal once a minute and at the end. What happens while
no daemon runs is not known and not counted.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

import structlog

from controller.events import EventBus, SlowSubscriber
from controller.journal import Journal
from controller.state import RoomView
from devices.model import DeviceState, Health, Power

EVERY_S = 60.0
_RUNS = {Power.ON, Power.WARMING}
_AWAY = {Health.OFFLINE}
_log = structlog.get_logger(__name__)


class Followed(Protocol):
    """The part of `Classroom` that is followed."""

    events: EventBus
    journal: Journal

    def view(self) -> RoomView: ...


@dataclass(slots=True)
class _Sum:
    on_s: float = 0.0
    away_s: float = 0.0
    faults: int = 0


class DeviceHours:
    """Adds up while it runs. `clock` counts seconds; `today` names the day."""

    def __init__(
        self,
        room: Followed,
        *,
        clock: Callable[[], float] = time.monotonic,
        today: Callable[[], str] = lambda: datetime.now(UTC).date().isoformat(),
    ) -> None:
        self._room, self._clock, self._today = room, clock, today
        self._last: dict[str, tuple[DeviceState, float]] = {}
        self._sums: dict[tuple[str, str], _Sum] = {}
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begins to follow."""
        self._task = asyncio.create_task(self._follow(), name="device-hours")

    async def stop(self) -> None:
        """Writes what was added up."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        await self.flush()

    def note(self, state: DeviceState) -> None:
        """Takes what is known of a device now."""
        now = self._clock()
        known = self._last.get(state.id)
        self._last[state.id] = (state, now)
        if known is None:
            return
        before, since = known
        kept = self._sums.setdefault((self._today(), state.id), _Sum())
        if before.health in _AWAY:
            kept.away_s += now - since
        elif before.power in _RUNS:
            kept.on_s += now - since
        if state.health in _AWAY and before.health not in _AWAY:
            kept.faults += 1

    async def flush(self) -> None:
        """Adds what was counted to the journal."""
        for state, _ in list(self._last.values()):
            self.note(state)
        sums, self._sums = self._sums, {}
        rows = [
            (day, device, one.on_s, one.away_s, one.faults) for (day, device), one in sums.items()
        ]

        def add(database: sqlite3.Connection) -> None:
            database.executemany(
                "INSERT INTO device_days (day, device, on_s, away_s, faults)"
                " VALUES (?, ?, ?, ?, ?) ON CONFLICT (day, device) DO UPDATE SET"
                " on_s = on_s + excluded.on_s, away_s = away_s + excluded.away_s,"
                " faults = faults + excluded.faults",
                rows,
            )

        if rows:
            try:
                await self._room.journal.write(add)
            except Exception as error:
                _log.warning("device_hours", error=str(error))

    async def _follow(self) -> None:
        while True:
            with contextlib.suppress(SlowSubscriber):
                async with self._room.events.subscribe() as events:
                    for state in self._room.view().devices:
                        self.note(state)
                    pending = asyncio.ensure_future(anext(events, None))
                    try:
                        while True:
                            done, _ = await asyncio.wait({pending}, timeout=EVERY_S)
                            if not done:
                                await self.flush()
                                continue
                            event = pending.result()
                            if event is None:
                                return
                            if event.kind == "device":
                                self.note(DeviceState.model_validate(event.data))
                            pending = asyncio.ensure_future(anext(events, None))
                    finally:
                        pending.cancel()
