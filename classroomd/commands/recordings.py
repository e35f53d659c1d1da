"""`classroomd recordings`, `produce`, `publish`: what classes left, and what becomes of it."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.progress import Progress

from classroomd.commands import config as config_command
from classroomd.output import USAGE, err, fail, out, show_json, show_table
from recorder import production_state, retention
from recorder.recording import Recording, RecordingError, find, list_recordings

if TYPE_CHECKING:
    from recorder.salvage import Report

app = typer.Typer(help="List, show, check, repair and prune recordings.", no_args_is_help=True)

ConfigFile = Annotated[Path, typer.Option("--config", "-c", help="The room's file.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON value on the last line.")]
Name = Annotated[str, typer.Argument(help="A recording's folder, its name or its id.")]
ROOM = Path("/etc/classroomd/room.toml")


def locate(name: str, config_file: Path, *, as_json: bool) -> Recording:
    """The recording called `name`: a folder, or an id in the room's storage."""
    try:
        if Path(name).is_dir():
            return Recording.open(Path(name))
        root = config_command.load(config_file, as_json=as_json).storage.recordings
        return find(root, name)
    except RecordingError as error:
        fail(str(error), as_json=as_json)


def _row(recording: Recording) -> dict[str, Any]:
    manifest = recording.manifest
    return {
        "id": recording.id,
        "title": manifest.title,
        "started": manifest.started.isoformat(timespec="seconds"),
        "duration_s": manifest.duration_s,
        "life": str(manifest.life),
        "bytes": recording.bytes(),
        "folder": str(recording.folder),
        "lecture": recording.lecture.exists(),
        "production": _production(recording),
        "going": _when(retention.going(recording.folder)),
        "pruned": _when(retention.pruned(recording.folder)),
    }


def _when(moment: datetime | None) -> str | None:
    return moment.isoformat(timespec="seconds") if moment else None


def _kept(row: dict[str, Any]) -> str:
    """Whether its media is here, and for how long."""
    if row["pruned"]:
        return f"deleted {row['pruned'][:10]}"
    return f"until {row['going'][:10]}" if row["going"] else ""


def _production(recording: Recording) -> str | None:
    """What has become of it after class, in a word or two."""
    state = production_state.load(recording.folder)
    if state is None:
        return None
    at_work = state.state == "working" and state.step
    return f"{state.state}: {state.step}" if at_work else state.state


@app.command("list")
def list_(
    config_file: ConfigFile = ROOM,
    root: Annotated[Path | None, typer.Option("--in", help="A folder of recordings.")] = None,
    as_json: Json = False,
) -> None:
    """All recordings, newest first."""
    folder = root or config_command.load(config_file, as_json=as_json).storage.recordings
    rows = [_row(recording) for recording in list_recordings(folder)]
    if as_json:
        show_json(rows)
        return
    show_table(
        "Recordings",
        ("id", "started", "title", "seconds", "life", "MB", "lecture", "production", "kept"),
        [
            (
                row["id"],
                row["started"],
                row["title"],
                "" if row["duration_s"] is None else round(row["duration_s"]),
                row["life"],
                row["bytes"] // 10**6,
                "yes" if row["lecture"] else "no",
                row["production"] or "",
                _kept(row),
            )
            for row in rows
        ],
    )


@app.command()
def show(name: Name, config_file: ConfigFile = ROOM, as_json: Json = False) -> None:
    """One recording: manifest and markers."""
    recording = locate(name, config_file, as_json=as_json)
    manifest, markers = recording.manifest, recording.markers()
    if as_json:
        show_json({"folder": str(recording.folder), "manifest": manifest, "markers": markers})
        return
    out.print_json(manifest.model_dump_json())
    show_table(
        "Markers", ("s", "kind", "data"), [(f"{m.t:.3f}", m.kind, m.data or "") for m in markers]
    )


@app.command()
def verify(
    name: Name,
    config_file: ConfigFile = ROOM,
    decode: Annotated[bool, typer.Option("--decode", help="Decode every picture too.")] = False,
    as_json: Json = False,
) -> None:
    """Read every segment and the lecture to their ends; change nothing."""
    from recorder import salvage as salvaging

    recording = locate(name, config_file, as_json=as_json)
    _report(salvaging.verify(recording.folder, decode=decode), as_json=as_json)


@app.command()
def salvage(name: Name, config_file: ConfigFile = ROOM, as_json: Json = False) -> None:
    """Repair what a crash left; what cannot be repaired is set aside, never deleted."""
    from recorder import salvage as salvaging
    from recorder.lock import writer

    folder = Path(name)
    if not folder.is_dir():
        root = config_command.load(config_file, as_json=as_json).storage.recordings
        folder = root / name if (root / name).is_dir() else find_folder(root, name, as_json=as_json)
    if (holder := writer(folder)) is not None:
        fail(
            f"{folder.name} is being recorded by process {holder}; end that first", as_json=as_json
        )
    try:
        _report(salvaging.salvage(folder), as_json=as_json)
    except RecordingError as error:
        fail(str(error), as_json=as_json)


def find_folder(root: Path, name: str, *, as_json: bool) -> Path:
    """The folder of the recording with this id."""
    try:
        return find(root, name).folder
    except RecordingError as error:
        fail(str(error), as_json=as_json)


