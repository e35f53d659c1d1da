"""Cameras that turn after the presenter: what the tracker sees becomes moves of the device.

A camera with `presets` is only ever sent to these, which stand from left to right. One with
`limits` pans and tilts, slowly, within the places of these presets (`limits`); one with neither
does so without bounds. A move ends by itself: when nothing is heard of the tracker, the camera is
stopped. Whoever moves it by hand has it for a minute. When nobody has moved in its picture for a
while, it goes home.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from controller.limits import AHEAD_S, Bounds, Devices, survey
from devices.manager import UnknownCommand
from recorder.recording import SourceSpec

OURS_AGAIN_S = 60.0
SILENT_S = 1.0
LONGEST_S = 2.0
LOST_S = 45.0
LATER_S = 20.0  # a camera that does not answer is asked for its limits again
LOOK_S = 0.1  # between two questions where a moving camera stands
_OUT, _IN = 0.2, 0.06  # of the picture's width from its middle: too far, near enough
_LEAVE = 0.3  # nearer to the edge than this, the next preset shows them better
_UP, _LOW = 0.08, 0.4  # where the head may be, from the top
_AGAIN_S = 2.5  # so long a camera is on its way to a preset
_SETTLE_S = 0.6  # after a move: look where they are now


@dataclass
class _Camera:
    device: str
    presets: tuple[int, ...] = ()
    limits: tuple[int, ...] = ()
    home: int | None = None
    bounds: Bounds | None = None
    work: set[asyncio.Task[None]] = field(default_factory=set)
    preset: int | None = None
    moving: str = ""
    going: bool = False  # a move within its bounds was sent, and no stop since
    since: float = 0.0
    heard: float = 0.0
    alive: float | None = None  # when somebody moved in its picture, since it was home
    mine_from: float = 0.0
    busy_until: float = 0.0


class Following:
    """The followed cameras of a room; times are the event loop's."""

    def __init__(self, sources: Sequence[SourceSpec], devices: Devices) -> None:
        self._by_source = {
            source.id: _Camera(
                source.follow, source.follow_presets, source.follow_limits, source.follow_home
            )
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
            self._leave(camera)
            self._halt(camera)
        await asyncio.gather(*self._work, return_exceptions=True)

    def manual(self, device: str) -> None:
        """Somebody moves this camera by hand."""
        for camera in self._by_source.values():
            if camera.device == device:
                camera.mine_from = self._now() + OURS_AGAIN_S
                camera.busy_until = 0.0
                self._leave(camera)
                camera.moving, camera.preset, camera.alive = "", None, None
                camera.going = False

    def seen(self, data: dict[str, Any]) -> None:
        """The tracker tells where the presenter is: `source`, a box in shares of its picture."""
        camera = self._by_source.get(str(data.get("source", "")))
        if camera is None:
            return
        now = self._now()
        camera.heard = now
        if now < camera.mine_from:
            return
        if data.get("moving", True):
            camera.alive = now
        if now < camera.busy_until or camera.alive is None:
            return
        middle = float(data["x"]) + float(data["w"]) / 2 - 0.5
        if camera.limits and camera.bounds is None and not camera.presets:
            camera.busy_until = float("inf")
            self._begin(camera, self._learn(camera), "limits of")
        elif camera.presets:
            self._step(camera, middle, now)
        else:
            self._pan(camera, middle, float(data["y"]), now)

    async def _learn(self, camera: _Camera) -> None:
        """Finds where its limits are; a camera that does not tell is only sent to them."""
        try:
            camera.bounds = await survey(self._devices, camera.device, camera.limits)
            if camera.bounds is None:
                camera.presets = camera.limits
            await self._go_home(camera)
            camera.busy_until = self._now() + _AGAIN_S
        except (ConnectionError, UnknownCommand):
            camera.busy_until = self._now() + LATER_S

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
        if wanted == camera.moving:
            return
        if not moving:
            camera.since = now
        elif camera.going:
            self._halt(camera)  # it must not go on one way while it is asked about another
        self._leave(camera)
        camera.moving = wanted
        if camera.bounds is None:
            self._send(camera, "pan_tilt", wanted)
        else:
            self._begin(camera, self._within(camera, camera.bounds, wanted), "bounds of")

    async def _within(self, camera: _Camera, bounds: Bounds, way: str) -> None:
        """Moves one way, asking where it stands, and stops before it would leave its bounds."""
        before: tuple[float, float] | None = None
        while camera.moving == way:
            at = await self._devices.read(camera.device, bounds.state(way))
            now = self._now()
            ahead = 0.0
            if before and _told(at):
                passed = now - before[1]  # a camera that answers slowly is judged farther ahead
                ahead = (at - before[0]) / passed * max(AHEAD_S, 1.5 * passed)
            if not _told(at) or not bounds.allow(way, at + ahead):
                if camera.going:
                    camera.going = False
                    await self._devices.send(camera.device, "pan_tilt", "stop")
                camera.moving, camera.busy_until = "", now + _SETTLE_S
                return
            if before is None:
                camera.going = True
                await self._devices.send(camera.device, "pan_tilt", way)
            before = float(at), now
            await asyncio.sleep(LOOK_S)

    def _halt(self, camera: _Camera) -> None:
        if camera.moving:
            camera.moving, camera.going = "", False
            self._leave(camera)
            self._send(camera, "pan_tilt", "stop")

    async def _guard(self) -> None:
        """The dead man's hand: a move that nobody confirms is ended."""
        while True:
            await asyncio.sleep(0.1)
            now = self._now()
            for camera in self._by_source.values():
                since = None if camera.alive is None else max(camera.alive, camera.mine_from)
                # Not while its limits are looked for: that ends at home too.
                if since is not None and now - since > LOST_S and not camera.work:
                    self._halt(camera)
                    camera.alive, camera.busy_until = None, now + _AGAIN_S
                    self._begin(camera, self._go_home(camera), "home of")
                if not camera.moving:
                    continue
                if now - camera.heard > SILENT_S:
                    self._halt(camera)
                elif now - camera.since > LONGEST_S:
                    self._halt(camera)
                    camera.busy_until = now + _SETTLE_S

    async def _go_home(self, camera: _Camera) -> None:
        """To the preset named so, else the middle one of its presets, else its own home."""
        if camera.presets:
            camera.preset = len(camera.presets) // 2
        preset = camera.home
        if preset is None and camera.presets:
            preset = camera.presets[len(camera.presets) // 2]
        with suppress(UnknownCommand):  # a camera without a home stays where it is
            if preset is None:
                await self._devices.send(camera.device, "home")
            else:
                await self._devices.send(camera.device, "preset_recall", preset)

    def _begin(self, camera: _Camera, work: Any, name: str) -> None:
        task: asyncio.Task[None] = asyncio.create_task(work, name=f"{name} {camera.device}")
        for tasks in (camera.work, self._work):
            tasks.add(task)
            task.add_done_callback(tasks.discard)

    def _leave(self, camera: _Camera) -> None:
        """What was begun with this camera is not gone on with."""
        for task in list(camera.work):
            task.cancel()

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


def _told(at: Any) -> bool:
    return isinstance(at, int | float) and not isinstance(at, bool)
