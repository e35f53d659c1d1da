"""The lecture's sound again from the tracks: mixed, judged, cleaned. Blocks of one second."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction

import av
import numpy as np
from numpy.typing import NDArray

from recorder import feed
from recorder.encoders import SAMPLE_RATE
from recorder.engines.loudness import STEP, Meter, Samples, lufs, peaks
from recorder.engines.sound import CHANNELS, Mixer, samples_at
from recorder.production.replay import replay
from recorder.production.timeline import Timeline
from recorder.recording import Recording

US = 1_000_000
_LATE_US = 300_000
_MAINS = (50, 60)
_HARMONICS = 6
_HUM_DB = 14.0
_QUIET_PERCENT = 5  # of the time: so quiet is the room when nobody speaks
_SHORT = SAMPLE_RATE // 20
_SPECTRUM = 500  # Hz and bins: the spectrum of a second
_SILENT_LU, _SILENT_LUFS, _SILENCE_S = 22.0, -60.0, 3.0
_NOISY_DB = -68.0
_GENTLE_DB = 10

Progress = Callable[[float, float], None]


def mix(
    recording: Recording, line: Timeline, heard: Callable[[Mixer], None] = lambda mixer: None
) -> Iterator[Samples]:
    """The mix in lecture time, gapless, neither cleaned nor levelled; shape (2, samples).

    `heard` is given the mixer of each stretch when it is over.
    """
    given = 0
    audio = frozenset(("audio",))
    for begin, end in line.spans:
        mixer, first, last = Mixer(), round(begin * US), round(end * US)
        shift = samples_at(first) - samples_at(round(line.lecture(begin) * US))
        for message in replay(recording, first, last, media=audio):
            match message:
                case feed.StreamInfo():
                    mixer.add(message)
                case feed.FeedPacket():
                    mixer.push(message)
                case feed.Tick():
                    to = samples_at(min(message.now, last) - _LATE_US) - shift
                    if to - given >= SAMPLE_RATE:
                        yield _read(mixer, given + shift, to - given)
                        given = to
        to = samples_at(last) - shift
        if to > given:
            yield _read(mixer, given + shift, to - given)
            given = to
        heard(mixer)


def _read(mixer: Mixer, start: int, count: int) -> Samples:
    """Reads in short steps, so that the choice of a microphone is not held up."""
    steps = range(start, start + count, STEP)
    return np.concatenate([mixer.read(at, min(STEP, start + count - at)) for at in steps], axis=1)


@dataclass
class Verdict:
    """What the mix is like. Loudness in LUFS, levels in dB, spans in lecture seconds."""

    loudness: float | None = None
    true_peak: float = -120.0
    noise: float = -120.0
    hum: int | None = None
    silences: list[tuple[float, float]] = field(default_factory=list)
    repaired: list[str] = field(default_factory=list)


def judge(recording: Recording, line: Timeline, progress: Progress) -> Verdict:
    """Listens to the whole lecture: loudness, noise, hum of the mains, silences."""
    verdict, meter = Verdict(), Meter()
    levels: list[float] = []
    spectra: list[NDArray[np.float64]] = []
    powers: list[float] = []
    repaired: set[str] = set()
    peak, done = 0.0, 0
    window = np.hanning(SAMPLE_RATE)
    for sound in mix(recording, line, lambda mixer: repaired.update(mixer.repaired)):
        levels += [lufs(energy) for energy in meter.add(sound)]
        peak = max(peak, float(peaks(sound).max(initial=0.0)))
        if sound.shape[1] >= SAMPLE_RATE:
            mono = sound[:, :SAMPLE_RATE].mean(axis=0)
            power = np.square(np.abs(np.fft.rfft(mono * window))) / SAMPLE_RATE**2 * 8 / 3
            spectra.append(power[:_SPECTRUM])
            steps = mono[: len(mono) // _SHORT * _SHORT].reshape(-1, _SHORT)
            powers += np.mean(np.square(steps), axis=1).tolist()
        done += sound.shape[1]
        progress(done / SAMPLE_RATE, line.duration)
    verdict.loudness = meter.gated.loudness
    verdict.true_peak = round(20 * float(np.log10(max(peak, 1e-6))), 2)
    verdict.silences = silences(levels, verdict.loudness)
    verdict.repaired = sorted(repaired)
    heard = [power for power in powers if power > 1e-10]
    if heard:
        verdict.noise = round(10 * float(np.log10(np.percentile(heard, _QUIET_PERCENT))), 1)
        quiet = sorted(spectra, key=lambda one: float(one.sum()))
        used = [one for one in quiet if one.sum() > 1e-12] or quiet
        verdict.hum = hum(np.mean(used[: max(1, len(used) // 3)], axis=0))
    return verdict


def hum(spectrum: NDArray[np.float64]) -> int | None:
    """The mains frequency (50 or 60 Hz) that stands out in a spectrum of 1 Hz bins, if any."""
    best: tuple[float, int] | None = None
    for mains in _MAINS:
        excess = []
        for number in range(1, _HARMONICS + 1):
            at = mains * number
            around = np.concatenate([spectrum[at - 12 : at - 4], spectrum[at + 5 : at + 13]])
            peak = float(spectrum[at - 1 : at + 2].max())
            level = 10 * np.log10(peak + 1e-13) - 10 * np.log10(float(np.median(around)) + 1e-13)
            excess.append(level if peak > 1e-10 else 0.0)
        strong = [level for level in excess if level > _HUM_DB]
        if len(strong) >= 2 and (best is None or sum(strong) > best[0]):
            best = (sum(strong), mains)
    return best[1] if best else None


def silences(levels: list[float], loudness: float | None) -> list[tuple[float, float]]:
    """Stretches of at least three seconds without speech, from levels of 100 ms each."""
    threshold = _SILENT_LUFS if loudness is None else max(_SILENT_LUFS, loudness - _SILENT_LU)
    found: list[tuple[float, float]] = []
    begun: int | None = None
    for number, level in enumerate([*levels, 100.0]):
        if level < threshold:
            begun = number if begun is None else begun
        elif begun is not None:
            if (number - begun) / 10 >= _SILENCE_S:
                found.append((begun / 10, number / 10))
            begun = None
    return found


def filters(verdict: Verdict) -> tuple[tuple[str, str], ...]:
    """FFmpeg's filters that this sound needs: rumble, hum, and noise where it can be heard."""
    chain = [("highpass", "f=65:p=2")]
    if verdict.hum is not None:
        for number in range(1, _HARMONICS + 1):
            chain.append(("bandreject", f"f={verdict.hum * number}:t=h:w={3 + number}"))
    if verdict.noise > _NOISY_DB:
        floor = min(-20.0, max(-80.0, verdict.noise))
        chain.append(("afftdn", f"nr={_GENTLE_DB}:nf={floor:.0f}"))
    return tuple(chain)


