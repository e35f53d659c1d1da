"""The machine's own clock is set in class, as NTP does: nothing of the class moves."""

import itertools
import time
from collections.abc import Callable
from typing import Any

import pytest

from recorder.recording import Life, boottime


async def test_the_machines_clock_is_set_by_an_hour(
    hold_class: Callable[..., Any], tools: Any
) -> None:
    made = hold_class("audience=test:static?size=320x180", "microphone=test:speech")
    await made.start()
    began = boottime() - made.status.duration_s
    await made.running("audience", "microphone")
    for step in (3600, -7200, 3600):
        time.clock_settime(time.CLOCK_REALTIME, time.time() + step)
        t = made.status.duration_s
        await made.until(lambda t=t: made.status.duration_s > t + 3, "three seconds more")
        assert made.status.duration_s == pytest.approx(boottime() - began, abs=15.0)
    await made.finish()
    manifest = made.recording.manifest
    assert manifest.life is Life.READY and manifest.error is None
    for track, kind in (("audience", "video"), ("microphone", "audio")):
        times = sorted(at for at, _ in tools.packets(made.recording.track(track), kind))
        assert max(b - a for a, b in itertools.pairwise(times)) < 15.0, track
    assert not [m for m in made.recording.markers() if m.kind == "gap"]
