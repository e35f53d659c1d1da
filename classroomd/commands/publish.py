"""`classroomd publish`: one recording to one target, followed until the target has proved it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from classroomd.client import ClientError, RoomClient
from classroomd.commands import config as config_command
from classroomd.commands.recordings import ROOM, ConfigFile, Json, Name, locate
from classroomd.output import USAGE, err, fail, out, show_json
from controller.config import RoomConfig
from recorder.recording import Recording

Told = Callable[[dict[str, Any]], None]
_OVER = {"verified", "failed", "held", "withdrawn"}
_ASK_S = 0.5


def publish(
    name: Name,
    target: Annotated[str, typer.Option("--to", help="The id of a [[publish]] target.")],
    wait: Annotated[
        bool, typer.Option(help="Follow it until the target has proved that it has it.")
    ] = True,
    config_file: ConfigFile = ROOM,
    as_json: Json = False,
) -> None:
    """Send a recording to a target, and wait until the target has proved that it has it."""
    config = config_command.load(config_file, as_json=as_json)
    recording = locate(name, config_file, as_json=as_json)
    if target not in {spec.id for spec in config.publish}:
        known = ", ".join(spec.id for spec in config.publish) or "none"
        fail(f"there is no target {target!r}; configured are: {known}", code=USAGE, as_json=as_json)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=err, transient=True, disable=as_json) as bar:
        task = bar.add_task(target, total=None, rate="")

        def told(status: dict[str, Any]) -> None:
            rate = status.get("rate")
            bar.update(
                task,
                description=f"{target}: {status['state']}",
                completed=status["sent_bytes"],
                total=status["total_bytes"] or None,
                rate=f"{rate / 1e6:.1f} MB/s" if rate else status["detail"][:60],
            )

        try:
            door = RoomClient.find(config)
            if door is None:
                status = asyncio.run(_alone(config, recording, target, told))
            else:
                with door:
                    status = _followed(door, recording, target, told, wait=wait)
        except ClientError as error:
            fail(str(error), as_json=as_json)
    if as_json:
        show_json(status)
    else:
        words = " ".join(filter(None, (status["state"], status["detail"], status["remedy"])))
        out.print(f"{target}: {words}")
    if status["state"] in ("failed", "held"):
        raise typer.Exit(1)


def _followed(
    door: RoomClient, recording: Recording, target: str, told: Told, *, wait: bool
) -> dict[str, Any]:
    status: dict[str, Any] = door.post("/deliveries", {"recording": recording.id, "target": target})
    while wait and status["state"] not in _OVER:
        told(status)
        time.sleep(_ASK_S)
        listed: list[dict[str, Any]] = door.get("/deliveries")
        status = next((one for one in listed if one["id"] == status["id"]), status)
    return status


async def _alone(
    config: RoomConfig, recording: Recording, target: str, told: Told
) -> dict[str, Any]:
    """Delivers without a daemon."""
    from publishing.delivery import DeliveryWorker

    worker = DeliveryWorker(
        config.storage.recordings,
        config.publish,
        timezone=ZoneInfo(config.room.timezone),
        on_change=lambda status: told(status.model_dump(mode="json")),
    )
    status = await worker.deliver_once(recording.folder, target)
    return status.model_dump(mode="json")
