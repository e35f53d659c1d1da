"""Simulated devices on real wires: `python -m devices.simulator PROFILE --pty LINK | --port N |
--mqtt HOST:PORT`.

Prints one JSON line `{"ready": true, "address": …}` on standard output when it listens, and ends
with SIGTERM or SIGINT.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from devices.clock import Clock
from devices.faults import NAMES, Faults
from devices.secrets import resolve
from devices.simulated import SimulatedDevice
from devices.simulator_http import HttpPort
from devices.simulator_ports import MqttPort, Port, PtyPort, TcpPort, UdpPort
from firmware_profiles.catalog import Catalog, UnknownProfile
from firmware_profiles.schema import Profile


class UsageError(ValueError):
    """What was asked for can't be simulated; the message says why and what to do."""


def make_device(
    profile: Profile,
    options: dict[str, Any],
    faults: Sequence[str] = (),
    time_scale: float = 1.0,
) -> SimulatedDevice:
    """A simulated device; numbers given as text become numbers. Raises UsageError."""
    known = set(profile.options) | {"username", "password", "pin"}
    for name in options:
        if name not in known:
            raise UsageError(f"option {name} is unknown; there is {', '.join(sorted(known))}")
    try:
        return SimulatedDevice(
            profile,
            {name: _typed(profile, name, value) for name, value in options.items()},
            clock=Clock(time_scale),
            faults=Faults(faults),
        )
    except ValueError as error:
        raise UsageError(str(error)) from error


def _typed(profile: Profile, name: str, value: Any) -> Any:
    option = profile.options.get(name)
    if option is None or option.secret or not isinstance(value, str):
        return value
    if isinstance(option.default, int | float) and not isinstance(option.default, bool):
        try:
            return int(value, 0)
        except ValueError:
            raise UsageError(f"option {name} needs a number, not {value!r}") from None
    return value


def make_port(
    device: SimulatedDevice,
    *,
    pty: str | None = None,
    port: int | None = None,
    host: str = "127.0.0.1",
    mqtt: str | None = None,
    udp: bool = False,
    mqtt_username: str | None = None,
    mqtt_password: str | None = None,
) -> Port:
    """The wire that the device sits on. Raises UsageError when its profile has none like it."""
    transports = device.profile.transports
    if pty is not None:
        if transports.serial is None:
            raise UsageError(f"{device.profile.name} has no serial line; use --port or --mqtt")
        return PtyPort(device, device.profile.session_for("serial"), pty)
    if mqtt is not None:
        if transports.mqtt is None:
            raise UsageError(f"{device.profile.name} doesn't speak MQTT; use --port or --pty")
        broker, _, broker_port = mqtt.rpartition(":")
        return MqttPort(
            device, broker or mqtt, int(broker_port or 1883), mqtt_username, mqtt_password
        )
    if port is None:
        raise UsageError("say where: --pty LINK, --port N or --mqtt HOST:PORT")
    if transports.tcp is not None and not udp:
        return TcpPort(device, device.profile.session_for("tcp"), host, port)
    if transports.http is not None and not udp:
        return HttpPort(device, device.profile.session_for("http"), host, port)
    if transports.osc is not None:
        return UdpPort(device, device.profile.session_for("osc"), host, port, osc=True)
    if transports.udp is not None:
        return UdpPort(device, device.profile.session_for("udp"), host, port)
    if transports.serial is not None and not udp:
        return TcpPort(device, device.profile.session_for("serial"), host, port)
    raise UsageError(f"{device.profile.name} has no network port; use --pty or --mqtt")


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m devices.simulator", description=__doc__)
    parser.add_argument("profile", help="such as samsung/mdc")
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--pty", metavar="LINK", help="a pseudo terminal, linked as LINK")
    where.add_argument("--port", type=int, metavar="N", help="TCP or UDP port; 0: any free one")
    where.add_argument("--mqtt", metavar="HOST:PORT", help="an MQTT broker")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument(
        "--path", action="append", default=[], type=Path, help="a folder of the site's own profiles"
    )
    parser.add_argument("--udp", action="store_true", help="UDP where the profile has both")
    parser.add_argument("--option", action="append", default=[], metavar="K=V")
    parser.add_argument(
        "--fault", nargs="+", action="extend", default=[], metavar="NAME", help=", ".join(NAMES)
    )
    parser.add_argument("--time-scale", type=float, default=1.0, metavar="X")
    parser.add_argument("--notify", metavar="HOST:PORT", help="tell changes there, by UDP")
    parser.add_argument("--state", action="append", default=[], metavar="K=V", help="initial state")
    parser.add_argument(
        "--mqtt-password",
        default="env:CLASSROOMD_MQTT_PASSWORD",
        metavar="env:NAME|file:PATH",
        help="where the broker's password stands; the name is in CLASSROOMD_MQTT_USERNAME",
    )
    return parser.parse_args(argv)


def _build(arguments: argparse.Namespace) -> Port:
    options: dict[str, Any] = {}
    for pair in arguments.option:
        name, equals, value = pair.partition("=")
        if not equals:
            raise UsageError(f"--option {pair!r}: write name=value")
        options[name] = resolve(value) if value.startswith(("env:", "file:")) else value
    profile = Catalog(arguments.path).get(arguments.profile)
    device = make_device(profile, options, arguments.fault, arguments.time_scale)
    for pair in arguments.state:
        name, _, value = pair.partition("=")
        device.preset(name, value)
    username = password = None
    if arguments.notify and profile.notices is None:
        raise UsageError(f"{profile.name} sends no notices; leave --notify out")
    if arguments.mqtt and (username := os.environ.get("CLASSROOMD_MQTT_USERNAME")):
        password = resolve(arguments.mqtt_password)
    made = make_port(
        device,
        pty=arguments.pty,
        port=arguments.port,
        host=arguments.host,
        mqtt=arguments.mqtt,
        udp=arguments.udp,
        mqtt_username=username,
        mqtt_password=password,
    )
    if arguments.notify:
        where, _, to = arguments.notify.rpartition(":")
        made.notify(where or "127.0.0.1", int(to))
    return made


async def serve(port: Port) -> None:
    """Run until SIGTERM or SIGINT; says on standard output when it listens."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    address = await port.start()
    print(json.dumps({"ready": True, "address": address}), flush=True)
    try:
        await stop.wait()
    finally:
        await port.stop()


def main(argv: Sequence[str] | None = None) -> int:
    """Exit code 0; 2 when what was asked for can't be simulated."""
    arguments = _arguments(argv)
    try:
        port = _build(arguments)
        asyncio.run(serve(port))
    except (ValueError, UnknownProfile) as error:
        print(f"simulator: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"simulator: {error.strerror or error}: {error.filename or ''}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
