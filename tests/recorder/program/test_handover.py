"""Hardware that fails while it encodes: x264 makes what it owes, and the rest, in the same file."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

from recorder import encoders
from recorder.annexb import annex_b, record_sets
from recorder.engines import proof
from recorder.engines.writer import PartWriter

PICTURES, FPS = 50, 25
# Our child opens x264 under another name; ffmpeg is told to.
OWN = """
import dataclasses
from recorder import encoders
opened = encoders.open_video

def open_video(settings):
    if settings.encoder == "h264_own":
        options = {"preset": "ultrafast", "tune": "zerolatency", "forced-idr": "1"}
        settings = dataclasses.replace(settings, encoder="libx264", options=options)
    return opened(settings)

encoders.open_video = open_video
"""
FFMPEG = ("-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-forced-idr", "1")


@pytest.fixture(params=["h264_own", "h264_ffmpeg"])
def encoder(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Stands for hardware: x264 in our child, or in ffmpeg as VAAPI is."""
    (tmp_path / "sitecustomize.py").write_text(OWN)
    path = os.pathsep.join(filter(None, [str(tmp_path), str(Path.cwd())]))
    monkeypatch.setenv("PYTHONPATH", path)
    monkeypatch.setitem(encoders.BY_FFMPEG, "h264_ffmpeg", encoders.Line((), "", FFMPEG))
    return str(request.param)


def picture(number: int) -> av.VideoFrame:
    planes = np.full((270, 320), 128, np.uint8)
    planes[:180] = 16 + number * 4
    return av.VideoFrame.from_ndarray(planes, "yuv420p")


def written(writer: PartWriter, fault: Callable[[int], None]) -> list[tuple[float, int]]:
    """Writes PICTURES pictures with sound; returns what is in the file: times, and brightness."""
    for number in range(PICTURES):
        fault(number)
        writer.picture(picture(number), number * 1_000_000 // FPS, key=number in (0, 30))
        writer.sound(np.zeros((2, 48000 // FPS), np.float32))
    writer.close()
    with av.open(str(writer.path)) as part:
        return [
            (round(float(frame.time or 0.0), 3), round(float(frame.to_ndarray()[:180].mean())))
            for frame in part.decode(video=0)
        ]


def assert_whole(found: list[tuple[float, int]]) -> None:
    assert [at for at, _ in found] == [number / FPS for number in range(PICTURES)]
    assert max(abs(light - 16 - n * 4) for n, (_, light) in enumerate(found)) <= 3


def test_what_it_makes_is_proved(encoder: str) -> None:
    assert proof.prove(encoder, 320, 180) > proof.LEAST_DB


@pytest.mark.parametrize("fault", [None, signal.SIGKILL, signal.SIGSTOP])
def test_not_a_picture_is_lost(encoder: str, fault: signal.Signals | None, tmp_path: Path) -> None:
    settings = encoders.lecture_settings(320, 180, FPS, encoder=encoder)
    writer = PartWriter(tmp_path / "part.mp4", settings, tmp_path / "live.mp4")
    assert writer.encoder.name == encoder, writer.encoder.lost
    assert writer.encoder._hardware is not None
    process = writer.encoder._hardware._child.process

    def strike(number: int) -> None:
        if number == 20 and fault is not None:
            process.send_signal(fault)
            if fault is signal.SIGKILL:
                process.wait()

    assert_whole(written(writer, strike))
    assert writer.encoder.name == (encoder if fault is None else encoders.SOFTWARE)
    assert (writer.encoder.lost is None) == (fault is None)
    assert process.poll() is not None
    with av.open(str(tmp_path / "live.mp4")) as live:
        assert len(list(live.decode(video=0))) == PICTURES


def test_a_refusal_is_a_lecture_in_software(tmp_path: Path) -> None:
    settings = encoders.lecture_settings(320, 180, FPS, encoder="h264_none_such")
    writer = PartWriter(tmp_path / "part.mp4", settings)
    assert writer.encoder.name == encoders.SOFTWARE
    assert "its process ended" in str(writer.encoder.lost)
    assert_whole(written(writer, lambda _: None))
    soft = encoders.open_video(encoders.lecture_settings(320, 180, FPS))
    with av.open(str(writer.path)) as part:  # such a part can be joined with others by copy
        header = bytes(part.streams.video[0].codec_context.extradata or b"")
        assert annex_b(record_sets(header)) in bytes(soft.extradata or b"")


def test_what_is_missing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoders, "HARDWARE", {"h264_vaapi": "/nowhere/render*"})
    assert encoders.missing("h264_vaapi") == "there is no /nowhere/render*"
    monkeypatch.setattr(encoders, "HARDWARE", {"h264_vaapi": "/dev/nul*", "h264_no": "/dev/null"})
    monkeypatch.setenv("PATH", "/nowhere")
    assert "apt install ffmpeg" in str(encoders.missing("h264_vaapi"))
    assert encoders.missing("h264_no") == "this PyAV was built without it"
