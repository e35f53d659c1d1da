"""Choosing among the channels of a sound."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from av.audio.frame import AudioFrame
from numpy.typing import NDArray

MOST = 64


def chosen(told: str) -> tuple[int, ...]:
    """The channels that an address names, as `3` or `3,4`; none where it names none.

    Raises ValueError.
    """
    names = told.split(",") if told else []
    if len(names) > 2 or not all(n.isdigit() and 1 <= int(n) <= MOST for n in names):
        raise ValueError(f"channel is one number from 1 to {MOST}, or two for left and right")
    return tuple(map(int, names))


def layout(channels: int) -> str:
    """FFmpeg's name of that many channels."""
    return {1: "mono", 2: "stereo"}.get(channels, f"{channels} channels")


def picked(frame: AudioFrame, channels: Sequence[int]) -> AudioFrame:
    """The frame with only these of its channels (from 1); unchanged when it has none of them."""
    count = len(frame.layout.channels)
    places = [channel - 1 for channel in channels if channel <= count]
    if not places or places == list(range(count)):
        return frame
    sound: NDArray[Any] = frame.to_ndarray()
    if not frame.format.is_planar:
        sound = sound.reshape(-1, count).T
    kept = np.ascontiguousarray(sound[places])
    found = AudioFrame.from_ndarray(kept, frame.format.planar.name, layout(len(places)))
    found.sample_rate, found.pts = frame.sample_rate, frame.pts
    if frame.time_base is not None:
        found.time_base = frame.time_base
    return found
