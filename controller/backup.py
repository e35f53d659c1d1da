"""A room in one file: its room.toml, its own profiles, preset pictures, tablets, known models.

Secrets are not in it: room.toml refers to them, keys stay where they are, and a tablet's
credential is kept as a hash only. Recordings and the journal have backups of their own.
"""

from __future__ import annotations

import io
import json
import sqlite3
import zipfile
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from controller.config import RoomConfig
from controller.errors import ClassroomError

LARGEST = 64 << 20
_FILES = 5000
_PRESETS, _TABLETS, _MODELS = "presets", "tablets.db", "devices.json"
_WAITING = ".restored"


def make(config: RoomConfig, text: str) -> bytes:
    """The room as a zip file; `text` is its room.toml. Reads the disk."""
    state, out = config.storage.state, io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as pack:
        about = {"room": config.room.id, "made": datetime.now(UTC).isoformat(), "format": 1}
        pack.writestr("backup.json", json.dumps(about))
        pack.writestr("room.toml", text)
        for number, folder in enumerate(config.profiles.paths):
            for file in sorted(folder.rglob("*.toml")) if folder.is_dir() else ():
                pack.write(file, f"profiles/{number}/{file.relative_to(folder).as_posix()}")
        for file in sorted((state / _PRESETS).rglob("*.jpg")):
            pack.write(file, f"state/{file.relative_to(state).as_posix()}")
        if (state / _MODELS).is_file():
            pack.write(state / _MODELS, f"state/{_MODELS}")
        if (state / _TABLETS).is_file():
            pack.writestr(f"state/{_TABLETS}", _snapshot(state / _TABLETS))
    return out.getvalue()


def read(data: bytes) -> tuple[str, dict[str, bytes]]:
    """room.toml and the other files of a backup; `bad_backup` (422) when it is none."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as pack:
            entries = [one for one in pack.infolist() if not one.is_dir()]
            if len(entries) > _FILES or sum(one.file_size for one in entries) > LARGEST:
                raise _bad("It is too large.")
            files = {one.filename: pack.read(one) for one in entries}
    except (zipfile.BadZipFile, OSError, RuntimeError, EOFError, ValueError) as error:
        raise _bad(f"It cannot be read ({error}).") from None
    if "backup.json" not in files or "room.toml" not in files:
        raise _bad("It is no backup of a room.")
    try:
        text = files.pop("room.toml").decode("utf-8")
    except UnicodeDecodeError:
        raise _bad("Its room.toml is no text.") from None
    files.pop("backup.json")
    return text, files


def restore(config: RoomConfig, files: dict[str, bytes]) -> list[str]:
    """Put the files of a backup in their places; the tablets' wait for the next start.

    Names that lead anywhere else are left out. Returns what was put back.
    """
    state, done = config.storage.state, []
    for name, body in files.items():
        parts = Path(name).parts
        target: Path | None = None
        if parts[:1] == ("profiles",) and len(parts) > 2 and name.endswith(".toml"):
            number = int(parts[1]) if parts[1].isdecimal() else -1
            if 0 <= number < len(config.profiles.paths):
                folder = config.profiles.paths[number]
                target = _inside(folder, folder.joinpath(*parts[2:]))
        elif parts[:2] == ("state", _PRESETS) and name.endswith(".jpg"):
            target = _inside(state / _PRESETS, state.joinpath(*parts[1:]))
        elif parts in {("state", _TABLETS), ("state", _MODELS)}:
            target = state / f"{parts[1]}{_WAITING}"
        if target is not None:
            target.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
            target.write_bytes(body)
            done.append(name)
    return done


def take_up(state: Path) -> None:
    """At start, before anyone opens them: files of a backup take their places.

    What was there before stays beside them.
    """
    for name in (_TABLETS, _MODELS):
        waiting = state / f"{name}{_WAITING}"
        if not waiting.is_file():
            continue
        for suffix in ("-wal", "-shm"):
            (state / f"{name}{suffix}").unlink(missing_ok=True)
        if (state / name).exists():
            (state / name).replace(state / f"{name}.before-restore")
        waiting.replace(state / name)


def _snapshot(path: Path) -> bytes:
    with (
        closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as source,
        closing(sqlite3.connect(":memory:")) as copy,
    ):
        source.backup(copy)
        return copy.serialize()


def _inside(folder: Path, path: Path) -> Path | None:
    return path if path.resolve().is_relative_to(folder.resolve()) else None


def _bad(message: str) -> ClassroomError:
    return ClassroomError("bad_backup", message, "Choose a file that Backup has made.", 422)
