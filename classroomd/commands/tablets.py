"""`classroomd tablets`: pair, list and revoke the room's tablets, through the daemon."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from classroomd.client import ClientError, RoomClient
from classroomd.commands import config as config_command
from classroomd.output import USAGE, fail, out, show_json, show_table

app = typer.Typer(help="Pair, list and revoke tablets.", no_args_is_help=True)

ConfigFile = Annotated[Path, typer.Option("--config", "-c", help="The room's file.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON value on the last line.")]
ROOM = Path("/etc/classroomd/room.toml")


def _ask(config_file: Path, method: str, path: str, body: Any = None, *, as_json: bool) -> Any:
    config = config_command.load(config_file, as_json=as_json)
    client = RoomClient.find(config)
    if client is None:
        fail("the daemon is not running; tablets are paired with a running room", as_json=as_json)
    try:
        with client:
            return client.get(path) if method == "GET" else client.post(path, body)
    except ClientError as error:
        fail(str(error), as_json=as_json)


@app.command()
def pair(
    names: Annotated[list[str], typer.Argument(help="The tablets' names; 40 make a class set.")],
    each: Annotated[
        bool, typer.Option("--each", help="A code per tablet, not one for all.")
    ] = False,
    minutes: Annotated[int, typer.Option(min=1, max=480, help="How long a code is good.")] = 30,
    config_file: ConfigFile = ROOM,
    as_json: Json = False,
) -> None:
    """Make codes to type or scan on the tablets."""
    body = {"names": names, "each": each, "minutes": minutes}
    codes = _ask(config_file, "POST", "/tablets/codes", body, as_json=as_json)
    if as_json:
        show_json(codes)
        return
    for code in codes:
        out.print(f"[bold]{code['code']}[/]  {code['url']}  for {', '.join(code['names'])}")


@app.command("list")
def list_(config_file: ConfigFile = ROOM, as_json: Json = False) -> None:
    """Every tablet: seat, battery, version, last contact."""
    tablets = _ask(config_file, "GET", "/tablets", as_json=as_json)
    if as_json:
        show_json(tablets)
        return
    columns = ("id", "name", "seat", "role", "battery", "version", "here", "revoked")
    keys = ("id", "name", "seat", "role", "battery", "version", "connected", "revoked")
    show_table("Tablets", columns, [[tablet.get(key) for key in keys] for tablet in tablets])


@app.command()
def revoke(
    tablet: Annotated[str, typer.Argument(help="The tablet's id or name.")],
    config_file: ConfigFile = ROOM,
    as_json: Json = False,
) -> None:
    """Take a pairing back: the tablet is cut off at once."""
    tablets = _ask(config_file, "GET", "/tablets", as_json=as_json)
    found = [it for it in tablets if tablet in (it["id"], it["name"])]
    if len(found) != 1:
        what = "no tablet is called" if not found else "several tablets are called"
        fail(f"{what} {tablet!r}; `classroomd tablets list` shows ids", code=USAGE, as_json=as_json)
    gone = _ask(config_file, "POST", f"/tablets/{found[0]['id']}/revoke", as_json=as_json)
    if as_json:
        show_json(gone)
    else:
        out.print(f"{found[0]['name']} was revoked at {datetime.now(UTC):%H:%M:%S} UTC.")
