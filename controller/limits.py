"""Where a followed camera may point: between the places of presets that were set as its limits."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

PAN, TILT = "position", "tilt_position"
AHEAD_S = 0.35  # how far ahead a move is judged at least: a question, its answer and the stop
_START = 0.02  # of the room: nearer to its end no move begins
_STEP_S, _LONGEST_S = 0.3, 12.0
_ASKED = 3  # so often in vain: it does not tell


class Devices(Protocol):
    """What is needed of the device manager."""

    async def send(self, device: str, command: str, value: Any = None) -> Any: ...

    async def read(self, device: str, command: str) -> Any: ...


@dataclass(frozen=True)
class Bounds:
    """Places in the camera's own units. `left` and `right` may count either way."""

    left: float
    right: float
    low: float
    high: float

    @staticmethod
    def state(way: str) -> str:
        """Which of the camera's states tells how far a move `way` has come."""
        return PAN if way in ("left", "right") else TILT

    def allow(self, way: str, at: float) -> bool:
        """Whether there is room for a move `way` where the camera is `at` on that axis."""
        begin, end = {
            "left": (self.right, self.left),
            "right": (self.left, self.right),
            "up": (self.low, self.high),
            "down": (self.high, self.low),
        }[way]
        return end != begin and (at - begin) / (end - begin) < 1 - _START


async def survey(devices: Devices, device: str, presets: Sequence[int]) -> Bounds | None:
    """Goes to the presets, the first farthest left and the second farthest right, and reads where
    they are; any more widen what is allowed. None where the camera does not tell its place.
    Raises ConnectionError when it does not go there.
    """
    places = []
    for preset in presets:
        result = await devices.send(device, "preset_recall", preset)
        if getattr(result, "outcome", "confirmed") != "confirmed":
            raise ConnectionError(f"{device} does not go to preset {preset}")
        place = await _rests(devices, device)
        if place is None:
            return None
        places.append(place)
    left, right = places[0][0], places[1][0]
    pans, tilts = [pan for pan, _ in places], [tilt for _, tilt in places]
    ends = (min(pans), max(pans)) if left <= right else (max(pans), min(pans))
    return Bounds(*ends, min(tilts), max(tilts))


async def _rests(devices: Devices, device: str) -> tuple[float, float] | None:
    """Where the camera is when it has come to rest: twice the same."""
    before: tuple[float, float] | None = None
    in_vain = 0
    for _ in range(round(_LONGEST_S / _STEP_S)):
        await asyncio.sleep(_STEP_S)
        pan, tilt = [await devices.read(device, state) for state in (PAN, TILT)]
        if pan is None or tilt is None:
            in_vain += 1
            if in_vain == _ASKED:
                return None
            continue
        if before == (now := (float(pan), float(tilt))):
            return now
        before = now
    return None
