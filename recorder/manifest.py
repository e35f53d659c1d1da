"""What is written down about a recording: its manifest, its sources, its markers.

Plain values; `recorder.recording` reads and writes them. Format: docs/recording-format.md.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

FORMAT_VERSION = 1


class Role(StrEnum):
    """What a source is for."""

    PRESENTER = "presenter"
    SLIDES = "slides"
    AUDIENCE = "audience"
    MICROPHONE = "microphone"


class Layout(StrEnum):
    """How slides and presenter share the lecture's picture."""

    SLIDES_PRESENTER = "slides+presenter"
    SIDE_BY_SIDE = "side-by-side"
    SLIDES = "slides"
    PRESENTER = "presenter"


class Life(StrEnum):
    """A recording's own life, which goes on after the class."""

    RECORDING = "recording"
    READY = "ready"
    HELD = "held"
    DELIVERING = "delivering"
    PUBLISHED = "published"
    FAILED = "failed"


def _several(value: Any) -> Any:
    return (value,) if isinstance(value, int) else value


Channels = Annotated[
    tuple[Annotated[int, Field(ge=1, le=64)], ...],
    BeforeValidator(_several),
    Field(max_length=2),
]


def _limits(presets: tuple[int, ...]) -> tuple[int, ...]:
    if len(presets) == 1:
        raise ValueError("name two presets at least: the farthest left, then the farthest right")
    return presets


class SourceSpec(BaseModel):
    """One source as configured: `id` names its track folder, `url` is a source URL.

    `framing = "auto"` shows the part of a wide picture in which the presenter is; `follow` names
    the device that turns this camera after them: to `follow_presets` (from left to right) where
    there are any, else freely within the places of `follow_limits`, presets of which the first is
    farthest left and the second farthest right. `follow_home` is where it rests without anybody.

    `channel` are the channels of its sound that are heard, counted from 1: one, or one for left
    and one for right; none means all of them. `expect` is the picture that it should
    deliver, as 1920x1080@25. `clock` is `sender` where the camera's own clock is
    kept by the same NTP as ours. `secret` refers to the credentials (`env:NAME` or
    `file:/path`, holding `user:password`); they are never written to the manifest.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,40}$")
    role: Role
    url: str
    sub: str | None = None
    framing: Literal["off", "auto"] = "off"
    follow: str | None = None
    follow_presets: tuple[int, ...] = ()
    follow_limits: Annotated[tuple[int, ...], AfterValidator(_limits)] = ()
    follow_home: int | None = None
    secret: str | None = None
    offset_ms: float = 0.0
    clock: Literal["arrival", "sender"] = "arrival"
    expect: str | None = Field(None, pattern=r"^(\d{2,5}x\d{2,5})?(@\d{1,3}(\.\d+)?)?$")
    channel: Channels = ()


class ProgramSpec(BaseModel):
    """The live composite's picture: pixels, frames per second, encoder settings by name."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    width: int = Field(1920, ge=160, le=3840, multiple_of=2)
    height: int = Field(1080, ge=90, le=2160, multiple_of=2)
    fps: int = Field(30, ge=5, le=60)
    live: bool = False
    encoder: Literal["auto", "software"] = "auto"


class Marker(BaseModel):
    """Something that happened at a class time `t` (seconds since the recording began).

    Kinds in use: `start`, `page`, `layout`, `pause`, `resume`, `gap` (data: source, from, to),
    `restart`, `extend`, `bookmark`, `microphone` (data: source,
    instead_of), `hold`, `release`, `end`, and after class `cut` (data: from,
    to) and `uncut`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    t: float
    kind: str
    data: dict[str, Any] = Field(default_factory=dict)


class Manifest(BaseModel):
    """`recording.json`. Times on the wall are UTC; `boot_id` and `boottime` anchor class time.

    `held` says who holds the recording back (by, at, why), `edit` which change of the finished
    lecture is under way (kind, by, at) or could not be made (error).
    """

    model_config = ConfigDict(extra="allow")

    version: int = FORMAT_VERSION
    id: str
    session: str
    room: str
    title: str
    course: str | None = None
    lecturer: str | None = None
    language: str | None = None
    started: datetime
    boot_id: str
    boottime: float
    life: Life = Life.RECORDING
    sources: list[SourceSpec]
    layout: Layout = Layout.SLIDES_PRESENTER
    program: ProgramSpec = ProgramSpec()
    ended: datetime | None = None
    duration_s: float | None = None
    tracks: dict[str, Any] = Field(default_factory=dict)
    products: dict[str, Any] = Field(default_factory=dict)
    measured: dict[str, Any] = Field(default_factory=dict)
    error: str | None = None
    held: dict[str, Any] | None = None
    edit: dict[str, Any] | None = None
