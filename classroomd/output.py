"""How commands speak: people get tables and sentences, programs get JSON on the last line."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import typer
from pydantic import BaseModel
from rich.console import Console
from rich.markup import escape
from rich.table import Table

OK, FAILED, USAGE = 0, 1, 2

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)


def plain(value: Any) -> Any:
    """The JSON form of `value`, which may hold models."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, Path):
        return str(value)
    return value


def show_json(value: Any) -> None:
    """One JSON value on one line of standard output."""
    sys.stdout.write(json.dumps(plain(value), ensure_ascii=False, default=str) + "\n")
    sys.stdout.flush()


def show_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A table, or one line that says that there is nothing."""
    if not rows:
        out.print(f"{escape(title)}: none")
        return
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(escape("" if cell is None else str(cell)) for cell in row))
    out.print(table)


def fail(message: str, *, code: int = FAILED, as_json: bool = False) -> NoReturn:
    """Say what went wrong, once, and end with `code`."""
    if as_json:
        show_json({"error": message})
    err.print(f"[bold red]error:[/] {escape(message)}", soft_wrap=True)  # a place stays one word
    raise typer.Exit(code)
