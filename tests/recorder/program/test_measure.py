"""The measure measures: known offsets are found, damage is counted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from recorder import encoders, feed
from recorder.production.measure import MeasureError, check, find_beeps, measure_av_offset


@pytest.mark.parametrize("late_ms", [-120, 60])
def test_a_known_offset_is_found(late_ms: int, tmp_path: Path, kit: Any) -> None:
    def shifted(message: feed.Message) -> feed.Message:
        if isinstance(message, feed.FeedPacket) and message.index == 2:
            pts = message.pts - late_ms * 1000
            return feed.FeedPacket(2, pts, pts, message.duration, message.data, True)
        return message

    path = tmp_path / "shifted.mp4"
    kit.make(path, [shifted(m) for m in kit.feed(9, [(9.0, "finish", {})])])
    offset = measure_av_offset(path)
    assert offset.offset_ms == pytest.approx(late_ms, abs=5)
    assert offset.pairs >= 2


def test_a_tone_that_is_softer_than_the_first_is_found_at_its_own_beginning(tmp_path: Path) -> None:
    rate, path = encoders.SAMPLE_RATE, tmp_path / "tones.wav"
    times = np.arange(4 * rate) / rate
    loud = np.select([times < 1, times < 1.1, times < 2, times < 2.1], [0, 0.8, 0, 0.2], 0)
    sound = (loud * np.sin(2 * np.pi * 1000 * times)).astype(np.float32)
    with av.open(str(path), "w") as out:
        stream = out.add_stream("pcm_f32le", rate=rate, layout="mono")
        frame = av.AudioFrame.from_ndarray(sound[None], "flt", "mono")
        frame.sample_rate = rate
        out.mux([*stream.encode(frame), *stream.encode(None)])
    assert find_beeps(path) == pytest.approx([1, 2], abs=0.002)


def test_without_marks_nothing_is_claimed(tmp_path: Path, kit: Any) -> None:
    path = tmp_path / "slides.mp4"
    kit.make(path, kit.feed(3, [(3.0, "finish", {})], sources=(1,)))
    with pytest.raises(MeasureError, match="no flash with a beep"):
        measure_av_offset(path)


def test_damage_is_counted_and_a_torn_end_is_seen(tmp_path: Path, lecture: Path) -> None:
    data = bytearray(lecture.read_bytes())
    middle = data.find(b"mdat") + 4000
    data[middle : middle + 3000] = bytes(3000)
    damaged = tmp_path / "damaged.mp4"
    damaged.write_bytes(data)
    assert not check(damaged).whole
    with pytest.raises(MeasureError, match="cannot be read"):
        check(tmp_path / "missing.mp4")
    (tmp_path / "empty.mp4").write_bytes(b"")
    with pytest.raises(MeasureError, match=r"empty\.mp4 cannot be read"):
        check(tmp_path / "empty.mp4")
