"""Choosing among the channels of a sound."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from av.audio.frame import AudioFrame
from numpy.typing import NDArray


def picked(frame: AudioFrame, channels: Sequence[int]) -> AudioFrame:
    """The frame with only these of its channels (from 1); unchanged when it has none of them."""
    count = len(frame.layout.channels)
    places = [channel - 1 for channel in channels if channel <= count]
    if not places or places == list(range(count)):
        return frame
    sound: NDArray[Any] = frame.to_ndarray()
    if not frame.format.is_planar:
        sound = sound.reshape(-1, count).T
    layout = "mono" if len(places) == 1 else "stereo"
    kept = np.ascontiguousarray(sound[places])
    found = AudioFrame.from_ndarray(kept, frame.format.planar.name, layout)
    found.sample_rate, found.pts = frame.sample_rate, frame.pts
    if frame.time_base is not None:
        found.time_base = frame.time_base
    return found
