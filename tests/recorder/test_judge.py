"""What a source should deliver, and what it does."""

from collections.abc import Callable
from typing import Any

import av
import pytest

from recorder.judge import Judge
from recorder.media import MediaStream, Sample
from recorder.recording import SourceSpec


def judge(url: str = "rtsp://camera/main", **fields: Any) -> Judge:
    return Judge(SourceSpec(id="front", role="presenter", url=url, **fields))


def feed(judge: Judge, fps: float, *, start: float = 0.0, every: int = 0) -> None:
    """Twelve seconds of pictures, of which every so manieth is lost."""
    for number in range(round(12 * fps)):
        if every and number % every == every - 1:
            continue
        t = round((start + number / fps) * 1_000_000)
        judge.sample(Sample(0, t, t, 0, True, av.Packet(1)))


def picture(width: int, height: int) -> list[MediaStream]:
    return [MediaStream("video", "h264", width=width, height=height)]


def test_a_picture_of_the_wrong_size_is_said() -> None:
    expecting = judge(expect="1920x1080")
    expecting.begin(picture(1280, 720))
    assert expecting.verdicts("running")["wrong_size"] == "1280x720 instead of 1920x1080"
    assert not any(expecting.verdicts("lost").values())
    expecting.begin(picture(1920, 1080))
    assert not any(expecting.verdicts("running").values())
    seen = judge()
    seen.begin(picture(1920, 1080))
    assert not seen.verdicts("running")["wrong_size"]
    seen.begin(picture(640, 360))
    assert seen.verdicts("running")["wrong_size"]


def test_a_picture_that_comes_too_slowly_is_said() -> None:
    expecting, seen = judge(expect="@25"), judge()
    for one in (expecting, seen):
        one.begin(picture(1280, 720))
        feed(one, 25)
        assert not any(one.verdicts("running").values())
        feed(one, 12, start=12)
        assert one.verdicts("running")["wrong_rate"].startswith("12.")
    captured = judge("v4l2:///dev/video0", expect="1280x720@25")
    captured.begin(picture(1280, 720))
    feed(captured, 2)  # it rests, so it is sent seldom
    assert not any(captured.verdicts("running").values())


def test_what_gets_lost_on_the_way_is_said() -> None:
    one = judge()
    one.begin(picture(1280, 720))
    feed(one, 25, every=10)
    assert one.verdicts("running")["packets_lost"] == "10% of its picture"
    feed(one, 25, start=12)
    assert not any(one.verdicts("running").values())


def test_what_is_expected_is_written_as_a_size_and_a_rate() -> None:
    assert judge(expect="1280x720@29.97").verdicts("opening")
    with pytest.raises(ValueError):
        judge(expect="large")


async def test_the_recorder_tells_it(
    hold_class: Callable[..., Any], camera: Callable[..., Any]
) -> None:
    made = hold_class(f"presenter={camera('--sound', 'none').url}", expect="1920x1080")
    await made.start()
    await made.until(lambda: made.fact("wrong_size", "presenter"), "the alarm")
    await made.finish()
