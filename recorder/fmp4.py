"""The boxes of a fragmented MP4: where its fragments lie, and when. Loads no codec.

Used to repair a torn file and to cut one at a time without passing over its packets.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

SUFFIXES = (".mp4", ".mov")
_CONTAINERS = {b"moov", b"trak", b"mdia", b"mvex", b"traf"}
_MAX_HEADER = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Fragment:
    """One moof with its mdat: bytes [offset, end) of the file, class seconds [start, stop)."""

    offset: int
    end: int
    start: float
    stop: float


@dataclass(frozen=True, slots=True)
class Scan:
    """What a file holds: whole fragments, and `sound` bytes from its beginning that are in order.

    `size` > `sound` means a torn or damaged tail.
    """

    fragments: list[Fragment]
    sound: int
    size: int

    @property
    def start(self) -> float | None:
        return min((fragment.start for fragment in self.fragments), default=None)

    @property
    def stop(self) -> float | None:
        return max((fragment.stop for fragment in self.fragments), default=None)


def _head(file: BinaryIO, offset: int, size: int) -> tuple[bytes, int, int] | None:
    """Type, header length and whole length of the box at `offset`; None when it is not whole."""
    file.seek(offset)
    head = file.read(16)
    if len(head) < 8:
        return None
    length, kind = struct.unpack_from(">I4s", head)
    header = 8
    if length == 1 and len(head) == 16:
        length, header = struct.unpack_from(">Q", head, 8)[0], 16
    if length < header or offset + length > size or not kind.isalnum():
        return None
    return kind, header, length


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The boxes in `data`, containers opened; a traf is announced by an empty body."""
    offset = 0
    while offset + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, offset)
        if length < 8 or offset + length > len(data):
            return
        body = data[offset + 8 : offset + length]
        if kind in _CONTAINERS:
            if kind in (b"trak", b"traf"):
                yield kind, b""
            yield from _boxes(body)
        else:
            yield kind, body
        offset += length


def _timescales(moov: bytes) -> tuple[dict[int, int], dict[int, int]]:
    """Track id to units per second, and to the default sample duration."""
    scales: dict[int, int] = {}
    durations: dict[int, int] = {}
    track = 0
    for kind, body in _boxes(moov):
        if kind == b"tkhd":
            track = struct.unpack_from(">I", body, 20 if body[0] else 12)[0]
        elif kind == b"mdhd":
            scales[track] = struct.unpack_from(">I", body, 20 if body[0] else 12)[0]
        elif kind == b"trex":
            id_, _, duration = struct.unpack_from(">III", body, 4)
            durations[id_] = duration
    return scales, durations


def _run(body: bytes, default: int) -> int:
    """The whole duration of a trun."""
    flags, count = struct.unpack_from(">II", body)
    flags &= 0xFFFFFF
    if not flags & 0x100:
        return default * int(count)
    offset = 8 + 4 * bool(flags & 0x1) + 4 * bool(flags & 0x4)
    width = 4 * sum(bool(flags & bit) for bit in (0x100, 0x200, 0x400, 0x800))
    if offset + count * width > len(body):
        raise struct.error("a run is longer than its box")
    total = 0
    for sample in range(count):
        total += int.from_bytes(body[offset + sample * width :][:4], "big")
    return total


def _times(moof: bytes, scales: dict[int, int], durations: dict[int, int]) -> tuple[float, float]:
    start, stop = float("inf"), 0.0
    track = default = begin = 0
    for kind, body in _boxes(moof):
        if kind == b"tfhd":
            flags, track = struct.unpack_from(">II", body)
            offset = 8 + 8 * bool(flags & 0x1) + 4 * bool(flags & 0x2)
            default = durations.get(track, 0)
            if flags & 0x8:
                default = struct.unpack_from(">I", body, offset)[0]
        elif kind == b"tfdt":
            begin = struct.unpack_from(">Q" if body[0] else ">I", body, 4)[0]
            start = min(start, begin / (scales.get(track) or 1))
        elif kind == b"trun":
            begin += _run(body, default)
            stop = max(stop, begin / (scales.get(track) or 1))
    return start, stop


def scan(path: Path) -> Scan:
    """Walks the file box by box, reading headers only. Never raises on damaged content."""
    size = path.stat().st_size
    fragments: list[Fragment] = []
    scales: dict[int, int] = {}
    durations: dict[int, int] = {}
    offset = sound = 0
    moof: tuple[int, float, float] | None = None
    with path.open("rb") as file:
        while offset < size and (box := _head(file, offset, size)) is not None:
            kind, header, length = box
            if kind in (b"moov", b"moof"):
                if length > _MAX_HEADER:
                    break
                file.seek(offset + header)
                body = file.read(length - header)
                try:
                    if kind == b"moov":
                        scales, durations = _timescales(body)
                    else:
                        moof = (offset, *_times(body, scales, durations))
                except (struct.error, IndexError):
                    break
            offset += length
            if kind == b"mdat" and moof is not None:
                fragments.append(Fragment(moof[0], offset, moof[1], moof[2]))
                moof = None
            if moof is None:
                sound = offset
    return Scan(fragments, sound, size)
