"""A generated source, run as a child: `python -m recorder.sources.generate URL --id ID --role R`.

`test:presenter`, `test:slides`, `test:speech` and `test:static` stand in for cameras, computers
and microphones in the demo and in tests. They need no hardware, cost little, and carry a mark by
which sound and picture can be compared across processes: a flash and a beep that begin at the
same instants, every two whole seconds of CLOCK_BOOTTIME.

Options in the URL's query: `size=WxH`, `fps=N` (pictures), `page=SECONDS` (slides: time per page).
"""

from __future__ import annotations

import sys
import threading
from abc import ABC, abstractmethod
from dataclasses import dataclass
from fractions import Fraction
from typing import Any
from urllib.parse import parse_qs, urlsplit

import av
import cv2
import numpy as np
from av.video.frame import PictureType
from numpy.typing import NDArray

from recorder import encoders, feed
from recorder.sources.child import (
    Output,
    SourceError,
    arguments,
    boottime_us,
    leave_stdout,
    stop_with_stdin,
)

Plane = NDArray[np.uint8]

MARK_US = 2_000_000
FLASH_FRAMES = 3
BEEP_S = 0.06
BEEP_HZ = 1000
_LATE_US = 500_000


@dataclass(frozen=True)
class TestUrl:
    """A parsed `test:` URL."""

    __test__ = False

    pattern: str
    width: int
    height: int
    fps: int
    page_s: float

    @classmethod
    def parse(cls, url: str) -> TestUrl:
        """Raises SourceError when the pattern or an option is not known."""
        parts = urlsplit(url)
        if parts.scheme != "test" or parts.path not in PATTERNS:
            raise SourceError(f"{url}: use test:{', test:'.join(PATTERNS)}")
        query = {key: values[-1] for key, values in parse_qs(parts.query).items()}
        size = query.pop("size", "1920x1080" if parts.path in ("slides", "static") else "1280x720")
        try:
            width, height = (int(value) // 2 * 2 for value in size.split("x"))
            fps = int(query.pop("fps", "25"))
            page_s = float(query.pop("page", "8"))
        except ValueError as error:
            raise SourceError(f"{url}: use ?size=WIDTHxHEIGHT&fps=N&page=SECONDS") from error
        if query:
            raise SourceError(f"{url}: option {next(iter(query))} is not known (size, fps, page)")
        if not (64 <= width <= 4096 and 64 <= height <= 4096 and 1 <= fps <= 60 and page_s >= 0.5):
            raise SourceError(f"{url}: size 64..4096, fps 1..60, page at least 0.5 seconds")
        return cls(parts.path, width, height, fps, page_s)


class Canvas:
    """A yuv420p picture whose planes are written in place. Colours are (Y, U, V), limited range."""

    def __init__(self, width: int, height: int) -> None:
        self.frame = av.VideoFrame(width, height, "yuv420p")
        self.planes: list[Plane] = []
        for plane in self.frame.planes:
            rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)  # type: ignore[call-overload]
            self.planes.append(rows[: plane.height, : plane.width])

    def fill(self, left: int, top: int, right: int, bottom: int, colour: tuple[int, ...]) -> None:
        """Fills a rectangle given in luma pixels."""
        for plane, value, half in zip(self.planes, colour, (1, 2, 2), strict=True):
            plane[top // half : bottom // half, left // half : right // half] = value

    def ellipse(self, x: int, y: int, width: int, height: int, colour: tuple[int, ...]) -> None:
        """Draws a filled ellipse around (x, y), half axes `width`, `height`, in luma pixels."""
        for plane, value, half in zip(self.planes, colour, (1, 2, 2), strict=True):
            centre, axes = (x // half, y // half), (width // half, height // half)
            cv2.ellipse(plane, centre, axes, 0, 0, 360, value, -1)

    def text(self, x: int, y: int, text: str, height: int, luma: int) -> None:
        """Writes `text` with its baseline at y; `height` is that of a capital, in pixels."""
        scale = height / 21
        weight = max(1, round(height / 12))
        font = cv2.FONT_HERSHEY_DUPLEX
        cv2.putText(self.planes[0], text, (x, y), font, scale, luma, weight, cv2.LINE_AA)


class Picture(ABC):
    """A generated picture: draws the moment `t` (µs of CLOCK_BOOTTIME) on its canvas."""

    def __init__(self, url: TestUrl) -> None:
        self.url = url
        self.canvas = Canvas(url.width, url.height)

    def due(self, t: int) -> bool:
        """Whether a frame should be sent for `t`; pictures that rest are sent once a second."""
        return True

    def turn(self, t: int) -> bool:
        """Whether the picture at `t` is a new one that deserves a key frame of its own."""
        return False

    @abstractmethod
    def draw(self, t: int) -> None:
        """Brings the canvas to time `t`."""


class Presenter(Picture):
    """A figure that walks before a board, a running clock, and the flash."""

    def __init__(self, url: TestUrl) -> None:
        super().__init__(url)
        width, height = url.width, url.height
        ramp = np.linspace(90, 150, width).astype(np.uint8)
        self.canvas.planes[0][:] = ramp[None, :]
        self.canvas.planes[1][:] = 122
        self.canvas.planes[2][:] = 134
        self.canvas.fill(0, height * 5 // 6, width, height, (70, 118, 140))
        self.canvas.fill(width // 20, height // 10, width // 2, height * 6 // 10, (60, 126, 118))
        self._background = [plane.copy() for plane in self.canvas.planes]

    def draw(self, t: int) -> None:
        width, height = self.url.width, self.url.height
        for plane, background in zip(self.canvas.planes, self._background, strict=True):
            plane[:] = background
        phase = t / 1e6
        x = int(width * (0.68 + 0.16 * np.sin(phase * 0.5)))
        sway = int(height * 0.012 * np.sin(phase * 3))
        body = (width // 18, height // 4)
        self.canvas.ellipse(x, int(height * 0.68) + sway, *body, (60, 150, 110))
        hand = int(height * (0.5 + 0.1 * np.sin(phase * 2.1)))
        self.canvas.ellipse(x - width // 12, hand, width // 60, height // 30, (165, 112, 150))
        head = (height // 15, height // 12)
        self.canvas.ellipse(x, int(height * 0.36) + sway, *head, (165, 112, 150))
        seconds = t // 1_000_000
        clock = f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
        tenths = t // 100_000 % 10
        self.canvas.text(width // 16, height * 3 // 4, f"{clock}.{tenths}", height // 18, 210)
        if t % MARK_US < FLASH_FRAMES * 1_000_000 // self.url.fps:
            self.canvas.fill(
                width // 20, height // 10, width // 2, height * 6 // 10, (235, 128, 128)
            )


_DECK = (
    ("Energy and work", ("Work is force along a way", "W = F s cos(a)", "Unit: joule")),
    ("Kinetic energy", ("Energy of a moving body", "E = 1/2 m v^2", "Twice as fast: four times")),
    ("Potential energy", ("Energy of position", "E = m g h", "Zero level is a free choice")),
    ("Conservation", ("Energy is never lost", "It only changes its form", "Friction: heat")),
    ("Power", ("Work done in a time", "P = W / t", "Unit: watt")),
    ("Exercises", ("A lift raises 400 kg by 12 m", "How much work is done?", "Which power?")),
)


class Slides(Picture):
    """A deck of readable pages, one every `page` seconds; nothing moves between them."""

    def __init__(self, url: TestUrl) -> None:
        super().__init__(url)
        self._page = -1
        self._second = -1

    def page(self, t: int) -> int:
        """The number of the page shown at `t`."""
        return int(t // (self.url.page_s * 1e6))

    def due(self, t: int) -> bool:
        return self.page(t) != self._page or t // 1_000_000 != self._second

    def turn(self, t: int) -> bool:
        return self.page(t) != self._page

    def draw(self, t: int) -> None:
        page, self._second = self.page(t), t // 1_000_000
        if page == self._page:
            return
        self._page = page
        width, height = self.url.width, self.url.height
        title, lines = _DECK[page % len(_DECK)]
        accent = ((90, 160, 110), (80, 110, 160), (100, 150, 150))[page % 3]
        self.canvas.fill(0, 0, width, height, (232, 128, 128))
        self.canvas.fill(0, 0, width, height // 5, accent)
        self.canvas.text(width // 20, height * 2 // 15, title, height // 14, 235)
        for row, line in enumerate(lines):
            y = int(height * (0.36 + 0.16 * row))
            self.canvas.fill(width // 20, y - height // 40, width // 20 + height // 40, y, accent)
            self.canvas.text(width // 12, y, line, height // 22, 40)
        self.canvas.text(width * 9 // 10, height * 24 // 25, str(page % 1000), height // 36, 90)


class Static(Slides):
    """A picture that never changes."""

    def page(self, t: int) -> int:
        return 0


def _speech(seconds: int = 8) -> NDArray[np.float32]:
    """Eight seconds of mono sound with the rhythm of speech, the beep on every second second.

    Voiced syllables (harmonics of a wavering pitch under two formants, nothing near the beep's
    frequency), short rests between phrases, silence around each beep.
    """
    rate = encoders.SAMPLE_RATE
    t = np.arange(seconds * rate) / rate
    pitch = 118 + 14 * np.sin(2 * np.pi * t / 4) + 6 * np.sin(2 * np.pi * t)
    phase = 2 * np.pi * np.cumsum(pitch) / rate
    sound = np.zeros_like(t)
    for harmonic in range(1, 26):
        hertz = 118 * harmonic
        if 800 < hertz < 1250:
            continue
        gain = np.exp(-(((hertz - 500) / 300) ** 2)) + 0.5 * np.exp(-(((hertz - 1700) / 500) ** 2))
        sound += (gain + 0.02) * np.sin(harmonic * phase)
    syllables = np.clip(np.sin(2 * np.pi * 3.5 * t) + 0.35, 0, None)
    phrases = (t % 4 < 3.3).astype(float)
    sound *= syllables * phrases
    sound *= 0.25 / np.abs(sound).max()
    away = np.minimum(t % 2, 2 - t % 2)
    sound[(t % 2 < BEEP_S + 0.1) | (away < 0.1)] = 0
    beep = t % 2 < BEEP_S
    sound[beep] = 0.5 * np.sin(2 * np.pi * BEEP_HZ * (t[beep] % 2))
    return sound.astype(np.float32)


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
        self._loop = _speech()
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
        if ahead > 0 and stop.wait(ahead / 1e6):
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
        if ahead > 0 and stop.wait(ahead / 1e6):
            return
        for packet in stream.packets(position):
            output.send(packet)
        position += size


PATTERNS: dict[str, Any] = {
    "presenter": Presenter,
    "slides": Slides,
    "speech": None,
    "static": Static,
}


def main() -> int:
    """Runs until standard input closes or standard output breaks; 2 when the URL is wrong."""
    options = arguments("Generates a test source and writes its feed to standard output.")
    cv2.setNumThreads(1)
    try:
        url = TestUrl.parse(options.url)
    except SourceError as error:
        print(error, file=sys.stderr)
        return 2
    output, stop = Output(sys.stdout.fileno()), stop_with_stdin()
    try:
        if PATTERNS[url.pattern] is None:
            run_sound(SoundStream(options.id, options.role), output, stop)
        else:
            run_picture(PictureStream(url, options.id, options.role), output, stop)
    except BrokenPipeError:
        leave_stdout()
    return 0


if __name__ == "__main__":
    sys.exit(main())
