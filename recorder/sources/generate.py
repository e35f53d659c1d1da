"""A generated source, run as a child: `python -m recorder.sources.generate URL --id ID --role R`.

`test:presenter`, `test:slides`, `test:speech` and `test:static` stand in for cameras, computers
and microphones in the demo and in tests. They need no hardware, cost little, and carry a mark by
which sound and picture can be compared across processes: a flash and a beep that begin at the
same instants, every two whole seconds of CLOCK_BOOTTIME.

Options in the URL's query: `size=WxH`, `fps=N` (pictures), `page=SECONDS` (slides: time per page).
"""

from __future__ import annotations

import functools
import sys
import threading
from fractions import Fraction

import av
import cv2
import numpy as np
from av.video.frame import PictureType

from recorder import encoders, feed
from recorder.sources.child import Output, Serve, boottime_us, serve
from recorder.sources.patterns import PATTERNS, Picture, Slides, TestUrl, speech

_LATE_US = 500_000


class PictureStream:
    """A generated picture, encoded. Frames are counted in 1/fps from CLOCK_BOOTTIME's zero."""

    def __init__(self, url: TestUrl, source: str, role: str, index: int = 0) -> None:
        picture: Picture = PATTERNS[url.pattern](url)
        self.picture = picture
        self._fps = url.fps
        self._encoder = encoders.open_video(
            encoders.source_settings(url.width, url.height, url.fps, quality="draft")
        )
        header = (self._encoder.extradata or b"").hex()
        self.info = feed.StreamInfo(
            index, source, role, "video", "h264", header, url.width, url.height, float(url.fps)
        )

    def time(self, count: int) -> int:
        """The time of frame `count` in µs."""
        return round(count * 1_000_000 / self._fps)

    def packets(self, count: int) -> list[feed.FeedPacket]:
        """Draws and encodes frame `count`."""
        t = self.time(count)
        key = isinstance(self.picture, Slides) or self.picture.turn(t)
        self.picture.draw(t)
        frame = self.picture.canvas.frame
        frame.pts = count
        frame.pict_type = PictureType.I if key else PictureType.NONE
        packets = []
        for packet in self._encoder.encode(frame):
            assert packet.pts is not None
            pts = self.time(packet.pts)
            length = 1_000_000 // self._fps
            packets.append(
                feed.FeedPacket(
                    self.info.index, pts, pts, length, bytes(packet), packet.is_keyframe
                )
            )
        return packets


class SoundStream:
    """The speech-like sound, encoded. Positions are samples from CLOCK_BOOTTIME's zero."""

    SIZE = encoders.AAC_FRAME
    RATE = encoders.SAMPLE_RATE

    def __init__(self, source: str, role: str, index: int = 0) -> None:
        self._encoder = encoders.open_sound(channels=1, bit_rate=64_000)
        self._loop = speech()
        self._period = len(self._loop)
        self._loop = np.concatenate([self._loop, self._loop[: self.SIZE]])
        self._first: int | None = None
        header = (self._encoder.extradata or b"").hex()
        self.info = feed.StreamInfo(
            index, source, role, "audio", "aac", header, rate=self.RATE, channels=1
        )

    def packets(self, position: int) -> list[feed.FeedPacket]:
        """Encodes SIZE samples from `position`; what comes out lies SIZE samples earlier."""
        if self._first is None:
            self._first = position
        start = position % self._period
        sound = self._loop[None, start : start + self.SIZE]
        frame = av.AudioFrame.from_ndarray(sound, "fltp", "mono")
        frame.sample_rate = self.RATE
        frame.pts = position
        frame.time_base = Fraction(1, self.RATE)
        packets = []
        for packet in self._encoder.encode(frame):
            assert packet.pts is not None
            if packet.pts < self._first:
                continue  # the encoder's priming: it lies before the first sample
            pts = packet.pts * 1_000_000 // self.RATE
            length = self.SIZE * 1_000_000 // self.RATE
            packets.append(
                feed.FeedPacket(self.info.index, pts, pts, length, bytes(packet), key=True)
            )
        return packets


def prepare() -> None:
    """Does what takes time, in a process that waits."""
    speech()


def clip(
    url: str, source: str, role: str, index: int, begin: int, end: int
) -> tuple[feed.StreamInfo, list[feed.FeedPacket]]:
    """Generates `url` from `begin` to `end` (µs) at once: for tests and benchmarks."""
    parsed = TestUrl.parse(url)
    if PATTERNS[parsed.pattern] is None:
        sound = SoundStream(source, role, index)
        first = begin * sound.RATE // 1_000_000
        last = end * sound.RATE // 1_000_000 + sound.SIZE
        return sound.info, [
            packet
            for position in range(first, last, sound.SIZE)
            for packet in sound.packets(position)
        ]
    stream = PictureStream(parsed, source, role, index)
    first, last = -(-begin * parsed.fps // 1_000_000), end * parsed.fps // 1_000_000
    return stream.info, [
        packet
        for count in range(first, last)
        if stream.picture.due(stream.time(count))
        for packet in stream.packets(count)
    ]


def run_picture(stream: PictureStream, output: Output, stop: threading.Event) -> None:
    """Sends pictures in real time until `stop`; frames lie on whole multiples of 1/fps."""
    output.send(stream.info)
    fps = stream.picture.url.fps
    count = boottime_us() * fps // 1_000_000
    while not stop.is_set():
        count += 1
        t = stream.time(count)
        if not stream.picture.due(t):
            continue
        ahead = t - boottime_us()
        if ahead < -_LATE_US:  # the reader stalled, or the machine slept: go on with the present
            count = boottime_us() * fps // 1_000_000
            continue
        if ahead > 0 and output.wait(stop, ahead / 1e6):
            return
        for packet in stream.packets(count):
            output.send(packet)


def run_sound(stream: SoundStream, output: Output, stop: threading.Event) -> None:
    """Sends the sound in real time until `stop`."""
    output.send(stream.info)
    size, rate = stream.SIZE, stream.RATE
    position = boottime_us() * rate // 1_000_000 // size * size
    while not stop.is_set():
        ahead = (position + size) * 1_000_000 // rate - boottime_us()
        if ahead < -_LATE_US:
            position += -ahead * rate // 1_000_000 // size * size
            continue
        if ahead > 0 and output.wait(stop, ahead / 1e6):
            return
        for packet in stream.packets(position):
            output.send(packet)
        position += size


def opened(url: str, source: str, role: str) -> Serve:
    """What writes the feed of a test source. Raises SourceError."""
    parsed = TestUrl.parse(url)
    if PATTERNS[parsed.pattern] is None:
        return functools.partial(run_sound, SoundStream(source, role))
    return functools.partial(run_picture, PictureStream(parsed, source, role))


def main() -> int:
    """Entry of the child: see `serve`."""
    cv2.setNumThreads(1)
    return serve("Generates a test source and writes its feed to standard output.", opened)


if __name__ == "__main__":
    sys.exit(main())
