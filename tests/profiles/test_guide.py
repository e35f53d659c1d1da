"""The example of docs/add-a-device.md is a profile that works."""

from __future__ import annotations

import re
from pathlib import Path

from devices.rehearsal import rehearse
from firmware_profiles.loader import parse

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "add-a-device.md"


async def test_the_guides_example_rehearses() -> None:
    blocks = re.findall(r"```toml\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    profile = parse("\n".join(blocks[:4]), file="docs/add-a-device.md", name="acme/board")
    assert [problem async for problem in rehearse(profile)] == []
