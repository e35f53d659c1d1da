"""`classroomd devices discover|monitor`: what is on the wires, and what goes over them."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from rich.markup import escape

from classroomd.client import ClientError, RoomClient
from classroomd.commands import config as config_command
from classroomd.output import USAGE, err, fail, out, show_json, show_table
from classroomd.places import PlaceError, RoomLock
from controller.config import RoomConfig, SecretError, resolve_secret
from devices.discovery.found import DiscoveryConfig, Found
from devices.discovery.search import search
from devices.manager import DeviceManager, SpecError, UnknownDevice
from devices.traffic import Traffic
from devices.transports.mqtt import MqttLink
from firmware_profiles.catalog import Catalog

ConfigFile = Annotated[Path, typer.Option("--config", "-c", help="The room's file.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON value on the last line.")]
ROOM = Path("/etc/classroomd/room.toml")
_LOOK_S = 0.3
_LONGEST = 160
_ARROWS = {"out": "→", "in": "←", "note": "·"}


def discover(
    subnet: Annotated[
        list[str] | None, typer.Option(help="Probe ports in this network; repeat for more.")
    ] = None,
    seconds: Annotated[float, typer.Option(min=0.5, max=120, help="How long to listen.")] = 4.0,
    serial: Annotated[bool, typer.Option(help="Ask serial ports who is there.")] = True,
    broker: Annotated[
        str | None,
        typer.Option(help="Listen for announcements on this MQTT broker too, HOST[:PORT]."),
    ] = None,
    config_file: Annotated[
        Path | None, typer.Option("--config", "-c", help="Leave this room's serial ports alone.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Look for devices, say what they are and which profile fits. Sends no command to any."""
    used: list[str] = []
    catalog = Catalog()
    link = _broker(*_host_port(broker, as_json=as_json)) if broker else None
    if config_file:
        room = config_command.load(config_file, as_json=as_json)
        used = [
            spec.transport.removeprefix("serial://").partition("?")[0]
            for spec in room.devices
            if spec.transport.startswith("serial:")
        ]
        catalog = Catalog(room.profiles.paths)
        if link is None and room.mqtt.mode == "external":
            link = _room_broker(room, as_json=as_json)
    try:
        wanted = DiscoveryConfig(
            seconds=seconds, subnets=subnet or [], serial_probe=serial, serial_skip=used
        )
    except ValidationError as error:
        fail(error.errors()[0]["msg"], code=USAGE, as_json=as_json)
    with err.status("looking…"):
        found = asyncio.run(_all(wanted, catalog, link))
    if as_json:
        show_json(found)
        return
    show_table(
        "Found",
        ("where", "what", "model", "profile", "options", "how sure", "found by"),
        [
            (
                f.transport,
                f.name or f.vendor,
                " ".join(part for part in (f.model, f.firmware) if part),
                f.profile,
                ", ".join(f'{key} = "{value}"' for key, value in f.options.items()),
                f.certainty,
                f.how,
            )
            for f in found
        ],
    )


Link = Callable[[], MqttLink]


async def _all(wanted: DiscoveryConfig, catalog: Catalog, broker: Link | None) -> list[Found]:
    link = broker() if broker else None
    if link is not None:
        await link.start()
        if not await link.wait_connected(5.0):
            err.print(f"The MQTT broker doesn't answer ({link.error}).", markup=False)
    try:
        return [found async for found in search(wanted, catalog=catalog, broker=link)]
    finally:
        if link is not None:
            await link.stop()


def _broker(host: str, port: int) -> Link:
    return lambda: MqttLink(host, port, client_id=f"classroomd-discover-{os.getpid()}")


def _room_broker(room: RoomConfig, *, as_json: bool) -> Link:
    mqtt = room.mqtt
    try:
        password = resolve_secret(mqtt.secret) if mqtt.secret else None
    except SecretError as error:
        fail(f"mqtt.secret: {error}", code=USAGE, as_json=as_json)
    return lambda: MqttLink(
        mqtt.host,
        mqtt.port or 1883,
        mqtt.username,
        password,
        client_id=f"classroomd-discover-{os.getpid()}",
        tls=mqtt.tls,
    )


def _host_port(text: str, *, as_json: bool) -> tuple[str, int]:
    host, _, port = text.partition(":")
    if not host or not (port or "1883").isdigit():
        fail(f"{text!r} is no broker; write HOST or HOST:PORT", code=USAGE, as_json=as_json)
    return host, int(port or 1883)


def monitor(
    device: Annotated[str, typer.Argument(help="The device's id.")],
    config_file: ConfigFile = ROOM,
    seconds: Annotated[float | None, typer.Option(min=0.5, help="End after this long.")] = None,
    as_json: Json = False,
) -> None:
    """Show what goes over a device's wire, both ways, decoded, until interrupted."""
    config = config_command.load(config_file, as_json=as_json)
    show: Callable[[Traffic], None] = show_json if as_json else _line
    with contextlib.suppress(KeyboardInterrupt):
        try:
            if client := RoomClient.find(config):
                with client:
                    asyncio.run(_follow(lambda: _asked(client, device), show, seconds))
            else:
                asyncio.run(_alone(config, device, show, seconds))
        except (ClientError, PlaceError, SpecError) as error:
            fail(str(error), as_json=as_json)
        except UnknownDevice as error:
            fail(str(error), code=USAGE, as_json=as_json)


def _line(entry: Traffic) -> None:
    data = f"  [dim]{escape(_frame(entry.data))}[/]" if entry.data else ""
    arrow = _ARROWS[entry.direction]
    time = f"{entry.time.astimezone():%H:%M:%S.%f}"[:-3]
    out.print(f"{time} {arrow} {escape(entry.text)}{data}", soft_wrap=True)


def _frame(digits: str) -> str:
    """A frame for people: text where it is text, else hex digits; long ones are cut."""
    raw = bytes.fromhex(digits)
    text = raw.decode("ascii", "replace").rstrip("\r\n\0")
    shown = text if len(text) > 2 and text.strip("\r\n").isprintable() else digits
    return shown if len(shown) <= _LONGEST else shown[:_LONGEST] + " …"


def _asked(client: RoomClient, device: str) -> list[Traffic]:
    answer: Any = client.get(f"/devices/{device}/traffic")
    return [Traffic.model_validate(entry) for entry in answer]


async def _follow(
    read: Callable[[], list[Traffic]], show: Callable[[Traffic], None], seconds: float | None
) -> None:
    shown: datetime | None = None
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while True:
                for entry in await asyncio.to_thread(read):
                    if shown is None or entry.time > shown:
                        shown = entry.time
                        show(entry)
                await asyncio.sleep(_LOOK_S)


async def _alone(
    config: RoomConfig, device: str, show: Callable[[Traffic], None], seconds: float | None
) -> None:
    specs = [spec for spec in config.devices if spec.id == device]
    with RoomLock(config):
        manager = DeviceManager(
            specs, catalog=Catalog(config.profiles.paths), on_state=lambda _: None
        )
        manager.traffic(device)
        await manager.start()
        try:
            await _follow(lambda: manager.traffic(device), show, seconds)
        finally:
            await manager.stop()
