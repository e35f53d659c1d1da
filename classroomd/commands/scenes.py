"""`classroomd scenes`: the room's scenes, tried on paper before they are tried on devices."""

from __future__ import annotations

import asyncio
import os
import shlex
import subprocess
import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer

from classroomd.client import ClientError, RoomClient
from classroomd.commands import config as config_command
from classroomd.output import USAGE, err, fail, out, show_json, show_table
from classroomd.places import PlaceError, RoomLock
from controller.config import ConfigError, RoomConfig
from controller.config import load as load_room
from controller.scene_plan import PlannedStep, plan
from controller.scenes import SceneRun
from controller.settings import Scene
from controller.state import StepResult
from devices.manager import DeviceManager, SpecError
from devices.model import DeviceState
from firmware_profiles.catalog import Catalog

app = typer.Typer(help="List, check, edit and run the room's scenes.", no_args_is_help=True)

ROOM = Path("/etc/classroomd/room.toml")
ConfigFile = Annotated[Path, typer.Option("--config", "-c", help="The room's file.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON value on the last line.")]
_CAPTURED = ("power", "input", "volume", "mute", "blank", "freeze", "relay", "route")


@app.command("list")
def list_(config_file: ConfigFile = ROOM, as_json: Json = False) -> None:
    """The scenes with their steps."""
    config = config_command.load(config_file, as_json=as_json)
    if as_json:
        show_json(config.scenes)
        return
    show_table(
        "Scenes",
        ("scene", "name", "steps"),
        [
            (s.id, s.name, ", ".join(f"{x.device} {x.command} {_said(x.value)}" for x in s.steps))
            for s in config.scenes
        ],
    )


@app.command()
def check(config_file: ConfigFile = ROOM, as_json: Json = False) -> None:
    """Check every scene: devices, commands, values, order; and say what deserves a look."""
    config = config_command.load(config_file, as_json=as_json)
    plans = {scene.id: plan(config, scene) for scene in config.scenes}
    if as_json:
        show_json({"ok": True, "scenes": {name: _told(steps) for name, steps in plans.items()}})
        return
    for name, steps in plans.items():
        last = max((step.ready for step in steps), default=0.0)
        out.print(f"{name}: {len(steps)} steps, ready after about {last:.0f} s", markup=False)
        for step in steps:
            for note in step.notes:
                out.print(
                    f"  step {step.number} ({step.device} {step.command}): {note}", soft_wrap=True
                )
    out.print(f"{len(plans)} scenes checked. No errors.")


@app.command()
def run(
    scene: Annotated[str, typer.Argument(help="The scene's id.")],
    dry: Annotated[
        bool, typer.Option("--dry-run", help="Show bytes, order and times; send nothing.")
    ] = False,
    config_file: ConfigFile = ROOM,
    as_json: Json = False,
) -> None:
    """Run a scene, or show what it would do."""
    config = config_command.load(config_file, as_json=as_json)
    found = config.scene(scene)
    if found is None:
        known = ", ".join(s.id for s in config.scenes) or "none"
        fail(f"no scene {scene!r}; there is {known}", code=USAGE, as_json=as_json)
    if dry:
        _show_plan(found, plan(config, found), as_json=as_json)
        return
    try:
        if client := RoomClient.find(config):
            with client:
                answer: Any = client.post(f"/scenes/{scene}")
                steps = [StepResult.model_validate(step) for step in answer]
        else:
            steps = asyncio.run(_run(config, found))
    except (ClientError, PlaceError, SpecError) as error:
        fail(str(error), as_json=as_json)
    if as_json:
        show_json(steps)
    else:
        show_table(
            scene,
            ("device", "command", "value", "", "what to do"),
            [
                (s.device, s.command, _said(s.value), f"{s.state} {s.detail}".strip(), s.remedy)
                for s in steps
            ],
        )
    if any(step.state == "failed" for step in steps):
        raise typer.Exit(1)


