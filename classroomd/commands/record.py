"""`classroomd record`: tracks and lecture without a daemon."""

from __future__ import annotations

import asyncio
import contextlib
import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer

from classroomd.output import USAGE, fail, out, show_json
from recorder import production_state
from recorder.control import RecorderClient, RecorderError, launch
from recorder.recording import (
    Layout,
    ProgramSpec,
    Recording,
    RecordingError,
    Role,
    SourceSpec,
    create,
)

_FINISH_S = 600.0
_SOURCE = re.compile(r"(?P<role>[a-z]+)(?::(?P<id>[a-z0-9][a-z0-9_-]*))?=(?P<url>.+)")


def parse_source(text: str, taken: set[str]) -> SourceSpec:
    """`ROLE[:ID]=URL`, where URL may end in `sub=URL`. Raises ValueError with the remedy."""
    match = _SOURCE.fullmatch(text)
    if not match:
        raise ValueError(f"{text!r} is no source; write ROLE=URL or ROLE:ID=URL")
    try:
        role = Role(match["role"])
    except ValueError:
        raise ValueError(f"{match['role']!r} is no role; use one of {', '.join(Role)}") from None
    name, number = match["id"] or str(role), 2
    while not match["id"] and name in taken:
        name, number = f"{role}{number}", number + 1
    taken.add(name)
    return SourceSpec(id=name, role=role, url=match["url"])


def record(
    sources: Annotated[
        list[str], typer.Option("--source", "-s", help="ROLE[:ID]=URL; repeat for each source.")
    ],
    root: Annotated[Path, typer.Option("--out", "-o", help="Where the recording folder is made.")],
    seconds: Annotated[float | None, typer.Option(min=0.5, help="End after this long.")] = None,
    layout: Annotated[Layout, typer.Option(help="The lecture's layout.")] = Layout.SLIDES_PRESENTER,
    title: Annotated[str, typer.Option(help="The lecture's title.")] = "Recording",
    size: Annotated[str, typer.Option(help="The lecture's picture, WIDTHxHEIGHT.")] = "1920x1080",
    fps: Annotated[int, typer.Option(min=5, max=60, help="Its frames per second.")] = 30,
    analyse: Annotated[
        bool, typer.Option("--analyse", help="Slides, texts, captions and the package as well.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Record sources until interrupted, without a daemon, and leave the finished lecture."""
    taken: set[str] = set()
    try:
        specs = [parse_source(text, taken) for text in sources]
        width, _, height = size.partition("x")
        program = ProgramSpec(width=int(width), height=int(height), fps=fps)
        recording = create(
            root,
            session="record",
            room="record",
            title=title,
            sources=specs,
            layout=layout,
            program=program,
        )
    except (ValueError, RecordingError) as error:
        fail(str(error), code=USAGE, as_json=as_json)
    try:
        result = asyncio.run(_record(recording, seconds, quiet=as_json))
        if analyse:
            result["notices"] = _analysed(recording)
    except RecorderError as error:
        fail(f"{error} What was recorded is in {recording.folder}.", as_json=as_json)
    if as_json:
        show_json(result)
    else:
        out.print(f"{result['duration_s']:.1f} s in {result['recording']}")
        out.print(f"lecture: {result['lecture']}")
        for notice in result.get("notices", ()):
            out.print(f"- {notice}")


def _analysed(recording: Recording) -> list[str]:
    """All steps after class; what could not be made here. Raises RecorderError."""
    process = subprocess.run(
        [sys.executable, "-m", "recorder.production", str(recording.folder), "--nice", "0"],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if process.returncode:
        raise RecorderError(f"the analysis failed: {process.stdout.strip()}.")
    state = production_state.load(recording.folder)
    return state.notices if state else []


async def _record(recording: Recording, seconds: float | None, *, quiet: bool) -> dict[str, Any]:
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, told.set)
    with tempfile.TemporaryDirectory(prefix="classroomd-") as run:
        await launch(recording.folder, Path(run))
        client = await RecorderClient.connect(Path(run), recording.id, timeout=20.0)
        try:
            if not quiet:
                out.print(f"recording to {recording.folder}; Ctrl-C ends it")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(told.wait(), seconds)
            await client.command("finish")
            async with asyncio.timeout(_FINISH_S):
                async for _ in client.events():
                    pass
        finally:
            await client.close()
    manifest = recording.manifest
    if manifest.error or not recording.lecture.exists():
        raise RecorderError(manifest.error or "no lecture came out.")
    return {
        "recording": str(recording.folder),
        "lecture": str(recording.lecture),
        "duration_s": manifest.duration_s,
        "tracks": len(manifest.tracks),
        "measured": manifest.measured,
    }
