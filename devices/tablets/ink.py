"""Ink: the points of one stroke part, packed as zigzag varint differences.

A point is (x, y, pressure): x and y are 0..65535 across and down the page, whatever its size in
pixels; pressure is 0..255. Each value is written as its difference to the same value of the point
before (the first to 0), zigzag coded, seven bits a byte, and the whole as unpadded base64url.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable

Point = tuple[int, int, int]

MAX_POINTS = 600
MAX_CODED = 8192
_LIMITS = (65535, 65535, 255)


class InkError(ValueError):
    """The bytes are no stroke: torn, too long, or a point lies outside the page."""


def encode(points: Iterable[Point]) -> str:
    """Returns the packed points. Raises InkError for a point outside its range."""
    out = bytearray()
    last = [0, 0, 0]
    for point in points:
        for axis, value in enumerate(point):
            if not 0 <= value <= _LIMITS[axis]:
                raise InkError(f"a point's value {value} is outside 0..{_LIMITS[axis]}")
            difference = value - last[axis]
            last[axis] = value
            coded = difference << 1 if difference >= 0 else (-difference << 1) - 1
            while coded > 0x7F:
                out.append(coded & 0x7F | 0x80)
                coded >>= 7
            out.append(coded)
    return base64.urlsafe_b64encode(bytes(out)).rstrip(b"=").decode()


def decode(text: str) -> list[Point]:
    """Returns the points of `text`. Raises InkError when it is torn, too long or off the page."""
    if len(text) > MAX_CODED:
        raise InkError(f"a stroke part holds at most {MAX_CODED} characters")
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise InkError("the stroke is not base64url") from error
    values: list[int] = []
    number = shift = 0
    for byte in data:
        number |= (byte & 0x7F) << shift
        shift += 7
        if shift > 28:
            raise InkError("a number in the stroke is too long")
        if not byte & 0x80:
            values.append(-((number + 1) >> 1) if number & 1 else number >> 1)
            number = shift = 0
    if shift or len(values) % 3:
        raise InkError("the stroke is torn")
    if len(values) > 3 * MAX_POINTS:
        raise InkError(f"a stroke part holds at most {MAX_POINTS} points")
    points: list[Point] = []
    x = y = pressure = 0
    for at in range(0, len(values), 3):
        x, y, pressure = x + values[at], y + values[at + 1], pressure + values[at + 2]
        if not (0 <= x <= 65535 and 0 <= y <= 65535 and 0 <= pressure <= 255):
            raise InkError("a point lies off the page")
        points.append((x, y, pressure))
    return points
