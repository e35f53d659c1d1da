"""A simulated camera's head: where it points and how near, and its moves by the device's clock."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from devices.clock import Clock
from firmware_profiles.schema import Axis as Model
from firmware_profiles.schema import Head

PAN, TILT, ZOOM = "position", "tilt_position", "zoom_position"
_WAYS = {"left": (-1, 0), "right": (1, 0), "up": (0, 1), "down": (0, -1)}
_WAYS |= {f"{v}_{h}": (_WAYS[h][0], _WAYS[v][1]) for v in ("up", "down") for h in ("left", "right")}
_NEARER = {"tele": 1, "wide": -1}
_QUICK = 12.0  # speed on the way to a preset


class _Axis:
    def __init__(self, model: Model, clock: Clock) -> None:
        self._model, self._clock = model, clock
        self._start = self._end = min(max(0.0, model.low), model.high)
        self._rate, self._began = 0.0, clock.now()

    @property
    def at(self) -> float:
        """Where it is now, in whole steps."""
        step = self._model.step
        return round(round(self._exactly() / step) * step, 6)

    def _exactly(self) -> float:
        passed = self._clock.now() - self._began
        reach = math.inf if math.isinf(self._rate) else self._rate * passed
        return self._start + max(-reach, min(reach, self._end - self._start))

    def go(self, to: float, speed: float = _QUICK) -> None:
        """Move to `to`, or as near as it can."""
        self._start, self._began = self._exactly(), self._clock.now()
        self._end = min(max(to, self._model.low), self._model.high)
        self._rate = speed * self._model.rate

    def drive(self, way: int, speed: float) -> None:
        """Move to its end in this direction; 0 stops."""
        ends = {-1: self._model.low, 0: self._exactly(), 1: self._model.high}
        self.go(ends[way], speed)


class SimulatedHead:
    """Moves by the commands that it is told; presets hold places, an unknown one is the middle."""

    def __init__(self, model: Head, clock: Clock) -> None:
        axes = {PAN: model.pan, TILT: model.tilt, ZOOM: model.zoom}
        self._axes = {name: _Axis(axis, clock) for name, axis in axes.items() if axis is not None}
        self._presets: dict[Any, dict[str, float]] = {}

    def reading(self) -> dict[str, float]:
        """Where each axis is now, by the state that tells it."""
        return {name: axis.at for name, axis in self._axes.items()}

    def put(self, name: str, at: float) -> None:
        """Somebody turned it by hand: it is there."""
        if name in self._axes:
            self._axes[name].go(at, math.inf)

    def told(self, command: str, value: Any, fields: Mapping[str, Any]) -> None:
        """A command arrived; those that move nothing are left alone."""
        match command:
            case "pan_tilt":
                pan, tilt = _WAYS.get(value, (0, 0))
                self._axes[PAN].drive(pan, float(fields.get("pan_speed", 1)))
                self._axes[TILT].drive(tilt, float(fields.get("tilt_speed", 1)))
            case "zoom" if ZOOM in self._axes:
                self._axes[ZOOM].drive(_NEARER.get(value, 0), float(fields.get("speed", 1)) + 1)
            case "position":
                speed = float(fields.get("speed", _QUICK))
                self._axes[PAN].go(float(value), speed)
                self._axes[TILT].go(float(fields.get("tilt", self._axes[TILT].at)), speed)
            case "zoom_position" if ZOOM in self._axes:
                self.put(ZOOM, float(value))
            case "home":
                self._to({PAN: 0.0, TILT: 0.0})
            case "preset_set":
                self._presets[value] = self.reading()
            case "preset_recall":
                self._to(self._presets.get(value, {PAN: 0.0, TILT: 0.0}))

    def _to(self, place: Mapping[str, float]) -> None:
        for name, at in place.items():
            self._axes[name].go(at)
