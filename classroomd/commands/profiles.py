"""`classroomd profiles`: what the catalogue knows, and whether a profile is right."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from classroomd.output import USAGE, fail, out, show_json, show_table
from firmware_profiles.catalog import Catalog, load
from firmware_profiles.loader import ProfileError

app = typer.Typer(help="List, show and check firmware profiles.", no_args_is_help=True)

Sites = Annotated[
    list[Path] | None, typer.Option("--path", help="A folder of the site's own profiles.")
]
Json = Annotated[bool, typer.Option("--json")]


@app.command("list")
def list_(path: Sites = None, as_json: Json = False) -> None:
    """Every profile."""
    catalog = Catalog(path or [])
    found = [catalog.get(name) for name in catalog.names()]
    if as_json:
        show_json(
            [
                {"name": name, "title": p.title}
                for name, p in zip(catalog.names(), found, strict=True)
            ]
        )
        return
    show_table(
        "Profiles",
        ("name", "what it drives"),
        [(name, p.title) for name, p in zip(catalog.names(), found, strict=True)],
    )


@app.command()
def check(
    files: Annotated[list[Path] | None, typer.Argument(help="Profile files.")] = None,
    as_json: Json = False,
) -> None:
    """Check profile files, or every shipped profile."""
    problems: list[str] = []
    count = 0
    try:
        for file in files or []:
            load(file)
            count += 1
        if not files:
            catalog = Catalog([])
            for name in catalog.names():
                catalog.get(name)
                count += 1
    except ProfileError as error:
        problems.append(str(error))
    if problems:
        fail(problems[0], code=USAGE, as_json=as_json)
    if as_json:
        show_json({"ok": True, "profiles": count})
    else:
        out.print(f"{count} profiles checked. No errors.")
