"""Opencast's acceptance table for capture agents (its developer guide), as tests.

| case | expected | where it is tested |
|---|---|---|
| connection to the server | the agent is shown as online | tests/publishing/test_opencast.py |
| manual recording | recorded and uploaded | tests/e2e/test_class.py |
| scheduled recording | recorded and uploaded | tests/controller/test_timetable.py |
| several scheduled recordings | all of them | here |
| six hours | recorded and uploaded | here (accelerated), `make soak` (in real time) |
| network lost before the start | starts and stops without network | here |
| network lost while recording | recorded and uploaded | here, tests/faults/test_cameras.py |
| power lost | starts up again | tests/faults/test_power.py, here |
| input signal changes | recorded and uploaded | here, tests/faults/test_cameras.py |
| HTTPS | connections are encrypted and checked | tests/publishing/test_opencast.py |
"""

import asyncio
import itertools
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from recorder.recording import Life
from recorder.salvage import verify
from recorder.segments import segment_files, span

SIX_HOURS = 6 * 3600.0


def whole(made: Any) -> None:
    """The recording is ready, and every segment of it can be read."""
    manifest = made.recording.manifest
    assert manifest.life is Life.READY and manifest.error is None
    report = verify(made.folder)
    assert report.sound, report.problems


async def test_several_recordings_one_after_the_other(hold_class: Callable[..., Any]) -> None:
    for _ in range(3):
        made = hold_class("microphone=test:speech")
        await made.start()
        await made.running("microphone")
        await made.finish()
        whole(made)


async def test_six_hours(hold_class: Callable[..., Any], tmp_path: Path) -> None:
    """Read as fast as it goes: six hours of segments, none longer than ten minutes, no gap."""
    part, film = tmp_path / "minute.mp4", tmp_path / "six-hours.mp4"
    ffmpeg = ("ffmpeg", "-v", "error")
    made_of = ("-f", "lavfi", "-i", "testsrc2=s=160x90:r=1:d=60", "-g", "10")
    subprocess.run([*ffmpeg, *made_of, "-pix_fmt", "yuv420p", str(part)], check=True)
    repeat = ("-stream_loop", str(round(SIX_HOURS / 60) - 1), "-i", str(part), "-c", "copy")
    subprocess.run([*ffmpeg, *repeat, str(film)], check=True)
    made = hold_class(f"presenter=file:{film}?pace=fast")
    await made.start()
    async with asyncio.timeout(240):
        while made.recording.manifest.life is Life.RECORDING:  # noqa: ASYNC110
            await asyncio.sleep(0.2)
    await made.ended()
    whole(made)
    assert made.recording.manifest.duration_s == pytest.approx(SIX_HOURS, rel=0.01)
    spans = [span(path) for _, path in segment_files(made.recording.track("presenter"))]
    assert len(spans) >= 36
    found = [pair for pair in spans if pair is not None]
    assert len(found) == len(spans)
    assert max(stop - start for start, stop in found) <= 601
    assert max(b[0] - a[1] for a, b in itertools.pairwise(found)) < 1.5
    assert made.recording.manifest.tracks["presenter"]["gaps"] == 0


async def test_without_a_network_it_starts_and_stops(
    hold_class: Callable[..., Any], camera: Callable[..., Any]
) -> None:
    away = camera("--sound", "none")
    away.kill()
    made = hold_class(f"presenter={away.url}", "microphone=test:speech")
    await made.start()
    await made.running("microphone")
    await made.until(lambda: made.fact("source_failed", "presenter"), "the missing camera")
    await made.finish()
    whole(made)
    assert made.recording.manifest.tracks["microphone"]["segments"] >= 1


async def test_power_is_lost_and_comes_back(hold_class: Callable[..., Any]) -> None:
    """The same class goes on, by the wall clock; what a cut leaves: tests/faults/test_power.py."""
    made = hold_class("microphone=test:speech")
    await made.start()
    await made.running("microphone")
    await made.kill()
    await made.ended()
    made.recording.update(boot_id="the-boot-before")
    await made.start()
    await made.running("microphone")
    await made.finish()
    whole(made)
    assert [m.kind for m in made.recording.markers()].count("restart") == 1


async def test_the_input_signal_changes(
    hold_class: Callable[..., Any], camera: Callable[..., Any], tools: Any
) -> None:
    eye = camera("--sound", "none")
    made = hold_class(f"slides={eye.url}", "microphone=test:speech")
    await made.start(program=True)
    await made.running("slides", "microphone")
    eye.kill()
    await made.until(lambda: made.fact("source_lost", "slides"), "the change")
    eye.start("--sound", "none", "--size", "640x360")
    await made.say("retry", source="slides")
    await made.until(lambda: made.fact("wrong_size", "slides"), "that it is told")
    await made.until(
        lambda: len(segment_files(made.recording.track("slides"))) > 1, "the new picture"
    )
    before = made.status.sources["slides"].bytes
    await made.until(lambda: made.status.sources["slides"].bytes > before, "more of it")
    await made.finish()
    whole(made)
    assert made.recording.lecture.exists()
    sizes = {
        frame.width
        for _, path in segment_files(made.recording.track("slides"))
        for frame in tools.pictures(path)[:1]
    }
    assert sizes == {320, 640}
