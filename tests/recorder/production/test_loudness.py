"""Loudness: the meter against FFmpeg's, speech brought to the target, peaks kept down."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from recorder.encoders import SAMPLE_RATE as RATE
from recorder.engines.channels import Choice, Ear, Repair
from recorder.engines.loudness import AHEAD, Leveller, Limiter, Meter, decibels, peaks
from recorder.sources import patterns

Sound = NDArray[np.float32]


def ebur128(sound: Sound) -> tuple[float, float]:
    """Integrated loudness and true peak by FFmpeg's filter."""
    graph = av.filter.Graph()
    source = graph.add_abuffer(sample_rate=RATE, format="fltp", layout="stereo")
    meter = graph.add("ebur128", "metadata=1:peak=true")
    sink = graph.add("abuffersink")
    source.link_to(meter)
    meter.link_to(sink)
    graph.configure()
    told: dict[str, str] = {}
    for at in range(0, sound.shape[1], 4800):
        part = np.ascontiguousarray(sound[:, at : at + 4800])
        frame = av.AudioFrame.from_ndarray(part, "fltp", "stereo")
        frame.sample_rate, frame.pts, frame.time_base = RATE, at, Fraction(1, RATE)
        graph.push(frame)
        while True:
            try:
                told |= graph.pull().metadata
            except (av.error.BlockingIOError, av.error.EOFError):
                break
    peak = max(
        float(value)
        for key, value in told.items()
        if key.startswith("lavfi.r128.true_peaks_ch") or key == "lavfi.r128.true_peak"
    )
    return float(told["lavfi.r128.I"]), decibels(peak)


def speech(seconds: float, gain: float = 1.0) -> Sound:
    one = patterns.speech()
    long = np.tile(one, int(np.ceil(seconds * RATE / len(one))))[: int(seconds * RATE)]
    return np.stack([long, long]).astype(np.float32) * np.float32(gain)


def levelled(sound: Sound, step: int = 1600) -> Sound:
    leveller, out = Leveller(), []
    for at in range(0, sound.shape[1], step):
        ahead = sound[:, at + step : at + step + AHEAD]
        ahead = np.pad(ahead, ((0, 0), (0, AHEAD - ahead.shape[1])))
        out.append(leveller.take(at, sound[:, at : at + step], ahead))
    return np.concatenate(out, axis=1)


def test_the_meter_agrees_with_ffmpeg() -> None:
    sound = speech(12)
    sound[1] *= 0.4
    meter = Meter()
    for at in range(0, sound.shape[1], 1771):
        meter.add(sound[:, at : at + 1771])
    loudness = meter.gated.loudness
    assert loudness == pytest.approx(ebur128(sound)[0], abs=0.15)


@pytest.mark.parametrize("gain", [0.06, 0.3, 1.9])
def test_quiet_and_loud_speech_lands_within_one_unit(gain: float) -> None:
    loudness, peak = ebur128(levelled(speech(60, gain)))
    assert loudness == pytest.approx(-16, abs=1)
    assert peak < -1


def test_a_lecturer_who_walks_away_is_followed() -> None:
    sound = np.concatenate([speech(30, 0.5), speech(30, 0.12), speech(30, 0.9)], axis=1)
    out = levelled(sound)
    assert ebur128(out)[0] == pytest.approx(-16, abs=1)
    thirds = [ebur128(out[:, a * RATE : b * RATE])[0] for a, b in pairwise((0, 30, 60, 90))]
    assert max(thirds) - min(thirds) < 4  # 17.5 LU apart before


def test_silence_is_not_turned_up() -> None:
    noise = np.random.default_rng(1).normal(0, 0.0005, (2, 20 * RATE)).astype(np.float32)
    assert np.abs(levelled(noise)).max() < 0.01


def test_the_limiter_holds_whatever_the_chunks() -> None:
    dice = np.random.default_rng(2)
    sound = (dice.normal(0, 0.5, (2, RATE)) * np.sin(np.arange(RATE) / 4000)).astype(np.float32)

    def limit(step: int) -> Sound:
        limiter, out = Limiter(-1.5), []
        for at in range(0, RATE, step):
            ahead = sound[:, at + step : at + step + AHEAD]
            ahead = np.pad(ahead, ((0, 0), (0, AHEAD - ahead.shape[1])))
            out.append(limiter.take(at, sound[:, at : at + step], ahead))
        return np.concatenate(out, axis=1)

    fine = limit(1601)
    assert decibels(float(peaks(fine).max())) < -1.2
    assert np.abs(fine - limit(4800)).max() < 0.03


def test_a_dead_channel_gets_the_other_ones_sound() -> None:
    sound = speech(6)
    sound[1] = 0
    repair = Repair()
    parts = [repair.take(sound[:, at : at + 4800]) for at in range(0, sound.shape[1], 4800)]
    out = np.concatenate(parts, axis=1)
    assert repair.dead == 1
    assert np.abs(out[0] - out[1])[RATE:].max() == 0
    wide = speech(6)
    wide[1] *= 0.3
    fresh = Repair()
    for at in range(0, wide.shape[1], 4800):
        fresh.take(wide[:, at : at + 4800])
    assert fresh.dead is None


def test_the_better_microphone_is_chosen_and_kept() -> None:
    dice = np.random.default_rng(3)
    near = speech(8) + dice.normal(0, 0.0005, (2, 8 * RATE)).astype(np.float32)
    far = speech(8, 0.1) + dice.normal(0, 0.01, (2, 8 * RATE)).astype(np.float32)
    ears, choice = {"far": Ear(), "near": Ear()}, Choice()
    told = []
    for at in range(0, 8 * RATE, 2400):
        ears["far"].take(far[:, at : at + 2400])
        ears["near"].take(near[:, at : at + 2400])
        told.append(choice.choose(list(ears.items()), 0.05))
    assert told[-1] == "near"
    assert sum(a != b for a, b in pairwise(told)) <= 1
