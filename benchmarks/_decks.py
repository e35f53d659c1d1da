"""Slide decks with ground truth: what a laptop sends, or a camera that films the wall.

Every deck is a list of pages; each page has a title, lines that may appear one by one, and maybe
a video inside. Motion on top (a pointer, a person) and the way from page to page are the deck's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]

WIDTH, HEIGHT, FPS = 640, 360, 10

_TEXT = """
energy work force matter light wave field charge current voltage heat entropy system model
graph node proof lemma theorem integral matrix vector space basis kernel signal noise filter
sample market price demand supply cell protein enzyme tissue river glacier climate empire
treaty novel metre verb clause neuron memory reward stack queue thread lock cache page
"""
_WORDS = _TEXT.split()


@dataclass
class Page:
    """A page that is shown for `seconds`; `builds` are the seconds at which a line appears."""

    title: str
    lines: list[str]
    seconds: float
    builds: list[float] = field(default_factory=list)
    film: tuple[float, float, float, float] | None = None  # a video's place, as shares
    dim: bool = False  # lines that were there before are dimmed by the next one


@dataclass
class Deck:
    """A deck and how it is shown. `turns`: when a page after the first begins (s)."""

    name: str
    pages: list[Page]
    dark: bool = False
    fade: float = 0.0
    pointer: bool = False
    person: bool = False
    filmed: bool = False
    seed: int = 0

    @property
    def seconds(self) -> float:
        return sum(page.seconds for page in self.pages)

    @property
    def turns(self) -> list[float]:
        return list(np.cumsum([page.seconds for page in self.pages])[:-1])


def words(dice: np.random.Generator, number: int) -> str:
    """So many words by chance, the first with a capital."""
    return " ".join(dice.choice(_WORDS, number)).capitalize()


def _pages(seed: int, count: int, seconds: float, lines: int = 4, **given: object) -> list[Page]:
    dice = np.random.default_rng(seed)
    return [
        Page(
            words(dice, 2),
            [words(dice, 4) for _ in range(lines)],
            seconds,
            **given,  # type: ignore[arg-type]
        )
        for _ in range(count)
    ]


def decks() -> list[Deck]:
    """The set that is measured."""
    plain = _pages(1, 6, 6.0)
    builds = _pages(2, 4, 11.0, builds=[2.0, 4.5, 7.0])
    dimmed = _pages(3, 3, 11.0, builds=[2.0, 4.5, 7.0], dim=True)
    film = _pages(4, 4, 9.0, lines=2, film=(0.5, 0.4, 0.92, 0.9))
    film[1].film = film[3].film = None
    whole = _pages(5, 3, 9.0)
    whole[1].film = (0.0, 0.0, 1.0, 1.0)
    sparse = _pages(8, 6, 6.0, lines=1)
    return [
        Deck("plain", plain),
        Deck("dark", _pages(6, 6, 6.0), dark=True),
        Deck("builds", builds),
        Deck("dimmed builds", dimmed),
        Deck("pointer", _pages(7, 5, 7.0), pointer=True),
        Deck("fades", _pages(9, 5, 7.0), fade=0.8),
        Deck("slow fades", _pages(10, 4, 8.0), fade=1.6),
        Deck("video inside", film),
        Deck("video as a page", whole),
        Deck("few words", sparse),
        Deck("filmed", _pages(11, 5, 8.0), filmed=True, seed=3),
        Deck("filmed, builds", _pages(12, 3, 11.0, builds=[3.0, 6.0]), filmed=True, seed=4),
        Deck("filmed, person", _pages(13, 4, 10.0), filmed=True, person=True, seed=5),
        Deck("quick", _pages(14, 8, 2.6)),
    ]


def _text(
    picture: Picture, x: float, y: float, text: str, size: float, colour: tuple[int, ...]
) -> None:
    height, width = picture.shape[:2]
    scale = size * height / 21
    place, weight = (int(x * width), int(y * height)), max(1, int(scale))
    font = cv2.FONT_HERSHEY_DUPLEX
    cv2.putText(picture, text, place, font, scale, colour, weight, cv2.LINE_AA)


def draw(deck: Deck, number: int, t: float, width: int = WIDTH, height: int = HEIGHT) -> Picture:
    """Page `number` of a deck as it looks `t` seconds after it began (BGR)."""
    page = deck.pages[number]
    ground, ink = ((34, 28, 24), (225, 225, 225)) if deck.dark else ((250, 250, 250), (40, 40, 40))
    picture: Picture = np.full((height, width, 3), ground, np.uint8)
    cv2.rectangle(picture, (0, 0), (width, height // 50), (150, 90, 40), -1)
    _text(picture, 0.05, 0.16, page.title, 0.06, (170, 100, 50))
    begun = 1 + sum(t >= at for at in page.builds) if page.builds else len(page.lines)
    for row, line in enumerate(page.lines[:begun]):
        past = page.dim and row < begun - 1
        grey = (150, 150, 150) if past else ink
        _text(picture, 0.08, 0.34 + 0.15 * row, "- " + line, 0.042, grey)
    _text(picture, 0.93, 0.96, str(number + 1), 0.03, (120, 120, 120))
    if page.film is not None:
        left, top, right, bottom = page.film
        box = (int(left * width), int(top * height), int(right * width), int(bottom * height))
        _film(picture[box[1] : box[3], box[0] : box[2]], t)
    return picture


def _film(area: Picture, t: float) -> None:
    """A moving picture: a camera that swings over hills, with something running before them."""
    height, width = area.shape[:2]
    row, column = np.mgrid[0:height, 0:width].astype(np.float32)
    x = column / width * 6 + 1.7 * t
    hills = np.sin(x) + 0.5 * np.sin(2.3 * x + 1) + row / height * 4
    area[..., 0] = 120 + 60 * np.sin(hills)
    area[..., 1] = 110 + 70 * np.sin(hills + 1.3 * np.sin(t))
    area[..., 2] = 90 + 50 * np.cos(hills * 1.7)
    centre = (int(width * (0.5 + 0.4 * np.sin(2.1 * t))), int(height * 0.6))
    cv2.circle(area, centre, max(2, height // 6), (30, 40, 210), -1)


def _filmed(picture: Picture, t: float, dice: np.random.Generator, *, person: bool) -> Picture:
    height, width = picture.shape[:2]
    source = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    target = np.array(
        [
            [0.08 * width, 0.06 * height],
            [0.94 * width, 0.1 * height],
            [0.91 * width, 0.86 * height],
            [0.1 * width, 0.92 * height],
        ],
        np.float32,
    )
    warp = cv2.getPerspectiveTransform(source, target)
    wall = cv2.warpPerspective(picture, warp, (width, height), borderValue=(52, 58, 60))
    if person:
        x = int(width * (0.25 + 0.2 * np.sin(0.45 * t)))
        sway = int(0.02 * width * np.sin(3 * t))
        cv2.ellipse(wall, (x + sway, int(0.93 * height)), (width // 14, height // 4), 0, 0, 360,
                    (60, 50, 70), -1)  # fmt: skip
        cv2.circle(wall, (x + sway, int(0.62 * height)), height // 14, (120, 150, 190), -1)
    light = np.float32(0.82 + 0.05 * np.sin(0.3 * t))
    noise = np.asarray(dice.normal(0, 4, wall.shape), np.float32)
    soft = np.asarray(cv2.GaussianBlur(wall, (0, 0), 0.8), np.float32) * light + 8 + noise
    return np.asarray(np.clip(soft, 0, 255), np.uint8)


def frames(deck: Deck, fps: int = FPS) -> Iterator[tuple[float, Picture]]:
    """The deck's pictures in order: (seconds, BGR)."""
    dice = np.random.default_rng(deck.seed)
    starts = [0.0, *deck.turns]
    for count in range(int(deck.seconds * fps)):
        t = count / fps
        number = int(np.searchsorted(starts, t, side="right")) - 1
        since = t - starts[number]
        picture = draw(deck, number, since)
        if deck.fade and number and since < deck.fade:
            old = draw(deck, number - 1, deck.pages[number - 1].seconds)
            share = since / deck.fade
            picture = cv2.addWeighted(picture, share, old, 1 - share, 0)  # type: ignore[assignment]
        if deck.pointer:
            x, y = 0.5 + 0.4 * np.sin(1.3 * t), 0.5 + 0.3 * np.sin(1.9 * t + 1)
            place = (int(x * WIDTH), int(y * HEIGHT))
            cv2.circle(picture, place, 5, (20, 20, 230), -1, cv2.LINE_AA)
        if deck.filmed:
            picture = _filmed(picture, t, dice, person=deck.person)
        yield t, picture


def encode(pictures: Iterable[tuple[float, Picture]], path: Path, crf: int = 23) -> None:
    """Writes pictures, FPS a second, as H.264, as a recorder would hold them."""
    options = {"preset": "veryfast", "crf": str(crf)}
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=FPS, options=options)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for count, (_, picture) in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, "bgr24")
            frame.pts, frame.time_base = count, Fraction(1, FPS)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))


def score(found: list[float], true: list[float], tolerance: float = 1.0) -> tuple[int, int, int]:
    """Matches times one to one within `tolerance` seconds: (hits, false alarms, misses)."""
    left, hits = sorted(found), 0
    for t in sorted(true):
        near = [f for f in left if abs(f - t) <= tolerance]
        if near:
            left.remove(min(near, key=lambda f: abs(f - t)))
            hits += 1
    return hits, len(left), len(true) - hits


def f1(hits: int, false: int, missed: int) -> float:
    """The harmonic mean of precision and recall."""
    return 2 * hits / max(1, 2 * hits + false + missed)
