"""`classroomd config`: check a room.toml."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from classroomd.output import USAGE, fail, out, show_json
from controller.config import ConfigError, RoomConfig
from controller.config import load as load_room

app = typer.Typer(help="Check a room's configuration.", no_args_is_help=True)


def load(path: Path, *, as_json: bool) -> RoomConfig:
    """The room's configuration; a bad one ends the command with exit code 2."""
    try:
        return load_room(path)
    except ConfigError as error:
        fail(str(error), code=USAGE, as_json=as_json)


@app.command()
def check(
    room: Annotated[Path, typer.Argument(help="The room.toml to check.")],
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Read a room.toml, its profiles and its references, and say what is wrong."""
    config = load(room, as_json=as_json)
    if as_json:
        show_json({"ok": True, "room": config.room.id})
    else:
        out.print(
            f"{room}: room {config.room.id!r}, {len(config.devices)} devices, "
            f"{len(config.sources)} sources, {len(config.publish)} targets. No errors."
        )
