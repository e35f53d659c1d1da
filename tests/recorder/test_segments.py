import os
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from recorder import fmp4
from recorder.media import MediaStream, Sample, extension
from recorder.segments import (
    SegmentError,
    SegmentWriter,
    Syncer,
    next_number,
    segment_files,
    span,
    trim,
)


@pytest.fixture
def syncer() -> Iterator[Syncer]:
    made = Syncer()
    yield made
    made.stop()


def picture_stream(count: int, *, moving: bool = True) -> tuple[MediaStream, list[Sample]]:
    """Packets as a source child sends them: Annex B, stamps in microseconds from 100 s."""
    encoder: Any = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt = 320, 180, "yuv420p"
    encoder.time_base, encoder.framerate = Fraction(1, 1_000_000), Fraction(25)
    encoder.options = {"preset": "ultrafast", "tune": "zerolatency", "g": "25"}
    encoder.flags |= 1 << 22  # the header goes to extradata
    samples = []
    for number in range(count):
        shade = number * 9 % 255 if moving else 80
        frame = av.VideoFrame.from_ndarray(np.full((180, 320, 3), shade, np.uint8), "rgb24")
        frame.pts, frame.time_base = number * 40_000, Fraction(1, 1_000_000)
        for packet in encoder.encode(frame):
            at = 100_000_000 + packet.pts
            data = av.Packet(bytes(packet))
            data.is_keyframe = packet.is_keyframe
            samples.append(Sample(0, at, at, 40_000, packet.is_keyframe, data))
    return MediaStream("video", "h264", bytes(encoder.extradata or b""), 320, 180, 25.0), samples


def test_packets_carry_class_time(tmp_path: Path, syncer: Syncer) -> None:
    stream, samples = picture_stream(50)
    path = tmp_path / "000001.mp4"
    writer = SegmentWriter(path, [stream], syncer)
    for sample in samples:
        writer.write(sample)
    writer.close()
    with av.open(str(path)) as container:
        times = [p.pts * p.time_base for p in container.demux(video=0) if p.pts is not None]
    assert [round(float(t), 3) for t in (times[0], times[-1])] == [100.0, 101.96]
    assert span(path) == pytest.approx((100.0, 102.0), abs=0.001)
    with av.open(str(path)) as container:
        assert sum(1 for _ in container.decode(video=0)) == 50


