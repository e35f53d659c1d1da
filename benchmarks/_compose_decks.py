"""What a laptop shows, for the compose benchmark: slides that have nothing in common but the size.

Each deck is a generator of 1080p pictures (BGR), one for each frame at FPS, the same object as
long as nothing changes. Where the settings of the lecture's encoder come from one of them, the
others tell whether they hold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]

WIDTH, HEIGHT, FPS = 1920, 1080, 30
_PAPER, _NIGHT = (250, 248, 245), (30, 22, 18)


def _sheet(ground: tuple[int, int, int], height: int = HEIGHT) -> Picture:
    return np.full((height, WIDTH, 3), ground, np.uint8)


def _write(
    picture: Picture, text: str, x: int, y: int, scale: float, colour: tuple[int, int, int]
) -> None:
    cv2.putText(picture, text, (x, y), cv2.FONT_HERSHEY_DUPLEX, scale, colour, 2, cv2.LINE_AA)


def charts(frames: int) -> Iterator[Picture]:
    """A page every 7 s, a line more every 2 s, and on every second page a moving pointer."""
    dice = np.random.default_rng(7)
    picture = _sheet(_PAPER)
    for index in range(frames):
        page, within = divmod(index, 7 * FPS)
        shown = 1 + within // (2 * FPS)
        if within % (2 * FPS) == 0:
            picture = _sheet(_PAPER)
            cv2.rectangle(picture, (0, 0), (WIDTH, 140), (120, 60 + page * 20 % 120, 40), -1)
            title = f"Chapter {page + 1}: results of week {page + 3}"
            texts = [(title, 95, 2.2, 255)] + [
                (f"{line + 1}. The measured field is {dice.integers(10, 99)} units",
                 280 + line * 130, 1.8, 30)
                for line in range(shown)
            ]  # fmt: skip
            for text, y, scale, grey in texts:
                colour = (grey, grey, grey)
                cv2.putText(picture, text, (90, y), cv2.FONT_HERSHEY_DUPLEX, scale, colour, 3,
                            cv2.LINE_AA)  # fmt: skip
            for column in range(12):
                height = int(dice.integers(40, 300))
                left = 1250 + column * 45
                cv2.rectangle(picture, (left, 950 - height), (left + 30, 950), (60, 90, 200), 2)
        now = picture
        if page % 2:
            now = picture.copy()
            at = (int(900 + 500 * np.sin(index / 20)), int(550 + 250 * np.cos(index / 27)))
            cv2.circle(now, at, 12, (30, 30, 220), -1)
        yield now


def photographs(frames: int) -> Iterator[Picture]:
    """Pictures with texture of every size, a caption below; each fades into the next in 0.5 s."""

    def photograph(seed: int) -> Picture:
        dice = np.random.default_rng(seed)
        picture = np.zeros((HEIGHT, WIDTH, 3), np.float32)
        for octave in range(2, 10):
            rough = dice.normal(0, 1, (2**octave * 9 // 16 + 1, 2**octave, 3)).astype(np.float32)
            picture += cv2.resize(rough, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC) * (
                90 / octave**1.3
            )
        sheet: Picture = np.clip(picture + 118, 0, 255).astype(np.uint8)
        sheet[960:] = _PAPER
        _write(sheet, f"Figure {seed}: a section through the sample", 90, 1040, 1.6, (40, 40, 40))
        return sheet

    now, coming, fade, every = photograph(1), photograph(2), FPS // 2, 4 * FPS
    for index in range(frames):
        page, within = divmod(index, every)
        if page and within == fade:
            now, coming = coming, photograph(page + 2)
        if page and within < fade:
            share = (within + 1) / fade
            yield cv2.addWeighted(coming, share, now, 1 - share, 0)  # type: ignore[misc]
        else:
            yield now


def dark(frames: int) -> Iterator[Picture]:
    """Light words on a dark slope of colour, a line more every 1.5 s, a page every 6 s."""
    slope = np.linspace(0, 40, HEIGHT, dtype=np.float32)[:, None, None]
    ground: Picture = np.broadcast_to(_NIGHT + slope, (HEIGHT, WIDTH, 3)).astype(np.uint8)
    picture = ground.copy()
    for index in range(frames):
        page, within = divmod(index, 6 * FPS)
        if within == 0:
            picture = ground.copy()
            _write(picture, f"{page + 1}  Fields and forces", 120, 160, 2.6, (80, 200, 250))
        if within % (FPS * 3 // 2) == 0:
            line = within // (FPS * 3 // 2)
            picture = picture.copy()
            text = f"- term {page}.{line} of the sum falls with the square"
            _write(picture, text, 150, 330 + 150 * line, 1.7, (225, 225, 225))
        yield picture


def code(frames: int) -> Iterator[Picture]:
    """An editor in which code is typed, 12 letters a second; a full window moves up by a line."""
    dice = np.random.default_rng(5)
    names = ["index", "total", "frame", "weight", "matrix", "value", "shape", "count"]

    def line() -> str:
        a, b, c = dice.choice(names, 3)
        return f"{'    ' * int(dice.integers(0, 4))}{a} = {b}[{dice.integers(99)}] + len({c})"

    lines = [line() for _ in range(24)]
    typed, letters, picture = line(), 0, _sheet(_NIGHT)
    colours = ((220, 220, 210), (120, 200, 240), (150, 220, 140))
    for index in range(frames):
        if index % (FPS * 2 // 12) == 0:
            letters += 2
            if letters > len(typed):
                lines, typed, letters = [*lines[-23:], typed], line(), 0
            picture = _sheet(_NIGHT)
            for row, text in enumerate([*lines, typed[:letters] + "_"]):
                _write(picture, str(row + 1), 30, 60 + row * 40, 0.9, (110, 110, 110))
                _write(picture, text, 120, 60 + row * 40, 0.9, colours[row % 3])
        yield picture


def ink(frames: int) -> Iterator[Picture]:
    """Handwriting that grows with every frame on a white board, wiped after 8 s."""
    picture, last = _sheet((255, 255, 255)), (0, 0)
    for index in range(frames):
        step = index % (8 * FPS)
        if step == 0:
            picture = _sheet((255, 255, 255))
        along = step * 14
        x, y = 120 + along % 1650, 200 + along // 1650 * 190
        at = (int(x + 22 * np.sin(step * 0.9)), int(y + 45 * np.sin(step * 0.7)))
        if step and abs(at[0] - last[0]) < 200 and step % 25 > 3:
            picture = picture.copy()
            cv2.line(picture, last, at, (120, 40, 20), 5, cv2.LINE_AA)
        last = at
        yield picture


def film(frames: int) -> Iterator[Picture]:
    """A slide with a film in it: hills that swing by, something that runs before them."""
    sheet = _sheet(_PAPER)
    _write(sheet, "An experiment, filmed", 90, 120, 2.2, (60, 60, 60))
    row, column = np.mgrid[0:480, 0:854].astype(np.float32)
    grain = np.random.default_rng(2).normal(0, 9, (480, 1700)).astype(np.float32)
    for index in range(frames):
        t = index / FPS
        x = column / 142 + 1.7 * t
        hills = np.sin(x) + 0.5 * np.sin(2.3 * x + 1) + row / 120
        shift = int(60 * t) % 800
        area = np.stack(
            [
                120 + 60 * np.sin(hills),
                110 + 70 * np.sin(hills + 1.3 * np.sin(t)),
                90 + 50 * np.cos(1.7 * hills),
            ],
            axis=2,
        )
        area += cv2.blur(grain, (3, 3))[:, shift : shift + 854, None] * 2
        picture = sheet.copy()
        picture[220:700, 200:1054] = np.clip(area, 0, 255)
        at = (200 + int(427 + 340 * np.sin(2.1 * t)), 500)
        cv2.circle(picture, at, 70, (30, 40, 210), -1, cv2.LINE_AA)
        yield picture


def scrolled(frames: int) -> Iterator[Picture]:
    """A long page of small print that is scrolled for 1.5 s of every 4, as a wheel does."""
    dice = np.random.default_rng(9)
    page = _sheet(_PAPER, 6 * HEIGHT)
    for row in range(6 * HEIGHT // 44):
        words = " ".join("".join(dice.choice(list("aeiounrstlmd"), 6)) for _ in range(14))
        _write(page, words, 100, 40 + row * 44, 0.95, (50, 45, 40))
    top, picture = 0, page[:HEIGHT]
    for index in range(frames):
        if index % (4 * FPS) >= 5 * FPS // 2:
            top = (top + 12) % (5 * HEIGHT)
            picture = page[top : top + HEIGHT]
        yield picture


DECKS: dict[str, Callable[[int], Iterator[Picture]]] = {
    deck.__name__: deck for deck in (charts, photographs, dark, code, ink, film, scrolled)
}
