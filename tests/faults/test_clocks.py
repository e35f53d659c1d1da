"""A wall clock that is set in class changes nothing: not the tracks, not the lecture's length."""

import itertools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from recorder.recording import Life, boottime

FAKE = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)


@pytest.mark.skipif(FAKE is None, reason="a clock is not set here: faketime is not installed")
async def test_the_wall_clock_is_set_by_an_hour(
    hold_class: Callable[..., Any],
    camera: Callable[..., Any],
    moment: Callable[..., Any],
    tools: Any,
    tmp_path: Path,
) -> None:
    """Injected: only the recorder and its children see it."""
    shift = tmp_path / "shift"
    shift.write_text("+0")
    env = {
        "LD_PRELOAD": str(FAKE),
        "FAKETIME_TIMESTAMP_FILE": str(shift),
        "FAKETIME_NO_CACHE": "1",
        "DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    eye = camera("--sound", "none")
    made = hold_class(f"presenter={eye.url}", "microphone=test:speech", clock="sender")
    await made.start(program=True, env={**os.environ, **env})
    began = boottime() - made.status.duration_s
    await made.running("presenter", "microphone")
    for step in ("+3600", "-3600", "+0"):
        await moment(0.5, 1.2)
        shift.write_text(step)
        t = made.status.duration_s
        await made.until(lambda t=t: made.status.duration_s > t + 1.5, "a second more")
        assert made.status.duration_s == pytest.approx(boottime() - began, abs=5.0)
    asked = boottime() - began
    await made.finish()
    manifest = made.recording.manifest
    assert manifest.life is Life.READY and manifest.error is None
    assert asked - 1.0 < manifest.duration_s < asked + 15.0  # a step would be an hour
    for track, kind in (("presenter", "video"), ("microphone", "audio")):
        times = sorted(at for at, _ in tools.packets(made.recording.track(track), kind))
        assert max(b - a for a, b in itertools.pairwise(times)) < 1.0, track
        assert times[-1] < manifest.duration_s + 1.0
    assert not [m for m in made.recording.markers() if m.kind == "gap"]
