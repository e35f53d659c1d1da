"""Devices as sources, as far as a machine without devices shows it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from recorder import feed
from recorder.sources import kms
from recorder.sources.child import Output, SourceError, boottime_us
from recorder.sources.coded import PictureCapture, SoundCapture
from recorder.sources.device import Device, DeviceClock


@pytest.mark.parametrize(
    ("url", "name", "demuxer", "options"),
    [
        (
            "v4l2:///dev/video0?size=1920x1080&fps=30&format=mjpeg",
            "/dev/video0",
            "v4l2",
            {"video_size": "1920x1080", "framerate": "30", "input_format": "mjpeg"},
        ),
        ("alsa://hw:1", "hw:1", "alsa", {"sample_rate": "48000", "channels": "2"}),
        (
            "alsa://plughw%3A2,0?channels=1",
            "plughw:2,0",
            "alsa",
            {"sample_rate": "48000", "channels": "1"},
        ),
        ("pulse://", "", "", {"channels": "2"}),
        ("screen://:1?fps=5", ":1", "x11grab", {"framerate": "5", "draw_mouse": "1"}),
    ],
)
def test_urls(url: str, name: str, demuxer: str, options: dict[str, str]) -> None:
    device = Device.parse(url)
    assert (device.name, device.demuxer, device.options) == (name, demuxer, options)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("v4l2:///dev/video0?size=large", "size is WIDTHxHEIGHT"),
        ("v4l2:///dev/video0?speed=3", "option speed is not known"),
        ("v4l2://", "names no device"),
        ("alsa://hw:1?rate=1", "rate is a number from 8000"),
        ("webcam", "use v4l2://"),
    ],
)
def test_a_wrong_url_says_what_is_right(url: str, said: str) -> None:
    with pytest.raises(SourceError, match=said):
        Device.parse(url)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("v4l2:///dev/video77", "there is no /dev/video77; is it plugged in"),
        ("alsa://hw:77", "does not open"),
        ("screen://:77", "is an X server running"),
    ],
)
def test_a_missing_device_ends_the_child_with_3_and_a_remedy(url: str, said: str) -> None:
    child = subprocess.run(
        [sys.executable, "-m", "recorder.sources.capture", url, "--id", "x", "--role", "slides"],
        stdin=subprocess.PIPE,
        capture_output=True,
        timeout=60,
        check=False,
        text=True,
    )
    assert child.returncode in (0, 3)  # 0: standard input closed first
    if child.returncode == 3:
        assert said in child.stderr
    assert child.stdout == ""


@pytest.mark.parametrize("base", [time.CLOCK_MONOTONIC, time.CLOCK_REALTIME, time.CLOCK_BOOTTIME])
def test_whichever_clock_a_device_uses_its_stamps_become_boottime(base: int) -> None:
    offsets = {
        time.CLOCK_MONOTONIC: 0,
        time.CLOCK_BOOTTIME: 100_000_000,
        time.CLOCK_REALTIME: 10**15,
    }
    now = 50_000_000

    def read(clock: int) -> int:
        return now + offsets[clock]

    clock = DeviceClock()
    for _ in range(3):
        stamp = read(base) - 40_000
        assert clock.boottime(stamp, read) == read(time.CLOCK_BOOTTIME) - 40_000
        now += 33_000
    if base == time.CLOCK_REALTIME:  # the wall clock is set: within one stamp all is well again
        offsets[base] += 3_600_000_000
        assert clock.boottime(read(base) - 40_000, read) == read(time.CLOCK_BOOTTIME) - 40_000


def test_stamps_that_mean_nothing_are_replaced_by_the_arrival() -> None:
    assert abs(DeviceClock().boottime(17) - boottime_us()) < 1_000_000
    assert abs(DeviceClock().boottime(None) - boottime_us()) < 1_000_000


def test_a_picture_that_rests_is_sent_once_a_second() -> None:
    capture = PictureCapture("x", "slides", 160, 90, 30)
    still = av.VideoFrame.from_ndarray(np.full((90, 160, 3), 90, np.uint8), "bgr24")
    moved = av.VideoFrame.from_ndarray(np.full((90, 160, 3), 200, np.uint8), "bgr24")
    sent = []
    for number in range(90):
        t = 5_000_000 + number * 33_333
        for packet in capture.packets(moved if number == 70 else still, t):
            sent.append((packet.pts, packet.key))
    times = [t for t, _ in sent]
    change = 5_000_000 + 70 * 33_333
    assert times[0] == 5_000_000
    assert change in times and change + 33_333 in times  # there, and back again
    assert len(times) <= 6
    assert max(np.diff(times)) <= 1_000_000
    assert sent[0][1]


def test_sound_in_lumps_has_even_times() -> None:
    capture = SoundCapture("x", "microphone", 2)
    random = np.random.default_rng(2)
    packets: list[feed.FeedPacket] = []
    for number in range(200):
        frame = av.AudioFrame.from_ndarray(
            random.integers(-99, 99, (1, 882 * 2), np.int16), "s16", "stereo"
        )
        frame.sample_rate, frame.pts, frame.time_base = 44100, number * 882, Fraction(1, 44100)
        jitter = int(random.integers(-8000, 8000))
        packets += capture.packets(frame, 7_000_000 + number * 20_000 + jitter)
    steps = np.diff([packet.pts for packet in packets])
    assert abs(steps - 21333).max() < 1500
    assert abs(packets[-1].pts - (7_000_000 + len(packets) * 21333)) < 30_000


@pytest.fixture
def screen(tmp_path: Path) -> Iterator[str]:
    if shutil.which("Xvfb") is None:
        pytest.skip("screen capture is not tested: Xvfb (package xvfb) is not installed")
    read, write = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(write), "-screen", "0", "320x240x24", "-nolisten", "tcp"],
        pass_fds=(write,),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(write)
    try:
        with os.fdopen(read) as ready:
            number = ready.readline().strip()
        assert number, "Xvfb did not start"
        yield f":{number}"
    finally:
        server.terminate()
        server.wait(30)


def test_a_screen_is_captured(screen: str) -> None:
    child = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "recorder.sources.capture",
            f"screen://{screen}?fps=10",
            "--id",
            "board",
            "--role",
            "slides",
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert child.stdin is not None and child.stdout is not None
    try:
        messages = feed.read(child.stdout)
        info = next(messages)
        assert isinstance(info, feed.StreamInfo)
        assert (info.width, info.height, info.source) == (320, 240, "board")
        first, second = next(messages), next(messages)
        assert isinstance(first, feed.FeedPacket) and isinstance(second, feed.FeedPacket)
        assert first.key
        assert 800_000 < second.pts - first.pts < 1_500_000  # the screen rests
        assert abs(first.pts - boottime_us()) < 30_000_000
        child.stdin.close()
        assert child.wait(30) == 0
    finally:
        child.kill()
        child.wait(30)
        child.stdout.close()


@pytest.mark.parametrize(
    ("device", "url", "role"),
    [
        ("/dev/video0", "v4l2:///dev/video0?size=640x480&fps=15", "presenter"),
        ("/dev/snd", "alsa://default", "microphone"),
    ],
)
def test_a_capture_device_of_this_machine_delivers(device: str, url: str, role: str) -> None:
    if not Path(device).exists():
        pytest.skip(f"capture from {device} is not tested: this machine has none")
    command = [sys.executable, "-m", "recorder.sources.capture", url, "--id", "x", "--role", role]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None and process.stdin is not None
    kinds = set()
    try:
        for message in feed.read(process.stdout):
            kinds.add(type(message))
            if kinds >= {feed.StreamInfo, feed.FeedPacket}:
                break
    finally:
        process.stdin.close()
        process.kill()
        process.wait()
        process.stdout.close()
    assert feed.FeedPacket in kinds


KMS = "screen:///dev/dri/card7?fps=5"


def test_a_graphics_card_is_named_by_its_path() -> None:
    device = Device.parse(KMS)
    assert kms.is_kms(device) and not kms.is_kms(Device.parse("screen://:0"))
    told = kms.grab(device)
    assert told[:6] == ["-f", "kmsgrab", "-device", "/dev/dri/card7", "-framerate", "5"]
    with pytest.raises(SourceError, match="there is no /dev/dri/card7"):
        kms.capture(device, KMS, Output(1), threading.Event(), "board", "slides")


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")
def test_what_ffmpeg_takes_from_a_card_becomes_a_feed() -> None:
    """A test picture in the card's place: the way from there is the same."""
    read, write = os.pipe()
    picture = ("-f", "lavfi", "-i", "testsrc2=s=64x48:r=25:d=0.4")
    with os.fdopen(read, "rb") as pipe:
        with pytest.raises(SourceError, match=r"ended .*CAP_SYS_ADMIN"):
            told = (Device.parse(KMS), KMS, Output(write), threading.Event(), "board", "slides")
            kms.capture(*told, taking=picture)
        os.close(write)
        info, *packets = feed.read(pipe)
    assert isinstance(info, feed.StreamInfo) and (info.width, info.height) == (64, 48)
    assert packets and all(isinstance(packet, feed.FeedPacket) for packet in packets)


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")
def test_a_card_that_is_refused_is_said_with_the_remedy() -> None:
    refused = ("-f", "lavfi", "-i", "no-such-source")
    with pytest.raises(SourceError, match=r"does not open .*AmbientCapabilities"):
        told = (Device.parse(KMS), KMS, Output(1), threading.Event(), "board", "slides")
        kms.capture(*told, taking=refused)
