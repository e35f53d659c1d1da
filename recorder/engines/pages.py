"""Page turns of the slide source, noticed cheaply while the class runs.

A page is turned when many cells of the picture change and then rest. A pointer changes too few
cells; a video inside a slide or an animation never rests, until it does.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.uint8]

_CELLS = (96, 54)
_CELL_CHANGE = 10
_TURN = 0.04
_REST_US = 1_000_000
_ANIMATION_US = 3_000_000
_LOOK_US = 150_000


def _changed(one: Plane, other: Plane) -> float:
    return float(np.mean(cv2.absdiff(one, other) > _CELL_CHANGE))


class PageTurns:
    """Looks at slide pictures in order of time. `turns` holds the class times (µs) found."""

    def __init__(self) -> None:
        self.turns: list[int] = []
        self._page: Plane | None = None
        self._last: Plane | None = None
        self._left_at: int | None = None
        self._still_since = 0
        self._looked = -_LOOK_US

    def look(self, t: int, luma: Plane) -> bool:
        """Looks at a new picture; True when it seems to begin a new page (for a key frame)."""
        if t - self._looked < _LOOK_US and self._left_at is not None:
            return False
        self._looked = t
        cells: Plane = cv2.resize(luma, _CELLS, interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
        if self._page is None or self._last is None:
            self._page = self._last = cells
            return False
        moved = _changed(cells, self._last) > _TURN
        self._last = cells
        if moved:
            self._still_since = t
        begins = self._left_at is None and _changed(cells, self._page) > _TURN
        if begins:
            self._left_at = t
            self._still_since = t
        return begins

    def settle(self, t: int) -> None:
        """Notices that nothing changed until `t`; call it as time goes, new picture or not."""
        if self._left_at is None or self._last is None or t - self._still_since < _REST_US:
            return
        assert self._page is not None
        if _changed(self._last, self._page) > _TURN:
            quick = self._still_since - self._left_at <= _ANIMATION_US
            self.turns.append(self._left_at if quick else self._still_since)
            self._page = self._last
        self._left_at = None
