"""What is known of one device: health, power, confirmed and desired values; and who is told."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

from devices.clock import Clock
from devices.codec import Codec, Request
from devices.model import DeviceSpec, DeviceState, Health, Power, Value
from devices.power import PowerTracker
from firmware_profiles.schema import Profile

log = logging.getLogger(__name__)

MISSES_OFFLINE, MISSES_RECONNECT = 3, 4
PRESET = "preset"
MOVES = ("pan_tilt", "zoom", "home", "position", "zoom_position", "preset_recall")


class Knowledge:
    """The state of one device. `on_settled` is called when its power came to rest."""

    def __init__(
        self,
        spec: DeviceSpec,
        profile: Profile,
        codec: Codec,
        clock: Clock,
        *,
        on_state: Callable[[DeviceState], None],
        on_settled: Callable[[], None],
    ) -> None:
        self._state = DeviceState(
            id=spec.id,
            name=spec.name or spec.id,
            kind=profile.kind,
            profile=profile.name,
            presets=spec.presets,
        )
        self._clock, self._on_state, self._on_settled = clock, on_state, on_settled
        self._shown: DeviceState | None = None
        self._misses = 0
        self.adopt(profile, codec)

    def adopt(self, profile: Profile, codec: Codec) -> None:
        """From now on by this profile (or dialect)."""
        self._profile = profile
        power = codec.commands.get("power")
        self.has_power = power is not None and power.setter is not None
        self.power = PowerTracker(
            profile.power,
            self._clock,
            readable=power is not None and power.getter is not None,
            tells_changing=power is not None and "warming" in power.spec.reads.values(),
        )
        self._state.commands = codec.infos()

    def dialect(self, name: str) -> None:
        """The device was found to speak this dialect."""
        self._state.dialect = name

    # --- health --------------------------------------------------------------------------------

    @property
    def health(self) -> Health:
        """How well it can be reached."""
        return self._state.health

    @property
    def detail(self) -> str:
        """Why it can't be reached, in words."""
        return self._state.detail

    def answered(self) -> None:
        """Something sensible came from the device."""
        self._misses = 0
        self._set_health(Health.ONLINE, "")

    def missed(self, why: str) -> bool:
        """An answer didn't come. True when it is time to connect anew."""
        if self.power.silent():
            self._set_health(Health.ONLINE, f"silent while {self.power.state.value}")
            return False
        self._misses += 1
        worse = self._misses >= MISSES_OFFLINE
        self._set_health(Health.OFFLINE if worse else Health.DEGRADED, why)
        if self._misses < MISSES_RECONNECT:
            return False
        self._misses = MISSES_OFFLINE
        return True

    def unreachable(self, why: str) -> None:
        """There is no connection. A first loss is `degraded`: it may be back in half a second."""
        standby = self._profile.power.standby == "disconnected"
        if standby and self.power.state in (Power.OFF, Power.COOLING):
            self._set_health(Health.ONLINE, "in standby: takes no connection")
        elif self._state.health is Health.ONLINE:
            self._set_health(Health.DEGRADED, f"{why}; connecting again")
        else:
            self._set_health(Health.OFFLINE, why)

    def gone(self, why: str) -> None:
        """The device said itself that it is gone."""
        self._set_health(Health.OFFLINE, why)

    def _set_health(self, health: Health, detail: str) -> None:
        self._state.health, self._state.detail = health, detail
        if health is Health.OFFLINE:
            self._state.values.pop(PRESET, None)
        self.show()

    # --- values --------------------------------------------------------------------------------

    def actual(self, state: str) -> Value:
        """The confirmed value, None when unknown."""
        if state == "power" and self.has_power:
            return self.power.target
        return self._state.values.get(state)

    def set_value(self, state: str, value: Value) -> None:
        """Confirm one value."""
        self._state.values[state] = value

    def apply(self, states: Mapping[str, Value], held: Mapping[str, object]) -> None:
        """Take readings; a desired value that is reached and not held is desired no more."""
        identity = self._profile.identity
        for name, value in states.items():
            if name == "power" and self.has_power:
                self.power_by(lambda value=value: self.power.reported(value))  # type: ignore[misc]
                if "power" not in held and self._state.desired.get(name) == self.power.target:
                    self._state.desired.pop(name, None)
                continue
            if name == identity.model:
                self._state.model = None if value is None else str(value)
            elif name == identity.firmware:
                self._state.firmware = None if value is None else str(value)
            self._state.values[name] = value
            if name not in held and self._state.desired.get(name) == value:
                self._state.desired.pop(name, None)

    def identity(self) -> tuple[str, str] | None:
        """(model, firmware) when all that the profile can ask is known."""
        identity = self._profile.identity
        if (identity.model and self._state.model is None) or (
            identity.firmware and self._state.firmware is None
        ):
            return None
        return self._state.model or "", self._state.firmware or ""

    def desire(self, request: Request) -> None:
        """Asked for, not confirmed yet."""
        self._state.desired[request.state] = request.value

    def desired(self, state: str) -> Value:
        """What was asked for and isn't confirmed."""
        return self._state.desired.get(state)

    def moves(self, request: Request) -> None:
        """This goes to the device now; a camera that is moved stands at no preset any longer."""
        stop = request.command.spec.stop
        if request.command.name in MOVES and (stop is None or request.value != stop):
            self._state.values.pop(PRESET, None)

    def undesire(self, request: Request) -> None:
        """Confirmed, refused or given up; a newer wish stays."""
        if self._state.desired.get(request.state) == request.value:
            self._state.desired.pop(request.state, None)

    def power_by(self, change: Callable[[], object]) -> None:
        """Let `change` act on the power and tell when it came to rest by it."""
        before = self.power.state
        change()
        if self.power.state is before:
            return
        self._state.values.pop(PRESET, None)
        if not self.power.changing:
            self._on_settled()

    # --- showing -------------------------------------------------------------------------------

    def snapshot(self) -> DeviceState:
        """A copy of what is known now; the list of commands is shared."""
        self._state.power = self.power.state if self.has_power else Power.UNKNOWN
        self._state.warm_s = self.power.ready_in()
        own = {"values": dict(self._state.values), "desired": dict(self._state.desired)}
        return self._state.model_copy(update=own)

    def show(self) -> None:
        """Tell about a changed state; the ticking of `warm_s` alone is no change."""
        state = self.snapshot()
        shown = state.model_copy(update={"warm_s": None})
        if shown == self._shown:
            return
        self._shown = shown
        try:
            self._on_state(state)
        except Exception:
            log.exception("whoever listens to %s failed", state.id)
