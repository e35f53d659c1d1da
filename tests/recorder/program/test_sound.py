"""The mix: who is heard, where, and what happens in between."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import av
import numpy as np
import pytest

from recorder import encoders, feed
from recorder.engines.sound import Mixer, SoundTrack

RATE, SIZE = encoders.SAMPLE_RATE, encoders.AAC_FRAME


def tone(
    index: int,
    role: str,
    hertz: float,
    seconds: float,
    rate: int = RATE,
    speed: float = 1.0,
    loud: float = 0.4,
) -> tuple[feed.StreamInfo, list[feed.FeedPacket]]:
    """A sine; `speed` is how much faster its clock runs than the class."""
    encoder = encoders.open_sound(1, 96_000)
    info = feed.StreamInfo(
        index,
        f"s{index}",
        role,
        "audio",
        "aac",
        (encoder.extradata or b"").hex(),
        rate=RATE,
        channels=1,
    )
    count = int(seconds * RATE) // SIZE
    sound = loud * np.sin(2 * np.pi * hertz * np.arange(count * SIZE) / RATE)
    packets = []
    for number in range(count):
        part = sound[None, number * SIZE : (number + 1) * SIZE].astype(np.float32)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(part), "fltp", "mono")
        frame.sample_rate, frame.pts, frame.time_base = RATE, number * SIZE, Fraction(1, RATE)
        for packet in encoder.encode(frame):
            if packet.pts is not None and packet.pts >= 0:
                at = round(packet.pts * 1e6 / RATE / speed)
                packets.append(feed.FeedPacket(index, at, at, 21333, bytes(packet), key=True))
    return info, packets


def strength(sound: np.ndarray, hertz: float) -> float:
    t = np.arange(sound.shape[1]) / RATE
    return float(abs(np.mean(sound[0] * np.exp(-2j * np.pi * hertz * t))) * 2)


def test_the_microphone_is_heard_and_the_camera_is_not() -> None:
    mixer = Mixer()
    for info, packets in (tone(0, "presenter", 500, 1), tone(1, "microphone", 700, 1)):
        mixer.add(info)
        for packet in packets:
            mixer.push(packet)
    sound = mixer.read(4800, RATE // 2)
    assert sound.shape == (2, RATE // 2)
    assert strength(sound, 700) == pytest.approx(0.4, abs=0.03)
    assert strength(sound, 500) < 0.01


def test_without_the_microphone_the_camera_is_heard_and_slides_are_mixed_in() -> None:
    mixer = Mixer()
    for info, packets in (tone(0, "presenter", 500, 1), tone(1, "slides", 700, 1)):
        mixer.add(info)
        for packet in packets:
            mixer.push(packet)
    sound = mixer.read(4800, RATE // 2)
    assert strength(sound, 500) == pytest.approx(0.4, abs=0.03)
    assert strength(sound, 700) == pytest.approx(0.4, abs=0.03)


def test_a_microphone_that_dies_hands_over_to_the_camera() -> None:
    mixer = Mixer()
    camera, microphone = tone(0, "presenter", 500, 6), tone(1, "microphone", 700, 1)
    for info, packets in (camera, microphone):
        mixer.add(info)
        for packet in packets:
            mixer.push(packet)
    heard = [mixer.read(start, RATE // 2) for start in range(0, 6 * RATE - RATE, RATE // 2)]
    assert strength(heard[1], 700) > 0.3
    assert strength(heard[-1], 500) > 0.3


def test_a_voice_from_elsewhere_takes_turns_with_the_cameras_sound() -> None:
    mixer = Mixer()
    camera, voice = tone(0, "presenter", 500, 6), tone(1, "microphone", 700, 6)
    quiet = [part for part in tone(1, "microphone", 700, 6, loud=0.001)[1] if part.pts < 3_000_000]
    mixer.add(camera[0])
    mixer.add(replace(voice[0], first=True))
    for packet in camera[1]:
        if packet.pts < 3_000_000:
            mixer.push(packet)
    for packet in [*quiet, *(part for part in voice[1] if part.pts >= 3_000_000)]:
        mixer.push(packet)
    heard = [mixer.read(start, RATE // 2) for start in range(0, 5 * RATE, RATE // 2)]
    assert strength(heard[3], 500) > 0.3
    assert strength(heard[-1], 700) > 0.3


def test_gaps_are_silent_and_what_follows_is_in_its_place() -> None:
    info, packets = tone(0, "microphone", 700, 3)
    mixer = Mixer()
    mixer.add(info)
    for packet in packets:
        if not 1_000_000 <= packet.pts < 2_000_000:
            mixer.push(packet)
    mixer.read(0, RATE // 2)
    assert strength(mixer.read(RATE * 12 // 10, RATE // 2), 700) < 0.001
    assert strength(mixer.read(RATE * 21 // 10, RATE // 2), 700) > 0.3


def test_drift_is_taken_up_without_a_gap() -> None:
    """A sound card that runs 0.02 % fast is 12 ms ahead after a minute, but not in the lecture."""
    info, packets = tone(0, "microphone", 700, 60, speed=1.0002)
    track = SoundTrack(info)
    worst = 0.0
    for packet in packets:
        track.push(packet)
        assert track.end is not None
        worst = max(worst, abs(track.end / RATE - (packet.pts / 1e6 + SIZE / RATE)))
    assert worst < 0.004
    sound = track.read(40 * RATE, RATE)
    assert np.abs(sound).min(axis=0).mean() > 0.1
    assert strength(sound, 700 * 1.0002) > 0.25


def test_another_sample_rate_is_resampled() -> None:
    info = feed.StreamInfo(0, "s", "microphone", "audio", "pcm_s16le", rate=16000, channels=1)
    track = SoundTrack(info)
    sine = (8000 * np.sin(2 * np.pi * 400 * np.arange(16000) / 16000)).astype("<i2")
    for number in range(50):
        data = sine[number * 320 : (number + 1) * 320].tobytes()
        track.push(feed.FeedPacket(0, number * 20_000, number * 20_000, 20_000, data, key=True))
    sound = track.read(RATE // 4, RATE // 2)
    assert strength(sound, 400) == pytest.approx(8000 / 32768, abs=0.02)


def test_damage_is_silence() -> None:
    info, packets = tone(0, "microphone", 700, 1)
    track = SoundTrack(info)
    for packet in packets[:10]:
        track.push(packet)
    track.push(feed.FeedPacket(0, 300_000, 300_000, 21333, b"\xff\x00garbage", key=True))
    track.push(feed.FeedPacket(0, 330_000, 330_000, 21333, b"", key=True))
    assert track.read(0, RATE).shape == (2, RATE)
