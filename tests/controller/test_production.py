"""After class by itself: queued, worked on, paused for a class, tried again, delivered once."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from controller import production as module
from controller.health import AlarmBoard
from controller.production import Production
from controller.session import now_utc
from controller.settings import RoomConfig
from controller.state import Actor
from controller.views import recording_view
from recorder import production_state
from recorder.recording import Life, Recording, SourceSpec, create

from .conftest import PATIENCE_S, Room, until

CHILD = (sys.executable, str(Path(__file__).with_name("production_child.py")))


class Hall:
    """A room in which the test says when a class is on."""

    def __init__(self, config: RoomConfig) -> None:
        self.config = config
        self.on = False
        self.folder: Path | None = None
        self.sent: list[str] = []
        self.arrived = True
        self.notes: list[tuple[str, dict[str, Any]]] = []
        self.alarms = AlarmBoard(lambda alarms: None)
        self.production = Production(config, self, self.alarms, produce=CHILD, follow=CHILD)

    def class_on(self) -> bool:
        return self.on

    def recording_now(self) -> Path | None:
        return self.folder

    def hand_over(self, folder: Path) -> None:
        self.sent.append(folder.name)

    def delivered(self, recording: str) -> bool:
        return self.arrived

    def told(self, folder: Path) -> None: ...

    def note(self, kind: str, data: dict[str, Any]) -> None:
        self.notes.append((kind, data))

    def recording(self, *script: str) -> Recording:
        made = create(
            self.config.storage.recordings,
            session="s",
            room="lab",
            title="Physics",
            sources=[SourceSpec(id="cam", role="presenter", url="test:presenter")],  # type: ignore[arg-type]
        )
        made.update(life=Life.READY)
        (made.folder / "script").write_text("\n".join(script))
        return made


Open = Callable[..., Awaitable[Hall]]


@pytest.fixture
async def open_hall(
    room_config: Callable[..., RoomConfig], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Open]:
    opened: list[Hall] = []
    monkeypatch.setattr(module, "TICK_S", 0.05)

    async def make(**production: Any) -> Hall:
        usual = {"during_class": "never", "follow": False, "nice": 0}
        hall = Hall(room_config(production=usual | production))
        opened.append(hall)
        await hall.production.start()
        return hall

    yield make
    for hall in opened:
        await hall.production.stop()


def starts(recording: Recording) -> list[dict[str, Any]]:
    try:
        lines = (recording.folder / "starts").read_text().splitlines()
    except FileNotFoundError:
        return []
    return [json.loads(line) for line in lines]


def state(recording: Recording) -> production_state.ProductionState:
    found = production_state.load(recording.folder)
    assert found is not None
    return found


async def test_a_recording_is_worked_on_and_then_delivered_once(open_hall: Open) -> None:
    hall = await open_hall(captions="/opt/model", languages=["en", "ar"])
    recording = hall.recording("done")
    assert hall.production.take(recording.folder) is True
    await until(lambda: hall.sent)
    assert hall.sent == [recording.folder.name]
    (began,) = starts(recording)
    assert began["settings"]["languages"] == ["en", "ar"]
    assert began["settings"]["model"] == "/opt/model"
    assert state(recording).state == "done"
    assert [kind for kind, _ in hall.notes] == ["produced"]
    view = hall.production.shown(recording_view(recording))
    assert view.production is not None
    assert view.production.state == "done"
    assert view.production.notices == ["no captions"]


async def test_while_a_class_is_on_it_stands_still_and_then_goes_on(open_hall: Open) -> None:
    hall = await open_hall()
    recording = hall.recording("hang")
    hall.production.take(recording.folder)
    beat = recording.folder / "beat"
    await until(beat.exists)
    hall.on = True
    await until(lambda: shown(hall, recording) == "paused")
    stopped = Path(f"/proc/{starts(recording)[0]['pid']}/stat")
    await until(lambda: stopped.read_text().rpartition(")")[2].split()[0] == "T")
    held = beat.read_text()
    hall.on = False
    await until(lambda: beat.read_text() not in ("", held))
    assert shown(hall, recording) == "working"
    assert len(starts(recording)) == 1


def shown(hall: Hall, recording: Recording) -> str:
    view = hall.production.shown(recording_view(recording))
    assert view.production is not None
    return view.production.state


async def test_nothing_begins_in_class_and_one_at_a_time_after_it(open_hall: Open) -> None:
    hall = await open_hall()
    hall.on = True
    first, second = hall.recording("hang"), hall.recording("done")
    for recording in (first, second):
        hall.production.take(recording.folder)
    for _ in range(4):
        await hall.production.tick()
    assert starts(first) == starts(second) == []
    hall.on = False
    await until(lambda: starts(first))
    for _ in range(4):
        await hall.production.tick()
    assert starts(second) == []


async def test_a_failure_is_told_and_tried_again(
    open_hall: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FIRST_WAIT_S", 0.01)
    hall = await open_hall()
    recording = hall.recording("fail the disk is full", "die", "done")
    hall.production.take(recording.folder)
    await until(lambda: len(hall.notes) >= 2)
    assert hall.notes[0][1]["detail"] == "the disk is full"
    assert "Killed by nobody" in hall.notes[1][1]["detail"]
    await until(lambda: hall.sent)
    assert [kind for kind, _ in hall.notes] == ["production_failed"] * 2 + ["produced"]
    assert hall.alarms.alarms() == []
    assert state(recording).tries == 0


async def test_what_cannot_be_worked_on_is_delivered_as_it_stands(
    open_hall: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FIRST_WAIT_S", 0.0)
    hall = await open_hall()
    recording = hall.recording("fail no sound")
    hall.production.take(recording.folder)
    await until(lambda: hall.sent)
    assert len(starts(recording)) == module.GIVE_UP
    (alarm,) = hall.alarms.alarms()
    assert "no sound" in alarm.text
    assert "classroomd produce" in alarm.remedy
    assert state(recording).next_try is None


async def test_deliveries_do_not_wait_for_ever(open_hall: Open) -> None:
    hall = await open_hall(wait_minutes=1)
    recording = hall.recording("hang", "done")
    hall.production.take(recording.folder)
    await until(lambda: starts(recording))
    assert hall.sent == []
    long_ago = now_utc() - timedelta(minutes=2)
    queued = hall.production._queue[recording.folder]
    hall.production._queue[recording.folder] = queued.model_copy(update={"since": long_ago})
    await until(lambda: hall.sent)
    for _ in range(3):
        await hall.production.tick()
    assert hall.sent == [recording.folder.name]


async def test_before_delivery_production_waits_until_it_has_arrived(open_hall: Open) -> None:
    hall = await open_hall(before_delivery=True)
    hall.arrived = False
    recording = hall.recording("done")
    assert hall.production.take(recording.folder) is False
    for _ in range(4):
        await hall.production.tick()
    assert starts(recording) == []
    hall.arrived = True
    await until(lambda: hall.notes)
    assert state(recording).state == "done"
    assert hall.sent == []


async def test_a_restart_takes_up_what_was_under_way(
    open_hall: Open, room_config: Callable[..., RoomConfig]
) -> None:
    before = Hall(room_config())
    broken, finished, old = (before.recording("done") for _ in range(3))
    production_state.change(broken.folder, state="working", step="render")
    production_state.change(finished.folder, state="done")
    hall = await open_hall()
    await until(lambda: len(hall.sent) == 2)
    assert set(hall.sent) == {broken.folder.name, finished.folder.name}
    assert starts(finished) == []
    assert production_state.load(old.folder) is None
    again = await open_hall()
    await again.production.tick()
    assert again.sent == []


async def test_the_worker_ends_with_the_daemon(open_hall: Open) -> None:
    hall = await open_hall()
    recording = hall.recording("hang")
    hall.production.take(recording.folder)
    await until(lambda: starts(recording) and state(recording).state == "working")
    await hall.production.stop()
    with suppress(FileNotFoundError):
        status = Path(f"/proc/{starts(recording)[0]['pid']}/stat").read_text()
        assert status.rpartition(")")[2].split()[0] == "Z"
    assert state(recording).state == "working"


async def test_a_class_is_followed_while_it_is_recorded(open_hall: Open) -> None:
    hall = await open_hall(follow=True)
    recording = hall.recording("hang")
    hall.on, hall.folder = True, recording.folder
    await until(lambda: starts(recording))
    pid = starts(recording)[0]["pid"]
    hall.on, hall.folder = False, None
    await until(lambda: not Path(f"/proc/{pid}").exists())


@pytest.mark.timeout(240)
async def test_a_class_is_worked_on_and_its_whole_set_delivered(
    open_room: Callable[..., Awaitable[Room]], teacher: Actor, tmp_path: Path
) -> None:
    room = await open_room(
        production={"nice": 0, "follow": False},
        publish=[
            {"id": "archive", "target": "folder", "url": str(tmp_path / "archive"), "auto": True}
        ],
    )
    await room.classroom.start_class(teacher)
    await room.recording()
    await asyncio.sleep(2.0)
    await room.classroom.end_class(teacher, undo=False)
    await room.finished()
    folder = room.folder
    assert not list((tmp_path / "archive").rglob("lecture.mp4"))
    await until(lambda: list((tmp_path / "archive").rglob("chapters.vtt")), 4 * PATIENCE_S)
    await until(lambda: list((tmp_path / "archive").rglob("lecture.mp4")), PATIENCE_S)
    done = production_state.load(folder)
    assert done is not None
    assert done.state == "done"
    assert any("no speech model" in notice for notice in done.notices)
    told = [event.data["production"] for event in room.events if event.kind == "recording"]
    assert any(one and one["state"] == "working" and one["step"] for one in told)
    kinds = [entry.kind for entry in await room.classroom.journal_tail()]
    assert "produced" in kinds


@pytest.mark.timeout(240)
async def test_slides_are_found_while_the_class_runs(
    open_room: Callable[..., Awaitable[Room]], teacher: Actor
) -> None:
    room = await open_room(
        production={"enabled": False, "follow": True},
        sources=[
            {"id": "deck", "role": "slides", "url": "test:slides?size=320x180&fps=5&page=3"},
            {"id": "mic", "role": "microphone", "url": "test:speech"},
        ],
    )
    await room.classroom.start_class(teacher)
    await room.recording()
    found = room.folder / "live" / "slides.json"

    def two() -> bool:
        return found.exists() and len(json.loads(found.read_text())["slides"]) > 1

    await until(two, 4 * PATIENCE_S)
    follower = room.classroom._production._follower
    assert follower is not None
    pid = follower.pid
    await room.classroom.end_class(teacher, undo=False)
    await until(lambda: not Path(f"/proc/{pid}").exists())
    await room.finished()
