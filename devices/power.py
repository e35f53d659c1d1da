"""The power of one device: off → warming → on → cooling, from commands, readings and time."""

from __future__ import annotations

from devices.clock import Clock
from devices.model import Power, Value
from firmware_profiles.schema import PowerModel

STALE_S = 3.0


class PowerTracker:
    """What is known of a device's power.

    `readable`: its power can be asked. `tells_changing`: it says itself that it warms or cools.
    """

    def __init__(
        self, model: PowerModel, clock: Clock, *, readable: bool, tells_changing: bool
    ) -> None:
        self.state = Power.UNKNOWN
        self._model, self._clock = model, clock
        self._readable, self._tells_changing = readable, tells_changing
        self._until: float | None = None
        self._changed = clock.now()

    @property
    def target(self) -> bool | None:
        """Where it is or goes: on, off, or unknown."""
        if self.state in (Power.ON, Power.WARMING):
            return True
        return False if self.state in (Power.OFF, Power.COOLING) else None

    @property
    def changing(self) -> bool:
        """Is it warming or cooling?"""
        return self.state in (Power.WARMING, Power.COOLING)

    def ready_in(self) -> float | None:
        """Seconds until a change is over, as the profile expects; None when nothing changes."""
        left = self._left()
        return None if left is None else round(left / self._clock.scale, 1)

    def _left(self) -> float | None:
        if not self.changing or self._until is None:
            return None
        return max(0.0, self._until - self._clock.now())

    def dead(self) -> bool:
        """Is the device expected to be silent after a change?"""
        return self._clock.now() - self._changed < self._model.dead_s

    def silent(self) -> bool:
        """Is silence normal in this state?"""
        if self.dead():
            return True
        if self.changing:
            return self._model.changing == "silent"
        quiet = self._model.standby in ("silent", "disconnected")
        return quiet and self.state is Power.OFF

    def commanded(self, on: bool) -> None:
        """The device took a power command."""
        if self.target is on:
            return
        seconds = self._model.warm_s if on else self._model.cool_s
        if seconds > 0:
            self._enter(Power.WARMING if on else Power.COOLING, seconds)
        else:
            self._enter(Power.ON if on else Power.OFF)

    def reported(self, value: Value) -> None:
        """The device said what its power is: True, False, "warming" or "cooling"."""
        if value == "warming":
            if self.state is not Power.WARMING:
                self._enter(Power.WARMING, self._model.warm_s)
        elif value == "cooling":
            if self.state is not Power.COOLING:
                self._enter(Power.COOLING, self._model.cool_s)
        elif isinstance(value, bool):
            self._settled(value)

    def _settled(self, on: bool) -> None:
        if self.changing and self.target is not on:
            if self._clock.now() - self._changed >= max(self._model.dead_s, STALE_S):
                self._enter(Power.ON if on else Power.OFF)
            return
        if self.changing and not self._tells_changing and (self._left() or 0) > 0:
            return
        if self.target is not on or self.changing:
            self._enter(Power.ON if on else Power.OFF)

    def tick(self) -> bool:
        """Let time pass: a device that can't be asked, or doesn't tell warming from on, is ready
        when its time is over. True when the state changed."""
        if not self.changing or (self._left() or 0) > 0:
            return False
        if self._readable and self._tells_changing:
            return False
        self._enter(Power.ON if self.state is Power.WARMING else Power.OFF)
        return True

    def unknown(self) -> None:
        """The device began anew: nothing is known."""
        self._enter(Power.UNKNOWN)

    def _enter(self, state: Power, seconds: float | None = None) -> None:
        self.state = state
        self._changed = self._clock.now()
        self._until = None if seconds is None else self._changed + seconds
