"""Layouts: where slides and presenter lie in the lecture's picture, and how planes get there.

Geometry is pure. The compose functions work on yuv420p planes, one at a time. `cut` and `clear`
use only what numpy and CuPy share; an engine on another device brings its own `scale`, `blend`
and `card`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.uint8]
Planes = Sequence[Plane]
Part = Literal["slides", "presenter"]

NAMES = ("slides+presenter", "side-by-side", "slides", "presenter")
BLACK = (16, 128, 128)
INSET = 4  # the inset is a quarter as wide as the picture
MARGIN = 48  # and lies 1/48 of the width from the corner


@dataclass(frozen=True)
class Box:
    """A rectangle in luma pixels; every number is even, so that chroma planes divide."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True)
class Place:
    """One source's place: later places lie above earlier ones."""

    part: Part
    box: Box


def even(value: float) -> int:
    """The nearest even number, at least 2."""
    return max(2, round(value / 2) * 2)


def arrange(layout: str, width: int, height: int, available: frozenset[Part]) -> tuple[Place, ...]:
    """Returns the places of `layout` in a picture of `width` x `height`, bottom first.

    A part that never had a source leaves its room to the other. Raises ValueError for a layout
    that is not one of NAMES.
    """
    if layout not in NAMES:
        raise ValueError(f"layout {layout!r} is not known; use {', '.join(NAMES)}")
    whole = Box(0, 0, width, height)
    wanted: list[Part] = ["slides", "presenter"]
    if layout in ("slides", "presenter"):
        wanted = [part for part in wanted if part == layout]
    shown = [part for part in wanted if part in available]
    if not shown:
        shown = [part for part in ("slides", "presenter") if part in available][:1] or wanted[:1]
    if len(shown) == 1:
        return (Place(shown[0], whole),)
    if layout == "side-by-side":
        share = even(width * 0.62)
        return (
            Place("slides", Box(0, 0, share, height)),
            Place("presenter", Box(share, 0, width - share, height)),
        )
    inset_width = even(width / INSET)
    inset_height = even(height / INSET)
    margin = even(width / MARGIN)
    corner = Box(
        width - inset_width - margin, height - inset_height - margin, inset_width, inset_height
    )
    return (Place("slides", whole), Place("presenter", corner))


def fit(box: Box, width: int, height: int) -> Box:
    """Where a picture of `width` x `height` lies in `box`: whole, with bars where it must."""
    scale = min(box.width / width, box.height / height)
    shown_width = min(box.width, even(width * scale))
    shown_height = min(box.height, even(height * scale))
    x = box.x + (box.width - shown_width) // 4 * 2
    y = box.y + (box.height - shown_height) // 4 * 2
    return Box(x, y, shown_width, shown_height)


def cut(plane: Any, box: Box, half: int) -> Any:
    """The view of `plane` that `box` covers; `half` is 1 for luma and 2 for chroma."""
    rows = slice(box.y // half, (box.y + box.height) // half)
    return plane[rows, box.x // half : (box.x + box.width) // half]


def clear(canvas: Sequence[Any], box: Box, colour: tuple[int, int, int] = BLACK) -> None:
    """Fills `box` with a (Y, U, V) colour."""
    for plane, value, half in zip(canvas, colour, (1, 2, 2), strict=True):
        cut(plane, box, half)[...] = value


def scale(source: Plane, target: Plane) -> None:
    """Scales one plane into another, in place (numpy planes, OpenCV).

    Bicubic; area averaging first where the picture shrinks to less than half, because a bicubic
    kernel then skips pixels and text flickers.
    """
    height, width = target.shape
    if source.shape == target.shape:
        target[...] = source
        return
    shrinks = source.shape[1] > 2 * width or source.shape[0] > 2 * height
    how = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    cv2.resize(source, (width, height), dst=target, interpolation=how)


def blit(canvas: Planes, picture: Planes, box: Box) -> Box:
    """Scales `picture` into `box` of `canvas` and returns where it lies (bars are not painted)."""
    height, width = picture[0].shape
    put = fit(box, width, height)
    for target, source, half in zip(canvas, picture, (1, 2, 2), strict=True):
        scale(source, cut(target, put, half))
    return put


def card(canvas: Sequence[Any], box: Box) -> None:
    """Paints the placeholder of a lost source: a dark card with a crossed circle, no words."""
    clear(canvas, box, (44, 130, 126))
    size = max(2, min(box.width, box.height) // 10 * 2)
    luma = cut(canvas[0], box, 1)
    icon = np.full((size, size), 44, np.uint8)
    middle, radius, weight = size // 2, max(1, size * 2 // 5), max(1, size // 14)
    cv2.circle(icon, (middle, middle), radius, 120, weight, cv2.LINE_AA)
    reach = int(radius * 0.7)
    cv2.line(
        icon,
        (middle - reach, middle + reach),
        (middle + reach, middle - reach),
        120,
        weight,
        cv2.LINE_AA,
    )
    top, left = (box.height - size) // 2, (box.width - size) // 2
    luma[top : top + size, left : left + size] = icon


def blend(target: Sequence[Any], old: Sequence[Any], new: Sequence[Any], amount: float) -> None:
    """Crossfades whole pictures: target = old where `amount` is 0, new where it is 1."""
    for out, before, after in zip(target, old, new, strict=True):
        cv2.addWeighted(before, 1 - amount, after, amount, 0, dst=out)
