"""The recorder's control socket: what is said over it, the client, and the launcher.

JSON lines over a Unix socket, versioned. This module loads no codec.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

PROTOCOL = 1

RecorderState = Literal["starting", "recording", "paused", "finishing", "finished", "failed"]


class SourceStatus(BaseModel):
    """One source as the recorder sees it. `level_dbfs` is the short-term peak of its sound."""

    model_config = ConfigDict(extra="ignore")

    state: Literal["opening", "running", "lost", "failed"] = "opening"
    role: str = ""
    detail: str = ""
    video: bool = False
    audio: bool = False
    first_frame_ms: float | None = None
    bytes: int = 0
    gaps: int = 0
    level_dbfs: float | None = None


class RecorderStatus(BaseModel):
    """The whole state of one recorder process; sent as answer to `status` and with each change."""

    model_config = ConfigDict(extra="ignore")

    protocol: int = PROTOCOL
    state: RecorderState
    recording: str
    session: str
    pid: int
    duration_s: float = 0.0
    first_frame_ms: float | None = None
    layout: str = "slides+presenter"
    held: bool = False
    sources: dict[str, SourceStatus] = Field(default_factory=dict)
    disk_free_bytes: int = 0
    disk_seconds_left: float | None = None
    program: Literal["starting", "running", "restarting", "off"] = "starting"
    lecture: str | None = None
    error: str | None = None


class RecorderEvent(BaseModel):
    """Something the recorder tells unasked.

    Kinds: `status` (data: a RecorderStatus), `levels` (data: source id → dBFS, about 5 a second),
    `fact` (data: code, source, detail, active: what health.py words as an alarm; codes:
    `source_lost`, `source_failed`, `no_source`, `silent`, `black`, `frozen`, `disk_low`,
    `disk_full`, `disk_slow`, `program_lost`, `clock_unsynchronised`), `marker` (data: a Marker).
    """

    kind: Literal["status", "levels", "fact", "marker"]
    data: dict[str, Any]
