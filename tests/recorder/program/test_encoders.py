"""Encoders are chosen by proof."""

from __future__ import annotations

import os
import stat
import sys
from fractions import Fraction
from pathlib import Path

import av
import pytest

from recorder import encoders


def test_software_works_and_is_the_answer_without_hardware(monkeypatch: pytest.MonkeyPatch) -> None:
    assert encoders.works(encoders.SOFTWARE)
    monkeypatch.setattr(encoders, "HARDWARE", {"h264_nvenc": "/nowhere"})
    assert encoders.choose("auto") == encoders.SOFTWARE
    assert encoders.choose("software") == encoders.SOFTWARE


def test_an_encoder_that_is_only_listed_is_not_taken() -> None:
    assert not encoders.works("no_such_encoder")


@pytest.mark.parametrize(
    ("script", "good"), [("exit 0", True), ("kill -SEGV $$", False), ("exit 1", False)]
)
def test_a_probe_that_dies_takes_nobody_with_it(
    script: str, good: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = tmp_path / "driver"
    driver.write_text(f"#!/bin/sh\n{script}\n")
    driver.chmod(driver.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr(sys, "executable", str(driver))
    encoders.works.cache_clear()
    assert encoders.works("h264_broken") is good
    encoders.works.cache_clear()


def test_a_probe_that_hangs_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    driver = tmp_path / "driver"
    driver.write_text(f"#!/bin/sh\necho $$ > {tmp_path}/pid\nexec sleep 600\n")
    driver.chmod(driver.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr(sys, "executable", str(driver))
    monkeypatch.setattr(encoders, "PROBE_SECONDS", 1)
    encoders.works.cache_clear()
    assert not encoders.works("h264_hanging")
    encoders.works.cache_clear()
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_live_has_more_key_frames_and_the_same_header() -> None:
    slow = encoders.lecture_settings(320, 180, 25)
    fast = encoders.lecture_settings(320, 180, 25, live=True)
    assert (slow.gop, fast.gop) == (250, 50)
    again = encoders.lecture_settings(320, 180, 25, threads=2)
    assert encoders.open_video(slow).extradata == encoders.open_video(again).extradata


def test_a_source_is_encoded_without_delay() -> None:
    encoder = encoders.open_video(encoders.source_settings(160, 90, 10))
    assert encoder.time_base == Fraction(1, 10)
    frame = av.VideoFrame(160, 90, "yuv420p")
    frame.pts = 5
    packets = encoder.encode(frame)
    assert [(packet.pts, packet.is_keyframe) for packet in packets] == [(5, True)]
