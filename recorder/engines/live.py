"""The live file: what viewers are shown at once, one fragment for each packet.

The fragments are written here and not by FFmpeg: its muxer waits until every stream has a packet
(a still picture would hold up the sound), and where two packets of one stream follow each other
it gives the first one the second one's time. Box layouts: ISO/IEC 14496-12.
"""

from __future__ import annotations

import io
import os
import struct
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.packet import Packet

BYTES = 24 * 1024 * 1024  # then the file begins anew, at a key frame

# A picture counts as shown for so long that the next one is never later than twice that: players
# take a longer step for a gap, and drop everything up to the next key frame.
PICTURE_S = Fraction(1, 4)

_KEY, _NOT_KEY = 0x02000000, 0x01010000
_BASE_IS_MOOF = 0x020000
_MOOF = struct.Struct(">I4s I4sII I4s I4sII I4sIQ I4sIIiIII I4s")


def header(video: Any, audio: Any) -> bytes:
    """The init segment (ftyp, moov) of a file with streams like these."""
    memory = io.BytesIO()
    with av.open(memory, "w", format="mp4", options={"movflags": "empty_moov"}) as out:
        for template in (video, audio):
            out.add_stream_from_template(template)
        out.start_encoding()
        return memory.getvalue()


def fragment(number: int, track: int, start: int, duration: int, key: bool, data: bytes) -> bytes:
    """A moof with its mdat that hold one sample; times in the track's units."""
    size = _MOOF.size - 8
    moof = (size, b"moof", 16, b"mfhd", 0, number, size - 24, b"traf")
    tfhd = (16, b"tfhd", _BASE_IS_MOOF, track)
    tfdt = (20, b"tfdt", 0x01000000, start)
    trun = (32, b"trun", 0x701, 1, _MOOF.size, duration, len(data), _KEY if key else _NOT_KEY)
    return _MOOF.pack(*moof, *tfhd, *tfdt, *trun, len(data) + 8, b"mdat") + data


def length_prefixed(data: bytes) -> bytes:
    """H.264 in Annex B form (start codes) as MP4 holds it: each NAL unit after its length."""
    if not data.startswith((b"\0\0\1", b"\0\0\0\1")):
        return data
    units = (unit.rstrip(b"\0") for unit in data.split(b"\0\0\1")[1:])
    return b"".join(len(unit).to_bytes(4, "big") + unit for unit in units)


class LiveFile:
    """A file that only grows; readers follow it.

    When it has become long another one takes its place at a key frame, with the same header and
    times that go on: who reads along finishes the old one first. It is not synced, and not kept.
    """

    def __init__(self, path: Path, video: Any, audio: Any) -> None:
        self.path = path
        self._header = header(video, audio)
        self._scales = (90_000, audio.codec_context.sample_rate)
        self._number = 0
        self._bytes = 0
        self._file = self._begin()

    def _begin(self) -> int:
        self.path.unlink(missing_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
        file = os.open(self.path, flags, 0o640)
        os.write(file, self._header)
        return file

    def write(self, packet: Packet[Any], *, video: bool) -> None:
        """Appends a packet, which stays as it was."""
        if self._bytes > BYTES and video and packet.is_keyframe:
            os.close(self._file)
            self._bytes = 0
            self._file = self._begin()
        scale = self._scales[0 if video else 1]
        start = round((packet.pts or 0) * packet.time_base * scale)
        length = Fraction((packet.duration or 0) * packet.time_base)
        duration = round((max(length, PICTURE_S) if video else length) * scale)
        self._number += 1
        key = packet.is_keyframe or not video
        sample = length_prefixed(bytes(packet)) if video else bytes(packet)
        data = fragment(self._number, 1 if video else 2, start, duration, key, sample)
        self._bytes += len(data)
        os.write(self._file, data)

    def close(self) -> None:
        os.close(self._file)
