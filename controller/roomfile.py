"""room.toml as it is edited from a page: checked before it is kept, every older one at hand.

A new text replaces the file in one step and only while nobody else has changed it. What was there
before lies in the state folder; going back to it is an edit like every other. The daemon runs what
was written when it is told to begin again; recorders go on meanwhile.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel

from controller.config import ConfigError, parse
from controller.errors import ClassroomError

KEPT = 200
_NAME = re.compile(r"^\d{8}T\d{6}Z-[0-9a-f]{8}$")


class Fault(BaseModel):
    """One thing wrong in the text: its line (1 is the first), its key, and what to do."""

    line: int | None
    key: str
    message: str
    remedy: str


class RoomText(BaseModel):
    """The file as it stands. `version` names its content; `running`: the daemon runs this one."""

    path: str
    text: str
    version: str
    running: bool
    writable: bool


class OldText(BaseModel):
    """A text that was replaced at `at` by someone's edit."""

    id: str
    at: datetime
    bytes: int


class RoomFile:
    """One room.toml. `restart` begins the daemon anew with what the file says then."""

    def __init__(
        self, path: Path, state: Path, restart: Callable[[], None], *, trouble: str = ""
    ) -> None:
        self.path = path
        self.restart = restart
        self.trouble = trouble
        """Why the newest text is not the one that runs: the daemon could not start with it."""
        self._history = state / "config-history"
        self._running = "" if trouble else _version(self._read())
        self._turn = asyncio.Lock()

    def read(self) -> RoomText:
        """The file. Reads the disk: call it in a thread."""
        text = self._read()
        version = _version(text)
        return RoomText(
            path=str(self.path),
            text=text,
            version=version,
            running=version == self._running,
            writable=os.access(self.path.parent, os.W_OK),
        )

    def check(self, text: str) -> list[Fault]:
        """What is wrong in a text; empty when the room can be run with it."""
        try:
            parse(text, self.path)
        except ConfigError as error:
            return [_fault(one) for one in (error, *error.others)]
        return []

    async def save(self, text: str, version: str) -> RoomText:
        """Replace the file. `changed_meanwhile` (409), `bad_config` (422), `read_only` (409)."""
        async with self._turn:
            return await asyncio.to_thread(self._save, text, version)

    def history(self) -> list[OldText]:
        """Older texts, the newest first. Reads the disk."""
        found = []
        for file in self._history.glob("*.toml"):
            if _NAME.match(file.stem):
                at = datetime.strptime(file.stem[:16], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
                found.append(OldText(id=file.stem, at=at, bytes=file.stat().st_size))
        return sorted(found, key=lambda old: old.id, reverse=True)

    def old(self, name: str) -> str:
        """The text of an older version; `unknown_version` (404)."""
        try:
            if not _NAME.match(name):
                raise FileNotFoundError(name)
            return (self._history / f"{name}.toml").read_text("utf-8")
        except OSError:
            raise ClassroomError(
                "unknown_version", "There is no such older version.", "Choose one of the list.", 404
            ) from None

    def _read(self) -> str:
        try:
            return self.path.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ClassroomError(
                "no_file", f"{self.path} cannot be read ({error}).", "Look at the file.", 404
            ) from None

    def _save(self, text: str, version: str) -> RoomText:
        old = self._read()
        if version != _version(old):
            raise ClassroomError(
                "changed_meanwhile",
                "Someone else has changed the file meanwhile.",
                "Read it again, and make your change once more.",
            )
        if faults := self.check(text):
            first = faults[0]
            raise ClassroomError(
                "bad_config",
                f"Line {first.line or '?'}: {first.key or 'the file'}: {first.message}.",
                first.remedy,
                422,
            )
        try:
            self._keep(old)
            _replace(self.path, text)
        except OSError as error:
            raise ClassroomError(
                "read_only",
                f"{self.path} cannot be written ({error.strerror}).",
                "Let the daemon's user write there, or edit the file on the machine.",
            ) from error
        return self.read()

    def _keep(self, text: str) -> None:
        self._history.mkdir(mode=0o700, parents=True, exist_ok=True)
        name = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{_version(text)[:8]}.toml"
        _replace(self._history / name, text, mode=0o600)
        for file in sorted(self._history.glob("*.toml"))[:-KEPT]:
            file.unlink(missing_ok=True)


def add_device(text: str, spec: dict[str, object], *, scenes: tuple[str, ...] = ()) -> str:
    """The text with one more `[[devices]]` table, switched by `start` and `end` when named.

    The rest stays as it was written, comments and all.
    """
    table = ["", "[[devices]]"]
    table += [f"{key} = {_toml(value)}" for key, value in spec.items() if value not in ("", {})]
    text = text.rstrip("\n") + "\n" + "\n".join(table) + "\n"
    for scene in scenes:
        on = "true" if scene == "start" else "false"
        step = f'{{ device = {_toml(spec["id"])}, command = "power", value = {on} }}'
        block = re.compile(
            rf'(\[\[scenes\]\]\s*\n(?:(?!\n\[)[\s\S])*?\bid\s*=\s*"{scene}"(?:(?!\n\[)[\s\S])*?'
            r"\bsteps\s*=\s*\[)"
        )
        if (found := block.search(text)) is not None:
            text = f"{text[: found.end()]}\n  {step},{text[found.end() :]}"
        else:
            text += f'\n[[scenes]]\nid = "{scene}"\nsteps = [\n  {step},\n]\n'
    return text


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_toml(str(k))} = {_toml(v)}" for k, v in value.items()) + " }"
    text = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return '"' + re.sub(r"[\x00-\x1f\x7f]", lambda c: f"\\u{ord(c[0]):04x}", text) + '"'


def _fault(error: ConfigError) -> Fault:
    return Fault(line=error.line, key=error.key, message=error.message, remedy=error.remedy)


def _version(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _replace(path: Path, text: str, mode: int | None = None) -> None:
    part = path.with_name(f".{path.name}.part")
    kept = path.stat().st_mode & 0o777 if mode is None and path.exists() else mode or 0o640
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, kept), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    part.chmod(kept)
    part.replace(path)
