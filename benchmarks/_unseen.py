"""Shows that the detector's first rules were not made on: what else is on a screen in class.

A turn is another page, file or board, or the board wiped. Writing, typing, scrolling in one file
and zooming into one page are none: what is shown stays the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from benchmarks._decks import FPS, HEIGHT, WIDTH, Picture, _filmed, _text, words

_COLOURS = ((200, 160, 90), (120, 200, 120), (200, 200, 200), (90, 150, 220), (170, 120, 210))


@dataclass(frozen=True)
class Show:
    """What is shown: `draw` gives the picture (BGR) of part `number`, `t` s after it began."""

    name: str
    seconds: tuple[float, ...]
    draw: Callable[[int, float], Picture]
    crf: int = 23

    @property
    def turns(self) -> list[float]:
        """When a part after the first begins (s)."""
        return list(np.cumsum(self.seconds)[:-1])

    def frames(self) -> Iterator[tuple[float, Picture]]:
        """Its pictures in order: (seconds, BGR)."""
        starts = [0.0, *self.turns]
        for count in range(int(sum(self.seconds) * FPS)):
            t = count / FPS
            number = int(np.searchsorted(starts, t, side="right")) - 1
            yield t, self.draw(number, t - starts[number])


def _plain(ground: tuple[int, int, int]) -> Picture:
    return np.full((HEIGHT, WIDTH, 3), ground, np.uint8)


def _lines(seed: int, count: int, length: int) -> list[str]:
    dice = np.random.default_rng(seed)
    return [words(dice, int(dice.integers(2, length + 1))) for _ in range(count)]


def _dark(number: int, t: float) -> Picture:
    """Light words on a ground that goes from one dark colour to another, with a round picture."""
    down = np.linspace(0, 1, HEIGHT, dtype=np.float32)[:, None, None]
    picture = np.asarray((70, 34, 22) * (1 - down) + (24, 12, 46) * down, np.float32)
    whole = np.asarray(np.broadcast_to(picture, (HEIGHT, WIDTH, 3)), np.uint8).copy()
    title, *lines = _lines(100 + number, 5, 4)
    _text(whole, 0.06, 0.17, title, 0.06, (90, 200, 240))
    for row, line in enumerate(lines):
        _text(whole, 0.08, 0.36 + 0.14 * row, line, 0.036, (190, 180, 175))
    centre = (int(WIDTH * 0.86), int(HEIGHT * (0.3 + 0.12 * number)))
    cv2.circle(whole, centre, 34, _COLOURS[number % 5], -1, cv2.LINE_AA)
    return whole


def _faint(number: int, t: float) -> Picture:
    """Grey words on nearly white: 24 of 255 apart, a bleached beamer's slides."""
    picture = _plain((246, 246, 246))
    title, *lines = _lines(200 + number, 5, 4)
    _text(picture, 0.06, 0.17, title, 0.06, (218, 220, 222))
    for row, line in enumerate(lines):
        _text(picture, 0.08, 0.36 + 0.14 * row, line, 0.04, (222, 222, 222))
    return picture


