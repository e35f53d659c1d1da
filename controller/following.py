"""Cameras that turn after the presenter: what the tracker sees becomes moves of the device.

A camera with `presets` is only ever sent to these, which stand from left to right: they are its
limits. Without them it pans and tilts, slowly, in short moves. A move ends by itself: when nothing
is heard of the tracker, the camera is stopped. Whoever moves it by hand has it for a minute.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from recorder.recording import SourceSpec

OURS_AGAIN_S = 60.0
SILENT_S = 1.0
LONGEST_S = 2.0
_OUT, _IN = 0.2, 0.06  # of the picture's width from its middle: too far, near enough
_LEAVE = 0.3  # nearer to the edge than this, the next preset shows them better
_UP, _LOW = 0.08, 0.4  # where the head may be, from the top
_AGAIN_S = 2.5  # so long a camera is on its way to a preset


class Devices(Protocol):
    """What is needed of the device manager."""

    async def send(self, device: str, command: str, value: Any = None) -> Any: ...


@dataclass
class _Camera:
    device: str
    presets: tuple[int, ...] = ()
    preset: int | None = None
    moving: str = ""
    since: float = 0.0
    heard: float = 0.0
    mine_from: float = 0.0
    busy_until: float = 0.0


class Following:
    """The followed cameras of a room; times are the event loop's."""

    def __init__(self, sources: Sequence[SourceSpec], devices: Devices) -> None:
        self._by_source = {
            source.id: _Camera(source.follow, source.follow_presets)
            for source in sources
            if source.follow
        }
        self._devices = devices
        self._task: asyncio.Task[None] | None = None
        self._work: set[asyncio.Task[Any]] = set()

    def start(self) -> None:
        """Begin to look after cameras that move."""
        if self._by_source:
            self._task = asyncio.create_task(self._guard(), name="following")

    async def stop(self) -> None:
        """Stop every camera that moves."""
        if self._task is not None:
            self._task.cancel()
        for camera in self._by_source.values():
            self._halt(camera)
        await asyncio.gather(*self._work, return_exceptions=True)

    def manual(self, device: str) -> None:
        """Somebody moves this camera by hand."""
        for camera in self._by_source.values():
            if camera.device == device:
                camera.mine_from = self._now() + OURS_AGAIN_S
                camera.moving, camera.preset = "", None

    def seen(self, data: dict[str, Any]) -> None:
        """The tracker tells where the presenter is: `source`, a box in shares of its picture."""
        camera = self._by_source.get(str(data.get("source", "")))
        if camera is None:
            return
        now = self._now()
        camera.heard = now
        if now < camera.mine_from or now < camera.busy_until:
            return
        middle = float(data["x"]) + float(data["w"]) / 2 - 0.5
        if camera.presets:
            self._step(camera, middle, now)
        else:
            self._pan(camera, middle, float(data["y"]), now)

    def _step(self, camera: _Camera, middle: float, now: float) -> None:
        """To the preset beside the present one, on the side where the presenter is."""
        presets = camera.presets
        if camera.preset is None:
            camera.preset = len(presets) // 2
        elif abs(middle) <= _LEAVE:
            return
        else:
            to = camera.preset + (1 if middle > 0 else -1)
            if not 0 <= to < len(presets):
                return
            camera.preset = to
        camera.busy_until = now + _AGAIN_S
        self._send(camera, "preset_recall", presets[camera.preset])

    def _pan(self, camera: _Camera, middle: float, top: float, now: float) -> None:
        moving = bool(camera.moving)
        across = abs(middle) > (_IN if moving else _OUT)
        side = ("right" if middle > 0 else "left") if across else ""
        height = ("up" if top < _UP else "down" if top > _LOW else "") if not side else ""
        wanted = side or height
        if not wanted:
            self._halt(camera)
            return
        if wanted != camera.moving:
            if not moving:
                camera.since = now
            camera.moving = wanted
            self._send(camera, "pan_tilt", wanted)

    def _halt(self, camera: _Camera) -> None:
        if camera.moving:
            camera.moving = ""
            self._send(camera, "pan_tilt", "stop")

    async def _guard(self) -> None:
        """The dead man's hand: a move that nobody confirms is ended."""
        while True:
            await asyncio.sleep(0.1)
            now = self._now()
            for camera in self._by_source.values():
                if not camera.moving:
                    continue
                if now - camera.heard > SILENT_S:
                    self._halt(camera)
                elif now - camera.since > LONGEST_S:
                    self._halt(camera)
                    camera.busy_until = now + 0.6  # look where they are now

    def _send(self, camera: _Camera, command: str, value: Any) -> None:
        async def send() -> None:
            result = await self._devices.send(camera.device, command, value)
            if getattr(result, "outcome", "") in ("refused", "failed"):
                camera.preset = None  # nobody knows where it stands

        task = asyncio.create_task(send(), name=f"following {camera.device}")
        self._work.add(task)
        task.add_done_callback(self._work.discard)

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
