"""What devices of profile "auto" turned out to be, for the journal: once per finding."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from devices.auto import AUTO
from devices.model import DeviceSpec, DeviceState, Health


class Recognised:
    """`note(data)` is told each new finding: device, profile, dialect, model and firmware."""

    def __init__(self, specs: Sequence[DeviceSpec], note: Callable[[dict[str, Any]], None]) -> None:
        self._auto = {spec.id for spec in specs if spec.profile == AUTO}
        self._told: dict[str, dict[str, Any]] = {}
        self._note = note

    def device_changed(self, state: DeviceState) -> None:
        """A device told its state."""
        if state.id not in self._auto or state.profile == AUTO:
            return
        if state.health is not Health.ONLINE:
            return
        found = {
            "device": state.id,
            "profile": state.profile,
            "dialect": state.dialect,
            "model": state.model,
            "firmware": state.firmware,
        }
        told = self._told.get(state.id)
        if told is None or any(told[key] != found[key] for key in ("profile", "dialect")):
            self._told[state.id] = found
            self._note(found)
