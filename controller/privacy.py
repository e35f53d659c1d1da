"""Cameras look away when no class is on, and back when one begins."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Literal, Protocol

import structlog

from controller.reactions import PrivacySpec
from devices.model import CommandResult, DeviceState, Health, Power, Value

_log = structlog.get_logger(__name__)


class CameraPort(Protocol):
    """What is needed of the device manager."""

    def states(self) -> list[DeviceState]: ...

    async def send(self, device: str, command: str, value: Value = None) -> CommandResult: ...


class Privacy:
    """Where each camera should look now, and whether it was told. A camera that was away or off is
    told when it is back."""

    def __init__(self, specs: Sequence[PrivacySpec], devices: CameraPort) -> None:
        self._specs = {spec.camera: spec for spec in specs}
        self._devices = devices
        self._in_class: bool | None = None
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._wanted: dict[str, int | Literal["home"]] = {}
        self._told: dict[str, int | Literal["home"]] = {}
        self._sending: dict[str, asyncio.Task[None]] = {}

    async def stop(self) -> None:
        """Leave the cameras as they are."""
        for timer in self._timers.values():
            timer.cancel()
        tasks = list(self._sending.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def session_changed(self, on: bool) -> None:
        """A class is on, or none. The first call says how it is at the daemon's start."""
        if on == self._in_class:
            return
        first, self._in_class = self._in_class is None, on
        for camera, spec in self._specs.items():
            if (timer := self._timers.pop(camera, None)) is not None:
                timer.cancel()
            if on and spec.ready is not None:
                if not first:  # a class that is taken up again has its picture already
                    self._want(camera, spec.ready)
            elif on:
                self._wanted.pop(camera, None)
            elif first or spec.after_s == 0:
                self._want(camera, spec.idle)
            else:
                later = asyncio.get_running_loop().call_later
                self._timers[camera] = later(spec.after_s, self._want, camera, spec.idle)

    def device_changed(self, state: DeviceState) -> None:
        """A camera told its state."""
        if state.id in self._specs:
            if state.health is Health.OFFLINE or state.power in (Power.OFF, Power.WARMING):
                self._told.pop(state.id, None)  # it may look anywhere when it is back
            self._tell(state)

    def _want(self, camera: str, place: int | Literal["home"]) -> None:
        self._timers.pop(camera, None)
        self._wanted[camera] = place
        self._told.pop(camera, None)
        for state in self._devices.states():
            if state.id == camera:
                self._tell(state)

    def _tell(self, state: DeviceState) -> None:
        place = self._wanted.get(state.id)
        able = state.health is Health.ONLINE and state.power in (Power.ON, Power.UNKNOWN)
        if place is None or not able or place == self._told.get(state.id):
            return
        if state.id in self._sending:
            return
        self._told[state.id] = place
        task = asyncio.create_task(self._send(state.id, place), name=f"privacy {state.id}")
        self._sending[state.id] = task
        task.add_done_callback(lambda _: self._sent(state.id))

    async def _send(self, camera: str, place: int | Literal["home"]) -> None:
        home = place == "home"
        result = await self._devices.send(
            camera, "home" if home else "preset_recall", None if home else place
        )
        if result.outcome != "confirmed":
            _log.warning("privacy", camera=camera, place=place, detail=result.detail)
            if result.outcome == "failed" and self._wanted.get(camera) == place:
                self._told.pop(camera, None)

    def _sent(self, camera: str) -> None:
        """It may have been asked elsewhere meanwhile."""
        self._sending.pop(camera, None)
        if self._wanted.get(camera) != self._told.get(camera) and camera in self._told:
            for state in self._devices.states():
                if state.id == camera:
                    self._tell(state)
