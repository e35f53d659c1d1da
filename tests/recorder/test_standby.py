"""A child that waits becomes a source's child, once."""

import os
from typing import BinaryIO, cast

import pytest

from recorder import feed
from recorder.sources.open import parse
from recorder.sources.standby import Standby

SPEECH = parse("test:speech")


def test_it_becomes_the_child_of_a_source() -> None:
    standby = Standby(["rtsp://camera/1", "test:speech"])
    assert standby.take(SPEECH, "microphone", "microphone") is None  # none has been started
    standby.start()
    child = standby.take(SPEECH, "microphone", "microphone")
    assert child is not None and child.stdout is not None and child.stdin is not None
    try:
        assert standby.take(SPEECH, "other", "microphone") is None  # the next one comes later
        messages = feed.read(cast("BinaryIO", os.fdopen(os.dup(child.stdout.fileno()), "rb")))
        info, promise = next(messages), next(messages)
        assert isinstance(info, feed.StreamInfo) and info.source == "microphone"
        assert isinstance(promise, feed.Command) and promise.name == "alive"
        packet = next(one for one in messages if one != promise)
        assert isinstance(packet, feed.FeedPacket)
        with open(f"/proc/{child.pid}/comm") as name:  # noqa: PTH123
            assert name.read().strip() == "source micropho"
    finally:
        child.stdin.close()  # as its recorder does
        child.stdout.close()
        child.kill()
        child.wait()
        standby.stop()
    standby.start()
    assert standby.take(SPEECH, "microphone", "microphone") is None


@pytest.mark.parametrize("urls", [[], ["rtsp://camera/1", "file:film.mp4"]])
def test_where_no_source_has_a_child_none_waits(urls: list[str]) -> None:
    standby = Standby(urls)
    standby.start()
    assert standby.take(SPEECH, "microphone", "microphone") is None
    standby.stop()
