"""Classes held whole: real recorder, simulated devices at the other end of real wires."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from controller import recorders, supervisor
from controller.classroom import ClassroomError
from controller.state import Actor, SessionState
from recorder import control
from recorder.recording import Life, Recording

from .conftest import Room, as_tcp, until

OpenRoom = Callable[..., Awaitable[Room]]
Simulate = Callable[..., Awaitable[str]]


async def test_a_class_from_the_button_to_the_archive(
    open_room: OpenRoom, simulate: Simulate, teacher: Actor, tmp_path: Path
) -> None:
    pty = tmp_path / "board"
    await simulate("samsung/mdc", "--pty", str(pty), "--time-scale", "5")
    projector = await simulate("pjlink/class1", "--port", "0", "--time-scale", "20")
    (tmp_path / "secret").write_text("JBMIAProjectorLink")
    on = {"command": "power", "value": True}
    off = {"command": "power", "value": False}
    room = await open_room(
        devices=[
            {"id": "board", "profile": "samsung/mdc", "transport": f"serial://{pty}?baud=9600"},
            {
                "id": "projector",
                "name": "Projector",
                "profile": "pjlink/class1",
                "transport": as_tcp(projector),
                "options": {"password": f"file:{tmp_path / 'secret'}"},
            },
        ],
        scenes=[
            {"id": "start", "steps": [{"device": "projector", **on}, {"device": "board", **on}]},
            {"id": "end", "steps": [{"device": "projector", **off}, {"device": "board", **off}]},
        ],
    )
    classroom = room.classroom
    await until(lambda: all(s.health == "online" for s in classroom.view().devices))

    # Panel and OSC press together: one class.
    other = Actor(name="desk", role=teacher.role, door="osc")
    first, second = await asyncio.gather(
        classroom.start_class(teacher, title="Optics", course="PHY-1", minutes=45),
        classroom.start_class(other, title="Another"),
    )
    assert first.id == second.id
    assert first.state is SessionState.PREPARING
    assert [step.state for step in first.steps] == ["waiting", "waiting"]

    await room.recording()
    assert room.session.state is SessionState.LIVE
    assert room.session.start_to_first_frame_ms is not None
    await until(lambda: [s.state for s in room.session.steps] == ["confirmed", "confirmed"])
    told = {e.data["state"] for e in room.events if e.kind == "step"}
    assert "queued" in told, "the projector warms up before it is on"
    assert {s.power for s in classroom.view().devices} == {"on"}
    await until(lambda: classroom.picture("cam"))
    assert all(source.state == "running" for source in classroom.view().sources)
    await until(lambda: any(e.kind == "levels" for e in room.events))

    paused = await classroom.pause(teacher)
    assert (paused.state, paused.recording_state) == (SessionState.PAUSED, "paused")
    assert classroom.picture("cam") is None
    resumed = await classroom.resume(teacher)
    assert (resumed.state, resumed.recording_state) == (SessionState.LIVE, "recording")
    changed = await classroom.set_layout(teacher, "side-by-side")
    assert changed.layout == "side-by-side"
    extended = await classroom.extend(teacher, 10)
    assert first.planned_end is not None
    assert extended.planned_end is not None
    assert (extended.planned_end - first.planned_end).total_seconds() == 600
    await classroom.bookmark(teacher, "the experiment")

    ended = await classroom.end_class(teacher, undo=False)
    assert ended.state is SessionState.ENDED
    await room.finished()
    folder = room.folder
    manifest = Recording.open(folder).manifest
    assert (manifest.title, manifest.course, manifest.session) == ("Optics", "PHY-1", first.id)
    assert (folder / "products" / "lecture.mp4").stat().st_size > 1000
    kinds = room.markers()
    for kind in ("start", "pause", "resume", "layout", "extend", "bookmark", "end"):
        assert kind in kinds
    delivery = await until(
        lambda: next((d for d in classroom.deliveries() if d.state == "verified"), None)
    )
    assert delivery.recording == room.session.recording
    assert any((tmp_path / "archive").rglob("lecture.mp4"))
    await until(lambda: {s.power for s in classroom.view().devices} == {"off"})
    shown = await asyncio.to_thread(classroom.recordings)
    assert [(r.title, r.lecture) for r in shown] == [("Optics", True)]
    trail = [(e.kind, e.actor, e.door) for e in await classroom.journal_tail(100)]
    for kind in ("start", "pause", "resume", "layout", "extend", "bookmark", "end"):
        assert (kind, "Ada", "panel") in trail
    assert len([entry for entry in trail if entry[0] == "start"]) == 1
    assert not room.alarm("")


async def test_end_can_be_taken_back(open_room: OpenRoom, teacher: Actor) -> None:
    room = await open_room(session={"undo_s": 30})
    await room.classroom.start_class(teacher)
    await room.recording()
    ending = await room.classroom.end_class(teacher, undo=True)
    assert ending.state is SessionState.ENDING
    assert ending.undo_until is not None
    assert ending.recording_state == "recording", "it goes on while End can be undone"
    back = await room.classroom.undo_end(teacher)
    assert (back.state, back.undo_until) == (SessionState.LIVE, None)
    await until(lambda: {"hold", "release"} <= set(room.markers()))
    await room.classroom.end_class(teacher, undo=True)
    await room.classroom.end_class(teacher, undo=False)
    assert room.session.state is SessionState.ENDED
    with pytest.raises(ClassroomError) as caught:
        await room.classroom.undo_end(teacher)
    assert caught.value.code == "not_allowed_now"
    await room.finished()


async def test_end_that_nobody_takes_back(open_room: OpenRoom, teacher: Actor) -> None:
    room = await open_room(session={"undo_s": 1})
    await room.classroom.start_class(teacher)
    await room.recording()
    pressed = (await room.classroom.end_class(teacher, undo=True)).undo_until
    await until(lambda: room.session.state is SessionState.ENDED)
    assert pressed is not None
    assert room.session.ended is not None
    assert (pressed - room.session.ended).total_seconds() == pytest.approx(1.0)
    await room.finished()


async def test_next_class_begins_while_the_last_lecture_is_finished(
    open_room: OpenRoom, teacher: Actor
) -> None:
    room = await open_room(session={"undo_s": 30})
    first = await room.classroom.start_class(teacher, title="One")
    await room.recording()
    recording = room.session.recording
    await room.classroom.end_class(teacher, undo=True)
    second = await room.classroom.start_class(teacher, title="Two")
    assert second.id != first.id
    await room.recording()
    assert room.session.recording != recording
    await room.classroom.end_class(teacher, undo=False)
    await room.finished()
    await until(lambda: len([d for d in room.classroom.deliveries() if d.state == "verified"]) == 2)


async def test_killed_recorder_is_replaced_on_the_same_recording(
    open_room: OpenRoom, teacher: Actor
) -> None:
    room = await open_room()
    await room.classroom.start_class(teacher)
    await room.recording()
    await room.classroom.set_layout(teacher, "presenter")
    recording, killed = room.session.recording, room.recorder_pid
    assert killed is not None
    os.kill(killed, signal.SIGKILL)
    await until(lambda: room.recorder_pid not in {None, killed})
    await room.recording()
    assert any(
        alarm["id"] == "recorder.down"
        for event in room.events
        if event.kind == "alarms"
        for alarm in event.data["alarms"]
    )
    await until(lambda: room.alarm("recorder.down") is None)
    assert room.session.recording == recording
    assert room.session.state is SessionState.LIVE
    assert room.session.layout == "presenter"
    await room.classroom.end_class(teacher, undo=False)
    await room.finished()
    assert "restart" in room.markers()
    assert Recording.open(room.folder).manifest.error is None


async def test_recorder_killed_in_a_pause_stays_paused(open_room: OpenRoom, teacher: Actor) -> None:
    room = await open_room()
    await room.classroom.start_class(teacher)
    await room.recording()
    await room.classroom.pause(teacher)
    killed = room.recorder_pid
    assert killed is not None
    os.kill(killed, signal.SIGKILL)
    await until(lambda: room.recorder_pid not in {None, killed})
    await until(lambda: room.session.recording_state == "paused")
    states = [e.data["recording_state"] for e in room.events if e.kind == "session"]
    after = states[len(states) - states[::-1].index("restarting") :]
    assert "recording" not in after, "a pause is a promise"
    await room.classroom.resume(teacher)
    await room.recording()


async def test_stopped_recorder_is_replaced_without_being_asked(
    open_room: OpenRoom, teacher: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "PING_S", 600.0)
    monkeypatch.setattr(supervisor, "LEAVE_S", 600.0)
    room = await open_room()
    await room.classroom.start_class(teacher)
    await room.recording()
    stopped = room.recorder_pid
    assert stopped is not None
    os.kill(stopped, signal.SIGSTOP)
    await until(lambda: room.recorder_pid not in {None, stopped})
    assert control.started_ticks(stopped) is None, "there are never two writers"
    await room.recording()
    await room.classroom.end_class(teacher, undo=False)
    await room.finished()


async def test_recorder_that_does_not_answer_is_killed_before_it_is_replaced(
    open_room: OpenRoom, teacher: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "stopped", lambda pid: False)  # it hangs as if it ran
    monkeypatch.setattr(supervisor, "PING_S", 0.2)
    monkeypatch.setattr(supervisor, "HUNG_S", 3.0)
    monkeypatch.setattr(supervisor, "LEAVE_S", 0.2)
    room = await open_room()
    await room.classroom.start_class(teacher)
    await room.recording()
    stopped = room.recorder_pid
    assert stopped is not None
    os.kill(stopped, signal.SIGSTOP)
    await until(lambda: room.recorder_pid not in {None, stopped})
    assert control.started_ticks(stopped) is None, "there are never two writers"
    monkeypatch.setattr(supervisor, "HUNG_S", 20.0)
    await room.recording()
    await room.classroom.end_class(teacher, undo=False)
    await room.finished()


async def test_display_that_never_answers_does_not_hold_up_the_class(
    open_room: OpenRoom, teacher: Actor, unused_tcp_port: int
) -> None:
    room = await open_room(
        devices=[
            {
                "id": "projector",
                "name": "Old projector",
                "profile": "pjlink/class1",
                "transport": f"tcp://127.0.0.1:{unused_tcp_port}",
            }
        ],
        scenes=[
            {
                "id": "start",
                "steps": [
                    {"device": "projector", "command": "power", "value": True},
                    {
                        "device": "projector",
                        "command": "blank",
                        "value": False,
                        "after": ["projector.power"],
                    },
                ],
            }
        ],
    )
    await room.classroom.start_class(teacher)
    await room.recording()
    assert room.session.state is SessionState.LIVE
    steps = await until(
        lambda: room.session.steps if all(s.state == "failed" for s in room.session.steps) else None
    )
    assert "Old projector" in steps[0].detail
    assert "Old projector" in steps[0].remedy
    assert "Not done, because Old projector power failed" in steps[1].detail
    await until(lambda: room.alarm("device.projector"))
    assert room.alarm("device.projector").who == "instructor"
    await room.classroom.end_class(teacher, undo=False)
    await room.finished()


async def test_full_disk_before_class(
    open_room: OpenRoom, teacher: Actor, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    room = await open_room(
        storage={
            "recordings": tmp_path / "recordings",
            "state": tmp_path / "state",
            "reserve_gb": 5,
        }
    )
    monkeypatch.setattr(recorders, "free_bytes", lambda _: 2_000_000_000)
    await room.classroom.start_class(teacher)
    await until(lambda: room.session.state is SessionState.LIVE)
    assert room.session.recording is None
    assert room.session.recording_state == "failed"
    assert "2.0 GB free" in (room.session.recording_error or "")
    assert room.alarm("recording.refused").severity == "critical"
    still = await room.classroom.retry_recording(teacher)
    assert still.recording_state == "failed"
    monkeypatch.setattr(recorders, "free_bytes", lambda _: 50_000_000_000)
    await room.classroom.retry_recording(teacher)
    await room.recording()
    assert room.session.recording_error is None
    assert room.alarm("recording.refused") is None
    await room.classroom.end_class(teacher, undo=False)
    await room.finished()


async def test_no_source_opens(open_room: OpenRoom, teacher: Actor, unused_tcp_port: int) -> None:
    url = f"rtsp://127.0.0.1:{unused_tcp_port}/camera"
    room = await open_room(sources=[{"id": "cam", "role": "presenter", "url": url}])
    await room.classroom.start_class(teacher)
    await until(lambda: room.session.recording_error)
    await until(lambda: room.session.state is SessionState.LIVE)
    assert "no source" in (room.session.recording_error or "")
    assert room.alarm("recorder.no_source").severity == "critical"
    assert "Retry" in room.alarm("recorder.no_source").remedy
    await room.classroom.retry_recording(teacher)
    again = await room.classroom.end_class(teacher, undo=False)
    assert again.state is SessionState.ENDED


async def test_room_without_sources_still_holds_a_class(
    open_room: OpenRoom, teacher: Actor
) -> None:
    room = await open_room(sources=[])
    await room.classroom.start_class(teacher)
    await until(lambda: room.session.state is SessionState.LIVE)
    assert "no sources" in (room.session.recording_error or "")
    await room.classroom.pause(teacher)
    await room.classroom.resume(teacher)
    await room.classroom.end_class(teacher, undo=False)
    assert room.session.state is SessionState.ENDED


@pytest.mark.parametrize(
    "press",
    ["pause", "resume", "retry_recording", "end_class", "undo_end", "extend", "bookmark"],
)
async def test_nothing_is_on(open_room: OpenRoom, teacher: Actor, press: str) -> None:
    room = await open_room(sources=[])
    values: dict[str, Any] = {"extend": {"minutes": 5}, "bookmark": {"label": "x"}}
    values["end_class"] = {"undo": True}
    with pytest.raises(ClassroomError) as caught:
        await getattr(room.classroom, press)(teacher, **values.get(press, {}))
    assert (caught.value.code, caught.value.status) == ("no_session", 409)
    assert caught.value.remedy


async def test_what_is_not_there_is_named(open_room: OpenRoom, teacher: Actor) -> None:
    room = await open_room(sources=[])
    classroom = room.classroom
    for call, code, status in [
        (classroom.command(teacher, "light", "power", True), "unknown_device", 404),
        (classroom.run_scene(teacher, "party"), "unknown_scene", 404),
        (classroom.start_class(teacher, scene="party"), "unknown_scene", 404),
        (classroom.set_layout(teacher, "cinema"), "unknown_layout", 422),
        (classroom.start_class(teacher, minutes=-1), "bad_value", 422),
        (classroom.publish(teacher, "../../etc", "archive"), "unknown_recording", 404),
        (classroom.retry_delivery(teacher, "x.y"), "unknown_delivery", 404),
    ]:
        with pytest.raises(ClassroomError) as caught:
            await call
        assert (caught.value.code, caught.value.status) == (code, status)
    assert classroom.picture("../../etc/passwd") is None


async def test_publish_by_hand(open_room: OpenRoom, teacher: Actor, tmp_path: Path) -> None:
    (tmp_path / "archive").mkdir()
    room = await open_room(
        publish=[
            {"id": "archive", "target": "folder", "url": str(tmp_path / "archive"), "auto": False}
        ]
    )
    await room.classroom.start_class(teacher)
    await room.recording()
    await room.classroom.end_class(teacher, undo=False)
    await room.finished()
    recording = room.session.recording or ""
    assert room.classroom.deliveries() == []
    with pytest.raises(ClassroomError) as caught:
        await room.classroom.publish(teacher, recording, "moon")
    assert caught.value.code == "unknown_target"
    await room.classroom.publish(teacher, recording, "archive")
    await until(lambda: [d.state for d in room.classroom.deliveries()] == ["verified"])
    assert Recording.open(room.folder).manifest.life is Life.PUBLISHED
