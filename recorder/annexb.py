"""H.264 and H.265 in their two forms: NAL units after start codes, or each after its length.

The first is Annex B of ITU-T H.264 (encoders, RTSP, MPEG-TS), the second ISO/IEC 14496-15 (MP4,
FLV). Loads no codec.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_START = re.compile(b"\x00\x00\x01")
_CODE = b"\x00\x00\x00\x01"


def units(data: bytes) -> list[bytes]:
    """The NAL units of Annex B data, without the empty ones."""
    starts = [match.end() for match in _START.finditer(data)]
    ends = [start - 3 for start in starts[1:]] + [len(data)]
    pieces = (data[start:end] for start, end in zip(starts, ends, strict=False))
    return [unit for piece in pieces if (unit := piece.rstrip(b"\x00"))]


def annex_b(units: Iterable[bytes]) -> bytes:
    """The units as Annex B data."""
    return b"".join(_CODE + unit for unit in units)


def prefixed(units: Iterable[bytes], size: int = 4) -> bytes:
    """The units, each after its length, which takes `size` bytes."""
    return b"".join(len(unit).to_bytes(size, "big") + unit for unit in units)


def start_coded(data: bytes) -> bytes:
    """A sample of which each unit follows its length (of four bytes), as Annex B data."""
    found, at = [], 0
    while at + 4 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        found.append(data[at + 4 : at + 4 + size])
        at += 4 + size
    return annex_b(found)


def record_sets(record: bytes) -> list[bytes]:
    """SPS and PPS of an AVCDecoderConfigurationRecord (avcC: ISO/IEC 14496-15, 5.3.3.1).

    Raises IndexError when it is torn.
    """
    found, at = [], 5
    for mask in (0x1F, 0xFF):
        count, at = record[at] & mask, at + 1
        for _ in range(count):
            size = int.from_bytes(record[at : at + 2], "big")
            found.append(record[at + 2 : at + 2 + size])
            at += 2 + size
    return found
