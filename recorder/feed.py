"""Media between processes of one recording: framed messages over a pipe.

A source that must be encoded (generated, V4L2, ALSA) runs in a child and writes a feed to its
standard output; the program child reads a feed from its standard input. Times are microseconds:
class time towards the program, CLOCK_BOOTTIME from a source child.

A message is `length:u32 kind:u8 body`, little endian; length counts kind and body.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import BinaryIO, Literal

MAX_MESSAGE = 64 * 1024 * 1024

_HEAD = struct.Struct("<IB")
_PACKET = struct.Struct("<HqqIB")
_TICK = struct.Struct("<q")

_STREAM_KIND, _PACKET_KIND, _TICK_KIND, _COMMAND_KIND = range(1, 5)


class FeedError(Exception):
    """The feed is damaged: a message is longer than allowed, truncated or of no known kind."""


@dataclass(frozen=True)
class StreamInfo:
    """Announces stream `index`; the same index announced again starts anew.

    `extradata` is the codec's global header, hex encoded, and says how packets are framed:

    - H.264, H.265: either Annex B parameter sets (begins 000001 or 00000001; packets are Annex B,
      as encoders and RTSP give them) or an avcC/hvcC record (begins 01; packets carry lengths, as
      MP4 files give them). Empty: Annex B with the parameter sets in the key frames.
    - AAC: AudioSpecificConfig; packets are raw, without ADTS headers.

    A source may have two video streams, its picture and a smaller copy; the program decodes only
    the one that is large enough for its place. `first`: while it runs it stands before the others
    of its role, because somebody chose to show it; a microphone with it is a voice from elsewhere.
    `pick`: the channels of its sound that are heard, from 1; all of them where it is empty.
    """

    index: int
    source: str
    role: str
    media: Literal["video", "audio"]
    codec: str
    extradata: str = ""
    width: int = 0
    height: int = 0
    fps: float = 0.0
    rate: int = 0
    channels: int = 0
    first: bool = False
    pick: Sequence[int] = ()


@dataclass(frozen=True)
class FeedPacket:
    """One encoded packet. `preroll`: decode it, show nothing (it lies before a resume)."""

    index: int
    pts: int
    dts: int
    duration: int
    data: bytes
    key: bool = False
    preroll: bool = False


@dataclass(frozen=True)
class Tick:
    """Class time has reached `now`: every packet earlier than this has been sent."""

    now: int


@dataclass(frozen=True)
class Command:
    """An instruction: `name` and JSON-serialisable `args` (layout, pause, resume, hold, …)."""

    name: str
    args: dict[str, object]


Message = StreamInfo | FeedPacket | Tick | Command


def encode(message: Message) -> bytes:
    """Returns the bytes of one message, header included."""
    match message:
        case StreamInfo():
            kind, body = _STREAM_KIND, json.dumps(asdict(message)).encode()
        case FeedPacket():
            flags = message.key | message.preroll << 1
            head = _PACKET.pack(message.index, message.pts, message.dts, message.duration, flags)
            kind, body = _PACKET_KIND, head + message.data
        case Tick():
            kind, body = _TICK_KIND, _TICK.pack(message.now)
        case Command():
            kind, body = _COMMAND_KIND, json.dumps([message.name, message.args]).encode()
    return _HEAD.pack(len(body) + 1, kind) + body


def _decode(kind: int, body: bytes) -> Message:
    if kind == _PACKET_KIND:
        index, pts, dts, duration, flags = _PACKET.unpack_from(body)
        data = body[_PACKET.size :]
        return FeedPacket(index, pts, dts, duration, data, bool(flags & 1), bool(flags & 2))
    if kind == _TICK_KIND:
        return Tick(_TICK.unpack(body)[0])
    if kind == _STREAM_KIND:
        return StreamInfo(**json.loads(body))
    if kind == _COMMAND_KIND:
        name, args = json.loads(body)
        return Command(name, args)
    raise FeedError(f"message kind {kind} is not known")


def read(stream: BinaryIO) -> Iterator[Message]:
    """Yields messages until the other side closes.

    Raises FeedError on damage; a message torn off by the end of the stream ends it silently,
    because that is what a killed writer leaves.
    """
    while len(head := stream.read(_HEAD.size)) == _HEAD.size:
        length, kind = _HEAD.unpack(head)
        if not 1 <= length <= MAX_MESSAGE:
            raise FeedError(f"a message of {length} bytes is not allowed")
        body = stream.read(length - 1)
        if len(body) < length - 1:
            return
        try:
            message = _decode(kind, body)
        except (struct.error, ValueError, TypeError) as error:
            raise FeedError(f"a message of kind {kind} is damaged: {error}") from error
        yield message
