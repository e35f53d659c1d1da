"""Generated sources: what they promise to whoever measures with them."""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import av
import pytest

from recorder import feed
from recorder.engines.picture import VideoTrack
from recorder.sources.child import SourceError, boottime_us
from recorder.sources.generate import PATTERNS, TestUrl, clip


@contextmanager
def child(url: str, role: str = "presenter") -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "recorder.sources.generate", url, "--id", "x", "--role", role],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("pattern", list(PATTERNS))
def test_a_child_sends_its_streams_and_then_packets_of_now(pattern: str) -> None:
    size = "" if pattern == "speech" else "?size=320x180"
    with child(f"test:{pattern}{size}") as process:
        assert process.stdout is not None and process.stdin is not None
        began = boottime_us()
        messages = feed.read(process.stdout)
        info = next(messages)
        assert isinstance(info, feed.StreamInfo)
        assert (info.index, info.source, info.role) == (0, "x", "presenter")
        assert info.media == ("audio" if pattern == "speech" else "video")
        assert info.extradata
        promise = next(messages)
        assert isinstance(promise, feed.Command) and promise.name == "alive"
        packet = next(one for one in messages if one != promise)
        assert isinstance(packet, feed.FeedPacket)
        assert packet.key
        assert began - 100_000 < packet.pts < boottime_us() + 100_000
        process.stdin.close()
        for _ in messages:
            pass
        assert process.wait(30) == 0
        assert process.stderr is not None
        assert process.stderr.read() == b""
        process.stdin = None


def test_a_child_ends_when_nobody_reads(kit: Any) -> None:
    with child("test:presenter?size=320x180") as process:
        assert process.stdout is not None
        next(feed.read(process.stdout))
        process.stdout.close()
        process.stdout = None
        assert process.wait(30) == 0


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("test:ghost", "use test:presenter, test:slides"),
        ("test:slides?size=big", "use ?size=WIDTHxHEIGHT"),
        ("test:slides?size=9x9", "size 64..4096"),
        ("test:slides?colour=red", "option colour is not known"),
        ("file:x", "use test:presenter"),
    ],
)
def test_a_wrong_url_is_told_in_one_line(url: str, said: str) -> None:
    with pytest.raises(SourceError, match=said.replace("?", r"\?")):
        TestUrl.parse(url)


def test_a_wrong_url_ends_the_child_with_2() -> None:
    with child("test:ghost") as process:
        _, error = process.communicate(timeout=30)
        assert process.returncode == 2
        assert error.count(b"\n") == 1


def test_slides_rest_between_pages_and_repeat_a_key_frame_each_second() -> None:
    _, packets = clip("test:slides?size=320x180&fps=25&page=4", "x", "slides", 0, 0, 9_000_000)
    assert len(packets) == 9
    assert all(packet.key for packet in packets)


def test_a_camera_has_a_key_frame_each_second(kit: Any) -> None:
    _, packets = kit.clip(0, 11)
    keys = [packet.pts for packet in packets if packet.key]
    assert max(b - a for a, b in itertools.pairwise(keys)) <= 1_000_000
    assert all(packet.pts == packet.dts for packet in packets)


def test_the_flash_begins_at_whole_even_seconds(kit: Any) -> None:
    info, packets = kit.clip(0, 11)
    track = VideoTrack(info)
    track.wanted = True
    bright = []
    for packet in packets:
        track.push(packet)
        if track.advance(packet.pts) and track.frame is not None:
            luma = track.frame.to_ndarray()[: track.frame.height]
            if luma[40, 40] > 200:
                bright.append(packet.pts)
    starts = [t for t in bright if t - 40_000 not in bright]
    assert starts == [0, 2_000_000, 4_000_000, 6_000_000, 8_000_000, 10_000_000]
    assert len(bright) == 3 * len(starts)


def test_sound_has_no_gap_and_no_overlap(kit: Any) -> None:
    _, packets = kit.clip(2, 11)
    steps = {b.pts - a.pts for a, b in itertools.pairwise(packets)}
    assert steps <= {21333, 21334}


def test_the_header_opens_a_decoder(kit: Any) -> None:
    for number in range(3):
        info, packets = kit.clip(number, 11)
        decoder: Any = av.CodecContext.create(info.codec, "r")
        decoder.extradata = bytes.fromhex(info.extradata)
        frames = [f for p in packets[:5] for f in decoder.decode(av.Packet(p.data))]
        assert frames
