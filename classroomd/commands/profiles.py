"""`classroomd profiles`: what the catalogue knows, and whether a profile is right."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import track

from classroomd.output import USAGE, err, fail, out, show_json, show_table
from devices.rehearsal import rehearse
from firmware_profiles.catalog import Catalog, UnknownProfile, load
from firmware_profiles.compiled import CompiledCommand, compiled
from firmware_profiles.loader import ProfileError
from firmware_profiles.schema import Profile, json_schema
from firmware_profiles.table import document, evidence, ways

app = typer.Typer(help="List, show and check firmware profiles.", no_args_is_help=True)

Sites = Annotated[
    list[Path] | None, typer.Option("--path", help="A folder of the site's own profiles.")
]
Json = Annotated[bool, typer.Option("--json", help="One JSON value on the last line.")]


@app.command("list")
def list_(path: Sites = None, as_json: Json = False) -> None:
    """Every profile."""
    catalog = Catalog(path or [])
    try:
        found = [catalog.get(name) for name in catalog.names()]
    except ProfileError as error:
        fail(str(error), code=USAGE, as_json=as_json)
    if as_json:
        show_json([{"name": profile.name, "title": profile.title} for profile in found])
        return
    show_table("Profiles", ("name", "what it drives"), [(p.name, p.title) for p in found])


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="Such as samsung/mdc.")],
    path: Sites = None,
    as_json: Json = False,
) -> None:
    """One profile: how it is reached, its options and commands, and where its facts come from."""
    try:
        profile = Catalog(path or []).get(name)
    except (ProfileError, UnknownProfile) as error:
        fail(str(error), code=USAGE, as_json=as_json)
    if as_json:
        show_json(_described(profile))
        return
    out.print(f"[bold]{profile.title}[/] ({profile.vendor}, {profile.kind})")
    for label, words in (
        ("models", profile.models), ("ways", ways(profile)), ("quirks", profile.quirks),
        ("evidence", [evidence(profile)]),
    ):  # fmt: skip
        if words:
            out.print(f"{label}: {'; '.join(words)}", highlight=False)
    show_table(
        "Options",
        ("option", "without it", "what it is"),
        [(key, "secret" if o.secret else o.default, o.note) for key, o in profile.options.items()],
    )
    show_table(
        "Commands",
        ("command", "can be", "takes"),
        [(c.name, _can(c), _takes(c)) for c in compiled(profile).commands.values()],
    )


def _can(command: CompiledCommand) -> str:
    read = command.getter is not None or command.notices or command.reports
    return ", ".join(
        word for word, yes in (("set", command.setter is not None), ("read", read)) if yes
    )


def _takes(command: CompiledCommand) -> str:
    if command.setter is None or command.kind == "action":
        value = ""
    elif command.kind == "boolean":
        value = "on, off"
    elif command.kind == "number" and command.spec.range:
        value = "{:g} to {:g}".format(*command.spec.range)
    else:
        value = ", ".join(command.choices) or command.kind
    more = ", ".join(command.spec.params)
    return f"{value} (then {more})" if more else value


def _described(profile: Profile) -> dict[str, Any]:
    return {
        "name": profile.name, "title": profile.title, "vendor": profile.vendor,
        "kind": profile.kind, "models": profile.models, "ways": ways(profile),
        "quirks": profile.quirks, "evidence": evidence(profile),
        "options": {key: o.model_dump() for key, o in profile.options.items()},
        "commands": {
            c.name: {"can": _can(c), "takes": _takes(c)}
            for c in compiled(profile).commands.values()
        },
    }  # fmt: skip


@app.command()
def check(
    files: Annotated[list[Path] | None, typer.Argument(help="Profile files.")] = None,
    rehearsal: Annotated[
        bool | None,
        typer.Option(
            "--rehearse/--no-rehearse",
            help="Try driver against simulated device: every command, query and exchange. "
            "Files are, the shipped profiles are not unless asked for (a minute).",
        ),
    ] = None,
    path: Sites = None,
    as_json: Json = False,
) -> None:
    """Check profile files, or every shipped profile: their shape, their templates, and how driver
    and simulated device get on with each other and with the documented exchanges."""
    try:
        profiles = [load(file, sites=path or []) for file in files or []]
        if not files:
            catalog = Catalog(path or [])
            profiles = [catalog.get(name) for name in catalog.names()]
    except ProfileError as error:
        fail(str(error), code=USAGE, as_json=as_json)
    tried = bool(files) if rehearsal is None else rehearsal
    problems = _rehearsed(profiles, quiet=as_json) if tried else []
    if problems:
        for problem in problems[:-1]:
            err.print(problem, markup=False, highlight=False)
        fail(problems[-1], as_json=as_json)
    if as_json:
        show_json({"ok": True, "profiles": len(profiles), "rehearsed": tried})
    else:
        more = " and rehearsed" if tried else ""
        out.print(f"{len(profiles)} profiles checked{more}. No errors.")


def _rehearsed(profiles: list[Profile], *, quiet: bool) -> list[str]:
    async def one(profile: Profile) -> list[str]:
        return [problem async for problem in rehearse(profile)]

    shown = track(
        profiles,
        description="rehearsing",
        console=err,
        disable=quiet or len(profiles) < 2,
        transient=True,
    )
    return [problem for profile in shown for problem in asyncio.run(one(profile))]


@app.command()
def schema() -> None:
    """The JSON Schema of a profile file, for editors that complete and check while writing."""
    typer.echo(json.dumps(json_schema(), indent=2))


@app.command()
def table(
    output: Annotated[
        Path | None, typer.Option("--out", help="Write it there (docs/devices.md).")
    ] = None,
    path: Sites = None,
) -> None:
    """All families as a document: ways, capabilities, evidence."""
    try:
        made = document(Catalog(path or []))
    except ProfileError as error:
        fail(str(error), code=USAGE)
    if output is None:
        typer.echo(made, nl=False)
        return
    try:
        output.write_text(made, encoding="utf-8")
    except OSError as error:
        fail(f"{output}: {error.strerror}. Choose another place.")
