"""The fixed latency between a picture and a sound, measured by claps, flashes or a clapperboard.

Each such event is a sudden change of the picture and a sudden noise. The shift at which the two
series of events fit best is the latency; its fine value is the median over the single events.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from recorder.engines.picture import planes_of
from recorder.segments import segment_files

Series = NDArray[np.float64]

STEP_S = 0.005
MOST_S = 1.0
APART_S = 0.4
LEAST_EVENTS = 3
_AGREE_S = 0.06
_ACROSS = 96
_RATE = 48_000


class CalibrationError(Exception):
    """Nothing could be measured. The text says what to do."""


@dataclass(frozen=True)
class Offset:
    """Add `offset_ms` to the sound's `offset_ms`. `spread_ms`: how far single events differ."""

    offset_ms: float
    spread_ms: float
    events: int


def measure(pictures: Path, sounds: Path) -> Offset:
    """Compares two track folders (they may be the same). Raises CalibrationError."""
    times, changes = _changes(pictures)
    start, onsets = _onsets(sounds)
    if len(times) < 2:
        raise CalibrationError(f"there is no picture in {pictures.name}")
    if not len(onsets):
        raise CalibrationError(f"there is no sound in {sounds.name}")
    noises = [start + place * STEP_S for place in _events(onsets, round(APART_S / STEP_S))]
    grid = np.arange(times[0], times[-1], STEP_S)
    # A change is seen in one picture: it counts at the time of that picture alone.
    seen = np.zeros(len(grid))
    places = np.clip(((times - times[0]) / STEP_S).astype(int), 0, len(grid) - 1)
    np.maximum.at(seen, places, changes)
    if len(noises) < LEAST_EVENTS:
        raise CalibrationError(f"only {len(noises)} sudden noises were heard; clap ten times")
    shift = _best_shift(noises, seen, times[0])
    off = [at - t for t in noises if (at := _seen_at(t + shift, times, changes)) is not None]
    if len(off) < LEAST_EVENTS:
        raise CalibrationError("what was seen and what was heard do not fit; clap in full view")
    middle = median(off)
    agreeing = [value for value in off if abs(value - middle) < _AGREE_S]
    if len(agreeing) < max(LEAST_EVENTS, len(off) // 2):
        raise CalibrationError("the single claps disagree; clap slowly, in full view of the camera")
    spread = max(agreeing) - min(agreeing)
    return Offset(round(median(agreeing) * 1000, 1), round(spread * 1000, 1), len(agreeing))


def _best_shift(noises: list[float], seen: Series, first: float) -> float:
    """By how much (seconds) the noises must be moved to fall on changes of the picture."""
    width = round(0.03 / STEP_S)
    window = np.convolve(seen, np.ones(2 * width + 1) / (2 * width + 1), "same")
    best, score = 0.0, -1.0
    for shift in np.arange(-MOST_S, MOST_S + STEP_S, STEP_S):
        places = [round((t + shift - first) / STEP_S) for t in noises]
        inside = [window[place] for place in places if 0 <= place < len(window)]
        value = float(np.mean(np.sqrt(inside))) if len(inside) >= LEAST_EVENTS else 0.0
        if value > score + 1e-12:
            best, score = float(shift), value
    return best


def _seen_at(t: float, times: Series, changes: Series) -> float | None:
    """The time of the strongest change of the picture near `t`, when there is one."""
    near = np.flatnonzero(np.abs(times - t) < _AGREE_S)
    if not len(near):
        return None
    best = near[int(np.argmax(changes[near]))]
    return float(times[best]) if changes[best] > 4 * float(np.median(changes)) else None


def _events(strength: Series, apart: int) -> list[int]:
    """Places of the strong peaks, the strongest first chosen, none nearer than `apart`."""
    found: list[int] = []
    limit = max(float(strength.max()) * 0.3, 1e-9)
    for place in np.argsort(strength)[::-1]:
        if strength[place] < limit:
            break
        if all(abs(int(place) - other) >= apart for other in found):
            found.append(int(place))
    return sorted(found)


def _frames(folder: Path, kind: str) -> Iterator[Any]:
    for _, path in segment_files(folder):
        try:
            with av.open(str(path)) as container:
                streams = [stream for stream in container.streams if stream.type == kind]
                for packet in container.demux(streams[:1]) if streams else ():
                    try:
                        yield from packet.decode()
                    except av.error.FFmpegError:
                        continue
        except (OSError, av.error.FFmpegError):
            continue


def _changes(folder: Path) -> tuple[Series, Series]:
    """When (class seconds) each picture was taken, and how much its liveliest part changed."""
    times: list[float] = []
    changes: list[float] = []
    before: NDArray[np.float32] | None = None
    for frame in _frames(folder, "video"):
        size = max(1, frame.width // _ACROSS)
        shape = (frame.width // size, max(2, frame.height // size))
        plane = planes_of(frame.reformat(format="yuv420p"))[0]
        cells = cv2.resize(plane, shape, interpolation=cv2.INTER_AREA).astype(np.float32)
        if before is not None and before.shape == cells.shape:
            moved = np.sort(np.abs(cells - before), axis=None)[-max(8, cells.size // 50) :]
            rise = float(moved.mean()) ** 2
        else:
            rise = 0.0
        before = cells
        times.append(float(frame.time or 0.0))
        changes.append(rise)
    # Of a flash only its beginning counts, not its end.
    kept = [
        0.0 if max(changes[max(0, place - 5) : place], default=0.0) > value / 2 else value
        for place, value in enumerate(changes)
    ]
    return np.array(times), np.array(kept)


def _onsets(folder: Path) -> tuple[float, Series]:
    """The class second of the first step of STEP_S, and how suddenly sound rises in each."""
    resampler = av.AudioResampler("fltp", "mono", _RATE)
    start: float | None = None
    parts: list[Any] = []
    have = 0
    for frame in _frames(folder, "audio"):
        t = float(frame.time or 0.0)
        start = t if start is None else start
        missing = round((t - start) * _RATE) - have
        if missing > _RATE // 50:
            parts.append(np.zeros(missing, np.float32))
            have += missing
        frame.pts = None
        for piece in resampler.resample(frame):
            parts.append(piece.to_ndarray()[0])
            have += piece.samples
    if start is None or not parts:
        return 0.0, np.zeros(0)
    sound = np.concatenate(parts).astype(np.float64)
    length = round(STEP_S * _RATE)
    power = np.square(sound[: len(sound) // length * length]).reshape(-1, length).mean(axis=1)
    before = np.array([power[max(0, k - 20) : k].mean() if k else 0.0 for k in range(len(power))])
    ahead = np.array([power[k : k + 4].mean() for k in range(len(power))])
    suddenly = np.where(ahead > 30 * (before + 1e-8), np.sqrt(ahead), 0.0)
    first = np.concatenate([[True], suddenly[:-1] == 0.0])
    return start, np.where(first | (suddenly > 2 * np.roll(suddenly, 1)), suddenly, 0.0)


def main() -> int:
    """`python -m recorder.calibrate PICTURES SOUNDS`: prints offset, spread (ms) and events."""
    try:
        found = measure(Path(sys.argv[1]), Path(sys.argv[2]))
    except CalibrationError as error:
        print(error, file=sys.stderr)
        return 1
    print(found.offset_ms, found.spread_ms, found.events)
    return 0


if __name__ == "__main__":
    sys.exit(main())
