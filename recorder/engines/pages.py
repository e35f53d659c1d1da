"""Page turns of the slide source, noticed cheaply while the class runs and again in production.

The picture is looked at in small cells. A page is turned when what stood on it goes away, and not
when something is added (a build), nor where a few cells change (a pointer), nor in cells that
never rest (a video or an animation inside the slide). Measured by `make bench NAME=slides`.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.uint8]
Mask = NDArray[np.bool_]

_CELLS = (240, 135)
_SIZE = _CELLS[0] * _CELLS[1]
_CHANGE = 12  # of 255: a cell has changed
_INK = 24  # spread around a cell: something is written or drawn there
_STIR = 0.003  # share of the cells: more than a pointer moves
_KEY = 0.02  # share of the cells that makes a key frame worth while
_LOST = 0.2  # share of a page's ink that has gone: it is another page
_GOES = 0.15  # less in the first picture of a series, which is where the key frame belongs
_GROUND, _GROUND_CHANGE = 0.4, 40  # share of the picture whose plain ground has another colour
_BLOCKED = 0.35  # less of the picture than this at rest says nothing
_SAME_SHAPE = 0.9  # correlation: dimmed, lit differently, but the same
_MEMORY_US = 4_000_000  # how long a cell's restlessness is remembered
_ALIVE, _CALM = 12.0, 4.0  # looks of the last seconds in which a cell changed
_LOOK_US = 100_000
_REST_US = 800_000
_QUICK_US = 2_000_000
_LONG_US = 4_000_000
_AGAIN_US = 1_000_000
_CREEP_US = 500_000  # a slow fade is seen by comparing with the picture of so long ago
_CREEP_WEIGHT = 4  # looks that such a change counts for


def _ink(cells: Plane) -> Mask:
    kernel = np.ones((3, 3), np.uint8)
    spread = cv2.subtract(cv2.dilate(cells, kernel), cv2.erode(cells, kernel))
    return np.asarray(spread > _INK, np.bool_)


def _same_shape(one: Plane, other: Plane) -> Mask:
    """Where both hold the same drawing, whatever its contrast and light."""
    window = (9, 9)
    first, second = (plane.astype(np.float32) for plane in (one, other))
    first -= cv2.blur(first, window)
    second -= cv2.blur(second, window)
    together = cv2.blur(first * second, window)
    apart = np.sqrt(cv2.blur(first * first, window) * cv2.blur(second * second, window))
    return np.asarray(together > _SAME_SHAPE * apart + 1e-3, np.bool_)


def _replaced(page: Plane, now: Plane, where: Mask) -> int:
    """In how many of the cells `where` another drawing stands than on the page."""
    return int(np.count_nonzero(where & ~_same_shape(page, now)))


def compare(page: Plane, now: Plane, free: Mask) -> tuple[bool, bool]:
    """Compares two pictures in cells where `free`: (it is another page, something is new)."""
    difference = cv2.absdiff(page, now)
    changed = (difference > _CHANGE) & free
    if np.count_nonzero(changed) < _STIR * _SIZE:
        return False, False
    before, after = _ink(page), _ink(now)
    lost = _replaced(page, now, changed & before)
    ground = np.count_nonzero((difference > _GROUND_CHANGE) & free & ~before & ~after)
    ink = np.count_nonzero(before & free)
    other = lost >= max(_LOST * ink, _STIR * _SIZE)
    return bool(other or ground >= _GROUND * np.count_nonzero(free)), True


class PageTurns:
    """Looks at slide pictures in order of time (class µs).

    `turns` holds the times found. `pictures` counts how often the present page's picture has been
    renewed: by its beginning, and by each build; who keeps pictures takes one when it changes.
    """

    def __init__(self) -> None:
        self.turns: list[int] = []
        self.pictures = 0
        self._page: Plane | None = None
        self._last: Plane | None = None
        self._earlier = (0, np.zeros(_CELLS[::-1], np.uint8))
        self._waiting: tuple[int, Plane] | None = None
        self._left_at: int | None = None
        self._peak = (0, 0)  # cells, time: the largest change since the page was left
        self._still_since = 0
        self._looked = -_LOOK_US
        self._judged = 0
        self._film = False
        self._restless = np.zeros(_CELLS[::-1], np.float32)
        self._alive: Mask = np.zeros(_CELLS[::-1], np.bool_)

    def look(self, t: int, luma: Plane) -> bool:
        """Looks at a new picture; True when it seems to begin a new page (for a key frame)."""
        if t - self._looked < _LOOK_US:
            self._waiting = (t, luma)  # the last of a series must not be missed
            return False
        return self._look(t, luma)

    def _look(self, t: int, luma: Plane) -> bool:
        passed, self._looked, self._waiting = t - self._looked, t, None
        cells: Plane = cv2.resize(luma, _CELLS, interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
        if self._page is None or self._last is None:
            self._page = self._last = cells
            self._earlier = (t, cells.copy())
            self._still_since = t
            self.pictures += 1
            return False
        step = np.asarray(cv2.absdiff(cells, self._last) > _CHANGE, np.bool_)
        self._last = cells
        self._restless *= math.exp(-passed / _MEMORY_US)
        self._restless += step
        alive = self._restless > _ALIVE
        self._alive |= alive
        count = int(np.count_nonzero(step & ~alive))
        creeps = self._creeps(t, cells, step, alive)
        if count <= _STIR * _SIZE and not creeps:
            return False
        self._still_since = t
        if self._left_at is None:
            self._left_at, self._peak, self._judged = t, (count, t), t
            return count > _KEY * _SIZE and self._goes(cells, alive)
        self._peak = max(self._peak, (count, t), key=lambda peak: peak[0])
        return False

    def _goes(self, cells: Plane, alive: Mask) -> bool:
        """Whether the page begins to go. A build adds to it: its key frame would cost it again."""
        assert self._page is not None
        ink = _ink(self._page) & ~alive
        changed = np.asarray(cv2.absdiff(self._page, cells) > _CHANGE, np.bool_)
        lost = _replaced(self._page, cells, changed & ink)
        goes = lost >= max(_GOES * np.count_nonzero(ink), _STIR * _SIZE)
        return bool(goes or compare(self._page, cells, ~alive)[0])

    def _creeps(self, t: int, cells: Plane, step: Mask, alive: Mask) -> bool:
        """Whether much has changed since half a second ago that never changed at once."""
        since, earlier = self._earlier
        earlier[step] = cells[step]
        if t - since < _CREEP_US:
            return False
        self._earlier = (t, cells.copy())
        crept = np.asarray(cv2.absdiff(cells, earlier) > _CHANGE, np.bool_)
        self._restless += np.float32(_CREEP_WEIGHT) * crept
        return bool(np.count_nonzero(crept & ~alive) > _STIR * _SIZE)

    def settle(self, t: int) -> None:
        """Notices that nothing changed until `t`; call it as time goes, new picture or not."""
        if self._waiting is not None and t - self._looked >= _LOOK_US:
            self._look(*self._waiting)
        if self._left_at is None or self._last is None or self._page is None:
            return
        if t - self._still_since >= _REST_US:
            self._rest()
        elif t - self._left_at > _LONG_US and t - self._judged > _AGAIN_US:
            self._judged = t
            self._unrest()

    def _rest(self) -> None:
        assert self._left_at is not None and self._page is not None and self._last is not None
        if self._film:
            self._turn(self._still_since)
            return
        free = ~self._alive
        if np.count_nonzero(free) < _BLOCKED * _SIZE:
            free = np.ones_like(free)
        other, new = compare(self._page, self._last, free)
        quick = self._still_since - self._left_at <= _QUICK_US
        if other:
            self._turn(self._left_at if quick else self._peak[1])
        elif new:
            self._page = self._last
            self.pictures += 1
        self._left_at = None

    def _unrest(self) -> None:
        """Judges by the cells that rest when others do not, for example behind a lecturer."""
        assert self._left_at is not None and self._page is not None and self._last is not None
        if self._film:
            return
        calm = self._restless < _CALM
        share = np.count_nonzero(calm) / _SIZE
        if share < _BLOCKED:
            self._turn(self._left_at)
            self._film = True
        elif compare(self._page, self._last, calm & ~self._alive)[0]:
            self._turn(self._peak[1])

    def _turn(self, t: int) -> None:
        self.turns.append(t)
        self._page = self._last
        self._alive = self._restless > _ALIVE
        self._left_at, self._film = None, False
        self.pictures += 1
