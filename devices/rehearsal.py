"""A driver and its simulated device on one link in memory: a profile tried without a device.

The conformance tests use it for every shipped profile, `classroomd profiles check` for a site's.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any, Self

from devices.clock import Clock
from devices.driver import Driver
from devices.faults import Faults
from devices.golden import check
from devices.memory import MemoryLink
from devices.model import DeviceSpec, DeviceState, Health, Power, Value
from devices.simulated import SimulatedDevice
from firmware_profiles.compiled import CompiledCommand
from firmware_profiles.schema import Profile
from firmware_profiles.wire import STREAMS


def quick(profile: Profile, timeout_s: float = 0.25) -> Profile:
    """The profile with short time-outs, no gaps, and a tenth of all warm-up and settling."""
    timing = profile.timing.model_copy(
        update={"timeout_s": timeout_s, "gap_ms": 0.0, "late_s": 0.4, "busy_s": 0.01}
    )
    commands = {
        name: command.model_copy(
            update={
                "timeout_s": None,
                "gap_ms": None,
                "settle_s": command.settle_s / 10,
                "travel_s": None if command.travel_s is None else command.travel_s / 10,
            }
        )
        for name, command in profile.commands.items()
    }
    power = profile.power.model_copy(
        update={key: getattr(profile.power, key) / 10 for key in ("warm_s", "cool_s", "dead_s")}
    )
    return profile.model_copy(update={"timing": timing, "commands": commands, "power": power})


class Rehearsal:
    """Use as `async with`. `link` can be cut, `device` has faults, `driver` is what is tried."""

    def __init__(
        self,
        profile: Profile,
        *,
        way: str | None = None,
        options: dict[str, Any] | None = None,
        faults: Iterable[str] = (),
        scale: float = 50.0,
    ) -> None:
        self.way = way or profile.transports.ways()[0]
        session = profile.session_for(self.way)
        clock = Clock(scale)
        self.states: list[DeviceState] = []
        self.device = SimulatedDevice(profile, options, clock=clock, faults=Faults(faults))
        datagram = self.way not in STREAMS
        self.link = MemoryLink(self.device, session, datagram=datagram)
        secrets = {k: v for k, v in self.device.options.items() if k in ("password", "pin")}
        self.driver = Driver(
            DeviceSpec(
                id="rehearsed",
                profile=profile.name,
                transport="memory://",
                options={k: v for k, v in (options or {}).items() if k not in secrets},
            ),
            profile,
            self.link,
            on_state=self.states.append,
            session=session,
            secrets=lambda: secrets,
            clock=clock,
        )

    async def __aenter__(self) -> Self:
        await self.driver.start()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.driver.stop()

    async def until(
        self, condition: Callable[[DeviceState], bool], timeout: float = 20.0, what: str = ""
    ) -> DeviceState:
        """Wait for a state. Raises TimeoutError with what was there instead."""
        try:
            async with asyncio.timeout(timeout):
                while not condition(state := self.driver.state()):  # noqa: ASYNC110 - time changes it
                    await asyncio.sleep(0.01)
        except TimeoutError:
            traffic = "\n".join(
                f"{t.direction} {t.data} {t.text}" for t in self.driver.traffic.entries()[-12:]
            )
            raise TimeoutError(
                f"never {what or 'so'}: {self.driver.state()!r}\n{traffic}"
            ) from None
        return state

    async def switched_on(self) -> DeviceState:
        """Power on, through warm-up, until everything works (or online, without a power)."""
        power = self.driver.codec.commands.get("power")
        if power is None or power.setter is None:
            return await self.until(lambda s: s.health is Health.ONLINE, what="online")
        await self.driver.send("power", True)
        return await self.until(
            lambda s: s.power is Power.ON and s.health is Health.ONLINE, what="on"
        )


def samples(command: CompiledCommand) -> list[Value]:
    """Values to try: both, all, the ends and the middle."""
    if command.kind == "boolean":
        return [True, False]
    if command.kind == "choice":
        return list(command.choices)
    if command.kind == "number":
        low, high = command.spec.range or (0, 10)
        middle = round((low + high) / 2)
        return [low, middle, high] if low <= middle <= high else [low, high]
    return ["sample"] if command.kind == "text" else [None]


MOST_PROBLEMS = 5


async def rehearse(profile: Profile) -> AsyncIterator[str]:
    """What doesn't work as the profile says: golden exchanges, power, each command and each
    query between driver and simulated device. Ends after the first five problems."""
    count = 0
    async for problem in _problems(profile):
        yield problem
        count += 1
        if count >= MOST_PROBLEMS:
            return


async def _problems(profile: Profile) -> AsyncIterator[str]:
    for error in check(profile):
        yield str(error)
    async with Rehearsal(quick(profile)) as rig:
        try:
            await rig.switched_on()
        except TimeoutError as failure:
            yield f"{profile.name}: doesn't switch on: {failure}"
            return
        for command in rig.driver.codec.commands.values():
            if command.setter is not None and command.name != "power":
                for value in samples(command):
                    if problem := await _try(rig, command, value):
                        yield f"{profile.name}: {problem}"
            if command.getter is not None and command.spec.state in ("", command.name):
                try:
                    await rig.until(
                        lambda s, c=command: c.name == "power" or c.state in s.values,  # type: ignore[misc]
                        timeout=10,
                    )
                except TimeoutError as failure:
                    yield f"{profile.name}: {command.name} can't be read: {failure}"
        if "power" in rig.driver.codec.commands and rig.driver.codec.commands["power"].setter:
            await rig.driver.send("power", False)
            try:
                await rig.until(lambda s: s.power is Power.OFF, what="off")
            except TimeoutError as failure:
                yield f"{profile.name}: doesn't switch off: {failure}"


async def _try(rig: Rehearsal, command: CompiledCommand, value: Value) -> str | None:
    result = await rig.driver.send(command.name, value, timeout=5)
    if result.outcome != "confirmed":
        return f"{command.name}={value}: {result.outcome} {result.detail}"
    if command.kind == "action" or command.state != command.name or command.spec.travel_s:
        return None
    wanted = command.from_wire(command.to_wire(value))
    held = rig.device.values.get(command.state)
    if held != wanted and not _near(held, wanted):
        return f"{command.name}={value}: the device has {held!r}"
    try:
        await rig.until(lambda s: _near(s.values.get(command.state), wanted), timeout=5)
    except TimeoutError as failure:
        return f"{command.name}={value}: isn't shown: {failure}"
    return None


def _near(found: Any, wanted: Any) -> bool:
    if isinstance(found, int | float) and isinstance(wanted, int | float):
        return abs(found - wanted) <= max(1.0, abs(wanted) * 0.02)
    return bool(found == wanted)
