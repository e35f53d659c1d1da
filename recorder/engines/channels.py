"""What is wrong with a source's sound: a dead channel; and which of several microphones to use."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from recorder.encoders import SAMPLE_RATE

Samples = NDArray[np.float32]

_HEARD = 1e-6  # mean square: -60 dBFS
_DEAD = 1e-4  # 40 dB below the other channel
_SLOW_S = 2.0
_SHORT_S = 0.4
_FLOOR_RISE = 1.5  # dB per second
_BETTER_DB, _FOR_S = 6.0, 0.5
_FULL = 0.99
_RAMP = 480


class Repair:
    """Gives a stereo source's dead channel the sound of the living one."""

    def __init__(self) -> None:
        self.dead: int | None = None
        self._power = np.zeros(2)
        self._share = 0.0

    def take(self, sound: Samples) -> Samples:
        """Returns the sound (2, samples) with both channels alive, where one of them is."""
        count = sound.shape[1]
        if count == 0:
            return sound
        keep = math.exp(-count / (_SLOW_S * SAMPLE_RATE))
        self._power = self._power * keep + np.mean(np.square(sound), axis=1) * (1 - keep)
        weak = int(np.argmin(self._power))
        loud = self._power[1 - weak]
        if loud > _HEARD and self._power[weak] < _DEAD * loud:
            self.dead = weak
        elif self.dead is not None and self._power[self.dead] > 10 * _DEAD * loud:
            self.dead = None
        target = 0.0 if self.dead is None else 1.0
        if target == self._share == 0.0:
            return sound
        share = np.full(count, target, np.float32)
        ramp = min(_RAMP, count)
        share[:ramp] = np.linspace(self._share, target, ramp)
        self._share = target
        out = sound.copy()
        place = weak if self.dead is None else self.dead
        out[place] += share * (sound[1 - place] - sound[place])
        return out


class Ear:
    """How well a microphone hears what is said: speech above its own noise, in dB."""

    def __init__(self) -> None:
        self.score = 0.0
        self._floor = 0.0

    def take(self, sound: Samples) -> None:
        """Listens to the next samples."""
        count = sound.shape[1]
        if count == 0:
            return
        level = 10 * math.log10(float(np.mean(np.square(sound))) + 1e-10)
        seconds = count / SAMPLE_RATE
        self._floor = min(level, self._floor + _FLOOR_RISE * seconds)
        clipped = float(np.mean(np.abs(sound) > _FULL))
        above = level - self._floor - 1000 * clipped
        keep = math.exp(-seconds / _SHORT_S)
        self.score = self.score * keep + above * (1 - keep)


class Choice:
    """Which of several microphones is heard: the one in use until another is clearly better."""

    def __init__(self) -> None:
        self._in_use: object | None = None
        self._better_s = 0.0

    @property
    def in_use(self) -> object | None:
        """The microphone that was chosen last."""
        return self._in_use

    def choose(self, ears: Sequence[tuple[object, Ear]], seconds: float) -> object:
        """The microphone to use for the next `seconds`, of those that are alive."""
        best, ear = max(ears, key=lambda pair: pair[1].score)
        current = next((pair[1] for pair in ears if pair[0] is self._in_use), None)
        if current is None:
            self._in_use, self._better_s = best, 0.0
        elif best is not self._in_use and ear.score > current.score + _BETTER_DB:
            self._better_s += seconds
            if self._better_s >= _FOR_S:
                self._in_use, self._better_s = best, 0.0
        else:
            self._better_s = 0.0
        return self._in_use