@pytest.mark.parametrize("moving", [True, False])
def test_a_kill_takes_less_than_a_second(tmp_path: Path, moving: bool) -> None:
    """With a static picture too, whose few bytes would otherwise wait in a buffer."""
    script = textwrap.dedent(f"""
        import importlib.util, os, signal, sys
        from pathlib import Path
        spec = importlib.util.spec_from_file_location("t", {str(Path(__file__))!r})
        t = importlib.util.module_from_spec(spec); spec.loader.exec_module(t)
        stream, samples = t.picture_stream(250, moving={moving})
        writer = t.SegmentWriter(Path(sys.argv[1]), [stream], t.Syncer())
        for sample in samples:
            writer.write(sample)
        os.kill(os.getpid(), signal.SIGKILL)
    """)
    path = tmp_path / "000001.mp4"
    done = subprocess.run([sys.executable, "-c", script, str(path)], check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL
    found = span(path)
    assert found is not None and found[1] > 110.0 - 0.5


@pytest.mark.parametrize(("codec", "kind"), [("pcm_s16le", "mov"), ("vp8", "mkv")])
def test_what_mp4_cannot_hold_goes_elsewhere(
    tmp_path: Path, syncer: Syncer, codec: str, kind: str
) -> None:
    media: Any = "video" if codec == "vp8" else "audio"
    stream = MediaStream(media, codec, width=320, height=180, rate=8000, channels=1)
    assert extension([stream]) == kind
    path = tmp_path / f"000001.{kind}"
    writer = SegmentWriter(path, [stream], syncer)
    for number in range(100):
        at = 7_000_000 + number * 20_000
        writer.write(Sample(0, at, at, 20_000, True, av.Packet(bytes(320))))
    writer.close()
    assert span(path) == pytest.approx((7.0, 9.0), abs=0.05)


def test_stamps_that_stand_still_are_pushed_on(tmp_path: Path, syncer: Syncer) -> None:
    stream, samples = picture_stream(10)
    writer = SegmentWriter(tmp_path / "000001.mp4", [stream], syncer)
    for sample in samples:
        sample.dts = sample.pts = 5_000_000
        writer.write(sample)
    writer.close()
    with av.open(str(tmp_path / "000001.mp4")) as container:
        dts = [p.dts for p in container.demux(video=0) if p.dts is not None]
    assert len(dts) == 10 and dts == sorted(set(dts))


def test_an_unknown_codec_is_said(tmp_path: Path, syncer: Syncer) -> None:
    with pytest.raises(SegmentError, match="theora"):
        SegmentWriter(tmp_path / "1.mkv", [MediaStream("video", "theora")], syncer)


def test_numbers_are_never_used_again(tmp_path: Path) -> None:
    for name in ("000001.mp4", "000003.mkv", "notes.txt"):
        (tmp_path / name).touch()
    (tmp_path / "quarantine").mkdir()
    (tmp_path / "quarantine" / "000007.mp4").touch()
    assert [number for number, _ in segment_files(tmp_path)] == [1, 3]
    assert next_number(tmp_path) == 8


def test_scanning_hostile_bytes_ends(tmp_path: Path) -> None:
    path = tmp_path / "x.mp4"
    for data in (b"", b"\x00" * 64, os.urandom(4096), b"\x00\x00\x00\x08moov" * 50):
        path.write_bytes(data)
        assert fmp4.scan(path).fragments == fmp4.scan_edges(path).fragments == []


def _long(folder: Path, syncer: Syncer, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A segment whose end is a small part of it, as after ten minutes."""
    stream, samples = picture_stream(200)
    path = folder / "000001.mp4"
    writer = SegmentWriter(path, [stream], syncer)
    for sample in samples:
        writer.write(sample)
    writer.close()
    monkeypatch.setattr(fmp4, "TAIL", path.stat().st_size // 5)
    return path


@pytest.mark.parametrize("torn", [0, 1, 900])
def test_the_edges_of_a_long_segment_tell_the_same_as_all_of_it(
    tmp_path: Path, syncer: Syncer, monkeypatch: pytest.MonkeyPatch, torn: int
) -> None:
    path = _long(tmp_path, syncer, monkeypatch)
    os.truncate(path, path.stat().st_size - torn)
    whole, edges = fmp4.scan(path), fmp4.scan_edges(path)
    assert (edges.start, edges.stop, edges.sound) == (whole.start, whole.stop, whole.sound)
    assert len(edges.fragments) < len(whole.fragments) / 2
    assert edges.fragments == [whole.fragments[0], *whole.fragments[1 - len(edges.fragments) :]]


def test_a_file_that_is_cut_while_its_end_is_looked_for_ends_the_search(tmp_path: Path) -> None:
    path = tmp_path / "x.mp4"
    path.write_bytes(b"x" * 4096)
    with path.open("rb") as file:
        assert not fmp4._Walk(file.fileno(), 1 << 20).last(2048)


@pytest.mark.parametrize("end", [107.5, 103.0, 100.05])
def test_a_long_segment_is_cut_where_all_of_it_says(
    tmp_path: Path, syncer: Syncer, monkeypatch: pytest.MonkeyPatch, end: float
) -> None:
    path = _long(tmp_path, syncer, monkeypatch)
    kept = [fragment for fragment in fmp4.scan(path).fragments if fragment.start < end]
    assert trim(tmp_path, end) == {path: kept[-1].stop}
    assert fmp4.scan(path).fragments == kept
    assert trim(tmp_path, 100.0) == {path: None}


def test_the_next_sync_does_not_wait_longer_because_the_last_one_was_slow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    rounds = threading.Event()

    class Wake(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            waits.append(timeout or 0.0)
            if len(waits) > 2:
                rounds.set()
            return super().wait(0.01)

    def slow(handle: int) -> None:
        threading.Event().wait(0.3)

    path = tmp_path / "one"
    path.touch()
    syncer = Syncer()
    monkeypatch.setattr(os, "fdatasync", slow)
    syncer.add(path)
    monkeypatch.setattr(syncer, "_wake", Wake())
    syncer.now()
    assert rounds.wait(30.0)
    syncer.stop()
    assert max(waits[1:]) <= Syncer.PERIOD - 0.29
