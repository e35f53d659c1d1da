"""A recording's page behind the glass: who may see it, private notes, counts that name nobody."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from controller.notes import Note
from controller.state import AccessRole
from dashboard.api.review import NotesFormat, written
from dashboard.review import chapters
from recorder.recording import Marker, Role, SourceSpec
from streaming.access import Visibility, write_visibility

Connect = Callable[..., httpx.AsyncClient]


@pytest.fixture
def recording(room: Any) -> Any:
    return room.record("Optics", b"lecture")


@pytest.fixture
def at(recording: Any) -> Callable[..., str]:
    return lambda part="": f"/api/v1/recordings/{recording.id}{part}"


async def _by_pin(client: httpx.AsyncClient, pin: str) -> httpx.AsyncClient:
    assert (await client.post("/api/v1/login", json={"pin": pin})).is_success
    return client


# --- who may see it ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("visibility", "stranger", "student", "guest"),
    [
        (None, 401, 200, 200),
        (Visibility.NOBODY, 401, 404, 401),
        (Visibility.COURSE, 401, 404, 200),
        (Visibility.CAMPUS, 401, 200, 200),
        (Visibility.PUBLIC, 200, 200, 200),
    ],
)
async def test_a_recording_is_open_to_those_it_is_meant_for(
    connect: Connect,
    recording: Any,
    at: Callable[..., str],
    visibility: Visibility | None,
    stranger: int,
    student: int,
    guest: int,
) -> None:
    teacher = connect(AccessRole.INSTRUCTOR)
    link = (await teacher.post(at("/link"), json={})).json()["path"]
    key = link.partition("?key=")[2]
    if visibility:
        changed = await teacher.put(at("/visibility"), json={"visibility": visibility})
        assert changed.json() == {"visibility": visibility}
        assert (await teacher.get(at("/visibility"))).json() == {"visibility": visibility}
    invited = connect()
    for client, status in [
        (connect(), stranger),
        (connect(AccessRole.STUDENT), student),
        (teacher, 200),
    ]:
        assert (await client.get(at())).status_code == status
        assert (await client.get(at("/products/lecture.mp4"))).status_code == status
    assert (await invited.get(at(), params={"key": key})).status_code == guest
    # The browser keeps the key, for this recording's addresses only.
    assert (await invited.get(at("/products/lecture.mp4"))).status_code == guest
    listed = await connect(AccessRole.STUDENT).get("/api/v1/recordings")
    assert [one["id"] for one in listed.json()] == ([recording.id] if student == 200 else [])


async def test_a_link_opens_its_own_recording_or_its_course(
    connect: Connect, room: Any, recording: Any, at: Callable[..., str]
) -> None:
    other = room.record("Waves", b"x")
    teacher = connect(AccessRole.INSTRUCTOR)
    path = (await teacher.post(at("/link"), json={})).json()["path"]
    assert path.startswith(f"/review/{recording.id}?key=")
    key = path.partition("?key=")[2]
    guest = connect()
    address = f"/api/v1/recordings/{other.id}"
    assert (await guest.get(address, params={"key": key})).status_code == 401
    assert (await guest.get(at(), params={"key": key + "x"})).status_code == 401
    refused = await teacher.post(at("/link"), json={"whole_course": True})
    assert refused.json()["code"] == "no_course"
    for one in (recording, other):
        one.update(course="PHY-101")
    course = (await teacher.post(at("/link"), json={"whole_course": True})).json()["path"]
    opened = await guest.get(address, params={"key": course.partition("?key=")[2]})
    assert opened.status_code == 200


async def test_what_is_held_back_is_for_those_who_run_the_room(
    connect: Connect, recording: Any, at: Callable[..., str]
) -> None:
    recording.update(life="held", held={"by": "Ada", "why": "exam"})
    write_visibility(recording.folder, Visibility.PUBLIC)
    student, teacher = connect(AccessRole.STUDENT), connect(AccessRole.INSTRUCTOR)
    assert (await student.get(at())).status_code == 404
    assert (await student.get("/api/v1/recordings")).json() == []
    shown = (await teacher.get(at())).json()
    assert shown["held"] == {"by": "Ada", "why": "exam"}
    assert (shown["may_edit"], shown["visibility"]) == (True, "public")


# --- what is shown -------------------------------------------------------------------------------


async def test_the_detail_tells_what_plays_together(
    connect: Connect, recording: Any, at: Callable[..., str]
) -> None:
    recording.update(
        sources=[
            SourceSpec(id="front", role=Role.PRESENTER, url="test:presenter"),
            SourceSpec(id="screen", role=Role.SLIDES, url="test:slides"),
            SourceSpec(id="lectern", role=Role.MICROPHONE, url="test:speech"),
        ]
    )
    slides = [
        {"number": 1, "time": 0.0, "end": 4.0, "picture": "slides/001.jpg", "title": "Light"},
        {"number": 2, "time": 4.0, "end": 8.0, "picture": None, "title": "Snell"},
    ]
    (recording.products / "slides").mkdir()
    for name, content in {
        "front.mp4": "x",
        "front.framed.mp4": "x",
        "screen.mp4": "x",
        "audio.m4a": "x",
        "captions.en.vtt": "WEBVTT",
        "captions.ar.vtt": "WEBVTT",
        "summary.en.draft.json": "{}",
        "slides/001.jpg": "jpeg",
        "slides.json": json.dumps({"analysed": True, "slides": slides}),
        "sound.json": json.dumps({"silences": [[1.0, 3.0], [10.0, 45.0]]}),
    }.items():
        (recording.products / name).write_text(content)
    student = connect(AccessRole.STUDENT)
    shown = (await student.get(at())).json()
    assert [(one["name"], one["role"]) for one in shown["streams"]] == [
        ("screen.mp4", "slides"),
        ("front.framed.mp4", "presenter"),
    ]
    assert shown["sound"] == "audio.m4a"
    assert [one["language"] for one in shown["captions"]] == ["ar", "en"]
    assert shown["silences"] == [{"from_s": 10.0, "to_s": 45.0}]
    assert [(one["kind"], one["label"]) for one in shown["chapters"]] == [
        ("start", "Light"),
        ("slide", "Snell"),
        ("resume", ""),
        ("bookmark", "Exam question"),
    ]
    assert "summary.en.draft.json" not in str(shown["products"])
    assert (await student.get(at("/products/summary.en.draft.json"))).status_code == 404
    teacher = connect(AccessRole.INSTRUCTOR)
    assert (await teacher.get(at("/products/summary.en.draft.json"))).status_code == 200
    picture = await student.get(at("/products/slides/001.jpg"))
    assert (picture.text, picture.headers["content-type"]) == ("jpeg", "image/jpeg")
    for outside in ("slides/..%2F..%2Frecording.json", "slides/../../recording.json", "slides"):
        assert (await student.get(at(f"/products/{outside}"))).status_code == 404


def test_chapters_leave_out_what_was_cut_away() -> None:
    markers = [
        Marker(t=0, kind="start"),
        Marker(t=20, kind="bookmark", data={"label": "gone"}),
        Marker(t=40, kind="bookmark", data={"label": "kept"}),
        Marker(t=60, kind="end"),
        Marker(t=60, kind="cut", data={"from": 10, "to": 30}),
    ]
    assert [(one.label, one.start_s) for one in chapters(markers, 60.0)] == [
        ("", 0.0),
        ("kept", 20.0),
    ]


# --- notes ---------------------------------------------------------------------------------------


async def test_notes_are_private_and_can_be_taken_along(
    connect: Connect, at: Callable[..., str]
) -> None:
    ada, bob = connect(), connect()
    for client, pin in ((ada, "1111"), (bob, "1111")):  # the same PIN, two browsers
        await _by_pin(client, pin)
    made = await ada.post(at("/notes"), json={"at_s": 65.5, "text": '  =Snell, "law" '})
    assert made.status_code == 201
    note = made.json()
    assert (note["at_s"], note["text"]) == (65.5, '=Snell, "law"')
    await ada.post(at("/notes"), json={"at_s": 3})
    await ada.put(at("/place"), json={"at_s": 70})
    mine = (await ada.get(at("/notes"))).json()
    assert [one["at_s"] for one in mine["notes"]] == [3.0, 65.5]
    assert (mine["place_s"], mine["own"]) == (70.0, False)
    assert (await bob.get(at("/notes"))).json() == {"notes": [], "place_s": None, "own": False}
    address = at(f"/notes/{note['id']}")
    assert (await bob.put(address, json={"text": "stolen"})).status_code == 404
    headers = {"Content-Type": "application/json"}
    assert (await bob.request("DELETE", address, headers=headers)).status_code == 404
    assert (await ada.put(address, json={"text": "Snell"})).json()["text"] == "Snell"
    table = await ada.get(at("/notes.csv"))
    assert table.text.splitlines() == [
        "seconds,time,note", '3.0,00:00:03,""', '65.5,00:01:05,"Snell"',
    ]  # fmt: skip
    assert "attachment" in table.headers["content-disposition"]
    assert (await ada.get(at("/notes.exe"))).status_code == 422
    assert (await ada.request("DELETE", address, headers=headers)).status_code == 204
    assert len((await ada.get(at("/notes"))).json()["notes"]) == 1


async def test_who_has_a_name_and_password_finds_the_notes_on_every_machine(
    connect: Connect, at: Callable[..., str]
) -> None:
    here, there = connect(), connect()
    secret = {"name": "admin", "password": "correct horse battery staple"}
    for client in (here, there):
        assert (await client.post("/api/v1/login", json=secret)).is_success
    await here.post(at("/notes"), json={"at_s": 1, "text": "mine"})
    found = (await there.get(at("/notes"))).json()
    assert (found["own"], found["notes"][0]["text"]) == (True, "mine")


async def test_a_passer_by_sees_a_public_lecture_and_leaves_nothing(
    connect: Connect, recording: Any, at: Callable[..., str]
) -> None:
    write_visibility(recording.folder, Visibility.PUBLIC)
    stranger = connect()
    assert (await stranger.get(at())).json()["may_note"] is False
    assert (await stranger.get(at("/notes"))).json()["notes"] == []
    for method, path, body in [
        ("POST", "/notes", {"at_s": 1}),
        ("PUT", "/place", {"at_s": 1}),
        ("POST", "/views", {"buckets": [0]}),
    ]:
        assert (await stranger.request(method, at(path), json=body)).status_code == 401


@pytest.mark.parametrize(
    "body",
    [
        {"at_s": -1},
        {"at_s": "NaN"},
        {"at_s": 1e9},
        {"text": "x"},
        {"at_s": 1, "text": "x" * 4001},
    ],
)
async def test_a_note_that_cannot_be_is_refused(
    connect: Connect, at: Callable[..., str], body: dict[str, Any]
) -> None:
    student = connect(AccessRole.STUDENT)
    assert (await student.post(at("/notes"), json=body)).status_code == 422


def test_notes_as_files() -> None:
    now = datetime.now(UTC)
    notes = [
        Note(id="a" * 16, at_s=3661.25, text="a --> b\n<c>", made=now, changed=now),
        Note(id="b" * 16, at_s=5000, text="=1+1", made=now, changed=now),
        Note(id="c" * 16, at_s=6000, text="", made=now, changed=now),
    ]
    assert "01:01:01.250 --> 01:01:06.250\na → b &lt;c>\n" in written(notes, NotesFormat.VTT, "T")
    assert '"\'=1+1"' in written(notes, NotesFormat.TABLE, "T")
    assert written(notes, NotesFormat.TEXT, "T").splitlines()[-1] == "01:40:00  *"


# --- views ---------------------------------------------------------------------------------------


async def test_views_are_counts_and_few_of_them_are_not_told(
    connect: Connect, room: Any, recording: Any, at: Callable[..., str]
) -> None:
    recording.update(duration_s=45.0)
    student, teacher = connect(AccessRole.STUDENT), connect(AccessRole.INSTRUCTOR)
    for seen in ([0, 1], [1], [1, 2], [1, 1], [1, 99]):
        assert (await student.post(at("/views"), json={"buckets": seen})).status_code == 204
    told = (await teacher.get(at("/heat"))).json()
    assert told == {"bucket_s": 10, "least": 5, "counts": [0, 5, 0, 0, 0]}
    columns = await room.journal.read("SELECT name FROM pragma_table_info('views')", ())
    assert {row[0] for row in columns} == {"recording", "bucket", "count"}
    assert (await student.get(at("/heat"))).status_code == 403


async def test_a_journal_that_cannot_write_is_a_problem_with_a_remedy(
    connect: Connect, app: FastAPI, room: Any, at: Callable[..., str]
) -> None:
    await room.notes.keep_place("x", "y", 1.0)
    await room.journal.write(lambda database: database.execute("DROP TABLE notes"))
    answer = await connect(AccessRole.STUDENT).post(at("/notes"), json={"at_s": 1})
    assert answer.status_code == 503
    assert answer.json()["code"] == "journal"
    assert answer.json()["remedy"]
