"""Secrets are references in room.toml; this finds what they stand for, at connect."""

from __future__ import annotations

import os
from pathlib import Path


class SecretError(ValueError):
    """A reference that leads nowhere. The message never holds a secret."""


def resolve(reference: str) -> str:
    """The secret behind `env:NAME` or `file:/path` (its first line)."""
    if reference.startswith("env:"):
        name = reference.removeprefix("env:")
        if name not in os.environ:
            raise SecretError(f"environment variable {name} isn't set")
        return os.environ[name]
    if reference.startswith("file:"):
        path = Path(reference.removeprefix("file:"))
        try:
            return path.read_text(encoding="utf-8").split("\n", 1)[0].rstrip("\r")
        except (OSError, UnicodeDecodeError) as error:
            raise SecretError(f"{path} can't be read ({type(error).__name__})") from error
    raise SecretError("a secret is written env:NAME or file:/path, never as itself")
