"""Decisions about recordings: held, released, taken back, cut; carried out by real parts."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from controller.edits import Edits
from controller.errors import ClassroomError
from controller.health import AlarmBoard
from controller.outbox import Outbox
from controller.publication import CourseRule, RightsSection, keep_days, manifest_fields
from controller.rights import Rights
from controller.state import AccessRole, Actor
from publishing.delivery import Backoff, DeliveryWorker
from publishing.settings import TargetConfig
from recorder.recording import Life, Recording, Role, SourceSpec, create

ADA = Actor(name="Ada", role=AccessRole.INSTRUCTOR, door="panel")
NOW = Backoff(first=0.01, longest=0.02, poll_longest=0.01, blocked=3600)
# Stands for the child that cuts: it does as the first line of the lecture says.
CHILD = """
import json, sys, pathlib
from recorder.recording import Recording
settings = json.loads(sys.stdin.readline())
recording = Recording.open(pathlib.Path(sys.argv[1]))
if recording.lecture.read_bytes() == b"broken":
    print(json.dumps({"event": "error", "detail": "the lecture cannot be read"}))
    sys.exit(1)
recording.lecture.write_bytes(b"cut " + json.dumps(settings).encode())
recording.update(edit=None)
"""


class Room:
    def __init__(self, tmp_path: Path) -> None:
        self.root = tmp_path / "recordings"
        self.root.mkdir()
        self.place = tmp_path / "published"
        self.place.mkdir()
        self.notes: list[tuple[str, dict[str, Any]]] = []
        self.target = TargetConfig(id="disk", target="folder", url=str(self.place))
        self.worker = DeliveryWorker(self.root, [self.target], backoff=NOW)
        self.alarms = AlarmBoard(lambda _: None)
        self.outbox = Outbox(self.worker, [self.target], self.alarms)
        self.edits = Edits(
            self.root,
            self.alarms,
            changed=lambda _: None,
            done=self.outbox.again,
            command=(sys.executable, "-c", CHILD),
        )
        self.rights = Rights(self.folder, self.outbox, self.edits, self.note, lambda _: None)

    def folder(self, recording: str) -> Path:
        return next(self.root.glob(f"*_{recording}"))

    async def note(self, actor: Actor, kind: str, data: dict[str, Any]) -> None:
        self.notes.append((kind, data))

    def record(self) -> Recording:
        camera = SourceSpec(id="front", role=Role.PRESENTER, url="test:presenter")
        made = create(self.root, session="s", room="r", title="Limits", sources=[camera])
        made.lecture.write_bytes(b"the whole lecture")
        made.mark("end", 60.0)
        made.update(life=Life.READY, duration_s=60.0)
        return made

    @property
    def published(self) -> list[bytes]:
        return [path.read_bytes() for path in sorted(self.place.rglob("lecture.mp4"))]


@pytest.fixture
async def room(tmp_path: Path) -> Any:
    made = Room(tmp_path)
    await made.worker.start()
    await made.edits.start()
    yield made
    await made.edits.stop()
    await made.worker.stop()


async def until(check: Any) -> None:
    async with asyncio.timeout(30):
        while not check():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def state(room: Room) -> str:
    return room.worker.statuses()[0].state.value


async def test_held_before_it_was_sent_nothing_leaves(room: Room) -> None:
    recording = room.record()
    await room.rights.hold(ADA, recording.id, "A guest")
    room.outbox.hand_over(recording.folder)
    await until(lambda: state(room) == "held")
    assert room.published == []
    assert not room.alarms.alarms()
    shown = await room.rights.release(ADA, recording.id)
    assert shown.held is None
    await until(lambda: state(room) == "verified")
    assert room.published == [b"the whole lecture"]
    assert [kind for kind, _ in room.notes] == ["hold_recording", "release_recording"]


async def test_a_class_is_held_while_it_is_on(room: Room) -> None:
    recording = room.record()
    recording.update(life=Life.RECORDING)
    await room.rights.hold(ADA, recording.id)
    assert recording.manifest.life is Life.RECORDING
    recording.update(life=Life.READY)  # the recorder has ended
    room.outbox.hand_over(recording.folder)
    await until(lambda: recording.manifest.life is Life.HELD)
    assert room.published == []


async def test_a_trim_is_carried_out_and_replaces_what_was_published(room: Room) -> None:
    recording = room.record()
    room.outbox.hand_over(recording.folder)
    await until(lambda: state(room) == "verified")
    shown = await room.rights.trim(ADA, recording.id, start=2.0)
    assert shown.edit is not None
    await until(lambda: room.published == [b'cut {"erase": false}'] and state(room) == "verified")
    await room.rights.trim(ADA, recording.id, cuts=[(5.0, 6.0)], erase=True)
    await until(lambda: room.published == [b'cut {"erase": true}'])
    assert [m.data.get("erase") for m in recording.markers() if m.kind == "cut"] == [None, True]
    with pytest.raises(ClassroomError, match="Nothing was cut"):
        await until(lambda: recording.manifest.edit is None)
        await room.rights.restore(ADA, recording.id)


async def test_a_change_that_fails_is_told_and_nothing_leaves_meanwhile(room: Room) -> None:
    recording = room.record()
    recording.lecture.write_bytes(b"broken")
    await room.rights.trim(ADA, recording.id, start=2.0)
    await until(lambda: "error" in (recording.manifest.edit or {}))
    await until(lambda: room.alarms.alarms())
    assert "cannot be read" in room.alarms.alarms()[0].text
    room.outbox.hand_over(recording.folder)
    await until(lambda: state(room) == "held")
    recording.lecture.write_bytes(b"mended")
    await room.rights.restore(ADA, recording.id)
    await until(lambda: recording.manifest.edit is None and not room.alarms.alarms())


async def test_a_change_under_way_goes_on_after_a_restart(room: Room) -> None:
    recording = room.record()
    recording.mark("cut", 0.0, **{"from": 0.0, "to": 2.0})
    recording.update(edit={"kind": "trim", "by": "Ada"})
    again = Edits(
        room.root,
        room.alarms,
        changed=lambda _: None,
        done=lambda _: None,
        command=(sys.executable, "-c", CHILD),
    )
    await again.start()
    await until(lambda: recording.manifest.edit is None)
    await again.stop()


async def test_withdrawn_from_everywhere_but_never_the_last_copy_by_mistake(room: Room) -> None:
    recording = room.record()
    room.outbox.hand_over(recording.folder)
    await until(lambda: state(room) == "verified")
    (recording.folder / "pruned.json").write_text("{}")
    with pytest.raises(ClassroomError, match="last copy"):
        await room.rights.withdraw(ADA, recording.id)
    (recording.folder / "pruned.json").unlink()
    await room.rights.withdraw(ADA, recording.id)
    await until(lambda: state(room) == "withdrawn")
    assert room.published == []
    record = json.loads((recording.folder / "deliveries/disk.json").read_text())
    assert ("asked to withdraw", "Ada") in [(s["what"], s["by"]) for s in record["history"]]
    with pytest.raises(ClassroomError, match="not delivered"):
        await room.rights.withdraw(ADA, recording.id, "nowhere")


async def test_a_consent_that_is_taken_back_stops_it(room: Room) -> None:
    recording = room.record()
    room.outbox.hand_over(recording.folder)
    await until(lambda: state(room) == "verified")
    await room.rights.correct(ADA, recording.id, {"consent": False})
    shown = await room.rights.replace(ADA, recording.id)
    assert shown.consent is False
    await room.rights.correct(ADA, recording.id, {"consent": True})
    await until(lambda: state(room) == "verified")
    with pytest.raises(ClassroomError, match="visibility"):
        await room.rights.correct(ADA, recording.id, {"visibility": "everybody"})
    assert (await room.rights.show(recording.id)).visibility == "course"


def test_course_rules_match_and_say_what_holds() -> None:
    rules = [
        CourseRule(match="phys-*", course="{course}-2026", visibility="public", keep_days=90),
        CourseRule(match="*", consent=False),
    ]
    told = manifest_fields("PHYS-101", RightsSection(consent=True), rules)
    assert told == {
        "visibility": "public", "consent": True, "publish": True, "course": "PHYS-101-2026",
    }  # fmt: skip
    assert manifest_fields("ART-1", RightsSection(), rules)["consent"] is False
    assert manifest_fields(None, RightsSection(), rules) == {
        "visibility": "course",
        "publish": True,
    }
    assert keep_days("PHYS-101-2026", rules, 7) == 90
    assert keep_days("ART-1", rules, 7) == 7
