"""What a camera sees at its presets: the picture kept when each was last used."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel

_NAME = re.compile(r"(\d{1,3})\.jpg")
LARGEST = 256 * 1024


class PresetPicture(BaseModel):
    """A preset that has a picture; `kept` names its version, so that a page may cache it."""

    number: int
    kept: str


class PresetPictures:
    """Pictures in `folder`, one folder for each camera. All methods touch the disk."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def of(self, device: str) -> list[PresetPicture]:
        """The pictures of a camera's presets, by number."""
        return sorted(self._found(device), key=lambda one: one.number)

    def read(self, device: str, number: int) -> bytes | None:
        """The JPEG of one preset, None when there is none."""
        try:
            return self._file(device, number).read_bytes()
        except OSError:
            return None

    def keep(self, device: str, number: int, jpeg: bytes) -> None:
        """Keep what the camera sees at this preset. Raises OSError."""
        if len(jpeg) > LARGEST:
            return
        file = self._file(device, number)
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
        new = file.with_suffix(".new")
        new.write_bytes(jpeg)
        new.replace(file)

    def _file(self, device: str, number: int) -> Path:
        return self._folder / device / f"{number}.jpg"

    def _found(self, device: str) -> Iterator[PresetPicture]:
        folder = self._folder / device
        for file in folder.iterdir() if folder.is_dir() else ():
            if found := _NAME.fullmatch(file.name):
                kept = f"{file.stat().st_mtime_ns:x}"
                yield PresetPicture(number=int(found[1]), kept=kept)
