"""H.264 as MP4 holds it (avcC, each NAL unit after its length), in Annex B form."""

from __future__ import annotations


def start_coded(data: bytes) -> bytes:
    """A sample of which each NAL unit follows its length, with start codes instead."""
    units, position = [], 0
    while position + 4 <= len(data):
        length = int.from_bytes(data[position : position + 4], "big")
        units.append(data[position + 4 : position + 4 + length])
        position += 4 + length
    return b"".join(b"\0\0\0\1" + unit for unit in units)


def parameter_sets(avcc: bytes) -> bytes:
    """The SPS and PPS of an avcC in Annex B form. Layout: ISO/IEC 14496-15, 5.3.3.1."""
    sets, position = b"", 5
    for mask in (0x1F, 0xFF):
        count, position = avcc[position] & mask, position + 1
        for _ in range(count):
            length = int.from_bytes(avcc[position : position + 2], "big")
            sets += b"\0\0\0\1" + avcc[position + 2 : position + 2 + length]
            position += 2 + length
    return sets
