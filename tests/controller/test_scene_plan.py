"""Scenes on paper: bytes as on the wire, order, times by the power models, what deserves a look."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from typer.testing import CliRunner

from classroomd.cli import app
from controller.config import load
from controller.scene_plan import plan

ROOM = """[room]
id = "t"
name = "T"
[[devices]]
id = "projector"
profile = "pjlink/class1"
transport = "tcp://10.0.0.1"
[[devices]]
id = "board"
profile = "samsung/mdc"
transport = "tcp://10.0.0.2"
[[devices]]
id = "unknown"
profile = "auto"
transport = "tcp://10.0.0.3"
[[scenes]]
id = "start"
steps = [
  { device = "projector", command = "power", value = true },
  { device = "projector", command = "input", value = "hdmi1" },
  { device = "board", command = "input", value = "hdmi1", after = ["projector.power"], delay_s=2 },
  { device = "unknown", command = "power", value = true },
]
"""


@pytest.fixture
def room(tmp_path: Path) -> Path:
    file = tmp_path / "room.toml"
    file.write_text(ROOM)
    return file


def test_bytes_order_and_times(room: Path) -> None:
    config = load(room)
    steps = {step.number: step for step in plan(config, config.scenes[0])}
    assert steps[1].text == "%1POWR 1\\r" and steps[1].bytes == b"%1POWR 1\r".hex(" ")
    assert (steps[1].sent, steps[1].ready) == (0.0, 20.0)
    assert steps[2].sent == 20.0 and steps[2].notes == ("kept until it is warm (20 s)",)
    assert steps[3].bytes == "aa 14 01 01 21 37"
    assert steps[3].sent == pytest.approx(2.1) and steps[3].after == ("projector.power",)
    assert "needs it on already" in steps[3].notes[0]
    assert "not checked" in steps[4].notes[0]


def test_the_command_line_sends_nothing(room: Path) -> None:
    ran = CliRunner().invoke(
        app, ["scenes", "run", "start", "--dry-run", "-c", str(room), "--json"]
    )
    assert ran.exit_code == 0
    told = json.loads(ran.stdout.splitlines()[-1])
    assert [step["number"] for step in told["steps"]] == [1, 4, 3, 2]
    ran = CliRunner().invoke(app, ["scenes", "check", "-c", str(room)])
    assert ran.exit_code == 0 and "step 3 (board input)" in ran.stdout
    ran = CliRunner().invoke(app, ["scenes", "run", "strat", "--dry-run", "-c", str(room)])
    assert ran.exit_code == 2 and "there is start" in ran.output


def test_a_wrong_scene_names_its_place(room: Path) -> None:
    room.write_text(ROOM.replace('value = "hdmi1", after', 'value = "hdmi9", after'))
    ran = CliRunner().invoke(app, ["scenes", "check", "-c", str(room)])
    assert ran.exit_code == 2
    words = " ".join(ran.output.split())
    assert "room.toml:21: scenes[0].steps[2].value" in words and "input is one of" in words


def test_the_editor_puts_in_place_only_what_is_right(
    room: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    editor = tmp_path / "editor"

    def edits(change: str) -> None:
        editor.write_text(f"#!/bin/sh\n{change}\n")
        editor.chmod(editor.stat().st_mode | stat.S_IXUSR)

    monkeypatch.setenv("VISUAL", str(editor))
    edits("sed -i s/hdmi1/hdmi99/ $1")
    ran = CliRunner().invoke(app, ["scenes", "edit", "-c", str(room)], input="n\n")
    assert ran.exit_code == 1 and "input is one of" in " ".join(ran.output.split())
    assert room.read_text() == ROOM
    edits("sed -i s/hdmi1/hdmi2/ $1")
    ran = CliRunner().invoke(app, ["scenes", "edit", "-c", str(room)])
    assert ran.exit_code == 0, ran.output
    assert room.read_text() == ROOM.replace("hdmi1", "hdmi2")
    assert list(tmp_path.glob(".room-*")) == []


def test_without_a_daemon_the_scene_is_run_by_this_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import subprocess
    import sys

    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    (tmp_path / "run").mkdir()
    device = subprocess.Popen(
        [sys.executable, "-m", "devices.simulator", "samsung/mdc", "--port", "0"],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    try:
        assert device.stdout is not None
        address = json.loads(device.stdout.readline())["address"]
        file = tmp_path / "room.toml"
        file.write_text(
            f'''[room]
id = "alone"
name = "T"
[[devices]]
id = "board"
profile = "samsung/mdc"
transport = "{address}"
[[scenes]]
id = "on"
steps = [{{ device = "board", command = "power", value = true }}]
'''
        )
        ran = CliRunner().invoke(app, ["scenes", "run", "on", "-c", str(file), "--json"])
        assert ran.exit_code == 0, ran.output
        assert json.loads(ran.stdout.splitlines()[-1])[0]["state"] in ("confirmed", "queued")
    finally:
        device.terminate()
        device.wait(20)