async def _run(config: RoomConfig, scene: Scene) -> list[StepResult]:
    """Without a daemon: this process drives the devices for so long."""
    wanted = {step.device for step in scene.steps}
    specs = [spec for spec in config.devices if spec.id in wanted]
    if mqtt := next((spec for spec in specs if spec.transport.startswith("mqtt:")), None):
        raise SpecError(
            mqtt.id, "transport", "a device on MQTT needs the room's broker", "Start the daemon"
        )
    with RoomLock(config):
        runs: list[SceneRun] = []

        def changed(state: DeviceState) -> None:
            for one in runs:
                one.device_changed(state)

        manager = DeviceManager(
            specs,
            catalog=Catalog(config.profiles.paths),
            on_state=changed,
            memory=config.storage.state / "devices.json",
        )
        runs.append(SceneRun(scene, manager, lambda at, step: None))
        await manager.start()
        try:
            return await runs[0].run()
        finally:
            await manager.stop()


def _show_plan(scene: Scene, steps: list[PlannedStep], *, as_json: bool) -> None:
    if as_json:
        show_json({"scene": scene.id, "steps": _told(steps)})
        return
    show_table(
        f"{scene.id}: nothing is sent",
        ("step", "sent", "ready", "device", "command", "after", "on the wire", ""),
        [
            (
                step.number,
                f"{step.sent:.1f} s",
                f"{step.ready:.1f} s",
                step.device,
                f"{step.command} {_said(step.value)}".strip(),
                ", ".join(step.after),
                step.text,
                "; ".join(step.notes),
            )
            for step in steps
        ],
    )
    last = max((step.ready for step in steps), default=0.0)
    out.print(f"Ready after about {last:.0f} s when everything has to be switched.")


def _told(steps: list[PlannedStep]) -> list[dict[str, Any]]:
    return [dict(step.__dict__) for step in steps]


def _said(value: object) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return "" if value is None else str(value)


@app.command()
def capture(
    name: Annotated[str, typer.Argument(help="The new scene's id.")],
    config_file: ConfigFile = ROOM,
) -> None:
    """Print the room as it is now as a scene for room.toml (the daemon must run)."""
    config = config_command.load(config_file, as_json=False)
    try:
        client = RoomClient.find(config)
        if client is None:
            fail("no daemon runs for this room. Start it: it knows the devices' states.")
        with client:
            states = client.get("/devices")
    except ClientError as error:
        fail(str(error))
    lines = ["[[scenes]]", f'id = "{name}"', "steps = ["]
    for state in states:
        lines += [_captured(state["id"], *step) for step in _settings(state)]
    typer.echo("\n".join([*lines, "]"]))


def _settings(state: dict[str, Any]) -> list[tuple[str, Any]]:
    settable = {info["name"] for info in state["commands"]}
    found: list[tuple[str, Any]] = []
    if "power" in settable and state["power"] in ("on", "warming", "off", "cooling"):
        found.append(("power", state["power"] in ("on", "warming")))
        if not found[0][1]:
            return found
    for command in _CAPTURED[1:]:
        value = state["values"].get(command)
        if command in settable and value is not None:
            found.append((command, value))
    return found


def _captured(device: str, command: str, value: Any) -> str:
    said = {True: "true", False: "false"}.get(value) if isinstance(value, bool) else None
    if said is None:
        said = f'"{value}"' if isinstance(value, str) else f"{value:g}"
    return f'  {{ device = "{device}", command = "{command}", value = {said} }},'


@app.command()
def edit(config_file: ConfigFile = ROOM) -> None:
    """Edit room.toml in $EDITOR; it is put in place only when it is right."""
    editor = shlex.split(os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi")
    try:
        before = config_file.read_text("utf-8")
        with tempfile.NamedTemporaryFile(
            "w", dir=config_file.parent, prefix=".room-", suffix=".toml", delete=False
        ) as file:
            file.write(before)
    except OSError as error:
        fail(f"{config_file}: {error.strerror}. Name the room's file with --config.")
    draft = Path(file.name)
    try:
        draft.chmod(config_file.stat().st_mode & 0o777)
        while True:
            if subprocess.run([*editor, str(draft)], check=False).returncode:
                fail("the editor ended with an error; nothing was changed")
            try:
                load_room(draft)
                break
            except ConfigError as error:
                for wrong in (error, *error.others):
                    err.print(str(wrong).replace(str(draft), str(config_file)), markup=False)
                if not typer.confirm("Edit again?", default=True, err=True):
                    fail("nothing was changed")
        if draft.read_text("utf-8") == before:
            out.print("nothing was changed")
            return
        draft.replace(config_file)
        out.print(f"{config_file} is changed; restart the daemon to use it.")
    finally:
        draft.unlink(missing_ok=True)
