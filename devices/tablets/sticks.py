"""Decks on a stick: presentations in the top folders of a removable medium that is mounted.

A medium is a mount point below one of the `roots` (`/media`, `/run/media`), one or two folders
deep: udisks mounts at `/media/<user>/<label>`. Whatever lies on it is read as data: no link is
followed, nothing but ordinary files is opened, and what is opened is what was looked at.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import stat
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from pydantic import BaseModel

from devices.tablets.decks import OFFICE, DeckError

ROOTS = (Path("/media"), Path("/run/media"))
SHOWN = {".pdf", ".pptx", ".ppt", ".odp"} & ({".pdf"} | OFFICE)
DEEPEST = 3
MOST_FILES = 200
MOST_LOOKED = 20_000
CHUNK = 256 * 1024


class FoundFile(BaseModel):
    """A file that can become a deck; `place` says where it lies, in words."""

    id: str
    name: str
    place: str
    bytes: int


class Sticks:
    """The removable media of this machine."""

    def __init__(
        self,
        roots: Sequence[Path] = ROOTS,
        *,
        mounted: Callable[[Path], bool] = os.path.ismount,
    ) -> None:
        self._roots, self._mounted = roots, mounted

    async def files(self) -> list[FoundFile]:
        """Presentations on every medium, the newest first."""
        found = await asyncio.to_thread(lambda: [(file, at) for file, at, _ in self._look()])
        return [file for file, _ in sorted(found, key=lambda pair: -pair[1])]

    async def open(self, ident: str) -> tuple[str, AsyncIterator[bytes]]:
        """Name and content of a file that was listed. Raises DeckError when it is gone."""
        found = await asyncio.to_thread(
            lambda: next((path for file, _, path in self._look() if file.id == ident), None)
        )
        if found is None:
            raise DeckError("This file is gone. Is the stick still in? Look again.")
        return found.name, _content(found)

    def _media(self) -> Iterator[Path]:
        for root in self._roots:
            for folder in _folders(root):
                if self._mounted(folder):
                    yield folder
                    continue
                yield from (deeper for deeper in _folders(folder) if self._mounted(deeper))

    def _look(self) -> Iterator[tuple[FoundFile, float, Path]]:
        shown = looked = 0
        for medium in self._media():
            for folder, names, files in os.walk(medium, followlinks=False):
                place = Path(folder).relative_to(medium)
                if len(place.parts) >= DEEPEST:
                    names.clear()
                names[:] = sorted(name for name in names if not name.startswith("."))
                for name in sorted(files):
                    looked += 1
                    if looked > MOST_LOOKED or shown >= MOST_FILES:
                        return
                    path = Path(folder) / name
                    if path.suffix.lower() not in SHOWN or name.startswith((".", "~$")):
                        continue
                    with suppress(OSError):
                        state = path.lstat()
                        if not stat.S_ISREG(state.st_mode) or not state.st_size:
                            continue
                        shown += 1
                        where = " / ".join([medium.name, *place.parts])
                        yield _file(path, where, state.st_size), state.st_mtime, path


def _file(path: Path, place: str, size: int) -> FoundFile:
    ident = hashlib.sha256(os.fsencode(path)).hexdigest()[:16]
    name = os.fsencode(path.name).decode("utf-8", "replace")
    return FoundFile(
        id=ident, name=name, place=place.encode("utf-8", "replace").decode(), bytes=size
    )


def _folders(root: Path) -> list[Path]:
    with suppress(OSError):
        return sorted(one for one in root.iterdir() if one.is_dir() and not one.is_symlink())
    return []


async def _content(path: Path) -> AsyncIterator[bytes]:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(handle, "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise DeckError("This is no ordinary file.")
            while chunk := await asyncio.to_thread(file.read, CHUNK):
                yield chunk
    except OSError as error:
        raise DeckError(f"The stick cannot be read ({error.strerror}). Put it in again.") from error
