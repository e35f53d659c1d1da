"""Layouts: where slides and presenter lie in the lecture's picture, and how planes get there.

Geometry is pure. The compose functions work on yuv420p planes, one at a time, of whatever library
keeps the Python array API standard (numpy here, CuPy on a GPU); for numpy OpenCV does the same in
place. Planes are written to by assignment to slices, so a library whose arrays cannot change will
not do.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.uint8]
Part = Literal["slides", "presenter"]

PARTS: tuple[Part, ...] = ("slides", "presenter")
NAMES = ("slides+presenter", "side-by-side", "slides", "presenter")
BLACK = (16, 128, 128)
HALVES = (1, 2, 2)  # by how much each plane is smaller than the picture
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


def namespace(array: Any) -> Any:
    """The library that an array belongs to; CuPy's arrays (14) do not say it themselves."""
    tell = getattr(array, "__array_namespace__", None)
    return sys.modules[type(array).__module__.partition(".")[0]] if tell is None else tell()


def window(box: Box, half: int) -> tuple[slice, slice]:
    """Which rows and columns of a plane `box` covers; `half` is 1 for luma and 2 for chroma."""
    return (
        slice(box.y // half, (box.y + box.height) // half),
        slice(box.x // half, (box.x + box.width) // half),
    )


def cut(plane: Any, box: Box, half: int) -> Any:
    """What of `plane` lies under `box`: of a numpy plane the view."""
    return plane[window(box, half)]


def clear(canvas: Sequence[Any], box: Box, colour: tuple[int, int, int] = BLACK) -> None:
    """Fills `box` with a (Y, U, V) colour."""
    for plane, value, half in zip(canvas, colour, HALVES, strict=True):
        plane[window(box, half)] = value


def blit(canvas: Sequence[Any], picture: Sequence[Any], box: Box) -> Box:
    """Scales `picture` into `box` of `canvas` and returns where it lies (bars are not painted)."""
    height, width = picture[0].shape
    put = fit(box, width, height)
    for target, source, half in zip(canvas, picture, HALVES, strict=True):
        if isinstance(target, np.ndarray):
            _scale(source, cut(target, put, half))
        else:
            target[window(put, half)] = resized(source, put.height // half, put.width // half)
    return put


def _shrinks(source: tuple[int, int], target: tuple[int, int]) -> bool:
    """Whether to less than half: a bicubic kernel then skips pixels, and text flickers."""
    return source[0] > 2 * target[0] or source[1] > 2 * target[1]


def _halvings(source: tuple[int, ...], target: tuple[int, int]) -> int:
    """How often both sides can be halved on the way to `target`: (height, width) each."""
    times, height, width = 0, source[0], source[1]
    while height >= 2 * target[0] and width >= 2 * target[1] and not (height % 2 or width % 2):
        times, height, width = times + 1, height // 2, width // 2
    return times


def halved(plane: Plane, target: tuple[int, int]) -> Plane:
    """The plane, halved as often as it stays no smaller than `target` (height, width).

    Means of 2 x 2 pixels are cheap: 1080p gets into the inset in a seventh of the time that
    averaging areas in one step takes.
    """
    for _ in range(_halvings(plane.shape, target)):
        half = (plane.shape[1] // 2, plane.shape[0] // 2)
        plane = cv2.resize(plane, half, interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
    return plane


def _scale(source: Plane, target: Plane) -> None:
    shape, how = (target.shape[0], target.shape[1]), cv2.INTER_CUBIC
    if _shrinks(source.shape, shape):
        source, how = halved(source, shape), cv2.INTER_AREA
    if source.shape == shape:
        target[...] = source
    else:
        cv2.resize(source, shape[::-1], dst=target, interpolation=how)


def resized(source: Any, height: int, width: int) -> Any:
    """Scales one plane of any array library: bicubic, or averaging areas where it shrinks a lot.

    What OpenCV does for numpy, as two products of matrices; they may differ by 1 of 255.
    """
    if source.shape == (height, width):
        return source
    xp = namespace(source)
    area = _shrinks(source.shape, (height, width))
    times = _halvings(source.shape, (height, width)) if area else 0
    rows = _weights_in(xp, source.shape[0], height, area, times, False)
    columns = _weights_in(xp, source.shape[1], width, area, times, True)
    return _picture(xp, xp.matmul(xp.matmul(rows, xp.astype(source, xp.float32)), columns))


def _picture(xp: Any, values: Any) -> Any:
    return xp.astype(xp.clip(xp.round(values), 0.0, 255.0), xp.uint8)


@functools.lru_cache(64)
def _weights_in(xp: Any, length: int, wanted: int, area: bool, times: int, across: bool) -> Any:
    found = _areas(length >> times, wanted) if area else _cubic(length, wanted)
    found = np.repeat(found, 1 << times, axis=1) / np.float32(1 << times)
    return xp.asarray(np.ascontiguousarray(found.T if across else found))


def _cubic(length: int, wanted: int) -> NDArray[np.float32]:
    """Weights (wanted, length) of the bicubic kernel with a = -0.75; borders are repeated."""
    middle = (np.arange(wanted) + 0.5) * length / wanted - 0.5
    first = np.floor(middle).astype(int)
    weights = np.zeros((wanted, length), np.float32)
    for tap in (-1, 0, 1, 2):
        far = np.abs(middle - (first + tap))
        near = ((1.25 * far - 2.25) * far) * far + 1
        away = ((-0.75 * far + 3.75) * far - 6) * far + 3
        place = np.clip(first + tap, 0, length - 1)
        np.add.at(weights, (np.arange(wanted), place), np.where(far <= 1, near, away))
    return weights


def _areas(length: int, wanted: int) -> NDArray[np.float32]:
    """Weights (wanted, length): how much of each new pixel each old one covers."""
    if wanted >= length:
        return _cubic(length, wanted)
    edges = np.arange(wanted + 1) * length / wanted
    old = np.arange(length)
    covered = np.minimum(edges[1:, None], old + 1) - np.maximum(edges[:-1, None], old)
    return np.asarray(np.maximum(covered, 0) * wanted / length, np.float32)


def limit_range(canvas: Sequence[Any], box: Box) -> None:
    """Brings what lies in `box` from full range to limited range."""
    for plane, half, scale, offset in zip(
        canvas, HALVES, (219 / 255, 224 / 255, 224 / 255), (16.0, 15.56, 15.56), strict=True
    ):
        part = cut(plane, box, half)
        if isinstance(plane, np.ndarray):
            cv2.convertScaleAbs(part, dst=part, alpha=scale, beta=offset)
        else:
            xp = namespace(plane)
            plane[window(box, half)] = _picture(xp, xp.astype(part, xp.float32) * scale + offset)


def card(canvas: Sequence[Any], box: Box) -> None:
    """Paints the placeholder of a lost source: a dark card with a crossed circle, no words."""
    clear(canvas, box, (44, 130, 126))
    size = max(2, min(box.width, box.height) // 10 * 2)
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
    left, top = box.x + (box.width - size) // 2, box.y + (box.height - size) // 2
    luma = canvas[0]
    drawn = icon if isinstance(luma, np.ndarray) else namespace(luma).asarray(icon)
    luma[top : top + size, left : left + size] = drawn


def blend(target: Sequence[Any], old: Sequence[Any], new: Sequence[Any], amount: float) -> None:
    """Crossfades whole pictures: target = old where `amount` is 0, new where it is 1."""
    for out, before, after in zip(target, old, new, strict=True):
        if isinstance(out, np.ndarray):
            cv2.addWeighted(before, 1 - amount, after, amount, 0, dst=out)
        else:
            xp = namespace(out)
            gone, come = (xp.astype(plane, xp.float32) for plane in (before, after))
            out[...] = _picture(xp, gone * (1 - amount) + come * amount)
