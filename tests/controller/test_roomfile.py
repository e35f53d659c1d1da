"""room.toml as a page edits it: checked, kept, taken back; and a device written into it."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from controller.config import load
from controller.errors import ClassroomError
from controller.roomfile import RoomFile, add_device

ROOM = """# our room
[room]
id = "lab"
name = "Lab"  # as on the door

[[scenes]]
id = "film"
steps = []

[[scenes]]
id = "start"
steps = [
  # nothing yet
]
"""


@pytest.fixture
def file(tmp_path: Path) -> RoomFile:
    path = tmp_path / "room.toml"
    path.write_text(ROOM)
    path.chmod(0o640)
    return RoomFile(path, tmp_path / "state", lambda: None)


async def test_an_edit_is_kept_and_can_be_taken_back(file: RoomFile) -> None:
    first = file.read()
    assert first.running and first.writable
    saved = await file.save(ROOM.replace('"Lab"', '"Hall"'), first.version)
    assert not saved.running and load(file.path).room.name == "Hall"
    assert file.path.stat().st_mode & 0o777 == 0o640
    (old,) = file.history()
    assert file.old(old.id) == ROOM
    back = await file.save(file.old(old.id), saved.version)
    assert back.running and len(file.history()) == 2


async def test_an_edit_of_an_older_text_is_refused(file: RoomFile) -> None:
    version = file.read().version
    file.path.write_text(ROOM + "# by hand\n")
    with pytest.raises(ClassroomError) as refused:
        await file.save(ROOM, version)
    assert refused.value.code == "changed_meanwhile" and "# by hand" in file.path.read_text()


async def test_what_the_room_cannot_run_with_is_not_kept(file: RoomFile) -> None:
    bad = ROOM.replace('name = "Lab"', 'nam = "Lab"')
    faults = file.check(bad)
    assert {(fault.line, fault.key) for fault in faults} >= {(4, "room.nam")}
    assert "name" in next(fault for fault in faults if fault.key == "room.nam").remedy
    assert file.check("[room")[0].line == 1
    with pytest.raises(ClassroomError) as refused:
        await file.save(bad, file.read().version)
    assert refused.value.code == "bad_config" and file.path.read_text() == ROOM


@pytest.mark.parametrize("name", ["../room", "x", "20300101T000000Z-ffffffff"])
def test_no_other_file_is_read_as_an_older_version(file: RoomFile, name: str) -> None:
    with pytest.raises(ClassroomError) as refused:
        file.old(name)
    assert refused.value.status == 404


def test_a_device_is_written_in_and_the_rest_stays(file: RoomFile) -> None:
    spec: dict[str, object] = {
        "id": "projector",
        "name": 'The "big" one',
        "profile": "pjlink/class1",
        "transport": "tcp://10.0.0.2:4352",
        "options": {"password": "file:/etc/p"},
    }
    text = add_device(ROOM, spec, scenes=("start", "end"))
    assert "# as on the door" in text and "# nothing yet" in text
    made = tomllib.loads(text)
    assert made["devices"] == [spec]
    steps = {scene["id"]: scene["steps"] for scene in made["scenes"]}
    assert steps["start"] == [{"device": "projector", "command": "power", "value": True}]
    assert steps["end"][0]["value"] is False and steps["film"] == []
    assert file.check(text) == []
