"""A frame that goes with the presenter through a wide picture, as a person at the camera would.

It rests while the presenter is well inside, pans with ease when they leave the middle, and never
cuts the head off. Frames are in shares of the picture and have its shape.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from recorder.engines.tracking import Person, Plane, Tracker
from recorder.recording import SourceSpec

FULL = 1.0
_FILL = 0.62  # of the frame's height is the presenter
_HEADROOM = 0.14
_MARGIN = 0.035  # of the frame's height, that the head keeps from its edge
_REST, _THERE = 0.13, 0.015  # of the frame's width: begins to pan, has arrived
_PAN, _ZOOM = 2.4, 1.0  # how quickly: the spring's frequency (1/s)
_FASTEST = 0.5  # shares of the picture a second
_STEP_S = 0.02
_ZOOM_CHANGE, _ZOOM_AFTER_S = 0.2, 2.5
_AHEAD_S = 0.8  # what is known of the future, afterwards


@dataclass(frozen=True)
class Frame:
    """What is shown of the picture, in shares of it; its height is `size` too."""

    x: float = 0.0
    y: float = 0.0
    size: float = FULL


class _Spring:
    """A value that goes to its target with ease: critically damped, never faster than allowed."""

    def __init__(self, value: float, speed: float) -> None:
        self.value, self.velocity, self._speed = value, 0.0, speed

    def go(self, target: float, seconds: float) -> None:
        while seconds > 1e-9:
            step = min(_STEP_S, seconds)
            seconds -= step
            pull = self._speed**2 * (target - self.value) - 2 * self._speed * self.velocity
            self.velocity = float(np.clip(self.velocity + pull * step, -_FASTEST, _FASTEST))
            self.value += self.velocity * step


class Operator:
    """Moves the frame after the presenter. `smallest` is the least height of a frame."""

    def __init__(self, smallest: float = 0.3) -> None:
        self.frame = Frame()
        self._smallest = smallest
        self._x, self._y = _Spring(0.5, _PAN), _Spring(0.5, _PAN)
        self._size = _Spring(FULL, _ZOOM)
        self._aim = (0.5, 0.5, FULL)
        self._panning = False
        self._zoom_s = 0.0
        self._seen = False

    def step(self, seconds: float, person: Person | None, coming: Person | None = None) -> Frame:
        """The frame `seconds` later, with the presenter where they are now.

        `coming` is where they go, when that is known: the frame goes there too.
        """
        if person is not None:
            self._follow(coming or person, seconds)
        x, y, size = self._aim
        self._size.go(size, seconds)
        self._x.go(x, seconds)
        self._y.go(y, seconds)
        size = min(FULL, max(self._smallest, self._size.value))
        left, top = self._x.value - size / 2, self._y.value - size / 2
        if person is not None:
            left, top = _keep_head(left, top, size, person)
        left, top = min(max(0.0, left), FULL - size), min(max(0.0, top), FULL - size)
        self._x.value, self._y.value = left + size / 2, top + size / 2
        self.frame = Frame(left, top, size)
        return self.frame

    def _follow(self, person: Person, seconds: float) -> None:
        wanted = min(FULL, max(self._smallest, person.h / _FILL, 1.3 * person.w))
        size = self._aim[2]
        self._zoom_s = self._zoom_s + seconds if abs(wanted / size - 1) > _ZOOM_CHANGE else 0.0
        if self._zoom_s > _ZOOM_AFTER_S or not self._seen:
            size, self._zoom_s = wanted, 0.0
        top = person.y - _HEADROOM * size
        x = min(max(size / 2, person.centre), FULL - size / 2)
        y = min(max(size / 2, top + size / 2), FULL - size / 2)
        away = max(abs(x - self._x.value), 0.7 * abs(y - self._y.value)) / size
        if away > _REST or size != self._aim[2] or not self._seen:
            self._panning = True
        elif away < _THERE:
            self._panning = False
        if self._panning:
            self._aim = (x, y, size)
        self._seen = True


def _keep_head(left: float, top: float, size: float, person: Person) -> tuple[float, float]:
    """Moves a frame, no farther than needed, so that the head lies in it."""
    margin = _MARGIN * size
    half = min(0.3 * person.w, 0.4 * size)
    left = min(left, person.centre - half - margin)
    left = max(left, person.centre + half + margin - size)
    return left, min(top, person.y - margin)


class Framing(Protocol):
    """Says what of a source's picture is shown."""

    def at(self, t: int, luma: Plane) -> Frame: ...


class Framer:
    """Frames a camera's picture while it comes in."""

    def __init__(self, smallest: float = 0.3) -> None:
        self._tracker = Tracker()
        self._operator = Operator(smallest)
        self._t: int | None = None

    def at(self, t: int, luma: Plane) -> Frame:
        """The frame for the picture of class time `t` (µs)."""
        if self._tracker.due(t):
            self._tracker.look(t, luma)
        passed = 0.0 if self._t is None else min(1.0, max(0.0, (t - self._t) / 1e6))
        self._t = t
        return self._operator.step(passed, self._tracker.person)


class Way:
    """A framing that is known beforehand: (class s, frame) in order."""

    def __init__(self, frames: Sequence[tuple[float, Frame]]) -> None:
        self._times = np.array([t for t, _ in frames])
        self._values = np.array([[one.x, one.y, one.size] for _, one in frames])

    def at(self, t: int, luma: Plane) -> Frame:
        """The frame at class time `t` (µs); the picture itself is not looked at."""
        if not len(self._times):
            return Frame()
        values = [float(np.interp(t / 1e6, self._times, column)) for column in self._values.T]
        return Frame(*values)


def smallest(program: int, source: int) -> float:
    """The least height of a frame, for lines of the program and of the source: stays sharp."""
    return min(1.0, max(0.25, 0.4 * program / source)) if source else 0.3


def framers(sources: Iterable[SourceSpec]) -> dict[str, Framer]:
    """A framer for each source that is framed while it comes in."""
    return {source.id: Framer() for source in sources if source.framing == "auto"}


def plan(
    seen: Iterable[tuple[float, Person | None]], smallest: float = 0.3
) -> list[tuple[float, Frame]]:
    """The frames for people seen at class times (s), by an operator who knows what comes."""
    known = list(seen)
    operator, frames = Operator(smallest), []
    last: float | None = None
    for place, (t, now) in enumerate(known):
        coming = [one for at, one in known[place : place + 60] if at - t <= _AHEAD_S and one]
        ahead = None
        if coming:
            centre = float(np.mean([one.centre for one in coming]))
            top, width = min(one.y for one in coming), max(one.w for one in coming)
            height = max(one.y + one.h for one in coming) - top
            ahead = Person(centre - width / 2, top, width, height)
        passed = 0.0 if last is None else min(1.0, t - last)
        frames.append((t, operator.step(passed, now, ahead)))
        last = t
    return frames


def crop(planes: Sequence[Plane], frame: Frame) -> list[Plane]:
    """What a frame shows of planes (YUV 4:2:0), without a copy. Edges lie at even pixels."""
    height, width = planes[0].shape
    w, h = max(2, round(frame.size * width / 2) * 2), max(2, round(frame.size * height / 2) * 2)
    x = min(width - w, math.floor(frame.x * width / 2) * 2)
    y = min(height - h, math.floor(frame.y * height / 2) * 2)
    return [
        plane[y // half : (y + h) // half, x // half : (x + w) // half]
        for plane, half in zip(planes, (1, 2, 2), strict=True)
    ]
