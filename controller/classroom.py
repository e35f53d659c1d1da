"""The classroom: one object that every door calls.

A call changes the session (`session.py`), commits it to the journal, acts (recorder, devices,
deliveries) and tells the bus. It never waits for a device unless it was asked to.

The devices and the deliveries are made before the classroom and report to it afterwards:
give `DeviceManager` an `on_state` that calls `Classroom.device_changed`, and `DeliveryWorker`
an `on_change` that calls `Classroom.delivery_changed`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from controller import unknown
from controller.adopt import restore
from controller.afterwards import Afterwards
from controller.by_itself import ByItself
from controller.config import RoomConfig
from controller.errors import ClassroomError
from controller.events import EventBus
from controller.following import Following
from controller.health import AlarmBoard, device_words, journal_damaged
from controller.helpdesk import HelpDesk
from controller.journal import Journal, JournalEntry
from controller.lesson import Lesson
from controller.notes import Notes
from controller.outbox import Outbox
from controller.persons import Persons
from controller.recorder_health import RecorderHealth
from controller.rights_room import decisions
from controller.session import Session, now_utc
from controller.state import (
    Actor,
    Alarm,
    DeliveryView,
    Event,
    RecordingView,
    RoomView,
    SessionView,
    StepResult,
)
from controller.timetable import Timetable
from controller.upkeep import Upkeep
from controller.views import picture, recording_view
from devices.model import CommandResult, DeviceState, Value
from recorder.recording import Layout, RecordingError, find, list_recordings

if TYPE_CHECKING:
    from devices.manager import DeviceManager
    from devices.traffic import Traffic
    from devices.transports.mqtt import MqttLink
    from publishing.delivery import DeliveryStatus, DeliveryWorker

__all__ = ["Classroom", "ClassroomError"]


class Classroom:
    """One room. All methods are called on the event loop; failures are `ClassroomError`."""

    def __init__(
        self,
        config: RoomConfig,
        *,
        devices: DeviceManager,
        journal: Journal,
        run_dir: Path,
        deliveries: DeliveryWorker | None = None,
        mqtt: MqttLink | None = None,
    ) -> None:
        self.config = config
        self.events = EventBus()
        self.devices = devices
        self.journal = journal
        self.notes = Notes(journal)
        self.mqtt = mqtt
        self.alarms = AlarmBoard(self._alarms_changed)
        self._outbox = Outbox(deliveries, config.publish, self.alarms)
        self._lesson = Lesson(
            config,
            devices=devices,
            journal=journal,
            run_dir=run_dir,
            alarms=self.alarms,
            outbox=self._outbox,
            publish=self.publish_event,
        )
        self._upkeep = Upkeep(config, self._lesson)
        self._by_itself = ByItself(config, devices, self._lesson.register)
        self.recorder_health = RecorderHealth(config, self._lesson.capture)
        self._following = Following(config.sources, devices)
        self._lesson.capture.seen = self._following.seen
        self._production = Afterwards(self._lesson, self._outbox, self.publish_event).production
        self.timetable = Timetable(config, self._lesson, self.publish_event)
        self._edits, self.rights = decisions(
            config, self.recording_folder, self._outbox, self._lesson.register, self._changed_folder
        )
        self.persons = Persons(config.storage.recordings, config.storage.state)
        self.help = HelpDesk(config, self._lesson.register, self.publish_event, self.view)

    # The room's life

    async def start(self) -> None:
        """Open the journal, adopt a running recorder, finish what was under way."""
        await self.journal.open()
        if self.journal.damaged is not None:
            self.alarms.set("journal.damaged", journal_damaged(self.journal.damaged.name))
        await restore(self._lesson)
        self._lesson.capture.recorders.open()
        await self.timetable.start()
        self._upkeep.start()
        self._by_itself.session_changed()
        await self._production.start()
        self._following.start()
        await self._edits.start()

    async def stop(self) -> None:
        """Stop controlling. Recorders go on; the next controller adopts them."""
        await self._edits.stop()
        await self._following.stop()
        await self._production.stop()
        await self._by_itself.stop()
        await self._upkeep.stop()
        await self.timetable.stop()
        await self._lesson.stop()
        await self.journal.close()
        self.events.close()

    def device_changed(self, state: DeviceState) -> None:
        """The device manager tells a device's new state."""
        self._lesson.runner.device_changed(state)
        self._by_itself.device_changed(state)
        self.alarms.set(
            f"device.{state.id}", device_words(state, in_class=self._lesson.register.on), state.id
        )
        self.publish_event("device", state)

    def delivery_changed(self, status: DeliveryStatus) -> None:
        """The delivery worker tells where a delivery stands."""
        shown = self._outbox.take(status)
        self._lesson.register.in_background(self.journal.save_delivery(shown), "index delivery")
        self.publish_event("delivery", shown)
        if shown.state in {"verified", "failed"}:
            self._lesson.register.in_background(
                self._tell_recording(shown.recording), "tell recording"
            )

    # Reading

    @property
    def state_folder(self) -> Path:
        """Where the room keeps what must outlive a restart and is no recording."""
        return self.config.storage.state

    def view(self) -> RoomView:
        """Everything the wall panel needs."""
        room = self.config.room
        lesson = self._lesson
        return RoomView(
            room=room.id,
            name=room.name,
            timezone=room.timezone,
            languages=room.languages,
            now=now_utc(),
            session=lesson.view(),
            devices=self.devices.states(),
            sources=lesson.capture.sources(),
            alarms=self.alarms.alarms(),
            deliveries=self._outbox.views(),
            scenes=[scene.id for scene in self.config.scenes],
            scene_names={scene.id: scene.name for scene in self.config.scenes if scene.name},
            layouts=[layout.value for layout in Layout],
            timetable=self.timetable.view(),
            help=self.help.view(),
        )

    def recordings(self) -> list[RecordingView]:
        """All recordings, newest first. Reads the disk: call it in a thread."""
        views: list[RecordingView] = []
        for recording in list_recordings(self.config.storage.recordings):
            try:
                views.append(self._production.shown(recording_view(recording)))
            except (RecordingError, OSError):
                continue  # deleted while it was listed
        return views

    def recording(self, recording: str) -> RecordingView:
        """One recording; `unknown_recording` (404). Reads the disk: call it in a thread."""
        try:
            found = find(self.config.storage.recordings, recording)
            return self._production.shown(recording_view(found))
        except (RecordingError, OSError):
            raise unknown.recording(recording) from None

    def recording_folder(self, recording: str) -> Path:
        """Where a recording lies; `unknown_recording` (404)."""
        try:
            return find(self.config.storage.recordings, recording).folder
        except (RecordingError, OSError):
            raise unknown.recording(recording) from None

    def picture(self, source: str) -> bytes | None:
        """The newest confidence picture (JPEG), None when there is none or it is old."""
        recorder = self._lesson.capture.recorder
        known = any(spec.id == source for spec in self.config.sources)
        if recorder is None or recorder.wanted.paused or not known:
            return None
        return picture(recorder.folder, source)

    def deliveries(self) -> list[DeliveryView]:
        """All deliveries the worker knows."""
        return self._outbox.views()

    async def journal_tail(self, n: int = 100) -> list[JournalEntry]:
        """The last `n` journal entries, newest first."""
        return await self.journal.tail(n)

    # The class

    async def start_class(
        self,
        actor: Actor,
        *,
        title: str | None = None,
        course: str | None = None,
        lecturer: str | None = None,
        minutes: float | None = None,
        slot: str | None = None,
        scene: str = "start",
    ) -> SessionView:
        """Start a class; when one is on already, that one is returned.

        `slot`: a class of the timetable, "" for none of it; see `Timetable.planned`.
        """
        begun = self.timetable.planned(
            slot, title=title, course=course, lecturer=lecturer, minutes=minutes
        )
        if scene != "start" and self.config.scene(scene) is None:
            raise unknown.scene(scene)
        return await self._lesson.begin(actor, begun, scene)

    async def pause(self, actor: Actor) -> SessionView:
        """Nothing is saved or shown from now on."""
        await self._lesson.capture.wait_prepared()
        return await self._change(actor, "pause", lambda session: session.paused())

    async def resume(self, actor: Actor) -> SessionView:
        """The recording goes on."""
        await self._lesson.capture.wait_prepared()
        return await self._change(actor, "resume", lambda session: session.resumed())

    async def extend(self, actor: Actor, minutes: float, *, force: bool = False) -> SessionView:
        """The class lasts longer; `next_class` (409) when it may not, unless it is forced."""
        shown = await self._change(
            actor,
            "extend",
            lambda session: self.timetable.extended(session, minutes, force=force),
            {"minutes": minutes} | ({"force": True} if force else {}),
        )
        await self._lesson.capture.mark("extend", {"minutes": minutes})
        return shown

    async def set_layout(self, actor: Actor, layout: str) -> SessionView:
        """Another layout; `unknown_layout` (422)."""
        try:
            chosen = Layout(layout)
        except ValueError:
            raise ClassroomError(
                "unknown_layout",
                f"There is no layout {layout!r}.",
                f"Choose one of: {', '.join(Layout)}.",
                422,
            ) from None
        change: Callable[[Session], Session] = lambda session: session.laid_out(chosen)  # noqa: E731
        return await self._change(actor, "layout", change, {"layout": layout})

    async def end_class(self, actor: Actor, *, undo: bool) -> SessionView:
        """End: at once, or after the time in which it can be undone."""
        return await self._lesson.end(actor, self.config.session.undo_s if undo else 0.0)

    async def undo_end(self, actor: Actor) -> SessionView:
        """Take End back."""
        return await self._change(actor, "undo", lambda session: session.undone(now_utc()))

    async def retry_recording(self, actor: Actor) -> SessionView:
        """Try again to record, after a full disk or when no source opened."""
        session = self._lesson.register.need()
        await self._lesson.register.note(actor, "retry")
        await self._lesson.capture.retry(session)
        return self._lesson.shown()

    async def bookmark(self, actor: Actor, label: str) -> SessionView:
        """Mark this moment."""
        self._lesson.register.need()
        await self._lesson.register.note(actor, "bookmark", {"label": label[:200]})
        await self._lesson.capture.mark("bookmark", {"label": label[:200]})
        return self._lesson.shown()

    async def mark(self, kind: str, data: dict[str, Any]) -> None:
        """Mark what happens in class (a page turn, a question) in its recording, if any."""
        await self._lesson.capture.mark(kind, data)

    # Devices and deliveries

    def traffic(self, device: str) -> list[Traffic]:
        """What went over a device's wire lately, oldest first; `device` must be known."""
        return self.devices.traffic(device)

    def watch_traffic(self, device: str, heard: Callable[[Traffic], None]) -> Callable[[], None]:
        """Tell what goes over a device's wire until the answer is called; `unknown_device`."""
        if all(state.id != device for state in self.devices.states()):
            raise unknown.device(device)
        return self.devices.watch_traffic(device, heard)

    async def command(
        self, actor: Actor, device: str, command: str, value: Value = None
    ) -> CommandResult:
        """One command to one device; `unknown_device`, `unknown_command` (404)."""
        state = next((state for state in self.devices.states() if state.id == device), None)
        if state is None:
            raise unknown.device(device)
        known = next((info for info in state.commands if info.name == command), None)
        if known is None:
            raise ClassroomError(
                "unknown_command",
                f"{state.name or device} has no command {command!r}.",
                f"It knows: {', '.join(info.name for info in state.commands) or 'none yet'}.",
                404,
            )
        if known.capability in {"pan-tilt-zoom", "preset"} or known.name == "position":
            self._following.manual(device)
        if known.capability != "pan-tilt-zoom":  # a held joystick would flood the journal
            data = {"device": device, "command": command, "value": value}
            note = self._lesson.register.note(actor, "command", data)
            self._lesson.register.in_background(note, "note command")
        try:
            return await self.devices.send(device, command, value)
        except ValueError as error:
            raise ClassroomError(
                "bad_value", str(error), "See the command's choices and limits.", 422
            ) from error

    async def run_scene(self, actor: Actor, scene: str) -> list[StepResult]:
        """Run a scene and return when its steps are confirmed, queued or failed."""
        found = self.config.scene(scene)
        if found is None:
            raise unknown.scene(scene)
        await self._lesson.register.note(actor, "scene", {"scene": scene})
        return await self._lesson.run_scene(found)

    async def publish(self, actor: Actor, recording: str, target: str) -> DeliveryView:
        """Send a recording to a target; `unknown_target` (404), `not_ready` (409)."""
        folder = self.recording_folder(recording)
        data = {"recording": recording, "target": target}
        await self._lesson.register.note(actor, "publish", data)
        return self._outbox.publish(folder, target, actor.name)

    async def retry_delivery(self, actor: Actor, delivery: str) -> DeliveryView:
        """Try a failed delivery again; `unknown_delivery` (404)."""
        await self._lesson.register.note(actor, "retry_delivery", {"delivery": delivery})
        return self._outbox.retry(delivery)

    # Telling

    def publish_event(self, kind: Any, value: BaseModel | dict[str, Any]) -> None:
        """Put one event on the bus."""
        data = value.model_dump(mode="json") if isinstance(value, BaseModel) else value
        if kind == "session":
            self._by_itself.session_changed()
        self.events.publish(Event(kind=kind, data=data))

    def _alarms_changed(self, alarms: list[Alarm]) -> None:
        self.publish_event(
            "alarms", {"alarms": [alarm.model_dump(mode="json") for alarm in alarms]}
        )

    def _changed_folder(self, folder: Path) -> None:
        identity = folder.name.rpartition("_")[2]
        self._lesson.register.in_background(self._tell_recording(identity), "tell recording")

    async def _tell_recording(self, recording: str) -> None:
        try:
            shown = await asyncio.to_thread(self.recording, recording)
        except ClassroomError:
            return
        self.publish_event("recording", shown)

    async def _change(
        self,
        actor: Actor,
        kind: str,
        change: Callable[[Session], Session],
        data: dict[str, Any] | None = None,
    ) -> SessionView:
        return await self._lesson.change(actor, kind, change, data)
