"""What the watch child notices, and what it leaves behind."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from recorder import encoders, feed
from recorder.watch import Switch, Watch, dbfs


class Heard:
    """Collects events; the clock goes on by a fifth of a second with each look at it."""

    def __init__(self, folder: Path) -> None:
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.now = 0.0
        self.watch = Watch(folder, lambda event, data: self.events.append((event, data)), self.tick)

    def tick(self) -> float:
        self.now += 0.2
        return self.now

    def facts(self) -> list[tuple[str, str, bool]]:
        return [(d["code"], d["source"], d["active"]) for e, d in self.events if e == "fact"]


def pictures(
    seconds: range, luma: int, index: int = 0, role: str = "presenter", noise: int = 0
) -> tuple[feed.StreamInfo, list[feed.FeedPacket]]:
    """One key frame a second of an even picture, with or without a camera's noise."""
    encoder = encoders.open_video(encoders.source_settings(160, 90, 1))
    header = (encoder.extradata or b"").hex()
    info = feed.StreamInfo(index, f"s{index}", role, "video", "h264", header, 160, 90, 1)
    random = np.random.default_rng(1)
    packets = []
    for second in seconds:
        picture = np.full((135, 160), 128, np.uint8)
        picture[:90] = luma + random.integers(0, noise + 1, (90, 160))
        picture[20:40, 20:60] = np.clip(luma * 2, 0, 235)
        frame = av.VideoFrame.from_ndarray(picture, "yuv420p")
        frame.pts = second
        for packet in encoder.encode(frame):
            packets.append(
                feed.FeedPacket(
                    index, second * 10**6, second * 10**6, 10**6, bytes(packet), key=True
                )
            )
    return info, packets


def silence(seconds: float, index: int = 5) -> tuple[feed.StreamInfo, list[feed.FeedPacket]]:
    encoder = encoders.open_sound(1, 64_000)
    header = (encoder.extradata or b"").hex()
    info = feed.StreamInfo(
        index, "mic", "microphone", "audio", "aac", header, rate=48000, channels=1
    )
    packets = []
    for number in range(int(seconds * 48000 / 1024)):
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        frame.sample_rate, frame.pts = 48000, number * 1024
        for packet in encoder.encode(frame):
            at = number * 1024 * 10**6 // 48000
            packets.append(feed.FeedPacket(index, at, at, 21333, bytes(packet), key=True))
    return info, packets


def test_levels_follow_the_sound(tmp_path: Path, kit: Any) -> None:
    heard = Heard(tmp_path)
    info, packets = kit.clip(2, 11)
    for message in (info, *packets[:190]):
        heard.watch.take(message)
    levels = [data["desk"] for event, data in heard.events if event == "levels"]
    assert max(levels) == pytest.approx(dbfs(0.5 / 2**0.5), abs=1)  # the beep
    assert min(levels) < -40  # between phrases
    assert heard.facts() == []


def test_a_silent_microphone_is_told_and_taken_back(tmp_path: Path, kit: Any) -> None:
    heard = Heard(tmp_path)
    info, packets = silence(14)
    for message in (info, *packets):
        heard.watch.take(message)
    assert heard.facts() == [("silent", "mic", True)]
    speech, sounds = kit.clip(2, 11)
    heard.watch.take(feed.StreamInfo(**{**vars(speech), "index": 5, "source": "mic"}))
    assert heard.facts()[-1] == ("silent", "mic", False)
    assert sounds


def test_black_is_told_after_five_seconds(tmp_path: Path) -> None:
    heard = Heard(tmp_path)
    info, dark = pictures(range(8), 16)
    _, light = pictures(range(8, 12), 90, noise=20)
    heard.watch.take(info)
    for packet in dark[:5]:
        heard.watch.take(packet)
    assert heard.facts() == []
    for packet in [*dark[5:], *light]:
        heard.watch.take(packet)
    assert heard.facts() == [("black", "s0", True), ("black", "s0", False)]


def test_a_frozen_camera_is_told_a_resting_room_and_a_resting_slide_are_not(
    tmp_path: Path,
) -> None:
    heard = Heard(tmp_path)
    frozen, same = pictures(range(40), 90)
    room, alive = pictures(range(40), 90, index=1, noise=12)
    slide, rests = pictures(range(40), 90, index=2, role="slides")
    for message in (frozen, room, slide):
        heard.watch.take(message)
    for together in zip(same, alive, rests, strict=True):
        for packet in together:
            heard.watch.take(packet)
    assert heard.facts() == [("frozen", "s0", True)]


