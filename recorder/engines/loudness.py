"""Loudness as EBU R128 and ITU-R BS.1770 define it: a meter, a slow gain, and a limiter.

Sound is (channels, samples) float32 at SAMPLE_RATE; loudness in LUFS, peaks in dBFS.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recorder.encoders import SAMPLE_RATE

Samples = NDArray[np.float32]

TARGET = -16.0
CEILING = -1.5  # below -1 dBTP, because a lossy encoder adds a little
AHEAD = SAMPLE_RATE // 100
STEP = SAMPLE_RATE // 10
_FAR = 18.0  # dB below what was said so far: not speech
_OFFSET = -0.691
_GATE, _RELATIVE = -70.0, -10.0
_LOWEST, _BINS_PER_LU, _BINS = -70.0, 10, 800

_TAPS = 4096
_FFT = 9000
# The two filters of BS.1770 at 48 kHz: the head's shelf and the high-pass.
_SHELF = ((1.53512485958697, -2.69169618940638, 1.19839281085285), (-1.69065929318241, 0.73248077421585))  # noqa: E501  # fmt: skip
_PASS = ((1.0, -2.0, 1.0), (-1.99004745483398, 0.99007225036621))


def _response() -> NDArray[np.complex128]:
    """The filters' impulse response, cut where nothing is left of it, as a spectrum."""
    turn = np.exp(-2j * np.pi * np.arange(32768 // 2 + 1) / 32768)
    whole = np.ones_like(turn)
    for (b0, b1, b2), (a1, a2) in (_SHELF, _PASS):
        whole *= (b0 + b1 * turn + b2 * turn**2) / (1 + a1 * turn + a2 * turn**2)
    return np.asarray(np.fft.rfft(np.fft.irfft(whole)[:_TAPS], _FFT))


def lufs(energy: float) -> float:
    """Loudness of a weighted mean square, summed over channels."""
    return _OFFSET + 10 * math.log10(energy) if energy > 1e-12 else -120.0


def decibels(level: float) -> float:
    """A linear level in dB."""
    return 20 * math.log10(max(level, 1e-9))


class Gated:
    """Integrated loudness by both gates, kept as a histogram: any length in the same memory."""

    def __init__(self) -> None:
        self._count = np.zeros(_BINS, np.int64)
        self._energy = np.zeros(_BINS, np.float64)

    def add(self, energy: float) -> None:
        """Takes the energy of a block of 400 ms."""
        level = lufs(energy)
        if level > _GATE:
            place = min(_BINS - 1, int((level - _LOWEST) * _BINS_PER_LU))
            self._count[place] += 1
            self._energy[place] += energy

    @property
    def blocks(self) -> int:
        """How many blocks are above the lower gate."""
        return int(self._count.sum())

    @property
    def loudness(self) -> float | None:
        """The integrated loudness in LUFS; None before any sound."""
        total = self.blocks
        if not total:
            return None
        gate = lufs(float(self._energy.sum()) / total) + _RELATIVE
        first = max(0, math.ceil((gate - _LOWEST) * _BINS_PER_LU))
        count = int(self._count[first:].sum())
        return lufs(float(self._energy[first:].sum()) / count) if count else None


class Meter:
    """Weighted energy of every 100 ms, and the integrated loudness of all that was given."""

    _WEIGHT = _response()

    def __init__(self) -> None:
        self.gated = Gated()
        self._past: NDArray[np.float32] | None = None
        self._rest: list[Samples] = []
        self._have = 0
        self._last: list[float] = []

    def add(self, sound: Samples) -> list[float]:
        """Takes sound; returns the energy of each step of 100 ms that it completed."""
        self._rest.append(sound)
        self._have += sound.shape[1]
        if self._have < STEP:
            return []
        whole = np.concatenate(self._rest, axis=1)
        if self._past is None:
            self._past = np.zeros((whole.shape[0], _TAPS), np.float32)
        found, at = [], 0
        while whole.shape[1] - at >= STEP:
            found.append(self._step(whole[:, at : at + STEP]))
            at += STEP
        self._rest = [whole[:, at:]]
        self._have = whole.shape[1] - at
        return found

    def _step(self, sound: Samples) -> float:
        assert self._past is not None
        window = np.concatenate([self._past, sound], axis=1)
        self._past = window[:, -_TAPS:]
        weighted = np.fft.irfft(np.fft.rfft(window, _FFT) * self._WEIGHT, _FFT)
        heard = weighted[:, _TAPS : _TAPS + STEP]
        energy = float(np.sum(np.mean(np.square(heard), axis=1)))
        self._last = [*self._last[-3:], energy]
        if len(self._last) == 4:
            self.gated.add(sum(self._last) / 4)
        return energy


def _sinc(phase: float, taps: int = 12) -> NDArray[np.float64]:
    at = np.arange(taps) - taps // 2 + phase
    kernel = np.sinc(at) * np.hanning(taps + 2)[1:-1]
    return np.asarray(kernel / kernel.sum())


_BETWEEN = [_sinc(phase) for phase in (0.25, 0.5, 0.75)]


def peaks(sound: Samples) -> NDArray[Any]:
    """The largest level of any channel at each sample, the places between samples included."""
    found = np.abs(sound).max(axis=0)
    for kernel in _BETWEEN:
        for channel in sound:
            found = np.maximum(found, np.abs(np.convolve(channel, kernel, "same")))
    return np.asarray(found)


class Limiter:
    """Keeps peaks below a ceiling: turns down 5 ms ahead of a peak and up again after it.

    It looks at whole milliseconds of absolute position, so how sound is cut into calls makes no
    difference.
    """

    _BLOCK = SAMPLE_RATE // 1000
    _HOLD, _ATTACK = 60, 5
    _KEEP = (_HOLD + 2 * _ATTACK + 2) * _BLOCK

    def __init__(self, ceiling: float = CEILING) -> None:
        self._ceiling = 10 ** (ceiling / 20)
        self._past: Samples | None = None
        self.reduced = 0.0  # the strongest reduction so far, in dB

    def take(self, position: int, sound: Samples, ahead: Samples) -> Samples:
        """Limits `sound`, which begins at sample `position` and is followed by `ahead`."""
        count = sound.shape[1]
        if self._past is None:
            self._past = np.zeros((sound.shape[0], self._KEEP), np.float32)
        whole = np.concatenate([self._past, sound, ahead], axis=1)
        begin = position - self._past.shape[1]
        self._past = whole[:, : self._past.shape[1] + count][:, -self._KEEP :]
        if float(np.abs(whole).max(initial=0.0)) < self._ceiling * 0.7:
            return sound
        block = self._BLOCK
        lead = begin % block
        padding = -(lead + whole.shape[1]) % block
        levels = np.pad(peaks(whole), (lead, padding)).reshape(-1, block).max(axis=1)
        needed = np.minimum(1.0, self._ceiling / np.maximum(levels, 1e-9))
        held = _sliding(np.pad(needed, (self._HOLD, self._ATTACK), constant_values=1.0),
                        self._HOLD + self._ATTACK + 1).min(axis=1)  # fmt: skip
        past = np.pad(held, (self._ATTACK - 1, 0), mode="edge")
        smooth = _sliding(past, self._ATTACK).mean(axis=1)
        edges = np.minimum(np.append(smooth, smooth[-1]), np.append(smooth[0], smooth))
        at = np.arange(len(levels) * block) / block
        gain = np.interp(at, np.arange(len(edges)), edges)[lead : lead + whole.shape[1]]
        first = whole.shape[1] - count - ahead.shape[1]
        used = gain[first : first + count]
        self.reduced = max(self.reduced, -decibels(float(used.min(initial=1.0))))
        return np.asarray(sound * used, np.float32)


def _sliding(values: NDArray[Any], length: int) -> NDArray[Any]:
    return np.lib.stride_tricks.sliding_window_view(values, length)


class Leveller:
    """A slow gain that brings speech to the target while it is spoken, then the limiter.

    It follows the loudness of what is said and turns nothing up while nobody speaks; what the
    lecture is so far too loud or too quiet is made good little by little.
    """

    _MEMORY = 0.985  # of an estimate, per 100 ms of speech
    _RANGE = (-30.0, 30.0)
    _QUIET = -55.0
    _FAST_BLOCKS = 20
    _FAST, _UP, _DOWN = 2.0, 0.1, 0.3  # dB per 100 ms
    _BIAS = 3.0

    def __init__(self, target: float = TARGET, ceiling: float = CEILING) -> None:
        self.target = target
        self.gain = 0.0
        self.out = Gated()
        self.limiter = Limiter(ceiling)
        self._meter = Meter()
        self._applied = 0.0
        self._speech = 0.0
        self._weight = 0.0
        self._steps: list[float] = []

    def take(self, position: int, sound: Samples, ahead: Samples) -> Samples:
        """Levels `sound` from sample `position` on; `ahead` is what follows it, at least AHEAD."""
        for energy in self._meter.add(sound):
            self._follow(energy)
        before, self._applied = self._applied, self.gain
        count = sound.shape[1]
        ramp = np.linspace(before, self.gain, count, dtype=np.float32)
        louder = np.asarray(sound * np.power(np.float32(10), ramp / 20), np.float32)
        following = np.asarray(ahead * np.float32(10 ** (self.gain / 20)), np.float32)
        return self.limiter.take(position, louder, following)

    def _follow(self, energy: float) -> None:
        self._steps = [*self._steps[-3:], energy]
        block = sum(self._steps) / len(self._steps)
        level = lufs(block)
        if len(self._steps) == 4:
            self.out.add(block * 10 ** (self.gain / 10))
        heard = lufs(self._speech / self._weight) if self._weight else level
        if level < self._QUIET or level < heard - _FAR:
            self._weight *= 0.995  # another speaker may follow after a long silence
            self._speech *= 0.995
            return
        self._speech = self._speech * self._MEMORY + block
        self._weight = self._weight * self._MEMORY + 1
        wanted = self.target - lufs(self._speech / self._weight)
        so_far = self.out.loudness
        if so_far is not None and self.out.blocks > 2 * self._FAST_BLOCKS:
            wanted += float(np.clip(1.5 * (self.target - so_far), -self._BIAS, self._BIAS))
        wanted = float(np.clip(wanted, *self._RANGE))
        fast = self.out.blocks < self._FAST_BLOCKS
        up, down = (self._FAST, self._FAST) if fast else (self._UP, self._DOWN)
        self.gain += float(np.clip(wanted - self.gain, -down, up))
