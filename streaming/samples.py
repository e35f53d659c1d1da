"""Samples: the encoded pictures and sounds of a live file, in order, on a clock that never jumps.

For children that send the program on. A file that begins anew (the program was restarted) goes on
after what was sent before; what lies before the first key frame is left out.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from streaming.boxes import parse_moof
from streaming.fragments import Fragment, Init, Tail

POLL_S = 0.01
IDLE_S = 1.0
BACKWARDS_S = 1.0


@dataclass(frozen=True, slots=True)
class Sample:
    """One encoded picture or sound; `at` and `duration` in seconds."""

    track: int
    video: bool
    at: float
    duration: float
    key: bool
    data: bytes


def follow(path: Path) -> Iterator[Init | Sample | None]:
    """Yields an Init first, then samples for ever; None once a second while nothing comes.

    An Init that differs from the one before ends the iteration: the receiver must begin anew.
    """
    tail = Tail(path)
    init: Init | None = None
    begun = False
    offset = newest = latest = 0.0
    heard = time.monotonic()
    try:
        while True:
            pieces = tail.read()
            if not pieces:
                if time.monotonic() - heard > IDLE_S:
                    heard = time.monotonic()
                    yield None
                time.sleep(POLL_S)
                continue
            heard = time.monotonic()
            for piece in pieces:
                if isinstance(piece, Init):
                    if init is None:
                        init = piece
                        yield init
                    elif init.data != piece.data:
                        return
                    continue
                if init is None:
                    continue
                if piece.video and begun and piece.start < latest - BACKWARDS_S:
                    begun = False
                if piece.video:
                    latest = piece.start
                if not begun:
                    if not (piece.key and piece.video):
                        continue
                    begun, offset = True, newest - piece.start
                for sample in samples(init, piece):
                    at = sample.at + offset
                    newest = max(newest, at + 0.02)
                    yield Sample(
                        sample.track, sample.video, at, sample.duration, sample.key, sample.data
                    )
    finally:
        tail.close()


def samples(init: Init, piece: Fragment) -> Iterator[Sample]:
    """The samples of one fragment. Raises BoxError when it is damaged."""
    size = int.from_bytes(piece.data[:4], "big")
    for run in parse_moof(piece.data[:size], init.tracks):
        at, place, key = run.start, run.offset, run.key
        video = run.track.media == "video"
        for duration, length in zip(run.durations, run.sizes, strict=True):
            yield Sample(
                run.track.id,
                video,
                at / run.track.timescale,
                duration / run.track.timescale,
                key or not video,
                piece.data[place : place + length],
            )
            at, place, key = at + duration, place + length, False
