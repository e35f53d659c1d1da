"""The boxes of a fragmented MP4: where its fragments lie, and when. Loads no codec.

Used to repair a torn file and to cut one at a time without passing over its packets.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SUFFIXES = (".mp4", ".mov")
_CONTAINERS = {b"moov", b"trak", b"mdia", b"mvex", b"traf"}
_MAX_HEADER = 16 * 1024 * 1024
TAIL = 16 * 1024 * 1024  # several times what a sync may still owe
_CHUNK, _SEARCHED = 256 * 1024, 8 * 1024 * 1024
_BOX = struct.Struct(">I4s")
_MOOF = struct.pack(">I4s", 16, b"mfhd")


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


def _head(file: int, offset: int, size: int) -> tuple[bytes, int, int] | None:
    """Type, header length and whole length of the box at `offset`; None when it is not whole."""
    head = os.pread(file, 16, offset)
    if len(head) < 8:
        return None
    length, kind = _BOX.unpack_from(head)
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


class _Walk:
    """What was passed on the way through a file, from box to box; only headers are read."""

    def __init__(self, file: int, size: int) -> None:
        self.fragments: list[Fragment] = []
        self.sound = 0
        self._file, self._size = file, size
        self._scales: dict[int, int] = {}
        self._durations: dict[int, int] = {}

    def go(self, offset: int, *, most: int = 0) -> None:
        """Goes on from `offset` to the end, to damage, or until `most` fragments have come."""
        self.sound = offset
        moof: tuple[int, float, float] | None = None
        wanted = len(self.fragments) + most
        while offset < self._size and (box := _head(self._file, offset, self._size)) is not None:
            kind, header, length = box
            if kind in (b"moov", b"moof"):
                if length > _MAX_HEADER:
                    break
                body = os.pread(self._file, length - header, offset + header)
                try:
                    if kind == b"moov":
                        self._scales, self._durations = _timescales(body)
                    else:
                        moof = (offset, *_times(body, self._scales, self._durations))
                except (struct.error, IndexError):
                    break
            offset += length
            if kind == b"mdat" and moof is not None:
                self.fragments.append(Fragment(moof[0], offset, moof[1], moof[2]))
                moof = None
            if moof is None:
                self.sound = offset
                if most and len(self.fragments) == wanted:
                    break

    def last(self, begin: int) -> bool:
        """Goes on from the first whole fragment after the byte `begin`. False when none is found.

        A moof is told by its name, its first child (mfhd, of 16 bytes) and the mdat after it.
        """
        data, base = b"", begin
        while base + len(data) < self._size and len(data) < _SEARCHED:
            if not (chunk := os.pread(self._file, _CHUNK, base + len(data))):
                break  # it has been cut meanwhile
            data += chunk
            place = -1
            while (place := data.find(_MOOF, place + 1)) >= 0:
                if place >= 8 and data[place - 4 : place] == b"moof":
                    offset = base + place - 8
                    moof = _head(self._file, offset, self._size)
                    mdat = moof and _head(self._file, offset + moof[2], self._size)
                    if mdat and mdat[0] == b"mdat":
                        self.go(offset)
                        return True
        return False


def scan(path: Path) -> Scan:
    """Walks the file box by box, reading headers only. Never raises on damaged content."""
    with path.open("rb") as file:
        walk = _Walk(file.fileno(), size := os.fstat(file.fileno()).st_size)
        walk.go(0)
    return Scan(walk.fragments, walk.sound, size)


def scan_edges(path: Path) -> Scan:
    """As `scan`, but of a long file only the first fragment and those of its last TAIL bytes.

    What lies between was made durable long ago; damage there is seen by `scan` alone. Takes the
    same time for any length, which counts where a class must go on, or end, and its pictures are
    no longer in memory.
    """
    with path.open("rb") as file:
        walk = _Walk(file.fileno(), size := os.fstat(file.fileno()).st_size)
        if size > 2 * TAIL:
            walk.go(0, most=1)
            if walk.fragments and walk.last(size - TAIL):
                return Scan(walk.fragments, walk.sound, size)
            walk = _Walk(file.fileno(), size)
        walk.go(0)
    return Scan(walk.fragments, walk.sound, size)
