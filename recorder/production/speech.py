"""The class's sound as a speech model takes it: 16 kHz mono, in stretches cut where it is quiet."""

from __future__ import annotations

import av
import numpy as np

from recorder.encoders import SAMPLE_RATE
from recorder.production.listener import Speech
from recorder.production.mix import mix
from recorder.production.timeline import Timeline
from recorder.recording import Recording

RATE = 16_000
LONGEST_S = 28.0  # a model of Whisper's kind looks at half a minute at once
_SHORTEST_S = 18.0
_SPEECH_PEAK = 0.003


def sound(recording: Recording, begin: float, end: float) -> Speech:
    """What was heard from class second `begin` to `end`, which hold no pause."""
    resampler = av.AudioResampler("fltp", "mono", RATE)
    parts = [np.zeros(0, np.float32)]
    for block in mix(recording, Timeline([(begin, end)])):
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(block), "fltp", "stereo")
        frame.sample_rate = SAMPLE_RATE
        parts += [np.asarray(part.to_ndarray()[0]) for part in resampler.resample(frame)]
    parts += [np.asarray(part.to_ndarray()[0]) for part in resampler.resample(None)]
    return np.concatenate(parts).astype(np.float32)


def cut(speech: Speech) -> float:
    """Where a stretch that is too long ends best: the second at which it is quietest."""
    step = RATE // 5
    search = speech[round(_SHORTEST_S * RATE) : round(LONGEST_S * RATE)]
    if len(search) < 2 * step:
        return len(speech) / RATE
    loud = np.square(search[: len(search) // step * step].reshape(-1, step)).mean(axis=1)
    return _SHORTEST_S + (int(np.argmin(loud)) * step + step // 2) / RATE


def stretch(recording: Recording, begin: float, end: float) -> tuple[float, Speech]:
    """The next stretch of a span from `begin` on (class s), at most to `end`: (its end, sound)."""
    stop = min(end, begin + LONGEST_S)
    heard = sound(recording, begin, stop)
    if stop < end:
        length = cut(heard)
        return begin + length, heard[: round(length * RATE)]
    return stop, heard


def spoken(speech: Speech) -> bool:
    """Whether there is anything to listen to."""
    return float(np.abs(speech).max(initial=0.0)) > _SPEECH_PEAK
