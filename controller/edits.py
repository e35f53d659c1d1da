"""Changes of finished lectures, carried out: one child process at a time, at low priority.

What is wanted stands in the recording itself (the cuts among its markers, `edit` in its manifest),
so a restart goes on with it. The child ends when this process does.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import structlog

from controller.health import AlarmBoard, Words
from controller.worker import Worker
from recorder.recording import Recording, RecordingError, list_recordings

_log = structlog.get_logger(__name__)

TRIES = 3
_NICE = 15


class Edits:
    """The recordings whose change is under way. `done(folder)` is told when one is finished."""

    def __init__(
        self,
        root: Path,
        alarms: AlarmBoard,
        *,
        changed: Callable[[Path], None],
        done: Callable[[Path], None],
        command: Sequence[str] = (sys.executable, "-m", "recorder.production.trim"),
    ) -> None:
        self._root = root
        self._alarms = alarms
        self._changed = changed
        self._done = done
        self._command = command
        self._queue: asyncio.Queue[Path] = asyncio.Queue()
        self._worker: Worker | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Take up what was under way when the daemon ended."""
        for folder in await asyncio.to_thread(self._pending):
            self._queue.put_nowait(folder)
        self._task = asyncio.create_task(self._run(), name="edits")

    async def stop(self) -> None:
        """End the child; the next start goes on."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        if self._worker is not None:
            await self._worker.stop()

    def take(self, folder: Path) -> None:
        """This recording is to be brought to the cuts that stand in it."""
        self._queue.put_nowait(folder)

    def _pending(self) -> list[Path]:
        found = []
        for recording in list_recordings(self._root):
            with suppress(RecordingError):
                edit = recording.manifest.edit
                if edit is not None and "error" not in edit:
                    found.append(recording.folder)
        return found

    async def _run(self) -> None:
        while True:
            folder = await self._queue.get()
            try:
                await self.carry_out(folder)
            except (OSError, RecordingError):
                _log.exception("edit", recording=folder.name)

    async def carry_out(self, folder: Path) -> None:
        """Bring one recording to the cuts that stand in it, and wait for it."""
        edit = Recording.open(folder).manifest.edit
        if edit is None:
            return
        for _ in range(TRIES):
            worker = self._worker = Worker(self._command, folder, nice=_NICE)
            await worker.start({"erase": edit.get("kind") == "erase"})
            await worker.wait()
            self._worker = None
            if worker.ended is not None and worker.ended >= 0:
                break
        recording = Recording.open(folder)
        left = recording.manifest.edit
        if left is not None and "error" not in left and worker.ended != 0:
            left = {**left, "error": worker.why()}
            await asyncio.to_thread(recording.update, edit=left)
        alarm = f"edit.{folder.name}"
        if left is not None and "error" in left:
            _log.warning("edit_failed", recording=folder.name, why=left["error"])
            title = recording.manifest.title
            text = f"{title!r} could not be changed as was asked: {left['error']}"
            remedy = "Ask for the change again, or restore the recording on its review page."
            self._alarms.set(alarm, Words("warning", "technician", text, remedy), folder.name)
        else:
            self._alarms.set(alarm, None)
            self._done(folder)  # before it counts as over: what follows is on disk by then
            await asyncio.to_thread(recording.update, edit=None)
        self._changed(folder)
