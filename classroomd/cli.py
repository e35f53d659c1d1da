"""The command line. Every command takes `--json`; exit 0 ok, 1 failed, 2 usage or configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from classroomd import __version__
from classroomd.commands import (
    calibrate,
    config,
    devices,
    discover,
    doctor,
    profiles,
    publish,
    record,
    recordings,
    rights,
    scenes,
    tablets,
)
from classroomd.output import fail, out

app = typer.Typer(
    name="classroomd",
    help="Runs a teaching room: drives its devices, records every class, delivers the lecture.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for decision in rights.COMMANDS:
    recordings.app.command()(decision)
app.add_typer(recordings.app, name="recordings")
app.add_typer(devices.app, name="devices")
app.add_typer(tablets.app, name="tablets")
devices.app.command("discover")(discover.discover)
devices.app.command("monitor")(discover.monitor)
app.add_typer(profiles.app, name="profiles")
app.add_typer(scenes.app, name="scenes")
app.add_typer(config.app, name="config")
app.command("record")(record.record)
app.command("calibrate")(calibrate.calibrate)
app.command("produce")(recordings.produce)
app.command("publish")(publish.publish)
app.command("simulate")(devices.simulate)
app.command("doctor")(doctor.doctor)

Json = Annotated[bool, typer.Option("--json", help="One JSON value on the last line.")]


def _version(wanted: bool) -> None:
    if wanted:
        out.print(f"classroomd {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Holds the options that stand before a command."""


@app.command()
def run(
    config_file: Annotated[Path, typer.Option("--config", "-c", help="The room's file.")] = Path(
        "/etc/classroomd/room.toml"
    ),
    as_json: Json = False,
) -> None:
    """Run the daemon of one room."""
    from classroomd.daemon import DaemonError, run_daemon

    room = config.load(config_file, as_json=as_json)
    try:
        run_daemon(room, file=config_file.absolute())
    except DaemonError as error:
        fail(str(error), as_json=as_json)


@app.command()
def demo(
    port: Annotated[int, typer.Option(help="Where the panel is served.")] = 8080,
    headless: Annotated[bool, typer.Option("--headless", help="Hold one class, then end.")] = False,
    seconds: Annotated[float, typer.Option(min=3, help="Length of the headless class.")] = 20.0,
    folder: Annotated[
        Path | None, typer.Option("--out", help="Where the demo room keeps its files.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Open a whole simulated room."""
    from classroomd.daemon import DaemonError
    from classroomd.demo import hold_class, open_room

    try:
        if headless:
            hold_class(seconds=seconds, folder=folder, as_json=as_json)
        else:
            open_room(port=port, folder=folder)
    except DaemonError as error:
        fail(str(error), as_json=as_json)


def main() -> None:
    """The entry point of the command `classroomd`."""
    app()
