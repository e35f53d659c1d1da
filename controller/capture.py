"""Recording the class: begun, followed to the first frame, tried again, finished, handed over."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from controller import health
from controller.errors import ClassroomError
from controller.health import Words
from controller.outbox import Outbox
from controller.recorders import Recorders, wanted
from controller.register import DAEMON, Register
from controller.session import Session
from controller.settings import RoomConfig
from controller.state import SessionState, SourceView
from controller.supervisor import RecorderSupervisor
from controller.views import recording_view, source_views
from recorder.control import RecorderError, RecorderEvent
from recorder.recording import Recording, RecordingError, class_time

PREPARING_S = 10.0
RESTING_DBFS = -90.0


class Capture:
    """What the recorders of the register's classes do; `publish(kind, value)` tells it."""

    def __init__(
        self,
        config: RoomConfig,
        run_dir: Path,
        register: Register,
        outbox: Outbox,
        publish: Callable[[Any, Any], None],
        tell: Callable[[], None],
    ) -> None:
        self.config = config
        self.run_dir = run_dir
        self.levels: dict[str, float] = {}  # as they are shown: a meter rests in a pause
        self.heard: dict[str, float] = {}
        self.seen: Callable[[dict[str, Any]], None] = lambda where: None
        self.recorders = Recorders(
            config, run_dir, on_change=self._recorder_changed, on_event=self._recorder_told
        )
        self._register = register
        self._alarms = register.alarms
        self._outbox = outbox
        self._publish = publish
        self._tell = tell
        self._recording = asyncio.Lock()
        self._ready = asyncio.Event()
        self._told: list[dict[str, Any]] = []

    @property
    def recorder(self) -> RecorderSupervisor | None:
        """The supervisor of the current class's recording."""
        return self.recorders.of(self._register.current)

    def sources(self) -> list[SourceView]:
        """Every configured source as it stands now."""
        return source_views(self.config.sources, self.recorder, self.levels)

    def nothing_recorded(self) -> Words | None:
        """Why a recorder that runs records nothing."""
        recorder = self.recorder
        if recorder is None or recorder.status is None or recorder.phase != "running":
            return None
        states = [source.state for source in recorder.status.sources.values()]
        if self._alarms.stands("recorder.no_source.") or (
            states and all(state in {"lost", "failed"} for state in states)
        ):
            return health.recorder_fact("no_source", "", "")
        return None

    async def record(self, session_id: str) -> None:
        """Begin this class's recording, or say why it cannot begin."""
        register = self._register
        async with self._recording:
            session = register.open(session_id)
            if session is None or self.recorders.of(session) is not None:
                return
            if not session.active:
                await self._update(session_id, "never_recorded", {"open": False})
                return
            try:
                recorder = await self.recorders.begin(session)
            except ClassroomError as error:
                words = Words("critical", "instructor", error.message, error.remedy)
                self._alarms.set("recording.refused", words)
                await self._update(
                    session_id,
                    "recording_refused",
                    {"recording_error": str(error)},
                    lambda refused: refused.prepared().model_copy(update={"open": refused.active}),
                )
                return
            self._alarms.set("recording.refused", None)
            begun = await self._update(
                session_id,
                "recording",
                {
                    "recording": recorder.recording,
                    "folder": str(recorder.folder),
                    "recording_error": None,
                    "open": True,
                },
            )
        if begun is not None:
            await self.bring_along(begun)
            self.prepare(begun)

    def prepare(self, session: Session) -> None:
        """The class is live as soon as something is recorded, or clearly is not."""

        async def live() -> None:
            with suppress(TimeoutError):
                async with asyncio.timeout(PREPARING_S):
                    await self._ready.wait()
            await self._live(session.id, None)

        self._register.in_background(live(), "preparing")

    def unprepared(self) -> None:
        """A new class begins."""
        self.levels = {}
        self._ready.clear()

    async def bring_along(self, session: Session) -> None:
        """Tell the recorder what the session wants now; returns when it has it, or is away."""
        recorder = self.recorders.of(session)
        if recorder is not None:
            await recorder.want(wanted(self._register.open(session.id) or session))
            self._tell()

    async def retry(self, session: Session) -> None:
        """Record again: sources that do not deliver, a recorder that is away, or all anew."""
        recorder = self.recorders.of(session)
        if recorder is None:
            await self.record(session.id)
        elif recorder.phase != "running":
            recorder.nudge()
        else:
            sources = recorder.status.sources if recorder.status else {}
            for source, status in sources.items():
                if status.state != "running":
                    with suppress(RecorderError):
                        await recorder.command("retry", source=source)

    async def mark(self, kind: str, data: dict[str, Any]) -> None:
        """A marker in the recording, by its recorder or, while that is away, in the folder."""
        recorder = self.recorder
        if recorder is None:
            return
        try:
            await recorder.command("mark", kind=kind, data=data)
        except RecorderError:

            def write() -> None:
                recording = Recording.open(recorder.folder)
                recording.mark(kind, class_time(recording.manifest), **data)

            with suppress(RecordingError, OSError):
                await asyncio.to_thread(write)

    async def _update(
        self,
        session_id: str,
        kind: str,
        fields: dict[str, Any],
        change: Callable[[Session], Session] = lambda session: session,
    ) -> Session | None:
        async with self._register.turn:
            session = self._register.open(session_id)
            if session is None:
                return None
            new = change(session.model_copy(update=fields))
            if new != session:
                await self._register.commit(new, DAEMON, kind)
            return new

    async def _live(self, session_id: str, first_frame_ms: float | None) -> None:
        def live(session: Session) -> Session:
            if first_frame_ms is not None and session.start_to_first_frame_ms is None:
                session = session.model_copy(update={"start_to_first_frame_ms": first_frame_ms})
            return session.prepared()

        await self._update(session_id, "live", {}, live)

    def _recorder_changed(self, session_id: str, recorder: RecorderSupervisor) -> None:
        session = self._register.open(session_id)
        if session is None:
            return
        if recorder.settled:
            over = self._recording_over(session_id, recorder)
            self._register.in_background(over, "recording finished")
        if not self._register.is_current(session_id):
            return
        down = recorder.phase == "restarting"
        words = health.recorder_down(recorder.restarts, recorder.detail) if down else None
        self._alarms.set("recorder.down", words)
        status = recorder.status
        if status is not None and recorder.phase == "running":
            for source, state in status.sources.items():
                for code in ("lost", "failed"):
                    fact = health.recorder_fact(f"source_{code}", source, state.detail)
                    alarm = f"recorder.source_{code}.{source}"
                    self._alarms.set(alarm, fact if state.state == code else None, source)
            if session.start_to_first_frame_ms is None and status.first_frame_ms is not None:
                first = self._first_frame(session, recorder, status.first_frame_ms)
                self._register.in_background(first, "first frame")
            elif self.nothing_recorded() is not None:
                self._ready.set()
        self._tell()
        self._tell_sources()

    def _recorder_told(
        self, session_id: str, recorder: RecorderSupervisor, event: RecorderEvent
    ) -> None:
        if not self._register.is_current(session_id):
            return
        if event.kind == "levels":
            self.heard = {name: float(level) for name, level in event.data.items()}
            session = self._register.open(session_id)
            paused = session is not None and session.state is SessionState.PAUSED
            self.levels = dict.fromkeys(self.heard, RESTING_DBFS) if paused else self.heard
            self._publish("levels", self.levels)
        elif event.kind == "track":
            self.seen(event.data)
        elif event.kind == "fact":
            code, source = str(event.data.get("code", "")), str(event.data.get("source") or "")
            words = None
            if event.data.get("active"):
                words = health.recorder_fact(code, source, str(event.data.get("detail") or ""))
            self._alarms.set(f"recorder.{code}.{source}", words, source)
            if code == "no_source" and words is not None:
                self._ready.set()
            self._tell()

    async def _first_frame(
        self, session: Session, recorder: RecorderSupervisor, after_ms: float
    ) -> None:
        with suppress(RecordingError):
            manifest = await asyncio.to_thread(lambda: Recording.open(recorder.folder).manifest)
            if manifest.boot_id == session.boot_id:
                began_ms = (manifest.boottime - session.boottime) * 1000
                await self._live(session.id, round(began_ms + after_ms, 1))
        self._ready.set()

    async def _recording_over(self, session_id: str, recorder: RecorderSupervisor) -> None:
        failed = recorder.phase == "failed"
        if failed:
            words = health.recording_failed(recorder.detail or "its recorder.log says why")
            self._alarms.set(f"unfinished.{recorder.recording}", words, recorder.recording)
        else:
            self._outbox.hand_over(recorder.folder)
        self.recorders.forget(session_id, recorder)

        def over(session: Session) -> Session:
            fields: dict[str, Any] = {"open": session.active}
            if recorder.status is not None:
                fields["recorded_s"] = recorder.status.duration_s
            if session.active:
                fields["recording"] = None
                fields["recording_error"] = (
                    "The recorder has ended by itself; what was recorded is kept. Press Retry."
                )
            elif failed:
                fields["recording_error"] = recorder.detail or "The lecture is not finished."
            return session.model_copy(update=fields)

        await self._update(session_id, f"recording_{recorder.phase}", {}, over)
        if self._register.is_current(session_id):
            self.levels = {}
            self._alarms.clear("recorder.")
            self._tell_sources()
        with suppress(RecordingError, OSError):
            recording = Recording.open(recorder.folder)
            self._publish("recording", await asyncio.to_thread(recording_view, recording))

    async def wait_prepared(self) -> None:
        """Wait until the class is no longer preparing: recording runs, or cannot."""
        current = self._register.current
        if current is not None and current.state is SessionState.PREPARING:
            with suppress(TimeoutError):
                async with asyncio.timeout(PREPARING_S):
                    await self._ready.wait()
            await self._live(current.id, None)

    def _tell_sources(self) -> None:
        """Told when a source changed; levels have their own event."""
        views = [view.model_dump(mode="json") for view in self.sources()]
        kept = [view | {"level_dbfs": None} for view in views]
        if kept != self._told:
            self._told = kept
            self._publish("sources", {"sources": views})
