"""What the generated sources show and say: a presenter, slides, a resting picture, speech."""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from recorder import encoders
from recorder.sources.child import SourceError

Plane = NDArray[np.uint8]

MARK_US = 2_000_000
FLASH_FRAMES = 3
BEEP_S = 0.06
BEEP_HZ = 1000


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


@functools.cache
def speech(seconds: int = 8) -> NDArray[np.float32]:
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


PATTERNS: dict[str, Any] = {
    "presenter": Presenter,
    "slides": Slides,
    "speech": None,
    "static": Static,
}
