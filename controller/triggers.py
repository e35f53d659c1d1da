"""Runs scenes when a contact closes, an alarm comes, nobody is there, or a class goes live.

A trigger's scene runs beside whatever else runs: a fire alarm does not wait for the start of a
class, and a tally light does not take the place of its scene.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import structlog

from controller.health import AlarmBoard, Words
from controller.reactions import TriggerSpec
from controller.scenes import DevicePort, SceneRun
from controller.settings import Scene
from controller.state import SessionState, StepResult
from devices.model import DeviceState, Health

_log = structlog.get_logger(__name__)

Note = Callable[[str, dict[str, Any]], None]
FREE, LIVE, PAUSED = "free", "live", "paused"


def session_word(state: SessionState | None) -> str:
    """What the class is, in a trigger's words."""
    if state is SessionState.PAUSED:
        return PAUSED
    return FREE if state in (None, SessionState.ENDED) else LIVE


class Triggers:
    """`note(kind, data)` enters what happened into the journal."""

    def __init__(
        self,
        specs: Sequence[TriggerSpec],
        scenes: Callable[[str], Scene | None],
        devices: DevicePort,
        alarms: AlarmBoard,
        note: Note,
    ) -> None:
        self._specs, self._scenes, self._devices = list(specs), scenes, devices
        self._alarms, self._note = alarms, note
        self._on: dict[str, bool] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._runs: dict[str, tuple[SceneRun, asyncio.Task[None]]] = {}

    async def stop(self) -> None:
        """Give up what runs."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        tasks = [task for _, task in self._runs.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def device_changed(self, state: DeviceState) -> None:
        """A device told its state. One that is away tells nothing."""
        for run, _ in list(self._runs.values()):
            run.device_changed(state)
        for spec in self._specs:
            if spec.device == state.id and state.health is Health.ONLINE:
                value = state.power.value if spec.state == "power" else state.values.get(spec.state)
                if value is not None:
                    self._is(spec, _same(value, spec.is_))

    def session_changed(self, state: SessionState | None) -> None:
        """The class changed."""
        word = session_word(state)
        for spec in self._specs:
            if spec.session is not None:
                self._is(spec, spec.session == word)

    def _is(self, spec: TriggerSpec, so: bool) -> None:
        if so == (spec.id in self._timers or self._on.get(spec.id, False)):
            return
        if (timer := self._timers.pop(spec.id, None)) is not None:
            timer.cancel()
        if so and spec.for_s:
            loop = asyncio.get_running_loop()
            self._timers[spec.id] = loop.call_later(spec.for_s, self._fire, spec, True)
        elif so or self._on.get(spec.id, False):
            self._fire(spec, so)

    def _fire(self, spec: TriggerSpec, on: bool) -> None:
        self._timers.pop(spec.id, None)
        self._on[spec.id] = on
        if spec.alarm:
            words = Words("critical", "instructor", spec.alarm, "Follow the house's rules.")
            self._alarms.set(f"trigger.{spec.id}", words if on else None, spec.device or "")
        scene = self._scenes(name) if (name := spec.scene if on else spec.back) else None
        self._note("trigger", {"trigger": spec.id, "on": on, "scene": scene.id if scene else None})
        if scene is None:
            return
        if (before := self._runs.pop(spec.id, None)) is not None:
            before[1].cancel()
        run = SceneRun(scene, self._devices, lambda at, step: None)
        task = asyncio.create_task(self._run(spec, run.run()), name=f"trigger {spec.id}")
        self._runs[spec.id] = run, task

    async def _run(self, spec: TriggerSpec, work: Awaitable[list[StepResult]]) -> None:
        try:
            steps = await work
        except Exception:
            _log.exception("trigger", trigger=spec.id)
            return
        failed = [f"{s.device} {s.command}: {s.detail}" for s in steps if s.state == "failed"]
        words = Words(
            "warning",
            "technician",
            f"Trigger {spec.id} could not do everything ({'; '.join(failed)}).",
            "Check the named devices.",
        )
        self._alarms.set(f"trigger-failed.{spec.id}", words if failed else None)


def _same(value: object, wanted: object) -> bool:
    if isinstance(value, bool) or isinstance(wanted, bool):
        return value is wanted
    return value == wanted or str(value) == str(wanted)
