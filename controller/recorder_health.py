"""How recording goes, for who looks after the room: encoder, clocks, losses, room on the disk."""

from __future__ import annotations

from typing import Literal, Protocol

from pydantic import BaseModel, Field

from controller.config import RoomConfig
from controller.supervisor import RecorderSupervisor


class EncoderView(BaseModel):
    """What encodes the lecture while the class runs.

    `name` is FFmpeg's; `wanted_fps` what the room asks for, `fps` what comes of it now. `skipped`
    counts pictures left out because the machine was short, `behind_s` how late the newest one is,
    `queue_bytes` what waits for the encoder, `hand_overs` how often another one took over in this
    class.
    """

    name: str
    part: int
    wanted_fps: int
    fps: float | None
    frames: int
    skipped: int
    behind_s: float
    queue_bytes: int
    hand_overs: int


class SourceHealth(BaseModel):
    """One source's clock and losses in this class.

    `drift_ppm` is how much its clock runs slow against the room's, None where it has none of its
    own; `resets` how often that clock jumped; `offset_ms` what room.toml adds to its times;
    `latency_ms` its way here as its own clock tells it. `gaps` are interruptions, `dropped` packets
    that the disk could not take.
    """

    id: str
    drift_ppm: float | None = None
    resets: int = 0
    offset_ms: float = 0.0
    latency_ms: float | None = None
    gaps: int = 0
    dropped: int = 0
    bytes: int = 0
    first_frame_ms: float | None = None


class RecordingHealth(BaseModel):
    """The recorder of the class that is on; `recording` is None while nothing is recorded.

    `restarts` counts recorders that had to be replaced, `disk_seconds_left` is how long the disk
    lasts at the present rate.
    """

    recording: str | None = None
    state: str = "none"
    program: Literal["starting", "running", "restarting", "off"] = "off"
    restarts: int = 0
    disk_seconds_left: float | None = None
    encoder: EncoderView | None = None
    sources: list[SourceHealth] = Field(default_factory=list)


class Captures(Protocol):
    """What is needed of the class's capture."""

    @property
    def recorder(self) -> RecorderSupervisor | None: ...


class RecorderHealth:
    """Asks the recorder's newest word; it is at most a second old."""

    def __init__(self, config: RoomConfig, capture: Captures) -> None:
        self._config = config
        self._capture = capture

    def view(self) -> RecordingHealth:
        """As it stands now."""
        recorder = self._capture.recorder
        status = recorder.status if recorder is not None else None
        known = status.sources if status is not None else {}
        sources = []
        for spec in self._config.sources:
            one = SourceHealth(id=spec.id, offset_ms=spec.offset_ms)
            if found := known.get(spec.id):
                one.drift_ppm, one.resets = found.drift_ppm, found.clock_resets
                one.latency_ms, one.first_frame_ms = found.sender_latency_ms, found.first_frame_ms
                one.gaps, one.dropped, one.bytes = found.gaps, found.dropped, found.bytes
            sources.append(one)
        if recorder is None:
            return RecordingHealth(sources=sources)
        if status is None:
            return RecordingHealth(
                recording=recorder.recording,
                state=recorder.phase,
                program="starting",
                restarts=recorder.restarts,
                sources=sources,
            )
        encoder = status.encoder.model_dump()
        wanted = self._config.recording.fps
        return RecordingHealth(
            recording=recorder.recording,
            state=status.state if recorder.phase == "running" else recorder.phase,
            program=status.program,
            restarts=recorder.restarts,
            disk_seconds_left=status.disk_seconds_left,
            encoder=EncoderView(wanted_fps=wanted, **encoder) if status.encoder.name else None,
            sources=sources,
        )
