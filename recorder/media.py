"""What passes from a source to a track: streams and their packets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import av
    from av.stream import Stream

# What each kind of file can hold, in the order of preference. QuickTime files are fragmented like
# MP4 and take the sound of telephones and the pictures of USB cameras; Matroska takes the rest.
_HOLDS = {
    "mp4": {"h264", "hevc", "av1", "vp9", "aac", "mp3", "opus", "flac", "ac3", "eac3", "alac"},
    "mov": {"h264", "hevc", "aac", "mp3", "ac3", "eac3", "alac", "mjpeg"}
    | {"pcm_alaw", "pcm_mulaw", "pcm_s16le", "pcm_s16be"},
}


def extension(streams: Sequence[MediaStream]) -> str:
    """The kind of file that can hold all of these streams: `mp4`, `mov` or `mkv`."""
    codecs = {stream.codec for stream in streams}
    return next((kind for kind, held in _HOLDS.items() if codecs <= held), "mkv")


@dataclass(frozen=True)
class MediaStream:
    """One elementary stream: what a muxer must know of it. `template` lives in its demuxer."""

    media: Literal["video", "audio"]
    codec: str
    extradata: bytes = b""
    width: int = 0
    height: int = 0
    fps: float = 0.0
    rate: int = 0
    channels: int = 0
    template: Stream | None = field(default=None, compare=False, repr=False)


@dataclass(slots=True)
class Sample:
    """One encoded packet in class microseconds; `stream` is its place in the source."""

    stream: int
    pts: int
    dts: int
    duration: int
    key: bool
    packet: av.Packet[Any]

    @property
    def data(self) -> bytes:
        return bytes(self.packet)


def needs_header(stream: MediaStream) -> bool:
    """Whether the stream cannot be written yet, because its parameter sets are not known."""
    return stream.codec in ("h264", "hevc") and not stream.extradata


def describe(stream: MediaStream) -> dict[str, Any]:
    """The stream as the manifest records it."""
    shown: dict[str, Any] = {"media": stream.media, "codec": stream.codec}
    names = ("width", "height", "fps") if stream.media == "video" else ("rate", "channels")
    return shown | {name: getattr(stream, name) for name in names}
