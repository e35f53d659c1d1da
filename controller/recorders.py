"""The recordings under way: begun for a class, kept by supervisors, found again after a restart."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path

from controller import health
from controller.errors import ClassroomError
from controller.health import Words
from controller.publication import manifest_fields
from controller.session import Session
from controller.settings import RoomConfig
from controller.spares import SpareKeeper
from controller.state import SessionState
from controller.streams import Streams
from controller.supervisor import RecorderSupervisor, Wanted
from recorder.control import RecorderEvent
from recorder.recording import (
    Life,
    Recording,
    RecordingError,
    create,
    list_recordings,
)

Changed = Callable[[str, RecorderSupervisor], None]
Told = Callable[[str, RecorderSupervisor, RecorderEvent], None]


def wanted(session: Session) -> Wanted:
    """What a class in this state wants of its recorder."""
    ending = session.state is SessionState.ENDING
    return Wanted(
        layout=session.layout.value,
        paused=SessionState.PAUSED in (session.state, session.before_end if ending else None),
        held=ending,
        finish=session.state is SessionState.ENDED,
    )


def free_bytes(folder: Path) -> int:
    """Free space where `folder` lies or will lie."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return shutil.disk_usage(folder).free


class Recorders:
    """Supervisors by session; `on_change` and `on_event` are told with the session's id.

    `streams` asks cameras for their addresses.
    """

    def __init__(
        self, config: RoomConfig, run_dir: Path, *, on_change: Changed, on_event: Told
    ) -> None:
        self._config = config
        self._run_dir = run_dir
        self._on_change = on_change
        self._on_event = on_event
        self._by_session: dict[str, RecorderSupervisor] = {}
        self.streams: Streams | None = None
        urls = [source.url for source in config.sources]
        self._spares = SpareKeeper(run_dir, urls) if config.recording.spare and urls else None

    def open(self) -> None:
        """Keep a spare recorder waiting from here on."""
        if self._spares is not None:
            self._spares.start()

    def of(self, session: Session | None) -> RecorderSupervisor | None:
        """The supervisor of this class's recording."""
        return self._by_session.get(session.id) if session else None

    def disk_words(self) -> Words | None:
        """Why no recording may begin for want of space, or None."""
        reserve = self._config.storage.reserve_gb * 1e9
        free = free_bytes(self._config.storage.recordings)
        return health.no_room_on_disk(free, reserve) if free < reserve else None

    def forecast_words(self, minutes: float) -> Words | None:
        """Whether a class of `minutes` finds room, at the rate of the last recordings; or None."""
        storage = self._config.storage
        rates = []
        for recording in list_recordings(storage.recordings)[:5]:
            manifest = recording.manifest
            if manifest.life is Life.RECORDING or (manifest.duration_s or 0) < 60:
                continue
            size = sum(int(track.get("bytes", 0)) for track in manifest.tracks.values())
            size += recording.lecture.stat().st_size if recording.lecture.exists() else 0
            rates.append(size / (manifest.duration_s or 1))
        if not rates:
            return None
        free, reserve = free_bytes(storage.recordings), storage.reserve_gb * 1e9
        need = max(rates) * minutes * 60
        return health.short_disk(free, need, minutes) if reserve <= free < need else None

    async def begin(self, session: Session) -> RecorderSupervisor:
        """Make the folder and launch the recorder. ClassroomError says why not."""
        config = self._config
        if not config.sources:
            raise ClassroomError(
                "no_source",
                "This room has no sources, so nothing is recorded.",
                "Add cameras and microphones under [[sources]] in room.toml.",
            )
        if (words := self.disk_words()) is not None:
            raise ClassroomError("disk_full", words.text, words.remedy, 507)

        sources = await self.streams.resolved(config.sources) if self.streams else config.sources

        def make() -> Recording:
            recording = create(
                config.storage.recordings,
                session=session.id,
                room=config.room.id,
                title=session.title,
                sources=sources,
                layout=session.layout,
                program=config.recording.program(),
                course=session.course,
                lecturer=session.lecturer,
                language=config.room.languages[0],
            )
            recording.update(**manifest_fields(session.course, config.rights, config.courses))
            if session.slot is not None:
                recording.update(**session.slot.manifest())
            return recording

        try:
            recording = await asyncio.to_thread(make)
        except (RecordingError, OSError) as error:
            raise ClassroomError(
                "recorder", f"The recording cannot begin: {error}", "Press Retry.", 503
            ) from error
        return self.attach(session, recording.folder, recording.id)

    def attach(self, session: Session, folder: Path, recording: str) -> RecorderSupervisor:
        """Supervise the recorder of this folder: adopted if it runs, launched if not."""
        supervisor = RecorderSupervisor(
            folder,
            recording,
            self._run_dir,
            wanted(session),
            on_change=lambda changed: self._on_change(session.id, changed),
            on_event=lambda told, event: self._on_event(session.id, told, event),
            spare=self._spares.spare if self._spares is not None else None,
        )
        self._by_session[session.id] = supervisor
        supervisor.start()
        return supervisor

    @property
    def busy(self) -> bool:
        """A recorder is at work."""
        return bool(self._by_session)

    def forget(self, session: str, supervisor: RecorderSupervisor) -> None:
        """Its recording is finished; a later one of the same class stays."""
        if self._by_session.get(session) is supervisor:
            del self._by_session[session]

    async def orphan(self, session: Session) -> Recording | None:
        """The unfinished folder of a class whose journal does not name it (a crash between)."""

        def look() -> Recording | None:
            for recording in list_recordings(self._config.storage.recordings):
                manifest = recording.manifest
                if manifest.session == session.id and manifest.life is Life.RECORDING:
                    return recording
            return None

        return await asyncio.to_thread(look)

    async def release(self) -> None:
        """Leave all recorders to themselves, and end the spare one."""
        if self._spares is not None:
            await self._spares.stop()
        supervisors = list(self._by_session.values())
        self._by_session.clear()
        await asyncio.gather(*(supervisor.release() for supervisor in supervisors))
