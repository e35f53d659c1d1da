"""A shared screen on its way to the recorder: encoded pieces on a Unix socket in the run directory.

The one who has the screen (the share child of `streaming`) listens; the source child of
`webrtc://NAME` connects and is sent what is shown there from then on. Nothing here loads a codec.

A message is `length:u32 kind:u8 body`, big endian; length counts kind and body. Kinds: 1 a picture
and 2 sound (`key:u8 time:i64 codec:8s data`, time in microseconds of CLOCK_BOOTTIME), 3 nothing is
shown now (also sent each second while that is so).
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

RUN_DIR = "CLASSROOMD_SHARE_DIR"
BOARD = "board"
TALK = "talk"
"""What is sent there has sound only: the voice of one who asks from elsewhere."""
MAX_MESSAGE = 16 * 1024 * 1024

_HEAD = struct.Struct(">IB")
_BODY = struct.Struct(">Bq8s")
_KINDS: dict[int, Literal["video", "audio", "nothing"]] = {1: "video", 2: "audio", 3: "nothing"}
_NUMBERS = {name: number for number, name in _KINDS.items()}


class SharedError(Exception):
    """What came over the socket is no such message."""


@dataclass(frozen=True, slots=True)
class Shared:
    """One encoded picture or piece of sound, or that `nothing` is shown.

    `codec`: h264 (Annex B, parameter sets in the key frames), vp8 or opus.
    """

    media: Literal["video", "audio", "nothing"]
    time: int = 0
    codec: str = ""
    key: bool = False
    data: bytes = b""


NOTHING = Shared("nothing")


def socket_path(run_dir: Path, name: str) -> Path:
    """Where the screen called `name` is to be had. Raises ValueError for an impossible name."""
    if not name.isidentifier() or len(name) > 20:
        raise ValueError(f"{name!r} cannot be the name of a shared screen")
    return run_dir / f"share-{name}.sock"


def run_dir() -> Path | None:
    """The run directory of the recorder whose child this process is."""
    found = os.environ.get(RUN_DIR)
    return Path(found) if found else None


def pack(piece: Shared) -> bytes:
    """The bytes of one message."""
    body = b""
    if piece.media != "nothing":
        body = _BODY.pack(piece.key, piece.time, piece.codec.encode()) + piece.data
    return _HEAD.pack(len(body) + 1, _NUMBERS[piece.media]) + body


def read(stream: BinaryIO) -> Shared | None:
    """The next message; None when the other side has gone. Raises SharedError."""
    head = stream.read(_HEAD.size)
    if len(head) < _HEAD.size:
        return None
    length, kind = _HEAD.unpack(head)
    if not 1 <= length <= MAX_MESSAGE or kind not in _KINDS:
        raise SharedError(f"a message of kind {kind} and {length} bytes is not allowed")
    body = stream.read(length - 1)
    if len(body) < length - 1:
        return None
    if _KINDS[kind] == "nothing":
        return NOTHING
    try:
        key, time, codec = _BODY.unpack_from(body)
        return Shared(
            _KINDS[kind], time, codec.rstrip(b"\0").decode("ascii"), bool(key), body[_BODY.size :]
        )
    except (struct.error, UnicodeDecodeError) as error:
        raise SharedError(f"a message is damaged: {error}") from error
