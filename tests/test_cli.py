"""The command line as its users meet it: exit codes, one clear error, JSON on the last line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
EXAMPLE = ROOT / "docs" / "room.example.toml"


def classroomd(*arguments: str, code: int = 0) -> str:
    """Runs the command; its standard output, after the exit code was as expected."""
    ran = subprocess.run(
        [sys.executable, "-m", "classroomd", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == code, ran.stdout + ran.stderr
    assert "Traceback" not in ran.stderr
    return ran.stdout + ran.stderr


def answer(*arguments: str, code: int = 0) -> Any:
    """The JSON value on the last line of standard output."""
    said = classroomd(*arguments, "--json", code=code)
    return json.loads(next(line for line in said.splitlines() if line.startswith(("{", "["))))


@pytest.fixture
def room(tmp_path: Path) -> Path:
    """A small room of generated sources."""
    path = tmp_path / "room.toml"
    path.write_text(
        f"""
[room]
id = "cli"
name = "Command line"
[storage]
recordings = {json.dumps(str(tmp_path / "recordings"))}
state = {json.dumps(str(tmp_path / "state"))}
[[devices]]
id = "projector"
profile = "pjlink/class1"
transport = "tcp://127.0.0.1:1"
[[publish]]
id = "shelf"
target = "folder"
url = {json.dumps(str(tmp_path / "shelf"))}
"""
    )
    (tmp_path / "shelf").mkdir()
    return path


def test_a_good_room_is_called_good(room: Path) -> None:
    assert answer("config", "check", str(room))["room"] == "cli"


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ("colour = 1", "colour"),
        ('timezone = "Mars/Base"', "timezone"),
        ("languages = 3", "languages"),
    ],
)
def test_a_broken_room_names_file_line_key_and_remedy(room: Path, line: str, key: str) -> None:
    room.write_text(room.read_text().replace('name = "Command line"', f'name = "x"\n{line}'))
    said = classroomd("config", "check", str(room), code=2).replace("\n", " ")
    assert "room.toml:5" in said.replace(" ", "")
    assert key in said
    assert answer("config", "check", str(room), code=2)["error"]


def test_a_daemon_does_not_start_on_a_broken_room(room: Path) -> None:
    room.write_text(room.read_text().replace("pjlink/class1", "pjlink/class9"))
    said = classroomd("run", "--config", str(room), code=2)
    assert "pjlink/class9" in said


def test_the_shipped_profiles_are_right() -> None:
    assert answer("profiles", "check")["profiles"] >= 10
    assert any(it["name"] == "pjlink/class1" for it in answer("profiles", "list"))


def test_a_wrong_profile_names_its_place(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('title = "Mine"\nvendour = "Me"\n')
    said = classroomd("profiles", "check", str(path), code=2)
    assert "mine.toml" in said
    assert "vendor" in said


def test_a_device_that_is_away_fails_the_command_clearly(room: Path) -> None:
    result = answer("devices", "send", "projector", "power", "on", "-c", str(room))
    assert result["outcome"] in {"queued", "failed"}
    assert "1" in result["detail"]
    assert "no device" in classroomd("devices", "send", "x", "power", "-c", str(room), code=2)


def test_record_with_an_analysis(tmp_path: Path) -> None:
    made = answer(
        *("record", "-s", "slides=test:slides?size=320x180&fps=5", "-s", "microphone=test:speech"),
        *("--out", str(tmp_path), "--seconds", "3", "--size", "320x180", "--fps", "10"),
        "--analyse",
    )
    products = Path(made["recording"]) / "products"
    assert json.loads((products / "slides.json").read_text())["analysed"]
    assert (products / "offline.zip").exists()
    assert any("speech model" in notice for notice in made["notices"])


def test_record_produce_verify_publish(room: Path, tmp_path: Path) -> None:
    recordings = tmp_path / "recordings"
    made = answer(
        *("record", "--source", "slides=test:slides?size=320x180", "--source"),
        *("microphone=test:speech", "--out", str(recordings), "--seconds", "4"),
        *("--size", "320x180", "--fps", "10", "--title", "By hand"),
    )
    assert made["tracks"] == 2
    assert Path(made["lecture"]).is_file()
    name = Path(made["recording"]).name
    listed = answer("recordings", "list", "-c", str(room))
    assert [it["title"] for it in listed] == ["By hand"]
    assert answer("recordings", "verify", name, "-c", str(room))["sound"]
    steps = answer("produce", name, "-c", str(room))
    assert {step["step"] for step in steps} >= {"render", "package"}
    assert answer("recordings", "measure", name, "-c", str(room))["whole"]
    status = answer("publish", name, "--to", "shelf", "-c", str(room))
    assert status["state"] == "verified"
    assert list((tmp_path / "shelf").rglob("*lecture.mp4"))
    assert "no target" in classroomd("publish", name, "--to", "x", "-c", str(room), code=2)
    _decide(room, name, tmp_path / "shelf")


def _decide(room: Path, name: str, shelf: Path) -> None:
    """Who made it decides what becomes of it, without a daemon."""
    where = ("-c", str(room))
    held = answer("recordings", "hold", name, "--why", "a guest", *where)
    assert held["held"]["why"] == "a guest"
    trimmed = answer("recordings", "trim", name, "--start", "1", *where)
    assert (trimmed["edit"], trimmed["cut_s"]) == (None, 1.0)
    assert answer("publish", name, "--to", "shelf", *where, code=1)["state"] == "held"
    assert "no span" in classroomd("recordings", "trim", name, "--cut", "2-1", *where, code=1)
    answer("recordings", "release", name, *where)
    told = answer("recordings", "correct", name, "--visibility", "public", "--consent", *where)
    assert (told["visibility"], told["consent"]) == ("public", True)
    assert "`visibility` of the metadata" in classroomd(
        *("recordings", "correct", name, "--visibility", "all", *where), code=1
    )
    status = answer("publish", name, "--to", "shelf", *where)
    assert status["state"] == "verified"
    erased = answer("recordings", "erase", name, "--cut", "1-1.5", *where)
    assert erased["can_restore"] is False
    assert erased["duration_s"] == pytest.approx(told["duration_s"] - 0.5, abs=0.05)
    gone = answer("recordings", "withdraw", name, *where)
    assert [one["state"] for one in gone["deliveries"]] == ["withdrawn"]
    assert not list(shelf.rglob("*lecture.mp4"))


def test_sources_are_checked_before_anything_is_made(tmp_path: Path) -> None:
    said = classroomd(
        "record", "--source", "teacher=test:slides", "--out", str(tmp_path / "r"), code=2
    )
    assert "teacher" in said
    assert not (tmp_path / "r").exists()


def test_the_example_is_a_room_that_classroomd_knows() -> None:
    assert classroomd("config", "check", str(EXAMPLE))
