"""A whole room for tests: real recorder processes, simulated devices on real wires."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from controller.classroom import Classroom
from controller.journal import Journal
from controller.settings import RoomConfig
from controller.state import AccessRole, Actor, Event, SessionView
from devices.manager import DeviceManager
from devices.transports.mqtt import MqttLink
from firmware_profiles.catalog import Catalog
from publishing.delivery import DeliveryWorker
from recorder import control
from recorder.recording import Recording

REPOSITORY = Path(__file__).parents[2]
SOURCES = [
    {"id": "cam", "role": "presenter", "url": "test:presenter?size=320x180&fps=10"},
    {"id": "mic", "role": "microphone", "url": "test:speech"},
]
PATIENCE_S = 30.0


async def until(condition: Callable[[], Any], timeout: float = PATIENCE_S) -> Any:
    """Wait until the condition holds; returns what it gave."""
    async with asyncio.timeout(timeout):
        while not (found := condition()):  # noqa: ASYNC110 - any condition, also outside this process
            await asyncio.sleep(0.02)
    return found


def as_tcp(address: str) -> str:
    """A simulated device's address as a transport."""
    return address if "://" in address else f"tcp://{address}"


@dataclass
class Room:
    """One controller over a room's folders; several may follow each other on the same ones."""

    config: RoomConfig
    run_dir: Path
    mqtt: MqttLink | None = None
    events: list[Event] = field(default_factory=list)
    classroom: Classroom = field(init=False)

    async def start(self) -> Room:
        self.devices = DeviceManager(
            self.config.devices,
            catalog=Catalog(),
            on_state=lambda state: self.classroom.device_changed(state),
            mqtt=self.mqtt,
        )
        self.deliveries = DeliveryWorker(
            self.config.storage.recordings,
            self.config.publish,
            on_change=lambda status: self.classroom.delivery_changed(status),
        )
        self.classroom = Classroom(
            self.config,
            devices=self.devices,
            journal=Journal(self.config.storage.state / "journal.sqlite"),
            run_dir=self.run_dir,
            deliveries=self.deliveries,
            mqtt=self.mqtt,
        )
        self._listening = asyncio.create_task(self._listen())
        await asyncio.sleep(0)
        await self.devices.start()
        await self.classroom.start()
        await self.deliveries.start()
        return self

    async def stop(self) -> None:
        await self.classroom.stop()
        await self.deliveries.stop()
        await self.devices.stop()
        await self._listening

    async def _listen(self) -> None:
        async with self.classroom.events.subscribe() as events:
            async for event in events:
                self.events.append(event)

    @property
    def session(self) -> SessionView:
        session = self.classroom.view().session
        assert session is not None
        return session

    @property
    def recorder_pid(self) -> int | None:
        running = control.running(self.run_dir)
        return running[0].pid if running else None

    @property
    def folder(self) -> Path:
        assert self.session.recording is not None
        return self.classroom.recording_folder(self.session.recording)

    def alarm(self, prefix: str) -> Any:
        alarms = self.classroom.view().alarms
        return next((alarm for alarm in alarms if alarm.id.startswith(prefix)), None)

    def markers(self) -> list[str]:
        return [marker.kind for marker in Recording.open(self.folder).markers()]

    async def recording(self) -> None:
        await until(
            lambda: (
                self.session.recording_state == "recording" and self.session.state != "preparing"
            )
        )

    async def finished(self) -> None:
        await until(lambda: self.session.recording_state in {"finished", "failed"})
        assert self.session.recording_state == "finished", self.session.recording_error


@pytest.fixture
def teacher() -> Actor:
    return Actor(name="Ada", role=AccessRole.INSTRUCTOR, door="panel")


@pytest.fixture
def room_config(tmp_path: Path) -> Callable[..., RoomConfig]:
    """A small room; sections given replace the usual ones."""

    def make(**sections: Any) -> RoomConfig:
        (tmp_path / "archive").mkdir(exist_ok=True)
        usual: dict[str, Any] = {
            "room": {"id": "lab", "name": "Lab"},
            "storage": {
                "recordings": tmp_path / "recordings",
                "state": tmp_path / "state",
                "reserve_gb": 0.0,
            },
            "session": {"undo_s": 2},
            "sources": SOURCES,
            "recording": {"width": 320, "height": 180, "fps": 10, "encoder": "software"},
            "production": {"enabled": False, "follow": False},
            "publish": [{"id": "archive", "target": "folder", "url": str(tmp_path / "archive")}],
        }
        return RoomConfig.model_validate(usual | sections)

    return make


@pytest.fixture
async def open_room(
    room_config: Callable[..., RoomConfig], tmp_path: Path
) -> AsyncIterator[Callable[..., Awaitable[Room]]]:
    """Opens rooms on the same folders; at the end all is stopped, recorders too."""
    opened: list[Room] = []
    run_dir = tmp_path / "run"

    async def make(*, link: MqttLink | None = None, **sections: Any) -> Room:
        room = Room(room_config(**sections), run_dir, link)
        opened.append(room)
        return await room.start()

    yield make
    for room in opened:
        await room.stop()
    for process in control.running(run_dir):
        await control.kill_and_confirm(process.pid)


@pytest.fixture
async def simulate() -> AsyncIterator[Callable[..., Awaitable[str]]]:
    """Starts simulated devices as processes of their own; gives the address that they listen on."""
    started: list[asyncio.subprocess.Process] = []

    async def start(profile: str, *arguments: str) -> str:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "devices.simulator", profile, *arguments),
            stdout=asyncio.subprocess.PIPE,
            cwd=REPOSITORY,
        )
        started.append(process)
        assert process.stdout is not None
        async with asyncio.timeout(PATIENCE_S):
            line = await process.stdout.readline()
        return str(json.loads(line)["address"])

    yield start
    for process in started:
        with suppress(ProcessLookupError):
            process.terminate()
        await process.wait()
