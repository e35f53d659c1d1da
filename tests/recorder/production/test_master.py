"""The finished sound: exact, clean, in step; the picture as it was."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from recorder.encoders import SAMPLE_RATE as RATE
from recorder.engines.chapters import Chapter
from recorder.production import mix
from recorder.production.master import master, measure
from recorder.production.measure import check, find_beeps, measure_av_offset
from recorder.production.timeline import timeline
from recorder.recording import Recording
from recorder.sources import patterns

SECONDS = 14
Make = Callable[[NDArray[np.float32]], Recording]


def speech() -> NDArray[np.float32]:
    one = patterns.speech()
    return np.tile(one, 2)[None, : SECONDS * RATE].astype(np.float32)


def pictures(path: Path) -> str:
    digest = hashlib.sha256()
    with av.open(str(path)) as container:
        for packet in container.demux(video=0):
            digest.update(bytes(packet))
    return digest.hexdigest()


def finished(recording: Recording) -> tuple[mix.Verdict, float, float]:
    line = timeline(recording)
    verdict = mix.judge(recording, line, lambda done, total: None)
    told = [Chapter(0, "Energy"), Chapter(6_000_000, "Work")]
    made = master(recording, line, verdict, told)
    assert made.loudness is not None
    return verdict, made.loudness, made.true_peak


def test_quiet_humming_noisy_sound_becomes_exact_clean_and_stays_in_step(
    microphone_only: Make,
) -> None:
    t = np.arange(SECONDS * RATE) / RATE
    hum = sum(0.004 / k * np.sin(2 * np.pi * 50 * k * t) for k in (1, 2, 3))
    noise = np.random.default_rng(1).normal(0, 0.0015, len(t))
    sound = (0.15 * speech() + hum + noise).astype(np.float32)
    recording = microphone_only(np.concatenate([sound, np.zeros_like(sound)]))
    before = pictures(recording.lecture)
    live = measure(recording.lecture)
    assert live.loudness == pytest.approx(-16, abs=3)  # 14 s are few to learn from
    verdict, loudness, peak = finished(recording)
    assert verdict.hum == 50
    assert verdict.repaired == ["desk"]
    assert loudness == pytest.approx(-16, abs=0.3)
    assert peak <= -1
    assert pictures(recording.lecture) == before
    checked = check(recording.lecture)
    assert checked.whole
    assert checked.chapters == 2
    assert abs(measure_av_offset(recording.lecture).worst_ms) < 40
    beeps = [beep for beep in find_beeps(recording.lecture) if beep > 1]
    assert beeps == pytest.approx([2, 4, 6, 8, 10, 12], abs=0.012)
    with av.open(str(recording.lecture)) as container:
        assert container.metadata["title"] == "Physics & more"
        assert container.chapters()[1]["metadata"]["title"] == "Work"


def test_hum_and_noise_go_down_and_speech_stays() -> None:
    t = np.arange(8 * RATE) / RATE
    hum = 0.02 * np.sin(2 * np.pi * 50 * t) + 0.01 * np.sin(2 * np.pi * 150 * t)
    noise = np.random.default_rng(2).normal(0, 0.003, len(t))
    voice = 0.3 * np.sin(2 * np.pi * 440 * t) * (np.sin(np.pi * t) > 0)
    sound = np.stack([voice + hum + noise] * 2).astype(np.float32)
    cleaner = mix.Cleaner(mix.filters(mix.Verdict(noise=-50.0, hum=50)))
    parts = [cleaner.take(sound[:, at : at + RATE]) for at in range(0, sound.shape[1], RATE)]
    out = np.concatenate([*parts, cleaner.end()], axis=1)
    assert out.shape == sound.shape

    def tone(signal: NDArray[np.float32], hertz: float) -> float:
        part = signal[0, 2 * RATE :]
        turn = np.exp(-2j * np.pi * hertz * np.arange(len(part)) / RATE)
        return 20 * float(np.log10(abs(np.mean(part * turn))))

    assert tone(out, 50) < tone(sound, 50) - 15
    assert tone(out, 150) < tone(sound, 150) - 15
    assert tone(out, 440) == pytest.approx(tone(sound, 440), abs=1)
    pause = slice(5 * RATE + 9600, 6 * RATE - 9600)
    quieter = np.std(out[0, pause]) / np.std((sound[0] - voice - hum)[pause])
    assert quieter < 0.7
    late = np.argmax(np.correlate(out[0, : RATE * 2 : 8], voice[: RATE * 2 : 8], "full"))
    assert abs(late - (RATE * 2 // 8 - 1)) * 8 / RATE < 0.012


def test_a_silent_lecture_stays_silent(microphone_only: Make) -> None:
    recording = microphone_only(np.zeros((1, SECONDS * RATE), np.float32))
    line = timeline(recording)
    verdict = mix.judge(recording, line, lambda done, total: None)
    assert verdict.silences == [(0.0, pytest.approx(SECONDS, abs=0.2))]
    made = master(recording, line, verdict, [Chapter(0, "Start")])
    assert made.loudness is None
    assert check(recording.lecture).whole


def test_silences_are_told_apart_from_pauses_between_words() -> None:
    levels = [-20.0] * 50 + [-55.0] * 20 + [-22.0] * 30 + [-60.0] * 40 + [-20.0] * 10
    assert mix.silences(levels, -20.0) == [(10.0, 14.0)]


def test_no_hum_is_found_inspeech(microphone_only: Make) -> None:
    recording = microphone_only(speech() * np.float32(0.5))
    verdict = mix.judge(recording, timeline(recording), lambda done, total: None)
    assert verdict.hum is None
    assert verdict.noise < -60
