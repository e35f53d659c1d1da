"""The program as a microphone of this computer (the camera needs a kernel module)."""

from __future__ import annotations

import array
import asyncio
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from sounding import needs_pulse

from streaming import conference
from streaming.push import Pushes, PushSpec


def test_addresses_are_checked_and_what_is_missing_is_said() -> None:
    spec = PushSpec(id="zoom", url="conference:///dev/video10?microphone=classroom")
    assert conference.parse(spec.url) == ("/dev/video10", "classroom")
    for wrong in (
        "conference:",
        "conference:///etc/passwd",
        "conference:///dev/video1?speaker=x",
        "conference:?microphone=a;b",
    ):
        with pytest.raises(ValidationError):
            PushSpec(id="zoom", url=wrong)
    missing = conference.problems("conference:///dev/video9999")
    assert "modprobe v4l2loopback video_nr=9999" in missing[0]


async def _output(*command: str) -> str:
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    return (await process.communicate())[0].decode()


async def _there(pushes: Pushes) -> bool:
    sources = await _output("pactl", "list", "short", "sources")
    return pushes.statuses()[0].state == "live" and "classroom_microphone" in sources


@needs_pulse
async def test_the_lecture_is_heard_from_the_virtual_microphone(
    sound_server: None, tmp_path: Path, make_live: Any
) -> None:
    (tmp_path / "live").mkdir()
    maker = make_live(tmp_path / "part.mp4", tmp_path / "live" / "program.mp4")

    async def write() -> None:
        while True:
            await asyncio.to_thread(maker.write, 0.2)
            await asyncio.sleep(0.2)

    writing = asyncio.create_task(write())
    spec = PushSpec(id="room", url="conference:?microphone=classroom")
    pushes = Pushes([spec], resolve=lambda _: "")
    pushes.start(tmp_path)
    listener = None
    try:
        async with asyncio.timeout(60):
            while not await _there(pushes):  # noqa: ASYNC110
                await asyncio.sleep(0.1)
            listener = await asyncio.create_subprocess_exec(
                *("parec", "--device=classroom_microphone", "--raw", "--format=s16le"),
                *("--rate=8000", "--channels=1", "--latency-msec=50"),
                stdout=asyncio.subprocess.PIPE,
            )
            assert listener.stdout
            loud = 0
            while loud < 2000:
                heard = array.array("h", await listener.stdout.readexactly(1600))
                loud += sum(abs(one) > 1000 for one in heard)
    finally:
        writing.cancel()
        if listener is not None:
            listener.kill()
            await listener.wait()
        await pushes.stop()
    assert pushes.statuses()[0].state == "off"
