"""Runs scenes for the room: one at a time, saved step by step, then told.

A newer scene takes the place of the one that is still under way (End while Start still warms up).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from controller.scenes import DevicePort, SceneRun
from controller.settings import Scene
from controller.state import StepResult
from devices.model import DeviceState

Save = Callable[[str, str, dict[int, StepResult]], Awaitable[None]]
Tell = Callable[[StepResult], None]


class SceneRunner:
    """`save(session, scene, steps)` commits what has changed; `tell` is called afterwards."""

    def __init__(self, devices: DevicePort, save: Save, tell: Tell) -> None:
        self._devices = devices
        self._save = save
        self._tell = tell
        self._run: SceneRun | None = None
        self._task: asyncio.Task[None] | None = None

    def device_changed(self, state: DeviceState) -> None:
        """A device told its state: queued steps may be confirmed by it."""
        if self._run is not None:
            self._run.device_changed(state)

    async def run(
        self, scene: Scene, session: str, *, earlier: list[StepResult] | None = None
    ) -> list[StepResult]:
        """Run to the end: every step confirmed, queued or failed. Queued ones are then followed.

        `earlier` holds the steps of an interrupted run; what it had finished is not done again.
        Returns what was reached when a newer scene takes this one's place.
        """
        await self.stop()
        news = _News()
        run = SceneRun(scene, self._devices, news.add, earlier=earlier)
        for at, step in enumerate(run.steps):
            news.add(at, step)
        self._run = run
        over = asyncio.Event()
        self._task = asyncio.create_task(
            self._perform(run, session, news, over), name=f"scene {scene.id}"
        )
        await over.wait()
        return list(run.steps)

    async def stop(self) -> None:
        """Give up the scene under way; what a device is doing already it goes on doing."""
        task, self._task, self._run = self._task, None, None
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _perform(self, run: SceneRun, session: str, news: _News, over: asyncio.Event) -> None:
        announcer = asyncio.create_task(self._announce(run.scene.id, session, news))
        try:
            await run.run()
            over.set()
            await run.follow()
            await news.told.wait()
        finally:
            over.set()
            announcer.cancel()
            with suppress(asyncio.CancelledError):
                await announcer

    async def _announce(self, scene: str, session: str, news: _News) -> None:
        while True:
            steps = await news.take()
            await self._save(session, scene, steps)
            for step in steps.values():
                self._tell(step)
            news.done()


class _News:
    """Changed steps on their way to the journal; several changes of one step are saved as one."""

    def __init__(self) -> None:
        self._steps: dict[int, StepResult] = {}
        self._any = asyncio.Event()
        self.told = asyncio.Event()

    def add(self, at: int, step: StepResult) -> None:
        self._steps[at] = step
        self._any.set()
        self.told.clear()

    async def take(self) -> dict[int, StepResult]:
        await self._any.wait()
        self._any.clear()
        steps, self._steps = self._steps, {}
        return steps

    def done(self) -> None:
        if not self._steps:
            self.told.set()
