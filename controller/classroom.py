"""The classroom: one object that every door calls.

A call changes the session (`session.py`), commits it to the journal, acts (recorder, devices,
deliveries) and tells the bus. It never waits for a device unless it was asked to.

The devices and the deliveries are made before the classroom and report to it afterwards:
give `DeviceManager` an `on_state` that calls `Classroom.device_changed`, and `DeliveryWorker`
an `on_change` that calls `Classroom.delivery_changed`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from controller.config import RoomConfig
from controller.errors import ClassroomError
from controller.events import EventBus
from controller.journal import Journal, JournalEntry
from controller.state import (
    Actor,
    DeliveryView,
    RecordingView,
    RoomView,
    SessionView,
    StepResult,
)
from devices.model import CommandResult, DeviceState, Value

if TYPE_CHECKING:
    from devices.manager import DeviceManager
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

    # The room's life

    async def start(self) -> None:
        """Open the journal, adopt a running recorder, finish what was under way."""
        raise NotImplementedError

    async def stop(self) -> None:
        """Stop controlling. Recorders go on; the next controller adopts them."""
        raise NotImplementedError

    def device_changed(self, state: DeviceState) -> None:
        """The device manager tells a device's new state."""
        raise NotImplementedError

    def delivery_changed(self, status: DeliveryStatus) -> None:
        """The delivery worker tells where a delivery stands."""
        raise NotImplementedError

    # Reading

    def view(self) -> RoomView:
        """Everything the wall panel needs."""
        raise NotImplementedError

    def recordings(self) -> list[RecordingView]:
        """All recordings, newest first. Reads the disk: call it in a thread."""
        raise NotImplementedError

    def recording(self, recording: str) -> RecordingView:
        """One recording; `unknown_recording` (404)."""
        raise NotImplementedError

    def recording_folder(self, recording: str) -> Path:
        """Where a recording lies; `unknown_recording` (404)."""
        raise NotImplementedError

    def picture(self, source: str) -> bytes | None:
        """The newest confidence picture (JPEG), None when there is none or it is old."""
        raise NotImplementedError

    def deliveries(self) -> list[DeliveryView]:
        """All deliveries the worker knows."""
        raise NotImplementedError

    async def journal_tail(self, n: int = 100) -> list[JournalEntry]:
        """The last `n` journal entries, newest first."""
        raise NotImplementedError

    # The class

    async def start_class(
        self,
        actor: Actor,
        *,
        title: str | None = None,
        course: str | None = None,
        lecturer: str | None = None,
        minutes: float | None = None,
        scene: str = "start",
    ) -> SessionView:
        """Start a class; when one is on already, that one is returned."""
        raise NotImplementedError

    async def pause(self, actor: Actor) -> SessionView:
        """Nothing is saved or shown from now on."""
        raise NotImplementedError

    async def resume(self, actor: Actor) -> SessionView:
        """The recording goes on."""
        raise NotImplementedError

    async def extend(self, actor: Actor, minutes: float) -> SessionView:
        """The class lasts longer."""
        raise NotImplementedError

    async def set_layout(self, actor: Actor, layout: str) -> SessionView:
        """Another layout; `unknown_layout` (422)."""
        raise NotImplementedError

    async def end_class(self, actor: Actor, *, undo: bool) -> SessionView:
        """End: at once, or after the time in which it can be undone."""
        raise NotImplementedError

    async def undo_end(self, actor: Actor) -> SessionView:
        """Take End back."""
        raise NotImplementedError

    async def retry_recording(self, actor: Actor) -> SessionView:
        """Try again to record, after a full disk or when no source opened."""
        raise NotImplementedError

    async def bookmark(self, actor: Actor, label: str) -> SessionView:
        """Mark this moment."""
        raise NotImplementedError

    # Devices and deliveries

    async def command(
        self, actor: Actor, device: str, command: str, value: Value = None
    ) -> CommandResult:
        """One command to one device; `unknown_device`, `unknown_command` (404)."""
        raise NotImplementedError

    async def run_scene(self, actor: Actor, scene: str) -> list[StepResult]:
        """Run a scene and return when its steps are confirmed, queued or failed."""
        raise NotImplementedError

    async def publish(self, actor: Actor, recording: str, target: str) -> DeliveryView:
        """Send a recording to a target; `unknown_target` (404), `not_ready` (409)."""
        raise NotImplementedError

    async def retry_delivery(self, actor: Actor, delivery: str) -> DeliveryView:
        """Try a failed delivery again; `unknown_delivery` (404)."""
        raise NotImplementedError
