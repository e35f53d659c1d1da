"""What a finished file is worth: is it whole, and are sound and picture in step?"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import av
import cv2
import numpy as np
from av.container import InputContainer
from numpy.typing import NDArray

from recorder.engines.picture import planes_of

_CELLS_ACROSS = 120
_BRIGHT, _DARK = 195, 150
_FLASH_SHARE = 0.002  # of all cells
_FLASH_S = 0.35
_PAIR_S = 0.5
_RATE = 48_000
_BEEP_HZ = 1000
_WINDOW = _RATE * 5 // 1000
_BEEP_S = 0.04
_QUIETER = 5  # how far a tone may lie below the loudest


class MeasureError(Exception):
    """Nothing to measure: the file cannot be read, or has no mark in it."""


@dataclass(frozen=True)
class AvOffset:
    """Picture minus sound in milliseconds: positive when the picture is late.

    `offset_ms` is the median of `pairs` marks, `worst_ms` the one farthest from zero.
    """

    offset_ms: float
    first_ms: float
    last_ms: float
    worst_ms: float
    pairs: int


@dataclass(frozen=True)
class Checked:
    """What decoding a file to its end found. Durations in seconds, from presentation times."""

    duration: float
    video_duration: float
    audio_duration: float
    video_frames: int
    audio_frames: int
    chapters: int
    errors: int

    @property
    def whole(self) -> bool:
        """Both streams decode without error and end together (within half a second)."""
        both = self.video_frames > 0 and self.audio_frames > 0
        near = abs(self.video_duration - self.audio_duration) < 0.5
        return both and near and self.errors == 0


def open_media(path: Path) -> InputContainer:
    """Opens a file for reading. Raises MeasureError naming it."""
    try:
        return av.open(str(path))
    except (av.error.FFmpegError, OSError) as error:
        raise MeasureError(f"{path} cannot be read: {error}") from error


def check(path: Path) -> Checked:
    """Decodes both streams of `path` to the end.

    Raises MeasureError when the file cannot be opened; damage inside is counted in `errors`.
    """
    frames = {"video": 0, "audio": 0}
    ends = {"video": 0.0, "audio": 0.0}
    errors = 0
    with open_media(path) as container:
        chapters = len(container.chapters())
        duration = (container.duration or 0) / av.time_base
        for stream in container.streams.video:
            stream.thread_type = "AUTO"
            stream.codec_context.options = {"err_detect": "explode"}
        streams = [s for s in container.streams if s.type in frames]
        packets = container.demux(streams)
        while True:
            try:
                packet = next(packets)
            except StopIteration:
                break
            except av.error.FFmpegError:
                errors += 1
                break
            kind = packet.stream.type
            if packet.pts is not None:
                end = (packet.pts + (packet.duration or 0)) * packet.time_base
                ends[kind] = max(ends[kind], float(end))
            try:
                decoded = list(packet.decode())
            except av.error.FFmpegError:
                errors += 1
                continue
            frames[kind] += len(decoded)
            errors += sum(bool(getattr(frame, "is_corrupt", False)) for frame in decoded)
    return Checked(
        duration, ends["video"], ends["audio"], frames["video"], frames["audio"], chapters, errors
    )


def measure_av_offset(path: Path) -> AvOffset:
    """Finds flashes and 1 kHz beeps that began together and returns how far apart they are.

    Raises MeasureError when the file has none (fewer than one flash within half a second of a
    beep).
    """
    beeps = find_beeps(path)
    pairs: list[float] = []
    for flash in find_flashes(path):
        nearest = min(beeps, key=lambda beep: abs(beep - flash), default=math.inf)
        if abs(nearest - flash) <= _PAIR_S:
            pairs.append(float(flash - nearest) * 1000)
    if not pairs:
        raise MeasureError(f"{path} holds no flash with a beep: sound and picture not compared")
    return AvOffset(
        offset_ms=round(median(pairs), 2),
        first_ms=round(median(pairs[:5]), 2),
        last_ms=round(median(pairs[-5:]), 2),
        worst_ms=round(pairs[int(np.argmax(np.abs(pairs)))], 2),
        pairs=len(pairs),
    )


def _cells(path: Path) -> Iterator[tuple[float, NDArray[np.uint8]]]:
    with open_media(path) as container:
        if not container.streams.video:
            return
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        try:
            for frame in container.decode(stream):
                if frame.format.name not in ("yuv420p", "yuvj420p"):
                    frame = frame.reformat(format="yuv420p")  # noqa: PLW2901
                size = max(2, frame.width // _CELLS_ACROSS)
                shape = (frame.width // size, frame.height // size)
                luma = cv2.resize(planes_of(frame)[0], shape, interpolation=cv2.INTER_AREA)
                yield float(frame.time or 0.0), np.asarray(luma, np.uint8)
        except av.error.FFmpegError:
            return


def find_flashes(path: Path) -> list[float]:
    """Times (s) at which an area turns bright and, within a third of a second, dark again."""
    flashes: list[float] = []
    before: NDArray[np.uint8] | None = None
    begun: tuple[float, NDArray[np.bool_]] | None = None
    for t, cells in _cells(path):
        if before is None or before.shape != cells.shape:
            before = cells
            continue
        if begun is not None:
            started, area = begun
            if float(np.mean(cells[area] < _DARK)) > 0.8:
                flashes.append(started)
                begun = None
            elif t - started > _FLASH_S:
                begun = None
        if begun is None:
            risen = (cells >= _BRIGHT) & (before < _DARK)
            if risen.sum() >= max(4, _FLASH_SHARE * risen.size):
                begun = (t, risen)
        before = cells
    return flashes


def _sound(path: Path) -> tuple[float, NDArray[np.float32]]:
    """The first sound stream as mono at 48 kHz, gaps filled, and the time of its first sample."""
    with open_media(path) as container:
        if not container.streams.audio:
            return 0.0, np.zeros(0, np.float32)
        resampler = av.AudioResampler("fltp", "mono", _RATE)
        start: float | None = None
        parts: list[Any] = []
        have = 0
        try:
            for frame in container.decode(container.streams.audio[0]):
                time = float(frame.time or 0.0)
                start = time if start is None else start
                gap = round((time - start) * _RATE) - have
                if gap > _RATE // 50:
                    parts.append(np.zeros(gap, np.float32))
                    have += gap
                for piece in resampler.resample(frame):
                    parts.append(piece.to_ndarray()[0])
                    have += piece.samples
        except av.error.FFmpegError:
            pass  # what could be decoded is measured
    return start or 0.0, np.concatenate(parts) if parts else np.zeros(0, np.float32)


def find_beeps(path: Path) -> list[float]:
    """Times (s) at which a 1 kHz tone of at least 40 ms begins."""
    start, sound = _sound(path)
    if len(sound) < _RATE // 10:
        return []
    turns = np.exp(-2j * np.pi * _BEEP_HZ / _RATE * np.arange(len(sound)))
    total = np.concatenate([[0], np.cumsum(sound * turns)])
    level = np.abs(total[_WINDOW:] - total[:-_WINDOW]) * 2 / _WINDOW
    most = float(level.max())
    if most < 0.02:
        return []
    # A tone begins where it has half of its own level: a leveller may have made others louder.
    middle = _WINDOW / 2  # of the window it then fills half
    found = []
    for begin, end in _runs(level > most / _QUIETER):
        own = level[begin:end]
        inside = begin + np.flatnonzero(own > own.max() / 2)
        if inside[-1] + 1 - inside[0] >= _BEEP_S * _RATE:
            found.append(start + float(inside[0] + middle) / _RATE)
    return found


def _runs(true: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Where it is true without a break: (begin, end)."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], true, [False]]).astype(np.int8)))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))