def _strokes(seed: int, count: int) -> list[list[tuple[int, int]]]:
    """Letters written by hand, in lines from the top: each a list of points."""
    dice = np.random.default_rng(seed)
    found = []
    for place in range(count):
        x, y = 40 + 24 * (place % 22), 50 + 44 * (place // 22)
        way = dice.normal(0, 5, (9, 2)).cumsum(axis=0) * 0.8
        way -= way.mean(axis=0)
        found.append([(int(x + dx + 2 * n), int(y + dy)) for n, (dx, dy) in enumerate(way)])
    return found


def _written(number: int, t: float) -> Picture:
    """A board that is written on, five letters a second; one line is wiped and written anew."""
    picture = _plain((238, 240, 236))
    first, again = _strokes(300 + number, 110), _strokes(350 + number, 22)
    for place, way in enumerate(first[: int(5 * t)]):
        if t > 9 and 22 <= place < 44:
            continue
        cv2.polylines(picture, [np.array(way, np.int32)], False, (130, 60, 30), 2, cv2.LINE_AA)
    for way in again[: max(0, int(5 * (t - 9.5)))]:
        lower = np.array([(x, y + 44) for x, y in way], np.int32)
        cv2.polylines(picture, [lower], False, (40, 40, 160), 2, cv2.LINE_AA)
    return picture


def _board(number: int, t: float) -> Picture:
    """The same board, filmed."""
    return _filmed(_written(number, t), t, np.random.default_rng(int(t * FPS)), person=False)


def _code(number: int, at: float, typed: int) -> Picture:
    picture = _plain((38, 32, 30))
    cv2.rectangle(picture, (0, 0), (WIDTH, 20), (60, 54, 50), -1)
    cv2.rectangle(picture, (0, 20), (90, HEIGHT), (46, 40, 37), -1)
    for row, name in enumerate(_lines(1, 9, 2)):
        _text(picture, 0.01, 0.12 + 0.06 * row, name[:14], 0.018, (150, 150, 150))
    _text(picture, 0.16, 0.042, _lines(400 + number, 1, 2)[0] + ".py", 0.022, (220, 220, 220))
    dice = np.random.default_rng(410 + number)
    indents = dice.integers(0, 4, 80)
    for row, line in enumerate(_lines(420 + number, 80, 6)):
        y = 0.11 + 0.052 * (row - at)
        if not 0.07 < y < 1.0:
            continue
        shown = line[:typed] if row == 12 else line
        _text(picture, 0.2 + 0.03 * int(indents[row]), y, shown, 0.026, _COLOURS[row % 5])
        _text(picture, 0.155, y, str(row + 1), 0.022, (110, 110, 110))
    return picture


def _editor(number: int, t: float) -> Picture:
    """A file that is scrolled in, by the wheel in steps and by a long smooth move; some typing."""
    steps = 3 * min(3, max(0, int((t - 2) / 0.4))) if t > 2 else 0
    smooth = 10 * min(1.0, max(0.0, (t - 6) / 1.5))
    picture = _code(number, steps + smooth, int(4 * max(0.0, t - 4)) if t < 6 else 40)
    if int(t * 2) % 2:
        cv2.rectangle(picture, (200, 120), (202, 132), (230, 230, 230), -1)
    return picture


def _sheet(number: int) -> Picture:
    """A page of a paper, twice as large as the screen: a title, two columns and a drawing."""
    high, wide = 2 * HEIGHT, 2 * WIDTH
    picture = np.full((high, wide, 3), 252, np.uint8)
    _text(picture, 0.2, 0.08, _lines(500 + number, 1, 5)[0], 0.032, (20, 20, 20))
    for column in (0.08, 0.54):
        for row, line in enumerate(_lines(510 + 10 * number + int(column * 100), 24, 6)):
            if column > 0.5 and row < 9:
                continue
            _text(picture, column, 0.16 + 0.034 * row, line[:34], 0.017, (50, 50, 50))
    dice = np.random.default_rng(550 + number)
    curve = np.stack(
        [np.arange(60) * 8 + 0.55 * wide, 0.28 * high - dice.normal(0, 9, 60).cumsum()]
    )
    cv2.polylines(picture, [curve.T.astype(np.int32)], False, (160, 40, 20), 3, cv2.LINE_AA)
    return picture


def _paper(number: int, t: float) -> Picture:
    """A page of a PDF: whole, zoomed into, moved about, and whole again."""
    page = _sheet(number)
    near = np.clip(min((t - 2) / 0.5, (8 - t) / 0.5), 0, 1)
    zoom = 1 + 0.9 * near
    across = 0.25 + 0.4 * np.clip((t - 4) / 1.2, 0, 1)
    wide, high = 2 * WIDTH / zoom, 2 * HEIGHT / zoom
    left, top = (2 * WIDTH - wide) * across * near, (2 * HEIGHT - high) * 0.3 * near
    cut = page[int(top) : int(top + high), int(left) : int(left + wide)]
    return np.asarray(cv2.resize(cut, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA), np.uint8)


def _template(number: int, t: float) -> Picture:
    """A university's template: much that is the same on every page, few words that are not."""
    picture = _plain((250, 250, 250))
    cv2.rectangle(picture, (0, 0), (WIDTH, 54), (120, 60, 20), -1)
    _text(picture, 0.62, 0.1, "Faculty of Natural Science", 0.034, (255, 255, 255))
    for ring in range(4):
        cv2.circle(picture, (40, 27), 6 + 5 * ring, (220, 220, 220), 2, cv2.LINE_AA)
    cv2.line(picture, (0, 328), (WIDTH, 328), (120, 60, 20), 2)
    _text(picture, 0.04, 0.96, "Introduction to Physics - Summer - Lecture 7", 0.026, (90, 90, 90))
    _text(picture, 0.93, 0.96, str(number + 1), 0.026, (90, 90, 90))
    title, *lines = _lines(600 + number, 3, 3)
    _text(picture, 0.06, 0.28, title, 0.05, (120, 60, 20))
    for row, line in enumerate(lines):
        _text(picture, 0.08, 0.45 + 0.14 * row, "- " + line, 0.04, (40, 40, 40))
    return picture


def _push(number: int, t: float) -> Picture:
    """Plain pages; the new one pushes the old one out, from the right."""
    page = _template(number, t)
    if number == 0 or t >= 0.6:
        return page
    gone = int(WIDTH * t / 0.6)
    return np.concatenate([_template(number - 1, 9.0)[:, gone:], page[:, :gone]], axis=1)


def _photo(number: int, t: float) -> Picture:
    """Photographs, a page each: no words, no plain ground."""
    dice = np.random.default_rng(700 + number)
    rough = dice.integers(20, 235, (9, 16, 3)).astype(np.uint8)
    soft = cv2.resize(rough, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    fine = cv2.resize(dice.normal(0, 22, (90, 160, 3)).astype(np.float32), (WIDTH, HEIGHT))
    return np.asarray(np.clip(soft + fine, 0, 255), np.uint8)


def _terminal(number: int, t: float) -> Picture:
    """Pages, and between them a terminal in which lines run through for a while and then stand."""
    if number % 2 == 0:
        return _dark(20 + number, t)
    picture = _plain((12, 12, 12))
    lines = _lines(800 + number, 200, 7)
    last = 6 + int(8 * min(t, 7.0))
    for row, line in enumerate(lines[max(0, last - 22) : last]):
        _text(picture, 0.02, 0.06 + 0.042 * row, line, 0.022, (170, 210, 170))
    return picture


def _noisy(number: int, t: float) -> Picture:
    """A template's pages as a poor grabber gives them: noise, and a picture that breathes."""
    dice = np.random.default_rng(int(t * FPS) + 1000 * number)
    page = np.asarray(_template(number, t), np.float32) * (0.94 + 0.02 * np.sin(2 * t))
    return np.asarray(np.clip(page + dice.normal(0, 6, page.shape), 0, 255), np.uint8)


def shows() -> list[Show]:
    """The set."""
    return [
        Show("dark theme", (7.0,) * 5, _dark),
        Show("low contrast", (7.0,) * 5, _faint),
        Show("handwriting", (18.0,) * 3, _written),
        Show("handwriting, filmed", (18.0,) * 3, _board),
        Show("scrolled code", (11.0,) * 4, _editor),
        Show("zoomed PDF", (11.0,) * 4, _paper),
        Show("template", (6.0,) * 6, _template),
        Show("pushed pages", (6.0,) * 6, _push),
        Show("photographs", (6.0,) * 5, _photo),
        Show("terminal", (8.0, 14.0, 8.0, 14.0, 8.0), _terminal),
        Show("poor grabber", (6.0,) * 6, _noisy, crf=34),
    ]
