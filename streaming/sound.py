"""Sound without picture, for thin links: cut out of the same bytes, nothing is encoded again."""

from __future__ import annotations

import struct

from streaming.boxes import BoxError, Run, Track, boxes, parse_moof
from streaming.fragments import Init


def sound_track(init: Init) -> Track | None:
    """The sound that `sound_init` and `sound_segment` keep."""
    return next((track for track in init.tracks.values() if track.media == "audio"), None)


def sound_init(init: Init) -> bytes:
    """The init segment with its sound track only. Raises BoxError when there is none."""
    track = sound_track(init)
    if track is None:
        raise BoxError("there is no sound")
    return _only(init.data, 0, len(init.data), track.id)


def _only(data: bytes, start: int, end: int, track: int) -> bytes:
    kept = b""
    for kind, body, stop in boxes(data, start, end):
        if kind in (b"moov", b"mvex"):
            kept += _box(kind, _only(data, body, stop, track))
        elif kind == b"trak":
            at = data.index(b"tkhd", body, stop) + 4
            if struct.unpack_from(">I", data, at + (20 if data[at] else 12))[0] == track:
                kept += _box(kind, data[body:stop])
        elif kind != b"trex" or struct.unpack_from(">I", data, body + 4)[0] == track:
            kept += _box(kind, data[body:stop])
    return kept


def sound_segment(init: Init, data: bytes, number: int) -> bytes:
    """The sound of the fragments in `data` as one fragment; empty when they hold none.

    Raises BoxError when `data` is no sequence of fragments.
    """
    track = sound_track(init)
    if track is None:
        raise BoxError("there is no sound")
    runs: list[tuple[Run, int]] = []
    for kind, body, end in boxes(data):
        if kind == b"moof":
            start = body - 8
            runs += [
                (run, start + run.offset)
                for run in parse_moof(data[start:end], init.tracks)
                if run.track.id == track.id and run.sizes
            ]
    if not runs:
        return b""
    media = b"".join(data[at : at + sum(run.sizes)] for run, at in runs)
    samples = [pair for run, _ in runs for pair in zip(run.durations, run.sizes, strict=True)]
    table = b"".join(struct.pack(">II", *sample) for sample in samples)
    size = 8 + 16 + 8 + 16 + 20 + 20 + len(table)
    traf = _box(b"tfhd", struct.pack(">II", 0x020000, track.id))
    traf += _box(b"tfdt", struct.pack(">IQ", 0x01000000, runs[0][0].start))
    traf += _box(b"trun", struct.pack(">IIi", 0x301, len(samples), size + 8) + table)
    moof = _box(b"moof", _box(b"mfhd", struct.pack(">II", 0, number)) + _box(b"traf", traf))
    assert len(moof) == size
    return moof + _box(b"mdat", media)


def _box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", len(body) + 8, kind) + body
