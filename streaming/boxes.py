"""The boxes of a fragmented MP4: what an init segment announces and what a moof says of its media.

Pure functions over bytes. Anything malformed is a `BoxError`; nothing else is ever raised.
Layouts: ISO/IEC 14496-12 (boxes), 14496-15 (avcC), 14496-1 (descriptors), RFC 6381 (codecs).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

NOT_SYNC = 0x10000
_MAX_SAMPLES = 100_000


class BoxError(Exception):
    """These bytes are no MP4 that can be served. The text says which box and why."""


@dataclass(frozen=True, slots=True)
class Track:
    """One track of an init segment; `codec` as in RFC 6381, times in units of 1/`timescale` s."""

    id: int
    media: Literal["video", "audio", "other"]
    timescale: int
    codec: str = ""
    width: int = 0
    height: int = 0
    default_duration: int = 0
    default_size: int = 0
    default_flags: int = 0


@dataclass(frozen=True, slots=True)
class Run:
    """The samples of one track in one moof.

    `key`: the first one is a key frame; `sync`: any of them is. `offset` is where their data
    begins, counted from the moof's first byte.
    """

    track: Track
    start: int
    durations: tuple[int, ...]
    sizes: tuple[int, ...]
    key: bool
    sync: bool
    offset: int

    @property
    def begin_s(self) -> float:
        return self.start / self.track.timescale

    @property
    def end_s(self) -> float:
        return (self.start + sum(self.durations)) / self.track.timescale


def boxes(data: bytes, start: int = 0, end: int | None = None) -> Iterator[tuple[bytes, int, int]]:
    """Type, first byte of the body and end of each box in `data[start:end]`."""
    end = len(data) if end is None else end
    while start < end:
        if start + 8 > end:
            raise BoxError("a box is cut off")
        size, kind = struct.unpack_from(">I4s", data, start)
        body = start + 8
        if size == 1:
            if start + 16 > end:
                raise BoxError("a box is cut off")
            size, body = struct.unpack_from(">Q", data, start + 8)[0], start + 16
        if start + size > end or size < body - start:
            raise BoxError(f"box {kind!r} has a wrong size")
        yield kind, body, start + size
        start += size


def _child(data: bytes, path: bytes, start: int, end: int) -> tuple[int, int] | None:
    for part in path.split(b"/"):
        for kind, body, stop in boxes(data, start, end):
            if kind == part:
                start, end = body, stop
                break
        else:
            return None
    return start, end


def _full(data: bytes, body: int) -> tuple[int, int]:
    version_flags = struct.unpack_from(">I", data, body)[0]
    return version_flags >> 24, version_flags & 0xFFFFFF


def parse_moov(data: bytes) -> dict[int, Track]:
    """The tracks that a whole moov box (header included) announces, by id."""
    try:
        return _parse_moov(data)
    except (struct.error, IndexError) as error:
        raise BoxError(f"moov: {error}") from error


def _parse_moov(data: bytes) -> dict[int, Track]:
    found = _child(data, b"moov", 0, len(data))
    if found is None:
        raise BoxError("there is no moov")
    defaults: dict[int, tuple[int, int, int]] = {}
    mvex = _child(data, b"mvex", *found)
    for kind, body, _ in boxes(data, *mvex) if mvex else ():
        if kind == b"trex":
            id_, _, duration, size, flags = struct.unpack_from(">IIIII", data, body + 4)
            defaults[id_] = (duration, size, flags)
    tracks: dict[int, Track] = {}
    for kind, body, end in boxes(data, *found):
        if kind != b"trak":
            continue
        track = _parse_trak(data, body, end, defaults)
        tracks[track.id] = track
    if not tracks:
        raise BoxError("moov has no track")
    return tracks


def _parse_trak(
    data: bytes, start: int, end: int, defaults: Mapping[int, tuple[int, int, int]]
) -> Track:
    parts = [
        _child(data, path, start, end)
        for path in (b"tkhd", b"mdia/mdhd", b"mdia/hdlr", b"mdia/minf/stbl/stsd")
    ]
    if any(part is None for part in parts):
        raise BoxError("a trak lacks tkhd, mdhd, hdlr or stsd")
    tkhd, mdhd, hdlr, stsd = [part for part in parts if part is not None]
    id_ = struct.unpack_from(">I", data, tkhd[0] + (20 if data[tkhd[0]] else 12))[0]
    timescale = struct.unpack_from(">I", data, mdhd[0] + (20 if data[mdhd[0]] else 12))[0]
    if not timescale:
        raise BoxError(f"track {id_} has no timescale")
    handler = data[hdlr[0] + 8 : hdlr[0] + 12]
    media: Literal["video", "audio", "other"] = "other"
    if handler in (b"vide", b"soun"):
        media = "video" if handler == b"vide" else "audio"
    codec, width, height = _codec(data, stsd[0] + 8, stsd[1], media)
    return Track(id_, media, timescale, codec, width, height, *defaults.get(id_, (0, 0, 0)))


def _codec(data: bytes, start: int, end: int, media: str) -> tuple[str, int, int]:
    for kind, body, stop in boxes(data, start, end):
        name = kind.decode("latin-1")
        if media == "video":
            width, height = struct.unpack_from(">HH", data, body + 24)
            avcc = _child(data, b"avcC", body + 78, stop)
            if avcc:
                return f"{name}.{data[avcc[0] + 1 : avcc[0] + 4].hex()}", width, height
            return name, width, height
        if kind == b"mp4a":
            esds = _child(data, b"esds", body + 28, stop)
            return f"mp4a.40.{_object_type(data[esds[0] : esds[1]]) if esds else 2}", 0, 0
        return ("opus" if kind == b"Opus" else name), 0, 0
    raise BoxError("stsd is empty")


def _object_type(esds: bytes) -> int:
    """The audio object type of the AudioSpecificConfig (descriptor tag 5); 2 is AAC-LC."""
    position = 4
    while position + 2 < len(esds):
        tag = esds[position]
        position += 1
        while position < len(esds) and esds[position] & 0x80:
            position += 1
        position += 1
        if tag == 3:
            flags = esds[position + 2]
            position += 3 + 2 * bool(flags & 0x80) + 2 * bool(flags & 0x20)
        elif tag == 4:
            position += 13
        elif tag == 5:
            kind = esds[position] >> 3
            return (
                kind if kind != 31 else 32 + ((esds[position] & 7) << 3 | esds[position + 1] >> 5)
            )
        else:
            break
    return 2


def parse_moof(data: bytes, tracks: Mapping[int, Track]) -> list[Run]:
    """The runs of a whole moof box (header included); tracks that are not known are left out."""
    try:
        found = _child(data, b"moof", 0, len(data))
        if found is None:
            raise BoxError("there is no moof")
        runs: list[Run] = []
        for kind, body, end in boxes(data, *found):
            if kind == b"traf":
                runs += _parse_traf(data, body, end, tracks)
    except (struct.error, IndexError) as error:
        raise BoxError(f"moof: {error}") from error
    return runs


def _parse_traf(data: bytes, start: int, end: int, tracks: Mapping[int, Track]) -> list[Run]:
    tfhd = _child(data, b"tfhd", start, end)
    if tfhd is None:
        raise BoxError("a traf lacks its tfhd")
    _, flags = _full(data, tfhd[0])
    track = tracks.get(struct.unpack_from(">I", data, tfhd[0] + 4)[0])
    if track is None:
        return []
    position = tfhd[0] + 8 + 8 * bool(flags & 0x1) + 4 * bool(flags & 0x2)
    defaults = [track.default_duration, track.default_size, track.default_flags]
    for index, bit in enumerate((0x8, 0x10, 0x20)):
        if flags & bit:
            defaults[index] = struct.unpack_from(">I", data, position)[0]
            position += 4
    when, runs, offset = 0, [], 0
    for kind, body, _ in boxes(data, start, end):
        if kind == b"tfdt":
            when = struct.unpack_from(">Q" if data[body] else ">I", data, body + 4)[0]
        elif kind == b"trun":
            run = _parse_trun(data, body, track, when, defaults, offset)
            runs.append(run)
            when += sum(run.durations)
            offset = run.offset + sum(run.sizes)
    return runs


def _parse_trun(
    data: bytes, body: int, track: Track, when: int, defaults: list[int], offset: int
) -> Run:
    _, flags = _full(data, body)
    count: int = struct.unpack_from(">I", data, body + 4)[0]
    if count > _MAX_SAMPLES:
        raise BoxError(f"a run of {count} samples")
    position = body + 8
    if flags & 0x1:
        offset = struct.unpack_from(">i", data, position)[0]
        position += 4
    first_flags = defaults[2]
    if flags & 0x4:
        first_flags = struct.unpack_from(">I", data, position)[0]
        position += 4
    fields = [bit for bit in (0x100, 0x200, 0x400, 0x800) if flags & bit]
    values = struct.unpack_from(f">{count * len(fields)}I", data, position)

    def column(bit: int, default: int) -> tuple[int, ...]:
        if bit not in fields:
            return (default,) * count
        return tuple(values[fields.index(bit) :: len(fields)])

    marks = column(0x400, defaults[2])
    if 0x400 not in fields and count:
        marks = (first_flags, *marks[1:])
    return Run(
        track,
        when,
        column(0x100, defaults[0]),
        column(0x200, defaults[1]),
        bool(marks) and not marks[0] & NOT_SYNC,
        any(not mark & NOT_SYNC for mark in marks),
        offset,
    )
