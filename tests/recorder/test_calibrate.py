"""A fixed latency between picture and sound is found by what is seen and heard together."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from recorder.calibrate import CalibrationError, measure

FRAME_MS = 40.0


async def test_a_known_latency_is_found(hold_class: Callable[..., Any]) -> None:
    delay_ms = 240.0
    made = hold_class("presenter=test:presenter?size=320x180", "microphone=test:speech")
    made.recording.update(
        sources=[
            spec.model_copy(update={"offset_ms": delay_ms if spec.id == "microphone" else 0.0})
            for spec in made.recording.manifest.sources
        ]
    )
    await made.start()
    await made.running("presenter", "microphone")
    await made.until(lambda: made.status.duration_s > 11, "five flashes")
    await made.finish()
    found = measure(made.recording.track("presenter"), made.recording.track("microphone"))
    assert found.offset_ms == pytest.approx(-delay_ms, abs=FRAME_MS)
    assert found.events >= 3
    said = subprocess.run(
        [sys.executable, "-m", "classroomd", "calibrate", str(made.folder), "--json"],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    result = json.loads(said.stdout)
    assert result["camera"] == "presenter" and result["microphone"] == "microphone"
    assert result["offset_ms"] == pytest.approx(0.0, abs=FRAME_MS)


def test_live_sources_are_recorded_and_measured() -> None:
    said = subprocess.run(
        [
            *(sys.executable, "-m", "classroomd", "calibrate", "--seconds", "10", "--json"),
            *("-s", "presenter=test:presenter?size=320x180", "-s", "microphone=test:speech"),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert said.returncode == 0, said.stdout + said.stderr
    assert json.loads(said.stdout)["measured_ms"] == pytest.approx(0.0, abs=FRAME_MS)


async def test_without_claps_it_says_what_to_do(
    hold_class: Callable[..., Any], tmp_path: Path
) -> None:
    with pytest.raises(CalibrationError, match="no picture"):
        measure(tmp_path, tmp_path)
    made = hold_class("presenter=test:static?size=320x180", "microphone=test:speech")
    await made.start()
    await made.running("presenter", "microphone")
    await made.until(lambda: made.status.duration_s > 9, "some seconds")
    await made.finish()
    with pytest.raises(CalibrationError, match=r"clap|fit"):
        measure(made.recording.track("presenter"), made.recording.track("microphone"))
