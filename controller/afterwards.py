"""What production sees of the room, and how it tells what it does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from controller.lesson import Lesson
from controller.outbox import Outbox
from controller.production import Production
from controller.register import DAEMON
from controller.state import RecordingView
from controller.views import recording_view
from recorder import cartridge
from recorder.recording import Recording, RecordingError, find

_SETTLED = {"verified", "failed", "held", "withdrawn"}


class Afterwards:
    """The room as production needs it; `publish(kind, value)` puts an event on the bus."""

    def __init__(
        self, lesson: Lesson, outbox: Outbox, publish: Callable[[Any, RecordingView], None]
    ) -> None:
        self._lesson = lesson
        self._outbox = outbox
        self._publish = publish
        self.production = Production(lesson.config, self, lesson.register.alarms)
        outbox.waits = self.production.take
        outbox.arrived = self.arrived

    def class_on(self) -> bool:
        """A class is on, or its lecture is just being finished."""
        return self._lesson.register.on or self._lesson.capture.recorders.busy

    def recording_now(self) -> Path | None:
        """The folder that is being recorded, while it is."""
        recorder = self._lesson.capture.recorder
        if recorder is None or not self._lesson.register.on or recorder.phase != "running":
            return None
        return recorder.folder

    def hand_over(self, folder: Path) -> None:
        """Ask for the recording's deliveries."""
        self._outbox.submit(folder)

    def delivered(self, folder: str) -> bool:
        """Whether the deliveries of this recording have come to an end."""
        recording = folder.rpartition("_")[2]
        mine = [one for one in self._outbox.views() if one.recording == recording]
        return all(one.state in _SETTLED for one in mine)

    def arrived(self, recording: str, place: str) -> None:
        """A delivery can be seen somewhere: course platforms get a link to it."""

        def link() -> None:
            with suppress(RecordingError):
                cartridge.write(find(self._lesson.config.storage.recordings, recording), place)

        if cartridge.is_link(place):
            self._lesson.register.in_background(asyncio.to_thread(link), "link")

    def told(self, folder: Path) -> None:
        """The recording's view has changed."""

        async def tell() -> None:
            with suppress(RecordingError, OSError):
                view = await asyncio.to_thread(lambda: recording_view(Recording.open(folder)))
                self._publish("recording", self.production.shown(view))

        self._lesson.register.in_background(tell(), "tell recording")

    def note(self, kind: str, data: dict[str, Any]) -> None:
        """Into the journal."""
        self._lesson.register.in_background(
            self._lesson.register.note(DAEMON, kind, data), "note production"
        )
