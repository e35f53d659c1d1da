"""A room in memory with the façade of `Classroom`, to hold pages and API in any state at will."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from pretend_devices import pretend_devices, pretend_traffic
from pretend_health import PretendHealth
from pretend_timetable import PretendHelp, PretendTimetable
from pydantic import BaseModel

from controller.edits import Edits
from controller.errors import ClassroomError
from controller.events import EventBus
from controller.health import AlarmBoard
from controller.journal import Journal
from controller.notes import Notes
from controller.outbox import Outbox
from controller.persons import Persons
from controller.rights import Rights
from controller.settings import RoomConfig
from controller.state import (
    Actor,
    Alarm,
    DeliveryView,
    Event,
    RecordingView,
    RoomView,
    SessionState,
    SessionView,
    SourceView,
    StepResult,
)
from devices.model import CommandResult, Power
from devices.traffic import Traffic
from recorder.recording import Layout, Recording, Role, SourceSpec, create


def _picture(text: str, hue: int, step: int) -> bytes:
    image = np.zeros((270, 480, 3), np.uint8)
    image[:] = cv2.cvtColor(np.uint8([[[hue, 110, 90]]]), cv2.COLOR_HSV2BGR)[0, 0]
    x = 60 + (step * 37) % 340
    cv2.circle(image, (x, 150), 42, (205, 215, 225), -1)
    cv2.rectangle(image, (x - 55, 200), (x + 55, 270), (205, 215, 225), -1)
    cv2.putText(image, text, (18, 40), cv2.FONT_HERSHEY_SIMPLEX, 0.9, (255, 255, 255), 2)
    return bytes(cv2.imencode(".jpg", image)[1].tobytes())


class OpenJournal(Journal):
    """A journal that opens itself, so that a room in memory needs no start."""

    async def write(self, change: Any) -> Any:
        await self.open()
        return await super().write(change)

    async def read(self, query: str, values: tuple[Any, ...]) -> list[Any]:
        await self.open()
        return await super().read(query, values)


class PretendRoom:
    """Obeys at once. Tests set what devices and sources say and call `tell` to publish it."""

    def __init__(self, root: Path, *, languages: list[str] | None = None) -> None:
        self.root = root
        self.state_folder = root.parent / "state"
        self.events = EventBus()
        self.config = RoomConfig.model_validate(
            {"room": {"id": "lab-2", "name": "Lecture hall 2"}, "storage": {"recordings": root}}
        )
        self.mqtt = None
        self.journal = OpenJournal(self.state_folder / "journal.sqlite")
        self.notes = Notes(self.journal)
        self.persons = Persons(root, self.state_folder)
        alarms = AlarmBoard(lambda _: None)
        self.edits = Edits(root, alarms, changed=lambda _: None, done=lambda _: None)
        self.rights = Rights(
            self.recording_folder,
            Outbox(None, [], alarms),
            self.edits,
            self._noted,
            lambda _: None,
        )
        self.session: SessionView | None = None
        self.calls: list[tuple[str, Actor, dict[str, Any]]] = []
        self.languages = languages or ["en", "fr", "es", "ar", "ru", "zh"]
        self.devices = pretend_devices()
        self.sources = [
            SourceView(id="front", role="presenter", state="idle", video=True),
            SourceView(id="slides", role="slides", state="idle", video=True),
            SourceView(id="lectern", role="microphone", state="idle", audio=True),
        ]
        self.timetable = PretendTimetable(self._publish)
        self.help = PretendHelp(self._publish)
        self.recorder_health = PretendHealth(self)
        self.alarms: list[Alarm] = []
        self.delivered: list[DeliveryView] = []
        self.pictures = 0
        self.crash = False
        self._undo: asyncio.Task[None] | None = None
        self.undo_s = 10.0
        self._started = datetime.now(UTC)

    # --- reading -------------------------------------------------------------------------------

    def view(self) -> RoomView:
        if self.crash:
            raise RuntimeError("told to crash")
        return RoomView(
            room="lab-2",
            name="Lecture hall 2",
            timezone="Europe/Oslo",
            languages=self.languages,
            now=datetime.now(UTC),
            session=self._session(),
            devices=self.devices,
            sources=self.sources,
            alarms=self.alarms,
            deliveries=self.delivered,
            scenes=["start", "end", "film"],
            scene_names={"film": "Film: dark room"},
            layouts=[layout.value for layout in Layout],
            timetable=self.timetable.view(),
            help=self.help.view(),
        )

    def recordings(self) -> list[RecordingView]:
        views = [self._recording(one) for one in _folders(self.root)]
        return sorted(views, key=lambda view: view.started, reverse=True)

    def recording(self, recording: str) -> RecordingView:
        for view in self.recordings():
            if view.id == recording:
                return view
        raise ClassroomError("unknown_recording", f"There is no recording {recording!r}.", "", 404)

    def recording_folder(self, recording: str) -> Path:
        return self.root / self.recording(recording).folder

    def picture(self, source: str) -> bytes | None:
        if self.session is None or self.session.state not in {
            SessionState.LIVE,
            SessionState.ENDING,
        }:
            return None
        self.pictures += 1
        hues = {"front": 105, "slides": 20}
        return _picture(source, hues[source], self.pictures) if source in hues else None

    def deliveries(self) -> list[DeliveryView]:
        return self.delivered

    # --- the class -----------------------------------------------------------------------------

    async def start_class(self, actor: Actor, **asked: Any) -> SessionView:
        self.calls.append(("start", actor, asked))
        if self.session and self.session.state is not SessionState.ENDED:
            return self.session
        self._started = datetime.now(UTC)
        minutes = asked.get("minutes")
        self.session = SessionView(
            id="s1",
            state=SessionState.LIVE,
            title=asked.get("title") or "Lecture hall 2, Tuesday 09:15",
            started=self._started,
            planned_end=self._started + timedelta(minutes=minutes) if minutes else None,
            now=self._started,
            recording="r1",
            recording_state="recording",
            start_to_first_frame_ms=312.0,
        )
        for source in self.sources:
            source.state = "running"
            source.has_picture = source.video
        for device in self.devices:
            if device.kind in {"display", "projector"}:
                device.power, device.warm_s = Power.WARMING, 40.0
        self.tell()
        return self._told()

    async def pause(self, actor: Actor) -> SessionView:
        return self._go(actor, "pause", SessionState.PAUSED, "paused")

    async def resume(self, actor: Actor) -> SessionView:
        return self._go(actor, "resume", SessionState.LIVE, "recording")

    async def extend(self, actor: Actor, minutes: float, *, force: bool = False) -> SessionView:
        session = self._need(actor, "extend", minutes=minutes, force=force)
        base = session.planned_end or datetime.now(UTC)
        session.planned_end = base + timedelta(minutes=minutes)
        self.tell()
        return self._told()

    async def set_layout(self, actor: Actor, layout: str) -> SessionView:
        session = self._need(actor, "layout", layout=layout)
        if layout not in [one.value for one in Layout]:
            raise ClassroomError("unknown_layout", f"There is no layout {layout!r}.", "", 422)
        session.layout = layout
        self.tell()
        return self._told()

    async def end_class(self, actor: Actor, *, undo: bool) -> SessionView:
        session = self._need(actor, "end", undo=undo)
        if undo:
            session.state = SessionState.ENDING
            session.undo_until = datetime.now(UTC) + timedelta(seconds=self.undo_s)
            self._undo = asyncio.create_task(self._end_later())
        else:
            self._ended()
        self.tell()
        return self._told()

    async def undo_end(self, actor: Actor) -> SessionView:
        session = self._need(actor, "undo")
        if self._undo:
            self._undo.cancel()
        session.state, session.undo_until = SessionState.LIVE, None
        self.tell()
        return self._told()

    async def retry_recording(self, actor: Actor) -> SessionView:
        session = self._need(actor, "retry")
        session.recording_error = None
        session.recording_state = "recording"
        self.tell()
        return self._told()

    async def bookmark(self, actor: Actor, label: str) -> SessionView:
        self._need(actor, "bookmark", label=label)
        return self._told()

    # --- devices and deliveries ----------------------------------------------------------------

    async def command(
        self, actor: Actor, device: str, command: str, value: Any = None
    ) -> CommandResult:
        asked = {"device": device, "command": command, "value": value}
        self.calls.append(("command", actor, asked))
        for state in self.devices:
            if state.id == device:
                if command == "power":
                    state.power = Power.ON if value else Power.OFF
                    state.warm_s = None
                else:
                    state.values[command] = value
                self.events.publish(Event(kind="device", data=state.model_dump(mode="json")))
                return CommandResult(
                    device=device, command=command, value=value, outcome="confirmed"
                )
        raise ClassroomError("unknown_device", f"There is no device {device!r}.", "", 404)

    def traffic(self, device: str) -> list[Traffic]:
        return pretend_traffic()

    def watch_traffic(self, device: str, heard: Any) -> Any:
        if all(one.id != device for one in self.devices):
            raise ClassroomError("unknown_device", f"There is no device {device!r}.", "", 404)
        for entry in self.traffic(device):
            heard(entry)
        return lambda: None

    async def run_scene(self, actor: Actor, scene: str) -> list[StepResult]:
        if scene not in {"start", "end", "film"}:
            raise ClassroomError("unknown_scene", f"There is no scene {scene!r}.", "", 404)
        return [StepResult(device="display", command="power", value=True, state="confirmed")]

    async def publish(self, actor: Actor, recording: str, target: str) -> DeliveryView:
        self.recording(recording)
        return DeliveryView(id="d1", recording=recording, target=target, state="waiting")

    async def retry_delivery(self, actor: Actor, delivery: str) -> DeliveryView:
        raise ClassroomError("unknown_delivery", f"There is no delivery {delivery!r}.", "", 404)

    # --- what tests do to it -------------------------------------------------------------------

    async def _noted(self, actor: Actor, kind: str, data: dict[str, Any]) -> None:
        self.calls.append((kind, actor, data))

    def tell(self) -> None:
        """Publish session, devices, sources and alarms as they now stand."""
        if self.session:
            self.events.publish(Event(kind="session", data=self._told().model_dump(mode="json")))
        for device in self.devices:
            self.events.publish(Event(kind="device", data=device.model_dump(mode="json")))
        sources = [source.model_dump(mode="json") for source in self.sources]
        self.events.publish(Event(kind="sources", data={"sources": sources}))
        alarms = [alarm.model_dump(mode="json") for alarm in self.alarms]
        self.events.publish(Event(kind="alarms", data={"alarms": alarms}))

    def _publish(self, kind: Any, value: BaseModel) -> None:
        self.events.publish(Event(kind=kind, data=value.model_dump(mode="json")))

    def level(self, **levels: float) -> None:
        self.events.publish(Event(kind="levels", data=levels))

    def free(self) -> None:
        """A room in which no class has been."""
        if self._undo:
            self._undo.cancel()
        self.session = None

    def record(self, title: str, lecture: bytes | None = None) -> Recording:
        """A finished recording on disk."""
        recording = create(
            self.root,
            session="s0",
            room="lab-2",
            title=title,
            sources=[SourceSpec(id="front", role=Role.PRESENTER, url="test:presenter")],
        )
        recording.mark("start", 0.0)
        recording.mark("page", 4.0, page=2)
        recording.mark("pause", 5.0)
        recording.mark("resume", 7.0)
        recording.mark("bookmark", 8.0, label="Exam question")
        recording.mark("end", 10.0)
        if lecture is not None:
            recording.lecture.write_bytes(lecture)
        recording.update(life="ready", duration_s=10.0, ended=datetime.now(UTC))
        return recording

    def _told(self) -> SessionView:
        session = self._session()
        assert session is not None
        return session

    def _session(self) -> SessionView | None:
        if self.session is None:
            return None
        now = datetime.now(UTC)
        elapsed = (self.session.ended or now) - self._started
        return self.session.model_copy(
            update={"now": now, "elapsed_s": elapsed.total_seconds()}, deep=True
        )

    def _need(self, actor: Actor, call: str, **asked: Any) -> SessionView:
        self.calls.append((call, actor, asked))
        if self.session is None or self.session.state is SessionState.ENDED:
            raise ClassroomError("no_session", "No class is on.", "Start one first.", 409)
        return self.session

    def _go(self, actor: Actor, call: str, state: SessionState, recording: Any) -> SessionView:
        session = self._need(actor, call)
        session.state, session.recording_state = state, recording
        for source in self.sources:
            source.has_picture = source.video and state is SessionState.LIVE
        self.tell()
        return self._told()

    async def _end_later(self) -> None:
        await asyncio.sleep(self.undo_s)
        self._ended()
        self.tell()

    def _ended(self) -> None:
        assert self.session
        self.session.state = SessionState.ENDED
        self.session.undo_until = None
        self.session.ended = datetime.now(UTC)
        self.session.recording_state = "finished"
        for source in self.sources:
            source.state, source.has_picture, source.level_dbfs = "idle", False, None

    def _recording(self, recording: Recording) -> RecordingView:
        manifest = recording.manifest
        return RecordingView(
            id=recording.id,
            session=manifest.session,
            title=manifest.title,
            started=manifest.started,
            duration_s=manifest.duration_s,
            life=manifest.life.value,
            folder=recording.folder.name,
            lecture=recording.lecture.is_file(),
            bytes=recording.bytes(),
        )


def _folders(root: Path) -> list[Recording]:
    return [Recording.open(file.parent) for file in root.glob("*/recording.json")]