def _report(report: Report, *, as_json: bool) -> None:
    if as_json:
        show_json({**asdict(report), "sound": report.sound})
    else:
        for track, seconds in report.seconds.items():
            out.print(f"{track}: {seconds:.1f} s")
        for problem in report.problems:
            out.print(f"- {escape(problem)}")
        kept = f"{len(report.repaired)} repaired, {len(report.quarantined)} set aside"
        out.print(f"{report.files} files read, {len(report.problems)} problems, {kept}.")
    if not report.sound:
        raise typer.Exit(1)


@app.command()
def measure(name: Name, config_file: ConfigFile = ROOM, as_json: Json = False) -> None:
    """Decode a lecture to its end, and compare its flashes with its beeps where it has both."""
    from recorder.production.measure import MeasureError, check, measure_av_offset

    lecture = locate(name, config_file, as_json=as_json).lecture
    try:
        checked = check(lecture)
    except MeasureError as error:
        fail(str(error), as_json=as_json)
    result: dict[str, Any] = {**asdict(checked), "whole": checked.whole, "av_offset_ms": None}
    try:
        offset = measure_av_offset(lecture)
    except MeasureError:
        pass
    else:
        result |= {"av_offset_ms": offset.offset_ms, "av_offset": asdict(offset)}
    if as_json:
        show_json(result)
    else:
        for key, value in result.items():
            out.print(f"{key}: {value}")
    if not checked.whole:
        raise typer.Exit(1)


@app.command()
def prune(
    config_file: ConfigFile = ROOM,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    as_json: Json = False,
) -> None:
    """Delete the media of recordings that are proved to be elsewhere and are old enough."""
    from controller.publication import keep_days

    config = config_command.load(config_file, as_json=as_json)
    days = config.storage.keep_days
    if days is None and all(rule.keep_days is None for rule in config.courses):
        fail(
            f"{config_file}: storage.keep_days is not set, so nothing is ever deleted",
            code=USAGE,
            as_json=as_json,
        )
    verdicts = retention.prune(
        config.storage.recordings,
        required=[target.id for target in config.publish if target.auto],
        keep_days=lambda course: keep_days(course, config.courses, days),
        dry_run=dry_run,
    )
    rows: list[dict[str, Any]] = [
        {"recording": v.recording, "prune": v.prune, "reason": v.reason, "bytes": v.size}
        for v in verdicts
    ]
    if as_json:
        show_json(rows)
        return
    done = "would go" if dry_run else "deleted"
    show_table(
        "Recordings",
        ("id", "what", "MB", "why"),
        [
            (r["recording"], done if r["prune"] else "kept", r["bytes"] // 10**6, r["reason"])
            for r in rows
        ],
    )


def produce(
    name: Name,
    config_file: ConfigFile = ROOM,
    only: Annotated[
        str | None,
        typer.Option(help="One step: align, analyse, render, caption, draft or package."),
    ] = None,
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Make the lecture anew from the tracks alone.")
    ] = False,
    layout: Annotated[
        str | None, typer.Option(help="Another layout than in class, with --rebuild.")
    ] = None,
    language: Annotated[
        list[str] | None, typer.Option(help="A language of the room; repeat for more.")
    ] = None,
    captions: Annotated[
        Path | None, typer.Option(help="The folder of a speech model for captions.")
    ] = None,
    engine: Annotated[
        str | None,
        typer.Option(help="Whose workers do it: local (this machine) or ray (a cluster)."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Make the lecture and the files beside it; what is up to date is left alone.

    The room's [production] holds where its file is there; options stand before it.
    """
    import av

    from controller.production import told
    from recorder.production import steps
    from recorder.production.settings import Settings

    recording = locate(name, config_file, as_json=as_json)
    known: dict[str, Any] = {}
    if config_file.exists():
        known = told(config_command.load(config_file, as_json=as_json))
    options = {"languages": language, "model": captions, "layout": layout, "engine": engine}
    known |= {key: value for key, value in options.items() if value} | {"rebuild": rebuild}
    settings = Settings.read(known)
    try:
        with Progress(console=err, transient=True, disable=as_json) as bar:
            task = bar.add_task("", total=None)
            results = steps.run(
                recording,
                only,
                lambda step, done, total: bar.update(
                    task, description=step, completed=done, total=total
                ),
                settings,
            )
    except (RecordingError, OSError, av.error.FFmpegError) as error:
        fail(str(error), as_json=as_json)
    if production_state.load(recording.folder) is not None:
        # No receipt covers what a person has made again.
        production_state.change(recording.folder, sent_first=False)
    if as_json:
        show_json([asdict(result) for result in results])
        return
    for result in results:
        out.print(f"{result.step}: {result.outcome}, {len(result.files)} files")
        for notice in result.notices:
            out.print(f"  {escape(notice)}")


@app.command()
def approve(
    name: Name,
    draft: Annotated[str, typer.Argument(help="The draft: summary.LANGUAGE or quiz.LANGUAGE.")],
    by: Annotated[str, typer.Option(help="Who approves it.")],
    config_file: ConfigFile = ROOM,
    as_json: Json = False,
) -> None:
    """Approve a draft that a language model wrote, as its file stands now."""
    from recorder.production.drafts import DraftError
    from recorder.production.drafts import approve as approving

    try:
        path = approving(locate(name, config_file, as_json=as_json), draft, by)
    except DraftError as error:
        fail(str(error), as_json=as_json)
    if as_json:
        show_json({"file": str(path)})
    else:
        out.print(f"approved: {path}")
