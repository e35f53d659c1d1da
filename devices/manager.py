"""All devices of a room behind one object. A device that fails never raises into its callers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from devices.auto import AUTO, AutoDevice, Memory
from devices.clock import Clock
from devices.codec import Codec, UnknownCommand, check_options
from devices.discovery.recognise import WAYS as ASKABLE
from devices.driver import Driver
from devices.model import CommandResult, DeviceSpec, DeviceState, Value
from devices.notices import NoticeBoard
from devices.secrets import SecretError, resolve
from devices.traffic import Traffic, TrafficLog
from devices.transports.link import Link
from devices.transports.mqtt import MqttLink
from devices.transports.open import TransportError, open_link, parse_address
from firmware_profiles.catalog import Catalog, UnknownProfile
from firmware_profiles.loader import ProfileError
from firmware_profiles.schema import Profile

__all__ = [
    "AUTO",
    "DeviceManager",
    "SpecError",
    "UnknownCommand",
    "UnknownDevice",
    "check_auto",
    "check_spec",
]

_SECRET_OPTIONS = ("password", "pin")


class UnknownDevice(KeyError):  # noqa: N818 - reads as what it says
    """The room has no such device; the message names those that it has."""

    def __str__(self) -> str:
        return str(self.args[0])


class SpecError(ValueError):
    """A `[[devices]]` table that can't be used: `key` in the table, what is wrong, what to do."""

    def __init__(self, device: str, key: str, message: str, remedy: str) -> None:
        super().__init__(f"device {device}: {key}: {message}. {remedy}.")
        self.device, self.key, self.message, self.remedy = device, key, message, remedy


def check_auto(spec: DeviceSpec) -> None:
    """Can the device of this table be asked what it is? Raises SpecError."""
    scheme = spec.transport.partition("://")[0]
    if scheme not in ASKABLE:
        raise SpecError(
            spec.id,
            "transport",
            f"what is at {spec.transport!r} can't be asked what it is",
            "Name its profile; classroomd devices discover helps",
        )
    _check_secrets(spec, set(_SECRET_OPTIONS))


def check_spec(spec: DeviceSpec, catalog: Catalog) -> Profile:
    """The profile for `spec`, when profile, transport and options fit. Raises SpecError; the
    table must name a profile, not "auto"."""
    try:
        profile = catalog.get(spec.profile)
        if (dialect := spec.options.get("dialect")) is not None:
            profile = catalog.named_dialect(spec.profile, str(dialect))
    except UnknownProfile as error:
        raise SpecError(spec.id, "profile", str(error), "Use a known name") from error
    except ProfileError as error:
        raise SpecError(spec.id, "profile", error.message, error.remedy) from error
    except KeyError as error:
        names = ", ".join(d.name for d in catalog.get(spec.profile).dialects) or "none"
        raise SpecError(
            spec.id, "options.dialect", f"{error} is none of {names}", "Correct it"
        ) from error
    try:
        parse_address(spec.transport, profile)
    except TransportError as error:
        remedy = error.remedy[0].upper() + error.remedy[1:]
        raise SpecError(spec.id, "transport", str(error), remedy) from error
    try:
        check_options(profile, spec.options)
    except ValueError as error:
        raise SpecError(spec.id, "options", str(error), "Correct it") from error
    _check_secrets(spec, _secret_names(profile))
    _check_presets(spec, profile)
    return profile


def _check_presets(spec: DeviceSpec, profile: Profile) -> None:
    codec = Codec(profile, spec.options) if spec.presets else None
    for number in spec.presets:
        try:
            assert codec is not None
            codec.set("preset_recall", number)
        except UnknownCommand:
            raise SpecError(spec.id, "presets", "this device has no presets", "Remove it") from None
        except ValueError as error:
            message = f"preset {number!r}: {error}"
            raise SpecError(spec.id, "presets", message, "Write numbers = names") from error


def _check_secrets(spec: DeviceSpec, names: set[str]) -> None:
    for name in names:
        value = spec.options.get(name)
        if value is not None and not str(value).startswith(("env:", "file:")):
            raise SpecError(
                spec.id, f"options.{name}", "a secret stands there", "Write env:NAME or file:/path"
            )


def _secret_names(profile: Profile) -> set[str]:
    return {name for name, option in profile.options.items() if option.secret} | set(
        _SECRET_OPTIONS
    )


