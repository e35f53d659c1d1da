"""What is looked after while a class is on: its planned end, forgotten pauses, speech."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import pytest

from controller import lesson, recorders, upkeep
from controller.session import now_utc
from controller.state import Actor, SessionState
from recorder.recording import create

from .conftest import Room, until

OpenRoom = Callable[..., Awaitable[Room]]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "TICK_S", 0.02)
    monkeypatch.setattr(upkeep, "DISK_S", 0.05)


async def live(room: Room, teacher: Actor, minutes: float = 45) -> None:
    await room.classroom.start_class(teacher, minutes=minutes)
    await until(lambda: room.session.state is SessionState.LIVE)


def later(monkeypatch: pytest.MonkeyPatch, minutes: float) -> None:
    for module in (upkeep, lesson):
        monkeypatch.setattr(module, "now_utc", lambda: now_utc() + timedelta(minutes=minutes))


async def test_planned_end_is_said_and_extending_clears_it(
    open_room: OpenRoom, teacher: Actor, monkeypatch: pytest.MonkeyPatch, quick: None
) -> None:
    room = await open_room(sources=[])
    await live(room, teacher)
    later(monkeypatch, 50)
    await until(lambda: room.alarm("class.overtime"))
    assert "Extend" in room.alarm("class.overtime").remedy
    await room.classroom.extend(teacher, 30)
    await until(lambda: room.alarm("class.overtime") is None)
    assert room.session.state is SessionState.LIVE


async def test_class_is_ended_by_policy(
    open_room: OpenRoom, teacher: Actor, monkeypatch: pytest.MonkeyPatch, quick: None
) -> None:
    room = await open_room(sources=[], session={"overtime": "end", "overtime_minutes": 10})
    await live(room, teacher)
    later(monkeypatch, 50)
    await until(lambda: room.alarm("class.overtime"))
    assert "ends by itself" in room.alarm("class.overtime").text
    assert room.session.state is SessionState.LIVE
    later(monkeypatch, 56)
    await until(lambda: room.session.state is SessionState.ENDED)
    entries = await room.classroom.journal_tail(5)
    assert ("end", "daemon") in [(entry.kind, entry.door) for entry in entries]
    await until(lambda: room.alarm("class.") is None)


async def test_forgotten_pause_and_speech_nobody_records(
    open_room: OpenRoom, teacher: Actor, monkeypatch: pytest.MonkeyPatch, quick: None
) -> None:
    monkeypatch.setattr(upkeep.health, "long_pause", lambda s: None)
    room = await open_room(sources=[])
    await live(room, teacher)
    await room.classroom.pause(teacher)
    heard = room.classroom._lesson.capture.heard
    heard["mic"] = -20.0
    await until(lambda: room.alarm("class.speaking"))
    assert "nothing is recorded" in room.alarm("class.speaking").text
    heard["mic"] = -80.0
    await until(lambda: room.alarm("class.speaking") is None)
    heard["mic"] = -20.0
    await until(lambda: room.alarm("class.speaking"))
    await room.classroom.resume(teacher)
    await until(lambda: room.alarm("class.speaking") is None)


async def test_full_disk_is_said_before_the_next_class(
    open_room: OpenRoom, monkeypatch: pytest.MonkeyPatch, quick: None, tmp_path: Path
) -> None:
    free = 1e9
    monkeypatch.setattr(recorders, "free_bytes", lambda _: free)
    storage = {"recordings": f"{tmp_path}/r", "state": f"{tmp_path}/s", "reserve_gb": 5}
    room = await open_room(sources=[], storage=storage)
    await until(lambda: room.alarm("disk.reserve"))
    assert room.alarm("disk.reserve").severity == "critical"
    free = 9e9
    await until(lambda: room.alarm("disk.reserve") is None)


async def test_delivered_recordings_are_pruned_and_others_kept(
    open_room: OpenRoom,
    teacher: Actor,
    quick: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(upkeep, "PRUNE_S", 0.05)
    storage = {"recordings": tmp_path / "r", "state": tmp_path / "s", "reserve_gb": 0}
    room = await open_room(storage=storage | {"keep_days": 0})
    await room.classroom.start_class(teacher)
    await room.recording()
    await room.classroom.end_class(teacher, undo=False)
    await room.finished()
    folder = room.folder
    await until(lambda: not list(folder.glob("tracks/*/*.m*")))
    assert (folder / "recording.json").exists()
    assert [d.state for d in room.classroom.deliveries()] == ["verified"]
    await until(lambda: any((tmp_path / "archive").rglob("lecture.mp4")))
    kept = await asyncio.to_thread(room.classroom.recordings)
    assert [recording.id for recording in kept] == [room.session.recording]


async def test_the_disk_for_the_next_class_is_forecast_from_the_last_ones(
    open_room: OpenRoom, monkeypatch: pytest.MonkeyPatch, quick: None
) -> None:
    room = await open_room(sources=[])
    config = room.classroom.config
    made = create(config.storage.recordings, session="s", room="r", title="Before", sources=[])
    made.update(life="ready", duration_s=3600.0, tracks={"front": {"bytes": 3_600_000_000}})
    reserve = config.storage.reserve_gb * 1e9
    monkeypatch.setattr(recorders, "free_bytes", lambda folder: reserve + 1e9)

    def told() -> bool:
        return any(alarm.id == "disk.next_class" for alarm in room.classroom.alarms.alarms())

    await until(told)
    monkeypatch.setattr(recorders, "free_bytes", lambda folder: reserve + 1e12)
    await until(lambda: not told())
