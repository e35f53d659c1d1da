"""The controller goes away, alone or with its recorder, and comes back to the right state."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from controller.journal import Journal
from controller.register import DAEMON
from controller.session import Session, new_session, now_utc
from controller.settings import RoomConfig
from controller.state import Actor, SessionState, StepResult
from recorder import control
from recorder.recording import Layout, Recording, boot_id, create

from .conftest import REPOSITORY, Room, as_tcp, until

OpenRoom = Callable[..., Awaitable[Room]]


async def kill_recorder(room: Room) -> None:
    pid = room.recorder_pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    await until(lambda: control.started_ticks(pid) is None)


async def test_killed_controller_leaves_the_recorder_and_its_successor_adopts_it(
    open_room: OpenRoom, room_config: Callable[..., RoomConfig], teacher: Actor, tmp_path: Path
) -> None:
    written = tmp_path / "config.json"
    written.write_text(room_config().model_dump_json())
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        str(Path(__file__).with_name("controller_child.py")),
        str(written),
        str(tmp_path / "run"),
        stdout=asyncio.subprocess.PIPE,
        cwd=REPOSITORY,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
    )
    assert child.stdout is not None
    async with asyncio.timeout(30):
        before: dict[str, Any] = json.loads(await child.stdout.readline())
    child.kill()
    await child.wait()
    [process] = control.running(tmp_path / "run")
    assert process.recording == before["recording"]

    room = await open_room()
    await room.recording()
    assert room.recorder_pid == process.pid, "the recorder never stopped"
    session = room.session
    assert (session.id, session.title) == (before["id"], "Before the crash")
    assert session.state is SessionState.LIVE
    assert session.planned_end is not None
    assert session.elapsed_s > 0
    assert (await room.classroom.pause(teacher)).recording_state == "paused"
    assert (await room.classroom.resume(teacher)).recording_state == "recording"
    await room.classroom.end_class(teacher, undo=False)
    await room.finished()
    assert "restart" not in room.markers()
    await until(lambda: [d.state for d in room.classroom.deliveries()] == ["verified"])


async def test_power_cut_in_class(open_room: OpenRoom, teacher: Actor) -> None:
    first = await open_room()
    await first.classroom.start_class(teacher, title="Through the dark", minutes=45)
    await first.recording()
    await first.classroom.set_layout(teacher, "slides")
    recording = first.session.recording
    await first.stop()
    await kill_recorder(first)

    second = await open_room()
    await second.recording()
    assert second.session.recording == recording, "the same lecture goes on"
    assert second.session.state is SessionState.LIVE
    assert second.session.layout == "slides"
    await second.classroom.end_class(teacher, undo=False)
    await second.finished()
    assert "restart" in second.markers()
    assert (second.folder / "products" / "lecture.mp4").exists()


async def test_power_comes_back_after_the_class(
    open_room: OpenRoom, teacher: Actor, tmp_path: Path
) -> None:
    first = await open_room()
    await first.classroom.start_class(teacher, minutes=45)
    await first.recording()
    await first.stop()
    await kill_recorder(first)
    await in_the_past(tmp_path, hours=3)

    second = await open_room()
    assert second.session.state is SessionState.ENDED, "nobody is recorded who does not know it"
    await second.finished()
    assert second.markers()[-1] == "end"
    await until(lambda: [d.state for d in second.classroom.deliveries()] == ["verified"])
    await second.classroom.start_class(teacher)
    await second.recording()


async def in_the_past(tmp_path: Path, hours: float) -> None:
    """The class in the journal was planned for some hours ago."""
    journal = Journal(tmp_path / "state" / "journal.sqlite")
    await journal.open()
    [session] = await journal.open_sessions()
    moved = {
        "started": session.started - timedelta(hours=hours),
        "planned_end": (session.planned_end or now_utc()) - timedelta(hours=hours),
    }
    await journal.save(session.model_copy(update=moved), actor=DAEMON, kind="test")
    await journal.close()


async def test_paused_class_comes_back_paused(open_room: OpenRoom, teacher: Actor) -> None:
    first = await open_room()
    await first.classroom.start_class(teacher)
    await first.recording()
    await first.classroom.pause(teacher)
    await first.stop()

    second = await open_room()
    await until(lambda: second.session.recording_state == "paused")
    assert second.session.state is SessionState.PAUSED
    assert second.classroom.picture("cam") is None
    await second.classroom.resume(teacher)
    await second.recording()


async def test_end_that_was_pressed_before_the_crash_still_ends_the_class(
    open_room: OpenRoom, teacher: Actor
) -> None:
    first = await open_room(session={"undo_s": 3})
    await first.classroom.start_class(teacher)
    await first.recording()
    ending = await first.classroom.end_class(teacher, undo=True)
    await first.stop()

    second = await open_room(session={"undo_s": 3})
    await until(lambda: second.session.state is SessionState.ENDED)
    assert ending.undo_until is not None
    assert second.session.ended == ending.undo_until - timedelta(seconds=3)
    await second.finished()


async def test_lecture_that_was_being_finished_is_finished_and_delivered(
    open_room: OpenRoom, teacher: Actor
) -> None:
    first = await open_room()
    await first.classroom.start_class(teacher)
    await first.recording()
    await first.classroom.end_class(teacher, undo=False)
    await first.stop()

    second = await open_room()
    assert second.session.state is SessionState.ENDED
    await second.finished()
    await until(lambda: [d.state for d in second.classroom.deliveries()] == ["verified"])


async def journalled(tmp_path: Path, session: Session) -> None:
    journal = Journal(tmp_path / "state" / "journal.sqlite")
    await journal.open()
    await journal.save(session, actor=DAEMON, kind="start")
    await journal.close()


def a_session(minutes: float = 45) -> Session:
    return new_session(
        title="Optics",
        course=None,
        lecturer=None,
        minutes=minutes,
        layout=Layout.SLIDES,
        boot_id=boot_id(),
    )


async def test_crash_between_the_button_and_the_folder(open_room: OpenRoom, tmp_path: Path) -> None:
    session = a_session()
    await journalled(tmp_path, session)
    room = await open_room()
    await room.recording()
    assert room.session.id == session.id
    assert room.session.layout == "slides"


async def test_crash_between_the_folder_and_the_journal(
    open_room: OpenRoom, room_config: Callable[..., RoomConfig], tmp_path: Path
) -> None:
    session = a_session()
    await journalled(tmp_path, session)
    config = room_config()
    made = create(
        config.storage.recordings,
        session=session.id,
        room="lab",
        title="Optics",
        sources=config.sources,
        layout=session.layout,
        program=config.recording.program(),
    )
    room = await open_room()
    await room.recording()
    assert room.session.recording == made.id
    assert len(list(config.storage.recordings.iterdir())) == 1


async def test_interrupted_scene_is_run_to_its_end(
    open_room: OpenRoom, simulate: Callable[..., Awaitable[str]], tmp_path: Path
) -> None:
    address = await simulate("samsung/mdc", "--port", "0", "--state", "power=on")
    session = a_session().model_copy(update={"recording_error": "none wanted"}).prepared()
    await journalled(tmp_path, session)
    journal = Journal(tmp_path / "state" / "journal.sqlite")
    await journal.open()
    done = StepResult(device="board", command="volume", value=30, state="confirmed")
    interrupted = StepResult(device="board", command="mute", value=True, state="running")
    await journal.save_steps(session.id, "start", {0: done, 1: interrupted})
    await journal.close()
    room = await open_room(
        devices=[{"id": "board", "profile": "samsung/mdc", "transport": as_tcp(address)}],
        scenes=[
            {
                "id": "start",
                "steps": [
                    {"device": "board", "command": "volume", "value": 30},
                    {"device": "board", "command": "mute", "value": True},
                ],
            }
        ],
    )
    await until(lambda: [step.state for step in room.session.steps] == ["confirmed"] * 2)
    board = await until(
        lambda: (state := room.devices.state("board")).values.get("volume") is not None and state
    )
    assert board.values["mute"] is True
    assert board.values["volume"] != 30, "what was done is not done again"


async def test_recording_of_a_finished_class_shows_after_a_restart(
    open_room: OpenRoom, teacher: Actor
) -> None:
    first = await open_room()
    await first.classroom.start_class(teacher, title="Optics")
    await first.recording()
    await first.classroom.end_class(teacher, undo=False)
    await first.finished()
    folder = first.folder
    await first.stop()

    second = await open_room()
    assert second.session.title == "Optics"
    await second.finished()
    assert second.session.state is SessionState.ENDED
    assert second.session.recorded_s > 0
    assert Recording.open(folder).manifest.ended is not None