@functools.cache
def delay(chain: tuple[tuple[str, str], ...]) -> int:
    """By how many samples a chain is late, found with a burst of noise."""
    burst = np.zeros(SAMPLE_RATE, np.float32)
    burst[4800:24_000] = np.random.default_rng(0).normal(0, 0.3, 19_200)
    cleaner = Cleaner(chain, late=0)
    out = np.concatenate([cleaner.take(np.stack([burst, burst])), cleaner.end()], axis=1)[0]
    size = 2 * SAMPLE_RATE
    lag = np.fft.irfft(np.fft.rfft(out, size) * np.conj(np.fft.rfft(burst, size)))
    return int(np.argmax(lag[: SAMPLE_RATE // 4]))


class Cleaner:
    """Runs sound through a chain of FFmpeg's filters; what goes in comes out, in its place.

    `late` is the chain's delay in samples, None to find it out.
    """

    def __init__(self, chain: tuple[tuple[str, str], ...], late: int | None = None) -> None:
        self._graph = av.filter.Graph()
        self._late = delay(chain) if late is None else late
        self._at = self._out = 0
        self._drop = self._late
        source = self._graph.add_abuffer(
            sample_rate=SAMPLE_RATE,
            format="fltp",
            layout="stereo",
            time_base=Fraction(1, SAMPLE_RATE),
        )
        last = source
        for name, options in chain:
            node = self._graph.add(name, options)
            last.link_to(node)
            last = node
        sink = self._graph.add("abuffersink")
        last.link_to(sink)
        self._graph.configure()

    def take(self, sound: Samples) -> Samples:
        """Gives a block and returns what is ready."""
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(sound), "fltp", "stereo")
        frame.sample_rate, frame.pts = SAMPLE_RATE, self._at
        frame.time_base = Fraction(1, SAMPLE_RATE)
        self._at += sound.shape[1]
        self._graph.push(frame)
        return self._pull()

    def end(self) -> Samples:
        """What was still on its way."""
        wanted = self._at - self._out
        rest = [self.take(np.zeros((CHANNELS, self._late), np.float32))] if self._late else []
        self._graph.push(None)
        whole = np.concatenate([*rest, self._pull()], axis=1)
        return np.pad(whole, ((0, 0), (0, max(0, wanted - whole.shape[1]))))[:, :wanted]

    def _pull(self) -> Samples:
        parts = [np.zeros((CHANNELS, 0), np.float32)]
        while True:
            try:
                frame = self._graph.pull()
            except (av.error.BlockingIOError, av.error.EOFError):
                break
            assert isinstance(frame, av.AudioFrame)
            parts.append(np.asarray(frame.to_ndarray(), np.float32))
        ready = np.concatenate(parts, axis=1)
        dropped = min(self._drop, ready.shape[1])
        ready, self._drop = ready[:, dropped:], self._drop - dropped
        self._out += ready.shape[1]
        return ready


def cleaned(recording: Recording, line: Timeline, verdict: Verdict) -> Iterator[Samples]:
    """The mix with hum and noise taken out."""
    cleaner = Cleaner(filters(verdict))
    for sound in mix(recording, line):
        ready = cleaner.take(sound)
        if ready.shape[1]:
            yield ready
    rest = cleaner.end()
    if rest.shape[1]:
        yield rest
