"""What the recorder last said, and what can be told of it before it said anything."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from controller.recorder_health import RecorderHealth, RecordingHealth
from controller.settings import RoomConfig
from controller.supervisor import Phase, RecorderSupervisor
from recorder.control import EncoderStatus, RecorderStatus, SourceStatus

CONFIG = RoomConfig.model_validate(
    {
        "room": {"id": "lab", "name": "Lab"},
        "recording": {"fps": 25},
        "sources": [
            {"id": "front", "role": "presenter", "url": "test:presenter", "offset_ms": 40},
            {"id": "mic", "role": "microphone", "url": "test:speech"},
        ],
    }
)
STATUS = RecorderStatus(
    state="recording",
    recording="r1",
    session="s1",
    pid=1,
    program="running",
    disk_seconds_left=41_000,
    encoder=EncoderStatus(name="libx264", part=2, fps=24.9, frames=5400, skipped=3, hand_overs=1),
    sources={
        "front": SourceStatus(drift_ppm=12.4, clock_resets=1, sender_latency_ms=85.0, gaps=2),
        "mic": SourceStatus(dropped=5, bytes=4096, first_frame_ms=120.0),
    },
)


@dataclass
class Stub:
    """A supervisor as it stands at one moment."""

    phase: Phase
    status: RecorderStatus | None
    recording: str = "r1"
    restarts: int = 2


@dataclass
class Capture:
    stub: Stub | None = field(default=None)

    @property
    def recorder(self) -> RecorderSupervisor | None:
        return cast("RecorderSupervisor | None", self.stub)


def _view(stub: Stub | None) -> RecordingHealth:
    return RecorderHealth(CONFIG, Capture(stub)).view()


def test_without_a_recorder_nothing_is_recorded() -> None:
    found = _view(None)
    assert (found.recording, found.state, found.program, found.restarts) == (None, "none", "off", 0)
    assert found.encoder is None and found.disk_seconds_left is None
    assert [(one.id, one.offset_ms, one.bytes) for one in found.sources] == [
        ("front", 40.0, 0),
        ("mic", 0.0, 0),
    ]


@pytest.mark.parametrize("phase", ["starting", "restarting"])
def test_a_recorder_that_has_said_nothing_yet_is_told_of(phase: Phase) -> None:
    found = _view(Stub(phase, None))
    assert (found.recording, found.state, found.restarts) == ("r1", phase, 2)
    assert (found.program, found.encoder) == ("starting", None)
    assert [one.id for one in found.sources] == ["front", "mic"]


def test_a_running_recorder_is_told_in_its_own_words() -> None:
    found = _view(Stub("running", STATUS))
    assert (found.recording, found.state, found.restarts) == ("r1", "recording", 2)
    assert (found.program, found.disk_seconds_left) == ("running", 41_000)
    encoder: dict[str, Any] = found.encoder.model_dump() if found.encoder else {}
    assert encoder == STATUS.encoder.model_dump() | {"wanted_fps": 25}
    front, mic = found.sources
    assert (front.drift_ppm, front.resets, front.latency_ms, front.gaps) == (12.4, 1, 85.0, 2)
    assert (mic.dropped, mic.bytes, mic.first_frame_ms, mic.drift_ppm) == (5, 4096, 120.0, None)


def test_a_recorder_that_is_being_replaced_says_so_beside_its_last_word() -> None:
    found = _view(Stub("restarting", STATUS))
    assert (found.state, found.program, found.sources[1].bytes) == ("restarting", "running", 4096)
    idle = STATUS.model_copy(update={"encoder": EncoderStatus()})
    assert _view(Stub("running", idle)).encoder is None
