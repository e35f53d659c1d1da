"""The class that is on: its session, its recording and its scene, kept in step with each other."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from controller import health
from controller.capture import Capture
from controller.errors import ClassroomError
from controller.journal import JournalError
from controller.outbox import Outbox
from controller.register import DAEMON, Register
from controller.runner import SceneRunner
from controller.scenes import waiting
from controller.session import Session, now_utc
from controller.settings import RoomConfig, Scene
from controller.state import Actor, SessionState, SessionView, StepResult
from controller.streams import Streams
from controller.views import session_view
from recorder.recording import boot_id

if TYPE_CHECKING:
    from controller.health import AlarmBoard
    from controller.journal import Journal
    from devices.manager import DeviceManager

TELL_S = 5.0


class Lesson:
    """What the doors do to a class. `publish(kind, value)` puts an event on the bus."""

    def __init__(
        self,
        config: RoomConfig,
        *,
        devices: DeviceManager,
        journal: Journal,
        run_dir: Path,
        alarms: AlarmBoard,
        outbox: Outbox,
        publish: Callable[[Any, Any], None],
    ) -> None:
        self.config = config
        self.steps: list[StepResult] = []
        self.register = Register(journal, alarms, self._tell)
        self.capture = Capture(config, run_dir, self.register, outbox, publish, self._tell)
        self.capture.recorders.streams = Streams(devices, config.storage.state / "streams.json")
        self.runner = SceneRunner(
            devices, self._save_steps, lambda step: self._publish("step", step)
        )
        self._publish = publish
        self._undo: asyncio.Task[None] | None = None
        self._told: tuple[float, dict[str, Any]] = (0.0, {})
        self._boot = boot_id()

    def view(self) -> SessionView | None:
        """The class that is on, or the last one."""
        session = self.register.current
        if session is None:
            return None
        shown = session_view(session, self.capture.recorder, self.steps, self._boot)
        words = self.capture.nothing_recorded() if session.active else None
        if shown.recording_error is None and words is not None:
            shown.recording_error = f"{words.text} {words.remedy}"
        return shown

    def shown(self) -> SessionView:
        """The class after a change."""
        view = self.view()
        if view is None:
            raise ClassroomError("no_session", "No class is on.", "Start one first.")
        return view

    async def begin(self, actor: Actor, begun: Session, scene: str) -> SessionView:
        """Start this class unless one is on; recording and scene begin at once, side by side."""
        register = self.register
        async with register.turn:
            if register.current is not None and register.current.active:
                if register.current.state is not SessionState.ENDING:
                    return self.shown()
                # The next class needs the room, and its scene takes the place of the end's.
                await self._over(actor, register.current, scene="")
            found = self.config.scene(scene)
            self.steps = waiting(found) if found else []
            self.capture.unprepared()
            await register.commit(begun, actor, "start", {"title": begun.title, "scene": scene})
            if found is not None:
                register.in_background(self.run_scene(found, session=begun.id), "scene")
            register.in_background(self.capture.record(begun.id), "begin recording")
            return self.shown()

    async def change(
        self,
        actor: Actor,
        kind: str,
        change: Callable[[Session], Session],
        data: dict[str, Any] | None = None,
    ) -> SessionView:
        """Change the class that is on and bring its recorder along."""
        async with self.register.turn:
            old = self.register.last() if kind == "undo" else self.register.need()
            new = change(old)
            if new == old:
                return self.shown()
            await self.register.commit(new, actor, kind, data)
            if new.state is not SessionState.ENDING:
                self._stop_undo()
        await self.capture.bring_along(new)
        return self.shown()

    async def end(self, actor: Actor, undo_s: float) -> SessionView:
        """End the class: held for `undo_s` seconds in which it can be undone, or at once."""
        async with self.register.turn:
            session = self.register.need()
            if undo_s <= 0:
                await self._over(actor, session)
                return self.shown()
            if session.state is SessionState.ENDING:
                return self.shown()
            ending = session.ending(now_utc(), undo_s)
            await self.register.commit(ending, actor, "end_pressed")
            self.hold(ending)
        await self.capture.bring_along(ending)
        return self.shown()

    def hold(self, session: Session) -> None:
        """End is pressed: end the class when it can no longer be undone."""
        self._stop_undo()

        async def later() -> None:
            until = session.undo_until or now_utc()
            await asyncio.sleep(max(0.0, (until - now_utc()).total_seconds()))
            async with self.register.turn:
                current = self.register.open(session.id)
                if current is not None and current.state is SessionState.ENDING:
                    await self._over(DAEMON, current)

        self._undo = self.register.in_background(later(), "undo time")

    async def over(self, session: Session) -> None:
        """End this class now, without a door."""
        async with self.register.turn:
            current = self.register.open(session.id)
            if current is not None and current.active:
                await self._over(DAEMON, current)

    async def run_scene(
        self, scene: Scene, *, session: str | None = None, earlier: list[StepResult] | None = None
    ) -> list[StepResult]:
        """Run a scene, in place of the one that is under way."""
        current = self.register.current
        self.steps = earlier or waiting(scene)
        own = session or (current.id if current else "")
        return await self.runner.run(scene, own, earlier=earlier)

    async def stop(self) -> None:
        """Let go of everything; recorders go on."""
        self._stop_undo()
        await self.runner.stop()
        await self.capture.recorders.release()
        await self.register.stop()

    async def _over(self, actor: Actor, session: Session, scene: str = "end") -> None:
        """Ended; the lock is held. The recorder finishes the lecture beside what comes next."""
        self._stop_undo()
        recorder = self.capture.recorders.of(session)
        recorded = recorder.status.duration_s if recorder and recorder.status else 0.0
        over = session.over(session.end_pressed or now_utc())
        over = over.model_copy(update={"recorded_s": recorded})
        await self.register.commit(over, actor, "end")
        self.register.in_background(self.capture.bring_along(over), "finish recording")
        if (found := self.config.scene(scene)) is not None:
            self.register.in_background(self.run_scene(found, session=session.id), "scene")
        for alarm in ("recording.", "class."):
            self.register.alarms.clear(alarm)

    def _stop_undo(self) -> None:
        task, self._undo = self._undo, None
        if task is not None and not task.done() and not _within(task):
            task.cancel()

    async def _save_steps(self, session: str, scene: str, steps: dict[int, StepResult]) -> None:
        try:
            await self.register.journal.save_steps(session, scene, steps)
        except JournalError as error:
            self.register.alarms.set("journal", health.journal_trouble(str(error)))
        if self.register.is_current(session):
            kept = dict(enumerate(self.steps)) | steps
            self.steps = [kept[at] for at in sorted(kept)]

    def _tell(self) -> None:
        """Told when something changed; that time passes, every `TELL_S`."""
        view = self.view()
        if view is None:
            return
        now = asyncio.get_running_loop().time()
        kept = view.model_dump(exclude={"now", "elapsed_s", "recorded_s"})
        if kept != self._told[1] or now - self._told[0] >= TELL_S:
            self._told = now, kept
            self._publish("session", view)


def _within(task: asyncio.Task[None]) -> bool:
    return task is asyncio.current_task()
