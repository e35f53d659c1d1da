"""Who may use the room's broker: its logins, what each may touch, and the files they stand in."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import structlog

_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Login:
    """One login. `device`: all but the room's topics; `control`: reads the room and sets it."""

    name: str
    password: str
    kind: Literal["daemon", "device", "control"] = "device"


def acl(logins: Iterable[Login]) -> str:
    """Who may use which topics. The order matters: a denial is found first."""
    lines: list[str] = []
    for login in logins:
        lines.append(f"user {login.name}")
        if login.kind == "daemon":
            lines += ["topic readwrite #", "topic readwrite $CONTROL/#"]
        elif login.kind == "control":
            lines += [
                "topic read classroom/#",
                "topic write classroom/+/session/set",
                "topic write classroom/+/devices/+/set",
                "topic readwrite homeassistant/#",
            ]
        else:
            lines += ["topic deny classroom/#", "topic deny homeassistant/#", "topic readwrite #"]
        lines.append("")
    return "\n".join(lines)


def write_private(path: Path, text: str) -> None:
    """Replace a file that only its owner may read."""
    fresh = path.with_name(f".{path.name}.new")
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    fresh.replace(path)


def has_logins(file: Path) -> bool:
    """False when there are none; a file that a power cut damaged is set aside: nothing starts
    with it, and native tablets ask for their login again."""
    with suppress(OSError, ValueError, TypeError, KeyError):
        if isinstance(json.loads(file.read_text("utf-8"))["clients"], list):
            return True
    if not file.exists():
        return False
    _log.error("tablet_logins_damaged", file=str(file))
    file.replace(file.with_name(f"{file.name}.damaged"))
    return False
