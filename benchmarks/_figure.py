"""A lecturer in a room, drawn, and where they really are: they walk, stop, point, and turn."""

from __future__ import annotations

import math
from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
Truth = tuple[float, float, float, float]


def walk(
    seconds: float, *, width: int = 960, height: int = 540, fps: int = 10, seed: int = 1
) -> Iterator[tuple[float, Picture, Truth]]:
    """(time, luma, true box: left, top, width, height in shares of the picture)."""
    dice = np.random.default_rng(seed)
    room = np.full((height, width), 150, np.uint8)
    room[int(0.75 * height) :] = 90
    screen = (int(0.32 * width), int(0.12 * height), int(0.3 * width), int(0.36 * height))
    cv2.rectangle(room, (int(0.05 * width), int(0.6 * height)),
                  (int(0.18 * width), int(0.9 * height)), 60, -1)  # fmt: skip
    at, goal, rest = 0.3, 0.7, 0.0
    tall = 0.34
    page = 0
    for number in range(round(seconds * fps)):
        t = number / fps
        if rest > 0:
            rest -= 1 / fps
        elif abs(goal - at) < 0.01:
            goal, rest = float(dice.uniform(0.12, 0.88)), float(dice.uniform(2, 7))
        else:
            at += math.copysign(min(abs(goal - at), 0.11 / fps), goal - at)
        picture = room.copy()
        if number % (fps * 9) == 0:
            page = int(dice.integers(180, 250))
        x, y, w, h = screen
        cv2.rectangle(picture, (x, y), (x + w, y + h), page, -1)
        for line in range(4):
            cv2.rectangle(picture, (x + 12, y + 14 + line * 24),
                          (x + 60 + (page * 7 + line * 53) % (w - 80), y + 22 + line * 24),
                          40, -1)  # fmt: skip
        box = _draw(picture, at, tall, t, rest > 0, width, height)
        noise = dice.normal(0, 2.0, picture.shape)
        yield t, np.clip(picture + noise, 0, 255).astype(np.uint8), box


def _draw(
    picture: Picture, at: float, tall: float, t: float, still: bool, width: int, height: int
) -> Truth:
    foot = 0.92
    top = foot - tall
    x, head = at * width, 0.055 * height
    cv2.ellipse(picture, (round(x), round(top * height + head)), (round(head * 0.75), round(head)),
                0, 0, 360, 205, -1)  # fmt: skip
    shoulder = top * height + 2 * head
    cv2.rectangle(picture, (round(x - 0.026 * width), round(shoulder)),
                  (round(x + 0.026 * width), round((foot - 0.14) * height)), 45, -1)  # fmt: skip
    swing = math.sin(t * (2.5 if still else 6)) * 0.02 * width
    hip, ground = (foot - 0.14) * height, foot * height
    stride = 0 if still else swing
    reach = 0.03 * width
    for side in (-1, 1):
        cv2.line(picture, (round(x + side * 0.012 * width), round(hip)),
                 (round(x + side * (0.012 * width + stride * 0.5)), round(ground)),
                 30, round(0.016 * width))  # fmt: skip
        hand = (round(x + side * 0.03 * width + swing), round(shoulder + 0.11 * height))
        cv2.line(picture, (round(x + side * 0.024 * width), round(shoulder + 4)), hand, 120, 7)
    left = min(x - reach, x - reach + swing) / width - 0.004
    right = max(x + reach, x + reach + swing) / width + 0.004
    return left, top, right - left, tall


def overlap(one: Truth, other: Truth) -> float:
    """Area in common over area in all."""
    across = min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])
    down = min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1])
    both = max(0.0, across) * max(0.0, down)
    return both / (one[2] * one[3] + other[2] * other[3] - both)
