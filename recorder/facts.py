"""Facts: what is wrong (or was) with a source, the disk, the program. Told when they change."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from recorder.control import RecorderEvent


class Facts:
    """The facts that stand; `tell(kind, data)` hears of each that begins or ends to be true."""

    def __init__(self, tell: Callable[[Any, dict[str, Any]], None]) -> None:
        self._tell = tell
        self._standing: dict[tuple[str, str], str] = {}

    def set(self, code: str, source: str, active: bool, detail: str = "") -> None:
        key = (code, source)
        if active == (key in self._standing):
            return
        if active:
            self._standing[key] = detail
        else:
            del self._standing[key]
        self._tell("fact", _data(code, source, detail, active))

    def standing(self) -> list[RecorderEvent]:
        """What a client that comes now must know of."""
        return [
            RecorderEvent(kind="fact", data=_data(code, source, detail, True))
            for (code, source), detail in self._standing.items()
        ]


def _data(code: str, source: str, detail: str, active: bool) -> dict[str, Any]:
    return {"code": code, "source": source, "detail": detail, "active": active}
