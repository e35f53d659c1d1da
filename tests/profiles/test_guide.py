"""The examples of docs/add-a-device.md are profiles that work, and can be simulated."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from devices.rehearsal import rehearse
from firmware_profiles.catalog import Catalog

ROOT = Path(__file__).resolve().parents[2]
GUIDE = ROOT / "docs" / "add-a-device.md"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder with the guide's board and its variant."""
    blocks = re.findall(r"```toml\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    (tmp_path / "acme").mkdir()
    (tmp_path / "acme/board.toml").write_text("\n".join(blocks[:4]))
    (tmp_path / "acme/pro.toml").write_text(blocks[4])
    return tmp_path


@pytest.mark.parametrize("name", ["acme/board", "acme/pro"])
async def test_the_guides_examples_rehearse(site: Path, name: str) -> None:
    profile = Catalog([site]).get(name)
    assert ("volume" in profile.commands) is (name == "acme/board")
    assert [problem async for problem in rehearse(profile)] == []


def test_the_guides_example_can_be_simulated(site: Path) -> None:
    said = ["simulate", "acme/board", "--path", str(site), "--pty", str(site / "line")]
    process = subprocess.Popen(
        [sys.executable, "-m", "classroomd", *said], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    try:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        assert ready["ready"] is True and ready["address"].startswith(f"serial://{site / 'line'}")
    finally:
        process.terminate()
        assert process.wait(20) == 0
        process.communicate()
