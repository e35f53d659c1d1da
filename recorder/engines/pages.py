"""Page turns of the slide source, noticed cheaply while the class runs and again in production.

The picture is looked at in small cells. A page is turned when what stood on it goes away, and not
when something is added (a build), nor where a few cells change (a pointer), nor in cells that
never rest (a video or an animation inside the slide), nor when the same page is only moved or
zoomed into (`motion`). Measured by `make bench NAME=slides`.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from recorder.engines import motion

Plane = NDArray[np.uint8]
Mask = NDArray[np.bool_]

_CELLS = (240, 135)
_SIZE = _CELLS[0] * _CELLS[1]
_CHANGE, _LEAST_CHANGE = 12.0, 5.0  # of 255: a cell has changed; in a picture without noise
_STIRRED, _NOISY, _NOISE_S = 0.25, 0.5, 5.0  # noise stirs much of the picture, all the time
_INK = 2.0  # such changes around a cell: something is written or drawn there
_STIR = 0.003  # share of the cells: more than a pointer moves
_KEY = 0.02  # share of the cells that makes a key frame worth while
_LOST = 0.2  # share of a page's ink that has gone: it is another page
_LOST_WIDELY = 0.1  # the same, where the loss takes in a good part of a page at rest
_WIDE, _HIGH, _DENSE = 0.15, 0.25, 0.5  # of the picture; of what is written in that part
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


def _small(plane: Plane, size: tuple[int, int]) -> Plane:
    return np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_AREA), np.uint8)


def _ink(cells: Plane, change: float = _CHANGE) -> Mask:
    kernel = np.ones((3, 3), np.uint8)
    spread = cv2.subtract(cv2.dilate(cells, kernel), cv2.erode(cells, kernel))
    return np.asarray(spread > _INK * change, np.bool_)


def _replaced(page: Plane, now: Plane, where: Mask) -> Mask:
    """The cells `where` another drawing stands than on the page."""
    return np.asarray(where & ~motion.alike(page, now, _SAME_SHAPE), np.bool_)


def _widely(lost: Mask, ink: Mask) -> bool:
    """Whether the loss takes in a good part of the picture, and most of what stood there.

    So goes a page whose frame, a university's own, makes most of its ink; a line that is written
    anew does not.
    """
    rows, columns = (np.quantile(places, (0.04, 0.96)).astype(int) for places in np.nonzero(lost))
    if rows[1] - rows[0] < _HIGH * _CELLS[1] or columns[1] - columns[0] < _WIDE * _CELLS[0]:
        return False
    part = slice(rows[0], rows[1] + 1), slice(columns[0], columns[1] + 1)
    return bool(np.count_nonzero(lost[part]) >= _DENSE * np.count_nonzero(ink[part]))


def compare(
    page: Plane, now: Plane, free: Mask, change: float = _CHANGE, *, rests: bool = True
) -> tuple[bool, bool]:
    """Compares two pictures in cells where `free`: (it is another page, something is new).

    `change`: of 255, by how much a cell differs that has changed. `rests`: nothing moves in the
    picture, so that nobody stands before the page.
    """
    difference = cv2.absdiff(page, now)
    changed = (difference > change) & free
    if np.count_nonzero(changed) < _STIR * _SIZE:
        return False, False
    before, after = _ink(page, change), _ink(now, change)
    lost = _replaced(page, now, changed & before)
    count, ink = np.count_nonzero(lost), np.count_nonzero(before & free)
    ground = np.count_nonzero((difference > _GROUND_CHANGE) & free & ~before & ~after)
    other = bool(count >= max(_LOST * ink, _STIR * _SIZE))
    if rests and not other and count >= max(_LOST_WIDELY * ink, _STIR * _SIZE):
        other = _widely(lost, before & free)
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
        self._fine = self._page_fine = np.zeros(motion.SIZE[::-1], np.uint8)
        self._earlier = (0, np.zeros(_CELLS[::-1], np.uint8))
        self._waiting: tuple[int, Plane] | None = None
        self._left_at: int | None = None
        self._peak = (0, 0)  # cells, time: the largest change since the page was left
        self._still_since = 0
        self._looked = -_LOOK_US
        self._judged = 0
        self._film = False
        self._noise = 1.0
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
        self._fine = _small(luma, motion.SIZE)
        cells = _small(self._fine, _CELLS)
        if self._page is None or self._last is None:
            self._last = cells
            self._show()
            self._earlier = (t, cells.copy())
            self._still_since = t
            return False
        difference = cv2.absdiff(cells, self._last)
        step = np.asarray(difference > self._change, np.bool_)
        self._last = cells
        self._restless *= math.exp(-passed / _MEMORY_US)
        self._restless += step
        alive = self._restless > _ALIVE
        self._alive |= alive
        count = int(np.count_nonzero(step & ~alive))
        creeps = self._creeps(t, cells, step, alive)
        stirred = np.count_nonzero(difference) > _STIRRED * _SIZE
        self._noise = 1.0 if stirred else self._noise * math.exp(-passed / 1e6 / _NOISE_S)
        if count <= _STIR * _SIZE and not creeps:
            return False
        self._still_since = t
        if self._left_at is None:
            self._left_at, self._peak, self._judged = t, (count, t), t
            return count > _KEY * _SIZE and self._goes(cells, alive) and not self._moved()
        self._peak = max(self._peak, (count, t), key=lambda peak: peak[0])
        return False

    @property
    def _change(self) -> float:
        """What counts as a change: little in a clean picture, more in one with noise."""
        return _CHANGE if self._noise > _NOISY else _LEAST_CHANGE

    def _goes(self, cells: Plane, alive: Mask) -> bool:
        """Whether the page begins to go. A build adds to it: its key frame would cost it again."""
        assert self._page is not None
        change = self._change
        ink = _ink(self._page, change) & ~alive
        changed = np.asarray(cv2.absdiff(self._page, cells) > change, np.bool_)
        lost = np.count_nonzero(_replaced(self._page, cells, changed & ink))
        goes = lost >= max(_GOES * np.count_nonzero(ink), _STIR * _SIZE)
        return bool(goes or compare(self._page, cells, ~alive, change)[0])

    def _creeps(self, t: int, cells: Plane, step: Mask, alive: Mask) -> bool:
        """Whether much has changed since half a second ago that never changed at once."""
        since, earlier = self._earlier
        earlier[step] = cells[step]
        if t - since < _CREEP_US:
            return False
        self._earlier = (t, cells.copy())
        crept = np.asarray(cv2.absdiff(cells, earlier) > self._change, np.bool_)
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
        other, new = compare(self._page, self._last, free, self._change)
        quick = self._still_since - self._left_at <= _QUICK_US
        if other and not self._moved():
            self._turn(self._left_at if quick else self._peak[1])
        elif new:
            self._show()
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
            return
        if compare(self._page, self._last, calm & ~self._alive, self._change, rests=False)[0]:
            if self._moved():
                self._show()
            else:
                self._turn(self._peak[1])

    def _moved(self) -> bool:
        return motion.moved(self._page_fine, self._fine)

    def _show(self) -> None:
        """What is seen now is how the present page looks."""
        self._page, self._page_fine = self._last, self._fine
        self.pictures += 1

    def _turn(self, t: int) -> None:
        self.turns.append(t)
        self._show()
        self._alive = self._restless > _ALIVE
        self._left_at, self._film = None, False