class DeviceManager:
    """Drives the devices of `specs`. `on_state` is called on the event loop at each change."""

    def __init__(
        self,
        specs: Sequence[DeviceSpec],
        *,
        catalog: Catalog,
        on_state: Callable[[DeviceState], None],
        mqtt: MqttLink | None = None,
        clock: Clock | None = None,
        memory: Path | None = None,
        links: Mapping[str, Link] | None = None,
    ) -> None:
        """`memory`: a file that keeps what devices of profile "auto" were recognised as. `links`:
        devices that are reached by another link than their transport's (played ones). Raises
        SpecError for a table that can't be used."""
        self._drivers: dict[str, Driver | AutoDevice] = {}
        self._notices = NoticeBoard(self._listeners)
        self._catalog = catalog
        known = Memory(memory)
        for spec in specs:
            if spec.id in self._drivers:
                raise SpecError(spec.id, "id", "stands twice", "Give each device its own id")
            if spec.profile == AUTO:
                self._drivers[spec.id] = _auto(spec, catalog, on_state, clock, known)
            else:
                link = (links or {}).get(spec.id)
                self._drivers[spec.id] = _driver(spec, catalog, on_state, mqtt, clock, link=link)

    async def start(self) -> None:
        """Begin connecting to all devices; returns at once."""
        await self._notices.start(self._notice_ports())
        await asyncio.gather(*(driver.start() for driver in self._drivers.values()))

    async def stop(self) -> None:
        """Disconnect from all devices."""
        self._notices.close()
        await asyncio.gather(*(driver.stop() for driver in self._drivers.values()))

    def _listeners(self) -> list[Driver]:
        """The drivers there are; a device of profile "auto" has one when it is recognised."""
        found = [d.driver if isinstance(d, AutoDevice) else d for d in self._drivers.values()]
        return [driver for driver in found if driver is not None]

    def _notice_ports(self) -> set[int]:
        profiles = [driver.profile for driver in self._listeners()]
        if any(isinstance(device, AutoDevice) for device in self._drivers.values()):
            profiles += [found for _, found in self._catalog.check() if isinstance(found, Profile)]
        return {profile.notices.port for profile in profiles if profile.notices is not None}

    def states(self) -> list[DeviceState]:
        """What is known of every device, in the order of the room's file."""
        return [driver.state() for driver in self._drivers.values()]

    def state(self, device: str) -> DeviceState:
        """What is known of one device. Raises UnknownDevice."""
        return self._driver(device).state()

    def traffic(self, device: str) -> list[Traffic]:
        """What went over the device's wire lately, oldest first. Raises UnknownDevice."""
        return self._driver(device).traffic.entries()

    def watch_traffic(self, device: str, watcher: Callable[[Traffic], None]) -> Callable[[], None]:
        """Call `watcher` (which must not block or raise) with each new entry of the device's
        traffic. Returns what ends that. Raises UnknownDevice."""
        watchers = self._driver(device).traffic.watchers
        watchers.append(watcher)
        return lambda: watchers.remove(watcher) if watcher in watchers else None

    async def send(
        self,
        device: str,
        command: str,
        value: Value = None,
        *,
        timeout: float | None = None,
        wait: bool = True,
    ) -> CommandResult:
        """Send a command and wait for its outcome, at most `timeout` seconds.

        `confirmed`: the device acknowledged. `queued`: kept and sent as soon as the device can
        take it (it warms, is off or doesn't answer now). `refused`: the device or the profile says
        no. `failed`: lost for good. `replaced`: a newer command took its place. A value may carry
        parameters: "left,8". Raises UnknownDevice or UnknownCommand, nothing else.
        """
        return await self._driver(device).send(command, value, timeout=timeout, wait=wait)

    async def read(self, device: str, command: str, *, timeout: float = 1.0) -> Value:
        """Ask for a state now and wait for the answer, at most `timeout` seconds.

        None when none came, or the device can't tell. Raises UnknownDevice.
        """
        return await self._driver(device).read(command, timeout=timeout)

    def _driver(self, device: str) -> Driver | AutoDevice:
        try:
            return self._drivers[device]
        except KeyError:
            known = ", ".join(self._drivers) or "none"
            raise UnknownDevice(f"no device {device!r}; there is {known}") from None


def _auto(
    spec: DeviceSpec,
    catalog: Catalog,
    on_state: Callable[[DeviceState], None],
    clock: Clock | None,
    memory: Memory,
) -> AutoDevice:
    check_auto(spec)

    def build(found: DeviceSpec, traffic: TrafficLog) -> Driver:
        return _driver(found, catalog, on_state, None, clock, traffic)

    def options() -> dict[str, Any]:
        return {**spec.options, **_resolved(spec.options, set(_SECRET_OPTIONS))}

    return AutoDevice(
        spec, catalog=catalog, build=build, options=options, on_state=on_state, memory=memory
    )


def _resolved(options: dict[str, Any], names: set[str]) -> dict[str, Any]:
    """The secrets behind the references. Raises ValueError that names the option."""
    found: dict[str, Any] = {}
    for name in names & options.keys():
        try:
            found[name] = resolve(str(options[name]))
        except SecretError as error:
            raise ValueError(f"options.{name}: {error}") from error
    return found


def _driver(
    spec: DeviceSpec,
    catalog: Catalog,
    on_state: Callable[[DeviceState], None],
    mqtt: MqttLink | None,
    clock: Clock | None,
    traffic: TrafficLog | None = None,
    link: Link | None = None,
) -> Driver:
    profile = check_spec(spec, catalog)
    address = parse_address(spec.transport, profile)
    names = _secret_names(profile)
    plain = {key: value for key, value in spec.options.items() if key not in names}
    if address.way == "mqtt" and "topic" in profile.options and address.path:
        plain["topic"] = address.path
    defaults = {name: option.default for name, option in profile.options.items()}
    try:
        link = link or open_link(address, profile, {**defaults, **plain}, mqtt)
    except TransportError as error:
        remedy = error.remedy[0].upper() + error.remedy[1:]
        raise SpecError(spec.id, "transport", str(error), remedy) from error

    def secrets() -> dict[str, Any]:
        username = plain.get("username", defaults.get("username") or "")
        return {"username": username, **_resolved(spec.options, names)}

    return Driver(
        spec.model_copy(update={"options": plain}),
        profile,
        link,
        on_state=on_state,
        session=profile.session_for(address.way),
        secrets=secrets,
        catalog=catalog,
        clock=clock,
        traffic=traffic,
    )
