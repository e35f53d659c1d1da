"""The canvas: the lecture's picture, kept from frame to frame, of which only what changed is drawn.

In memory it is the very frame that the encoder reads; software x264 copies its input, so nothing
is copied in between. In a space of its own (a GPU) only the boxes that changed come back. When the
space fails, what stands on the canvas is drawn again in memory, and the drawing goes on.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

import av
import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from recorder import layouts
from recorder.engines.picture import planes_of
from recorder.engines.spaces import Space
from recorder.layouts import Box

Plane = NDArray[np.uint8]
_Draw = Callable[[list[Any]], None]

log = logging.getLogger(__name__)


class Canvas:
    """Draws into boxes. `lost` says why its space is no longer used; None while it is."""

    def __init__(self, width: int, height: int, space: Space | None = None) -> None:
        self.lost: str | None = None
        self._whole = Box(0, 0, width, height)
        self._frame, self._mixed = (av.VideoFrame(width, height, "yuv420p") for _ in range(2))
        self._host, self._mixed_host = planes_of(self._frame), planes_of(self._mixed)
        self._before: list[Plane] = []
        self._space = space
        self._there: list[Any] = []
        self._before_there: list[Any] = []
        self._mixed_there: list[Any] = []
        self._drawn: dict[tuple[str, Box], _Draw] = {}  # what stands there, bottom first
        self._changed: list[Box] = []  # since the frame was last taken
        layouts.clear(self._host, self._whole)
        layouts.clear(self._mixed_host, self._whole)
        if space is not None:
            self._attempt(lambda: self._enter(space))

    def _enter(self, space: Space) -> None:
        self._there, self._mixed_there = space.upload(self._host), space.upload(self._host)

    def wipe(self) -> None:
        """Makes all of it black."""
        self._drawn.clear()
        self.clear(self._whole)

    def clear(self, box: Box) -> None:
        """Makes a box black."""
        self._draw("ground", box, lambda planes: layouts.clear(planes, box))

    def card(self, box: Box) -> None:
        """Paints the placeholder of a lost source."""
        self._draw("ground", box, lambda planes: layouts.card(planes, box))

    def put(self, box: Box, picture: Sequence[Plane], *, full_range: bool = False) -> None:
        """Scales a picture's planes into a box, as large as its shape allows."""

        def draw(planes: list[Any]) -> None:
            space = self._space
            there = picture if space is None else space.upload(picture)
            put = layouts.blit(planes, there, box)
            if full_range:
                layouts.limit_range(planes, put)

        self._draw("picture", box, draw)

    def _draw(self, kind: str, box: Box, draw: _Draw) -> None:
        if self._space is None:
            draw(self._host)
            return
        if kind == "ground":
            self._drawn.pop(("picture", box), None)
        self._drawn.pop((kind, box), None)  # it lies above what was drawn before
        self._drawn[(kind, box)] = draw
        self._changed.append(box)
        self._attempt(lambda: draw(self._there))  # in memory, if not there: it stands in `_drawn`

    def frame(self) -> VideoFrame:
        """The picture. It is valid until something is drawn."""
        if self._space is not None:
            self._attempt(self._fetch)
        return self._frame

    def _fetch(self) -> None:
        assert self._space is not None
        boxes, whole = set(self._changed), self._whole in self._changed
        for box in [self._whole] if whole else boxes:
            for plane, into, half in zip(self._there, self._host, layouts.HALVES, strict=True):
                self._space.download(layouts.cut(plane, box, half), layouts.cut(into, box, half))
        self._changed.clear()

    def keep(self) -> None:
        """Remembers the picture as it is, for a crossfade."""
        self.frame()
        self._before = [plane.copy() for plane in self._host]
        self._before_there = []

    def forget(self) -> None:
        """Gives up what was kept."""
        self._before, self._before_there = [], []

    def faded(self, amount: float) -> VideoFrame:
        """A mix of what was kept (at 0) and what is there (at 1). Valid until the next call."""
        if self._space is None or not self._attempt(lambda: self._fade_there(amount)):
            layouts.blend(self._mixed_host, self._before, self._host, amount)
        return self._mixed

    def _fade_there(self, amount: float) -> None:
        assert self._space is not None
        self._before_there = self._before_there or self._space.upload(self._before)
        layouts.blend(self._mixed_there, self._before_there, self._there, amount)
        for plane, into in zip(self._mixed_there, self._mixed_host, strict=True):
            self._space.download(plane, into)

    def _attempt(self, act: Callable[[], None]) -> bool:
        """Does something in the space; False when that failed and memory took over."""
        try:
            act()
        except Exception as error:  # whatever a library or a driver raises
            self._take_over(error)
            return False
        return True

    def _take_over(self, error: Exception) -> None:
        assert self._space is not None
        self.lost = f"{self._space.name}: {error}"
        log.warning("composing on %s; memory takes over", self.lost)
        self._space = None
        self._there = self._before_there = self._mixed_there = []
        layouts.clear(self._host, self._whole)
        for draw in self._drawn.values():
            draw(self._host)
        self._drawn.clear()
        self._changed.clear()
