"""Whether a screen shows the same thing as before, only moved or nearer: scrolled, zoomed into.

Corners of what is drawn are matched between two pictures; the move that most of them share must
lay what was there onto what is there now. What rests (a window's frame, a side bar) has no say.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.uint8]
Mask = NDArray[np.bool_]

SIZE = (480, 270)
_CHANGE = 12
_CORNERS = 500
_LEAST = 9  # corners that must share the move
_PIXEL = 2.0
_NEAR, _FAR = 0.35, 2.8  # zoom
_ASLANT = 0.02  # more than this is turned: no screen does so
_WINDOW = 9
_ALIKE, _MOST = 0.6, 0.5  # correlation that is still the same; share of what is drawn
_OVERLAP = 0.15  # share of the picture that both show


def moved(before: Plane, now: Plane) -> bool:
    """Whether `now` shows what `before` did from elsewhere; both are luma of `SIZE`."""
    changed = np.asarray(cv2.absdiff(before, now) > _CHANGE, np.uint8)
    where = cv2.dilate(changed, np.ones((9, 9), np.uint8))
    move = _shared_move(before, now, np.asarray(where, np.uint8))
    if move is None:
        return False
    zoom = math.hypot(move[0, 0], move[1, 0])
    if not _NEAR < zoom < _FAR or abs(move[1, 0]) > _ASLANT * zoom:
        return False
    corners = np.array([(0, 0), SIZE], np.float64)
    if np.abs(corners @ move[:, :2].T + move[:, 2] - corners).max() < 2 * _PIXEL:
        return False  # it rests: another page in the same frame
    laid = np.asarray(cv2.warpAffine(before, move, SIZE, flags=cv2.INTER_AREA), np.uint8)
    whole = np.full(before.shape, 255, np.uint8)
    both = np.asarray(cv2.warpAffine(whole, move, SIZE) == 255, np.bool_)
    if np.count_nonzero(both) < _OVERLAP * both.size:
        return False
    drawn = _drawn(now) & both & (where > 0)
    same = np.count_nonzero(drawn & alike(laid, now, _ALIKE))
    return bool(same >= _MOST * np.count_nonzero(drawn) > 0)


def alike(one: Plane, other: Plane, least: float) -> Mask:
    """Where both hold the same drawing, whatever its contrast and light: correlation of `least`."""
    window = (_WINDOW, _WINDOW)
    first, second = (plane.astype(np.float32) for plane in (one, other))
    first -= cv2.blur(first, window)
    second -= cv2.blur(second, window)
    together = cv2.blur(first * second, window)
    apart = np.sqrt(cv2.blur(first * first, window) * cv2.blur(second * second, window))
    return np.asarray(together > least * apart + 1e-3, np.bool_)


def _shared_move(before: Plane, now: Plane, where: Plane) -> NDArray[np.float64] | None:
    """The move (2×3) that most corners share, or None."""
    seer = cv2.ORB.create(_CORNERS, fastThreshold=8)
    (first, told), (second, heard) = (
        seer.detectAndCompute(plane, where) for plane in (before, now)
    )
    if told is None or heard is None or min(len(first), len(second)) < _LEAST:
        return None
    pairs = cv2.BFMatcher(cv2.NORM_HAMMING, crossCheck=True).match(told, heard)
    start = np.array([first[pair.queryIdx].pt for pair in pairs], np.float32)
    end = np.array([second[pair.trainIdx].pt for pair in pairs], np.float32)
    if len(pairs) < _LEAST:
        return None
    move, shared = cv2.estimateAffinePartial2D(start, end, ransacReprojThreshold=_PIXEL)
    if move is None or np.count_nonzero(shared) < _LEAST:
        return None
    return np.asarray(move, np.float64)


def _drawn(plane: Plane) -> Mask:
    kernel = np.ones((3, 3), np.uint8)
    return np.asarray(cv2.morphologyEx(plane, cv2.MORPH_GRADIENT, kernel) > 2 * _CHANGE, np.bool_)
