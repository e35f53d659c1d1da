"""Production after class by itself: one process at a time, at low priority, paused for a class.

A recording that is ready is queued; what is queued stands in its folder (`ProductionState`), so
that a restart goes on where it was. Its deliveries are asked for when production is over: a
delivery is a set with captions and chapters, sent once. They do not wait for ever: after
`wait_minutes`, or when production has failed for good, what stands is sent.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import structlog

from controller.health import AlarmBoard, Words
from controller.session import now_utc
from controller.settings import RoomConfig
from controller.state import RecordingView
from controller.worker import Worker
from recorder import production_state
from recorder.production_state import ProductionState
from recorder.recording import Life, Recording, RecordingError, list_recordings, read_manifest

_log = structlog.get_logger(__name__)

TICK_S = 1.0
FIRST_WAIT_S, LONGEST_WAIT_S = 60.0, 6 * 3600.0
GIVE_UP = 5
ROOMY_CORES = 8


class Room(Protocol):
    """What production needs of the room: is a class on, which folder is being recorded."""

    def class_on(self) -> bool: ...
    def recording_now(self) -> Path | None: ...
    def hand_over(self, folder: Path) -> None: ...
    def delivered(self, recording: str) -> bool: ...
    def told(self, folder: Path) -> None: ...
    def note(self, kind: str, data: dict[str, Any]) -> None: ...


class Production:
    """The queue of recordings to be worked on, and the two workers: during and after class."""

    def __init__(
        self,
        config: RoomConfig,
        room: Room,
        alarms: AlarmBoard,
        *,
        produce: Sequence[str] = (sys.executable, "-m", "recorder.production"),
        follow: Sequence[str] = (sys.executable, "-m", "recorder.production.follow"),
    ) -> None:
        self._config = config
        self._settings = config.production
        self._room = room
        self._alarms = alarms
        self._commands = produce, follow
        self._queue: dict[Path, ProductionState] = {}
        self._worker: Worker | None = None
        self._follower: Worker | None = None
        self._follow_again = 0.0
        self._task: asyncio.Task[None] | None = None
        self._progress = (0.0, 0)

    # What the room calls

    async def start(self) -> None:
        """Take up what was queued when the daemon ended, and begin to look round."""
        found = await asyncio.to_thread(self._pending)
        for folder, state in found:
            self._queue.setdefault(folder, state)
        self._task = asyncio.create_task(self._run(), name="production")

    async def stop(self) -> None:
        """End the workers; what they did not finish is taken up at the next start."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        for worker in (self._worker, self._follower):
            if worker is not None:
                await worker.stop()

    def take(self, folder: Path) -> bool:
        """A recording is ready: queue it. True when its deliveries wait for production."""
        if not self._settings.enabled:
            return False
        state = production_state.load(folder)
        if state is None or state.state in ("done", "failed"):
            first = self._settings.before_delivery
            handed_over = first or bool(state and state.handed_over)
            waiting = ProductionState(handed_over=handed_over, sent_first=first)
            state = production_state.store(folder, waiting)
        self._queue[folder] = state
        return not state.handed_over

    def shown(self, view: RecordingView) -> RecordingView:
        """The view of a recording with what its worker does just now."""
        worker = self._worker
        if view.production is None:
            return view
        if worker is not None and worker.folder.name == view.folder and worker.ended is None:
            view.production.state = "paused" if worker.paused else "working"
            view.production.step, view.production.progress = worker.step, worker.share
        elif view.production.state == "working" and self._queued(view.folder):
            view.production.state = "waiting"
        return view

    def _queued(self, name: str) -> bool:
        return any(folder.name == name for folder in self._queue)

    # Looking round

    async def _run(self) -> None:
        while True:
            try:
                await self.tick()
            except Exception:
                _log.exception("production")
            await asyncio.sleep(TICK_S)

    async def tick(self) -> None:
        """One round: the class that is on is followed, the oldest recording worked on."""
        await self._follow()
        await self._after_class()
        for folder, state in list(self._queue.items()):
            if not state.handed_over and now_utc() >= state.since + self._patience:
                _log.warning("production_late", recording=folder.name)
                await self._hand_over(folder)

    @property
    def _patience(self) -> timedelta:
        return timedelta(minutes=self._settings.wait_minutes)

    def _has_room(self) -> bool:
        """Whether work may go on now: no class, or a machine that has room beside it."""
        if not self._room.class_on() or self._settings.during_class == "always":
            return True
        if self._settings.during_class == "never":
            return False
        cores = os.cpu_count() or 1
        return cores >= ROOMY_CORES and os.getloadavg()[0] < cores / 2

    async def _after_class(self) -> None:
        room = self._has_room()
        worker = self._worker
        if worker is not None:
            worker.pause(not room)
            self._tell_progress(worker)
            if worker.ended is None:
                return
            self._worker = None
            await self._over(worker)
        if not room:
            return
        now = now_utc()
        for folder, state in sorted(self._queue.items(), key=lambda item: item[1].since):
            if not folder.is_dir():
                del self._queue[folder]
            elif (state.next_try is None or state.next_try <= now) and self._may_begin(folder):
                await self._begin(folder)
                return

    def _may_begin(self, folder: Path) -> bool:
        """Files are not replaced while they are being sent."""
        state = self._queue[folder]
        if not self._settings.before_delivery or now_utc() >= state.since + self._patience:
            return True
        return self._room.delivered(folder.name)

    async def _begin(self, folder: Path) -> None:
        worker = Worker(
            self._commands[0],
            folder,
            nice=self._settings.nice,
            begun=lambda: self._room.told(folder),
        )
        await worker.start(told(self._config))
        self._worker = worker
        self._room.told(folder)

    async def _over(self, worker: Worker) -> None:
        folder = worker.folder
        state = await asyncio.to_thread(production_state.load, folder) or ProductionState()
        alarm = f"production.{folder.name}"
        if worker.ended == 0:
            self._alarms.set(alarm, None)
            self._room.note("produced", {"recording": folder.name, "notices": state.notices})
            self._queue.pop(folder, None)
            if not state.handed_over:
                await self._hand_over(folder)
            self._room.told(folder)
            return
        tries = state.tries if state.state == "failed" else state.tries + 1
        detail = state.detail if state.state == "failed" else worker.why()
        last = tries >= GIVE_UP
        wait = min(FIRST_WAIT_S * 2.0 ** (tries - 1), LONGEST_WAIT_S)
        fields: dict[str, Any] = {
            "state": "failed",
            "tries": tries,
            "detail": detail,
            "next_try": None if last else now_utc() + timedelta(seconds=wait),
        }
        with suppress(OSError):  # a full disk: it is tried again all the same
            await asyncio.to_thread(production_state.change, folder, **fields)
        state = state.model_copy(update=fields)
        self._room.note(
            "production_failed", {"recording": folder.name, "try": tries, "detail": detail}
        )
        self._alarms.set(alarm, failed_words(folder, detail, state.next_try), folder.name)
        self._queue[folder] = state
        if last:
            del self._queue[folder]
            if not state.handed_over:
                await self._hand_over(folder)
        self._room.told(folder)

    async def _hand_over(self, folder: Path) -> None:
        with suppress(OSError):
            before = await asyncio.to_thread(production_state.load, folder)
            fields = {"handed_over": True, "sent_first": before is None or before.state != "done"}
            state = await asyncio.to_thread(production_state.change, folder, **fields)
            if folder in self._queue:
                self._queue[folder] = state
        self._room.hand_over(folder)

    def _tell_progress(self, worker: Worker) -> None:
        now = asyncio.get_running_loop().time()
        seen = hash((worker.step, worker.paused, round(worker.share * 50)))
        if seen != self._progress[1] and now - self._progress[0] >= TICK_S:
            self._progress = now, seen
            self._room.told(worker.folder)

    # During class

    async def _follow(self) -> None:
        """What is said and shown is understood while the class runs, as far as there is time."""
        folder = self._room.recording_now() if self._settings.follow else None
        follower = self._follower
        if follower is not None and (follower.folder != folder or follower.ended is not None):
            if follower.ended:
                _log.warning("analysis_ended", status=follower.ended, why=follower.why())
                self._follow_again = asyncio.get_running_loop().time() + FIRST_WAIT_S
            await follower.stop()
            self._follower = None
            if follower.ended == 0 and follower.folder == folder:
                return
        if folder is None or self._follower is not None:
            return
        if asyncio.get_running_loop().time() < self._follow_again:
            return
        self._follower = Worker(self._commands[1], folder, nice=19)
        await self._follower.start(told(self._config))

    # After a restart

    def _pending(self) -> list[tuple[Path, ProductionState]]:
        found = []
        root = self._config.storage.recordings
        for recording in list_recordings(root) if self._settings.enabled else ():
            state = production_state.load(recording.folder)
            if state is None or not _ready(recording):
                continue
            if state.state in ("waiting", "working") or state.next_try is not None:
                found.append((recording.folder, state))
            elif not state.handed_over:
                production_state.change(recording.folder, handed_over=True)
                self._room.hand_over(recording.folder)
        return found


def told(config: RoomConfig) -> dict[str, Any]:
    """What a room's production is told, as `recorder.production.settings` reads it."""
    own = config.production
    return {
        "languages": own.languages or config.room.languages,
        "model": str(own.captions) if own.captions else None,
        "engine": own.engine,
        "steps": own.steps,
        "drafts": own.drafts.model_dump() if own.drafts else None,
    }


def _ready(recording: Recording) -> bool:
    try:
        return recording.manifest.life is not Life.RECORDING
    except RecordingError:
        return False


def failed_words(folder: Path, detail: str, next_try: datetime | None) -> Words:
    """The alarm for a recording that cannot be worked on."""
    try:
        title = read_manifest(folder).title
    except RecordingError:
        title = folder.name
    remedy = (
        f"It is tried again at {next_try:%H:%M} UTC."
        if next_try
        else f"The lecture as recorded is there. See why with `classroomd produce {folder.name}`."
    )
    text = f"Slides, captions and sound of {title!r} could not be worked on: {detail}"
    return Words("warning", "technician", text, remedy)
