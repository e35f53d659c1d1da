"""Secrets taken out of what leaves the room for someone else to read: logs, the journal."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from controller.config import RoomConfig, SecretError, resolve_secret

HIDDEN = "***"
SHORTEST = 4
_NAMES = (
    r"[\w-]*(?:secret|passw(?:or)?d|passphrase|token|api[_-]?key|authorization|cookie|signature)"
)
_SAID = re.compile(
    rf"(?P<name>\b{_NAMES}|\bpin|\bsig)(?P<between>[\"']?\s*[=:]\s*)"
    r"(?P<value>(?:Bearer|Basic|Digest)\s+\S+|\"[^\"]*\"|'[^']*'|[^\s\"',;&})\]]+)",
    re.IGNORECASE,
)
_BEARER = re.compile(r"\b(Bearer|Basic)\s+[\w.~+/=-]{8,}", re.IGNORECASE)
_USER = re.compile(r"(?P<scheme>\b[a-z][a-z0-9+.-]*://)[^\s/@]+@", re.IGNORECASE)
_KEY = re.compile(rf"^(?:{_NAMES}|pin|sig)$", re.IGNORECASE)


def configured_secrets(config: RoomConfig) -> set[str]:
    """The values that room.toml refers to. Reads files; what cannot be read is left out."""
    found: set[str] = set()
    for reference in _references(config.model_dump(mode="json")):
        try:
            value = resolve_secret(reference)
        except SecretError:
            continue
        first = value.split("\n", 1)[0].strip()  # all that a device uses of a file
        found |= {value, first, value.partition(":")[2], first.partition(":")[2]}
    return found


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        if value.startswith(("env:", "file:")):
            yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from _references(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _references(one)


class Redaction:
    """Replaces the room's own secrets, and whatever is named like one, by asterisks."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        known = sorted({one for one in secrets if len(one) >= SHORTEST}, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, known))) if known else None

    def text(self, said: str) -> str:
        """A line without secrets: credentials in addresses, `password=…`, the room's own values."""
        if self._known is not None:
            said = self._known.sub(HIDDEN, said)
        said = _USER.sub(rf"\g<scheme>{HIDDEN}@", said)
        said = _SAID.sub(rf"\g<name>\g<between>{HIDDEN}", said)
        return _BEARER.sub(rf"\1 {HIDDEN}", said)

    def value(self, told: Any) -> Any:
        """The same for data: every text in it, and whatever lies under a secret's name."""
        if isinstance(told, str):
            return self.text(told)
        if isinstance(told, dict):
            return {
                name: HIDDEN if one is not None and _KEY.match(str(name)) else self.value(one)
                for name, one in told.items()
            }
        if isinstance(told, list | tuple):
            return [self.value(one) for one in told]
        return told
