"""Where the presenter is, by motion alone: no model, a few milliseconds for each look.

The room behind is learnt and the presenter stands out from it. Who moves is followed; who stands
still stays where they were; a slide that changes on the screen behind moves only once. Boxes are
in shares of the picture.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.uint8]
Mask = NDArray[np.bool_]

LOOK_US = 120_000
_WIDTH = 192
_CHANGE, _MOTION = 16.0, 10.0  # of 255: unlike the room, unlike a moment ago
_HEAT_S = 1.2  # how long motion is remembered
_WARM = 0.35
_LIFE_S, _ALIVE = 8.0, 0.05  # a part that moves again and again; what moves once is no part
_LEARN_S, _HELD_S = 5.0, 180.0  # the room is learnt so fast; behind the presenter hardly at all
_SMALLEST = 0.0012  # share of the picture
_FLOOD = 0.5  # so much has changed: the light, or the camera itself
_GAP = 0.06  # head and body may be so far apart
_LOYAL = 2.5  # how much more another must move to be taken for the presenter
_RIVAL_S = 1.5
_GROW_S, _SHRINK_S, _GO_S = 0.5, 2.0, 0.08
_SHIFT, _SURE = 0.8, 0.2  # pixels and certainty: the camera itself was turned


@dataclass(frozen=True)
class Person:
    """A box in shares of the picture: left, top, width, height; `moving` was seen just now."""

    x: float
    y: float
    w: float
    h: float
    moving: bool = True

    @property
    def centre(self) -> float:
        """Its middle, across."""
        return self.x + self.w / 2


class Tracker:
    """Looks at pictures in order of time (µs) and says where the presenter is.

    `moves`: the camera itself may be turned; its movement is not taken for the presenter's.
    """

    def __init__(self, *, moves: bool = False) -> None:
        self._moves = moves
        self.person: Person | None = None
        self._looked: int | None = None
        self._room: NDArray[np.float32] | None = None
        self._last: NDArray[np.float32] | None = None
        self._heat: NDArray[np.float32] | None = None
        self._life: NDArray[np.float32] | None = None
        self._rival_s = 0.0

    def due(self, t: int) -> bool:
        """Whether another look is worth while at `t`."""
        return self._looked is None or t - self._looked >= LOOK_US

    def look(self, t: int, luma: Plane) -> Person | None:
        """Takes the picture of time `t`; returns where the presenter is, once that is known."""
        height = max(2, round(luma.shape[0] * _WIDTH / luma.shape[1]))
        cells = cv2.resize(luma, (_WIDTH, height), interpolation=cv2.INTER_AREA)
        now = np.asarray(cv2.GaussianBlur(cells, (3, 3), 0), np.float32)
        passed = 0.1 if self._looked is None else max(1e-3, (t - self._looked) / 1e6)
        self._looked = t
        if self._room is None or self._last is None or self._room.shape != now.shape:
            self._begin(now)
            return self.person
        assert self._heat is not None and self._life is not None
        if self._moves and self._turned(now):
            return self._still()
        motion = cv2.absdiff(now, self._last) > _MOTION
        self._last = now
        if float(np.mean(motion)) > _FLOOD:
            self._begin(now)
            return self._still()
        self._heat *= math.exp(-passed / _HEAT_S)
        self._heat[motion] = np.minimum(self._heat[motion] + passed / _HEAT_S * 3.0, 1.0)
        self._life *= math.exp(-passed / _LIFE_S)
        self._life[motion] += passed / _LIFE_S
        unlike = cv2.absdiff(now, self._room) > _CHANGE
        found = self._find(unlike, motion, passed)
        self._learn(now, passed)
        if found is None:
            return self._still()
        self.person = self._smooth(found, passed)
        return self.person

    def _turned(self, now: NDArray[np.float32]) -> bool:
        """Whether the camera was turned; then the presenter is elsewhere in its picture."""
        assert self._last is not None
        (across, down), sure = cv2.phaseCorrelate(self._last, now)
        if sure < _SURE or math.hypot(across, down) < _SHIFT:
            return False
        height, width = now.shape
        self._begin(now)
        if (known := self.person) is not None:
            x, y = known.x + across / width, known.y + down / height
            self.person = Person(x, y, known.w, known.h, known.moving)
        return True

    def _begin(self, now: NDArray[np.float32]) -> None:
        self._room, self._last = now.copy(), now
        self._heat, self._life = np.zeros(now.shape, np.float32), np.zeros(now.shape, np.float32)

    def _still(self) -> Person | None:
        known = self.person
        if known is not None and known.moving:
            self.person = Person(known.x, known.y, known.w, known.h, moving=False)
        return self.person

    def _find(self, unlike: Mask, motion: Mask, passed: float) -> Person | None:
        """What moves and belongs together; of several the one that was followed."""
        assert self._heat is not None
        warm = cv2.dilate((self._heat > _WARM).astype(np.uint8), np.ones((9, 9), np.uint8))
        if not warm.any():
            return None
        mask = ((unlike & (warm > 0)) | motion).astype(np.uint8)
        mask = np.asarray(cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((2, 2), np.uint8)))
        mask = np.asarray(cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((7, 5), np.uint8)))
        count, labels, stats, _ = cv2.connectedComponentsWithStats(mask)
        height, width = mask.shape
        pieces = []
        for number in range(1, count):
            x, y, w, h, area = (int(value) for value in stats[number])
            if area < _SMALLEST * mask.size:
                continue
            heat = float(self._heat[labels == number].sum())
            pieces.append((heat, Person(x / width, y / height, w / width, h / height)))
        if not pieces:
            return None
        best = self._chosen(pieces, passed)
        whole = best
        for _, piece in sorted(pieces, key=lambda one: abs(one[1].centre - best.centre)):
            if piece is not best and _belongs(whole, piece):
                whole = _union(whole, piece)
        assert self._life is not None
        alive = cv2.dilate((self._life > _ALIVE).astype(np.uint8), np.ones((9, 9), np.uint8))
        return self._silhouette(unlike & (alive > 0), whole)

    def _chosen(self, pieces: list[tuple[float, Person]], passed: float) -> Person:
        strongest = max(pieces, key=lambda one: one[0])
        known = self.person
        if known is None:
            return strongest[1]
        near = [one for one in pieces if abs(one[1].centre - known.centre) < 0.6 * known.w + 0.06]
        if not near:
            self._rival_s += passed
            if self._rival_s < _RIVAL_S / 3:
                return known
            self._rival_s = 0.0
            return strongest[1]
        own = max(near, key=lambda one: one[0])
        if strongest[0] > _LOYAL * own[0] and strongest is not own:
            self._rival_s += passed
            if self._rival_s >= _RIVAL_S:
                self._rival_s = 0.0
                return strongest[1]
        else:
            self._rival_s = 0.0
        return own[1]

    def _silhouette(self, unlike: Mask, moving: Person) -> Person:
        """The whole of who moves: also what of them stands still, as far as it was seen."""
        height, width = unlike.shape
        left = max(0, int((moving.x - 0.25 * moving.w) * width))
        right = min(width, math.ceil((moving.x + 1.25 * moving.w) * width))
        columns = unlike[:, left:right]
        filled = columns.sum(axis=1) >= max(2, 0.12 * moving.w * width)
        top, bottom = int(moving.y * height), min(height, math.ceil((moving.y + moving.h) * height))
        room = max(1, round(_GAP * height))
        while top > 0 and filled[max(0, top - room) : top].any():
            top = max(0, top - room) + int(np.argmax(filled[max(0, top - room) : top]))
        while bottom < height and filled[bottom : bottom + room].any():
            bottom += 1 + int(np.flatnonzero(filled[bottom : bottom + room])[-1])
        return Person(moving.x, top / height, moving.w, (bottom - top) / height)

    def _learn(self, now: NDArray[np.float32], passed: float) -> None:
        assert self._room is not None and self._heat is not None
        rate = np.full(now.shape, 1 - math.exp(-passed / _LEARN_S), np.float32)
        rate[self._heat > _WARM / 2] = 0.0
        if self.person is not None:
            height, width = now.shape
            one = self.person
            rows = slice(max(0, int((one.y - 0.03) * height)), int((one.y + one.h + 0.03) * height))
            across = slice(max(0, int((one.x - 0.02) * width)), int((one.x + one.w + 0.02) * width))
            held = np.float32(1 - math.exp(-passed / _HELD_S))
            rate[rows, across] = np.minimum(rate[rows, across], held)
        self._room += rate * (now - self._room)

    def _smooth(self, found: Person, passed: float) -> Person:
        known = self.person
        if known is None:
            return found

        def eased(old: float, new: float, slow: float, fast: float) -> float:
            return old + (new - old) * (1 - math.exp(-passed / (fast if new > old else slow)))

        w = eased(known.w, found.w, _SHRINK_S, _GROW_S)
        centre = eased(known.centre, found.centre, _GO_S, _GO_S)
        top = eased(known.y, found.y, _SHRINK_S / 2, _SHRINK_S / 2)
        top = found.y if found.y < top else top  # the head is never lost by smoothing
        bottom = eased(known.y + known.h, found.y + found.h, _SHRINK_S, _GROW_S)
        return Person(centre - w / 2, top, w, max(0.02, bottom - top))


def _belongs(one: Person, other: Person) -> bool:
    across = min(one.x + one.w, other.x + other.w) - max(one.x, other.x)
    apart = max(one.y, other.y) - min(one.y + one.h, other.y + other.h)
    return across > 0.3 * min(one.w, other.w) and apart < _GAP


def _union(one: Person, other: Person) -> Person:
    x, y = min(one.x, other.x), min(one.y, other.y)
    right, bottom = max(one.x + one.w, other.x + other.w), max(one.y + one.h, other.y + other.h)
    return Person(x, y, right - x, bottom - y)
