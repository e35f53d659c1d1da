"""`classroomd calibrate`: the fixed latency of a microphone against a camera, by clapping."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer

from classroomd.commands.record import parse_source
from classroomd.output import USAGE, fail, out, show_json
from controller.config import ConfigError, load
from recorder.control import RecorderClient, RecorderError, launch
from recorder.recording import Recording, RecordingError, Role, SourceSpec, create


def calibrate(
    folder: Annotated[
        Path | None, typer.Argument(help="A recording to measure; without: record now.")
    ] = None,
    config: Annotated[Path | None, typer.Option(help="Take the sources of this room.toml.")] = None,
    sources: Annotated[
        list[str] | None, typer.Option("--source", "-s", help="ROLE[:ID]=URL instead.")
    ] = None,
    camera: Annotated[str | None, typer.Option(help="Id of the source with the picture.")] = None,
    microphone: Annotated[str | None, typer.Option(help="Id of the one with the sound.")] = None,
    seconds: Annotated[float, typer.Option(min=5, max=300, help="How long to record.")] = 20.0,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Clap in front of a camera; prints the offset_ms that brings its sound in step."""
    try:
        if folder is not None:
            recording = Recording.open(folder)
            result = _measure(recording, camera, microphone)
        else:
            specs = _specs(config, sources)
            with tempfile.TemporaryDirectory(prefix="classroomd-") as place:
                recording = create(
                    Path(place), session="calibrate", room="calibrate", title="-", sources=specs
                )
                _named(recording, camera, microphone)
                if not as_json:
                    out.print(f"Clap slowly, in full view of the camera, for {seconds:.0f} s.")
                asyncio.run(_record(recording, Path(place), seconds))
                result = _measure(recording, camera, microphone)
    except (ValueError, RecordingError, ConfigError) as error:
        fail(str(error), code=USAGE, as_json=as_json)
    except RecorderError as error:
        fail(str(error), as_json=as_json)
    if as_json:
        show_json(result)
        return
    late = -result["measured_ms"]
    out.print(
        f"{result['microphone']} is {abs(late):.0f} ms {'late' if late >= 0 else 'early'} against "
        f"{result['camera']} ({result['events']} claps, within {result['spread_ms']:.0f} ms)."
    )
    out.print(f'In room.toml, under [[sources]] with id = "{result["microphone"]}":')
    out.print(f"offset_ms = {result['offset_ms']:.0f}")


def _specs(config: Path | None, sources: list[str] | None) -> list[SourceSpec]:
    if config is not None:
        return list(load(config).sources)
    if not sources:
        raise ValueError("name a recording, --config room.toml, or two --source ROLE=URL")
    taken: set[str] = set()
    return [parse_source(text, taken) for text in sources]


def _named(
    recording: Recording, camera: str | None, microphone: str | None
) -> tuple[SourceSpec, SourceSpec]:
    """The two that are compared: as named, else the first camera and the first microphone."""
    specs = recording.manifest.sources

    def choose(name: str | None, roles: tuple[Role, ...], what: str) -> SourceSpec:
        fit = [s for s in specs if (s.id == name if name is not None else s.role in roles)]
        if not fit:
            known = ", ".join(spec.id for spec in specs)
            raise ValueError(f"which source is the {what}? Say --{what} ID; there are {known}")
        return fit[0]

    eye = choose(camera, (Role.PRESENTER, Role.AUDIENCE), "camera")
    ear = choose(microphone, (Role.MICROPHONE,), "microphone")
    return eye, ear


async def _record(recording: Recording, run_dir: Path, seconds: float) -> None:
    await launch(recording.folder, run_dir, program=False)
    client = await RecorderClient.connect(run_dir, recording.id, timeout=30.0)
    try:
        await asyncio.sleep(seconds)
        await client.command("finish")
        async for _ in client.events():
            pass
    finally:
        await client.close()


def _measure(recording: Recording, camera: str | None, microphone: str | None) -> dict[str, Any]:
    """Measures in a process of its own: what loads a codec stays out of this one."""
    eye, ear = _named(recording, camera, microphone)
    folders = [str(recording.track(spec.id)) for spec in (eye, ear)]
    child = subprocess.run(
        [sys.executable, "-m", "recorder.calibrate", *folders],
        capture_output=True,
        text=True,
        check=False,
    )
    if child.returncode != 0:
        said = child.stderr.strip().splitlines()
        raise RecorderError(said[-1] if said else "it could not be measured")
    measured, spread, events = child.stdout.split()
    return {
        "camera": eye.id,
        "microphone": ear.id,
        "measured_ms": float(measured),
        "spread_ms": float(spread),
        "events": int(events),
        "offset_ms": round(ear.offset_ms + float(measured), 1),
    }
