"""`classroomd devices` and `simulate`: the room's devices, through the daemon or without one."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from classroomd.client import ClientError, RoomClient
from classroomd.commands import config as config_command
from classroomd.commands.profiles import Sites
from classroomd.output import USAGE, fail, out, show_json, show_table
from classroomd.places import PlaceError, RoomLock
from controller.config import RoomConfig
from devices.manager import DeviceManager, SpecError, UnknownDevice
from devices.model import CommandResult, DeviceState, Health, Value
from firmware_profiles.catalog import Catalog

app = typer.Typer(help="List and command the room's devices.", no_args_is_help=True)

ConfigFile = Annotated[Path, typer.Option("--config", "-c", help="The room's file.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON value on the last line.")]
ROOM = Path("/etc/classroomd/room.toml")
_SETTLE_S = 5.0


def value_of(text: str | None) -> Value:
    """What a value on the command line means: a switch, a number or a word."""
    if text is None:
        return None
    words: dict[str, bool] = {"on": True, "true": True, "off": False, "false": False}
    if text.lower() in words:
        return words[text.lower()]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


@app.command("list")
def list_(config_file: ConfigFile = ROOM, as_json: Json = False) -> None:
    """Every device with what it last reported."""
    config = config_command.load(config_file, as_json=as_json)
    try:
        client = RoomClient.find(config)
        if client:
            with client:
                states = [DeviceState.model_validate(state) for state in client.get("/devices")]
        else:
            states = asyncio.run(_states(config))
    except (ClientError, PlaceError, SpecError) as error:
        fail(str(error), as_json=as_json)
    if as_json:
        show_json(states)
        return
    show_table(
        "Devices",
        ("id", "profile", "model", "health", "power", "values", "detail"),
        [
            (
                state.id,
                state.profile,
                state.model,
                state.health,
                state.power,
                ", ".join(f"{name}={value}" for name, value in state.values.items()),
                state.detail,
            )
            for state in states
        ],
    )


@app.command()
def send(
    device: Annotated[str, typer.Argument(help="The device's id.")],
    command: Annotated[str, typer.Argument(help="Such as power, input or preset_recall.")],
    value: Annotated[str | None, typer.Argument(help="Such as on, 30 or hdmi1.")] = None,
    config_file: ConfigFile = ROOM,
    as_json: Json = False,
) -> None:
    """Send one command and say how it ended."""
    config = config_command.load(config_file, as_json=as_json)
    try:
        client = RoomClient.find(config)
        if client:
            with client:
                answer: Any = client.post(
                    f"/devices/{device}/{command}", {"value": value_of(value)}
                )
                result = CommandResult.model_validate(answer)
        else:
            result = asyncio.run(_send(config, device, command, value_of(value)))
    except (ClientError, PlaceError, SpecError) as error:
        fail(str(error), as_json=as_json)
    except KeyError as error:
        fail(str(error.args[0]), code=USAGE, as_json=as_json)
    if as_json:
        show_json(result)
    else:
        out.print(f"{device} {command}: {result.outcome} {result.detail}".rstrip())
    if result.outcome in {"failed", "refused"}:
        raise typer.Exit(1)


async def _states(config: RoomConfig) -> list[DeviceState]:
    changed = asyncio.Event()
    with RoomLock(config):
        manager = _manager(config, changed)
        await manager.start()
        try:
            async with asyncio.timeout(_SETTLE_S):
                while any(state.health is Health.CONNECTING for state in manager.states()):
                    changed.clear()
                    await changed.wait()
        except TimeoutError:
            pass
        finally:
            states = manager.states()
            await manager.stop()
    return states


async def _send(config: RoomConfig, device: str, command: str, value: Value) -> CommandResult:
    with RoomLock(config):
        manager = _manager(config, asyncio.Event(), only=device)
        await manager.start()
        try:
            return await manager.send(device, command, value)
        finally:
            await manager.stop()


def _manager(config: RoomConfig, changed: asyncio.Event, only: str | None = None) -> DeviceManager:
    specs = [spec for spec in config.devices if only in (None, spec.id)]
    if only and not specs:
        known = ", ".join(spec.id for spec in config.devices) or "none"
        raise UnknownDevice(f"no device {only!r}; there is {known}")
    wires = [spec for spec in specs if not spec.transport.startswith("mqtt:")]
    if only and not wires:
        raise SpecError(
            only, "transport", "a device on MQTT needs the room's broker", "Start the daemon"
        )
    return DeviceManager(
        wires, catalog=Catalog(config.profiles.paths), on_state=lambda _: changed.set()
    )


def simulate(
    profile: Annotated[str, typer.Argument(help="Such as samsung/mdc.")],
    pty: Annotated[Path | None, typer.Option(help="Answer on a serial port at this path.")] = None,
    port: Annotated[int | None, typer.Option(help="Answer on this port; 0 takes any.")] = None,
    mqtt: Annotated[str | None, typer.Option(help="Answer through this broker, HOST:PORT.")] = None,
    host: Annotated[str, typer.Option(help="The address of --port.")] = "127.0.0.1",
    fault: Annotated[list[str] | None, typer.Option(help="A fault; repeat for more.")] = None,
    option: Annotated[list[str] | None, typer.Option(help="K=V, an option of the profile.")] = None,
    time_scale: Annotated[float, typer.Option(help="How fast the device's clock runs.")] = 1.0,
    udp: Annotated[bool, typer.Option("--udp", help="UDP where the profile has both.")] = False,
    path: Sites = None,
    as_json: Json = False,
) -> None:
    """Be a device: answer at the other end of its wire as the profile says, until interrupted."""
    command = [sys.executable, "-m", "devices.simulator", profile, "--host", host]
    for name, value in (("--pty", pty), ("--port", port), ("--mqtt", mqtt)):
        command += [name, str(value)] if value is not None else []
    command += [word for one in fault or [] for word in ("--fault", one)]
    command += [word for one in option or [] for word in ("--option", one)]
    command += [word for one in path or [] for word in ("--path", str(one))]
    command += ["--time-scale", str(time_scale), *(["--udp"] if udp else [])]
    os.execv(sys.executable, command)  # noqa: S606 - becomes the simulator, signals and all
