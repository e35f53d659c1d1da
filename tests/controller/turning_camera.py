"""A camera's head in memory, and what a tracker says of who stands before it."""

from __future__ import annotations

from typing import Any

from devices.clock import Clock
from devices.simulated_head import SimulatedHead
from firmware_profiles.schema import Axis, Head
from recorder.recording import SourceSpec


class Time(Clock):
    """Goes on by each question to the camera: nothing hangs on how busy the machine is."""

    t = 0.0

    def now(self) -> float:
        return self.t


class Camera:
    """A camera's head; `tells` whether it can be asked where it stands."""

    def __init__(self, *, tells: bool = True) -> None:
        self.sent: list[tuple[str, Any]] = []
        self.tells = tells
        self.answer_s = 0.05
        self.time = Time()
        axes = Axis(low=-1000, high=1000, rate=20), Axis(low=-100, high=100, rate=20)
        self.head = SimulatedHead(Head(pan=axes[0], tilt=axes[1]), self.time)
        self.been: list[float] = []

    async def send(self, device: str, command: str, value: Any = None) -> None:
        assert device == "ptz"
        self.sent.append((command, value))
        self.head.told(command, value, {"pan_speed": 8, "tilt_speed": 8})

    async def read(self, device: str, command: str) -> float | None:
        self.time.t += self.answer_s
        self.been.append(self.head.reading()["position"])
        return self.head.reading()[command] if self.tells else None

    def place(self, preset: int, pan: float, tilt: float = 0) -> None:
        self.head.put("position", pan)
        self.head.put("tilt_position", tilt)
        self.head.told("preset_set", preset, {})


def source(*presets: int, **more: Any) -> SourceSpec:
    return SourceSpec.model_validate(
        {
            "id": "cam",
            "role": "presenter",
            "url": "test:presenter",
            "follow": "ptz",
            "follow_presets": presets,
            **more,
        }
    )


def seen(middle: float, top: float = 0.2, *, moving: bool = True) -> dict[str, Any]:
    return {"source": "cam", "x": middle - 0.04, "y": top, "w": 0.08, "h": 0.4, "moving": moving}