def test_a_fact_needs_its_time_both_ways() -> None:
    switch = Switch(on_after=5, off_after=2)
    changes = [t for t in range(20) if switch.update(t in range(3, 12) or t == 13, t)]
    assert changes == [8, 16]
    switch.update(True, 17)
    switch.restart()
    assert not switch.update(True, 30)


def test_confidence_pictures_are_small_and_gone_in_a_pause(tmp_path: Path, kit: Any) -> None:
    heard = Heard(tmp_path / "live")
    info, packets = kit.clip(1, 11)
    for message in (info, *packets[:2]):
        heard.watch.take(message)
    path = tmp_path / "live" / "laptop.jpg"
    picture = cv2.imread(str(path))
    assert picture is not None
    assert picture.shape == (270, 480, 3)
    assert picture[150, 250].min() > 200  # white paper
    heard.watch.take(feed.Command("pause", {"t": 2}))
    assert not path.exists()
    heard.watch.take(packets[3])
    assert not path.exists()
    heard.watch.take(feed.Command("resume", {"t": 4}))
    heard.watch.take(packets[5])
    assert path.exists()
    assert [name.name for name in path.parent.iterdir()] == ["laptop.jpg"]


def test_damage_is_passed_over(tmp_path: Path, kit: Any) -> None:
    heard = Heard(tmp_path)
    for number in (0, 1, 2):
        info, packets = kit.clip(number, 11)
        heard.watch.take(info)
        for packet in packets[:3]:
            data = packet.data[:5] + b"\x00" * len(packet.data)
            heard.watch.take(feed.FeedPacket(packet.index, packet.pts, packet.dts, 1, data, True))
    heard.watch.take(feed.FeedPacket(99, 0, 0, 0, b"", True))
    assert heard.facts() == []


def test_the_child_ends_with_its_feed_and_leaves_no_picture(tmp_path: Path, kit: Any) -> None:
    messages = [m for m in kit.feed(4) if not isinstance(m, feed.FeedPacket) or m.key]
    child = subprocess.run(
        [sys.executable, "-m", "recorder.watch", tmp_path],
        input=kit.bytes(messages),
        capture_output=True,
        timeout=60,
        check=True,
    )
    assert child.stderr == b""
    events = [json.loads(line) for line in child.stdout.splitlines()]
    assert any(event["event"] == "levels" for event in events)
    assert not list((tmp_path / "live").glob("*.jpg"))


def _loud(watch: Watch, level: float, first: int, packets: int) -> None:
    """Sound as PCM, whose peaks are cut off at full scale."""
    for number in range(first, first + packets):
        t = np.arange(1024) / 48_000
        wave = np.clip(np.sin(2 * np.pi * 300 * t) * level, -1, 1)
        data = (wave * 32767).astype("<i2").tobytes()
        watch.take(feed.FeedPacket(0, number * 21_333, number * 21_333, 21_333, data, True))


def test_a_microphone_that_is_too_loud_is_said_and_taken_back(tmp_path: Path) -> None:
    said: list[tuple[str, dict[str, Any]]] = []
    watch = Watch(tmp_path / "live", lambda event, data: said.append((event, data)))
    info = feed.StreamInfo(0, "mic", "microphone", "audio", "pcm_s16le", rate=48000, channels=1)
    watch.take(info)
    _loud(watch, 0.9, 0, 300)
    facts = [data for event, data in said if event == "fact"]
    assert facts == []
    _loud(watch, 3.0, 300, 200)
    facts = [data for event, data in said if event == "fact"]
    assert [(fact["code"], fact["active"]) for fact in facts] == [("clipped", True)]
    _loud(watch, 0.3, 500, 1200)
    facts = [data for event, data in said if event == "fact"]
    assert [(fact["code"], fact["active"]) for fact in facts][1:] == [("clipped", False)]


def test_in_a_pause_levels_are_told_and_nothing_is_judged(tmp_path: Path) -> None:
    said: list[tuple[str, dict[str, Any]]] = []
    ticks = iter(range(10_000))
    watch = Watch(
        tmp_path / "live", lambda event, data: said.append((event, data)), lambda: next(ticks)
    )
    watch.take(
        feed.StreamInfo(0, "mic", "microphone", "audio", "pcm_s16le", rate=48000, channels=1)
    )
    watch.take(feed.Command("pause", {"t": 0.0}))
    _loud(watch, 3.0, 0, 300)
    assert {event for event, _ in said} == {"levels"}
