"""Where a room's daemon keeps what is not a recording: sockets while it runs, state for good."""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
from pathlib import Path
from typing import Self

from controller.config import RoomConfig

SYSTEM_RUN_DIR = Path("/run/classroomd")


class PlaceError(Exception):
    """A folder or lock of the room cannot be had. The text says what to do."""


def run_dir(config: RoomConfig) -> Path:
    """The room's folder for sockets, readable by its owner only. Raises PlaceError.

    It lies in `$CLASSROOMD_RUN_DIR`, /run/classroomd, or the user's own run folder, and is named
    after the room and its state folder: two rooms that are called the same stay apart.
    """
    given = os.environ.get("CLASSROOMD_RUN_DIR")
    user = os.environ.get("XDG_RUNTIME_DIR")
    if given:
        folder = Path(given)
    elif os.geteuid() == 0 or os.access(SYSTEM_RUN_DIR, os.W_OK):
        folder = SYSTEM_RUN_DIR
    elif user:
        folder = Path(user) / "classroomd"
    else:
        folder = Path(f"/tmp/classroomd-{os.geteuid()}")  # noqa: S108 - checked for its owner below
    private_folder(folder)
    state = hashlib.sha256(os.fsencode(config.storage.state.absolute())).hexdigest()[:6]
    room = folder / f"{config.room.id}-{state}"
    private_folder(room)
    return room


def private_folder(folder: Path) -> None:
    """Makes `folder` for its owner only. Raises PlaceError when it belongs to somebody else."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if folder.stat().st_uid != os.geteuid():
            raise PlaceError(
                f"{folder} belongs to another user; set CLASSROOMD_RUN_DIR to one of yours"
            )
        folder.chmod(0o700)
    except OSError as error:
        raise PlaceError(
            f"{folder} cannot be used ({error.strerror}); set CLASSROOMD_RUN_DIR or mend its rights"
        ) from error


def control_socket(config: RoomConfig) -> Path:
    """The daemon's local socket, through which the command line speaks to it."""
    return run_dir(config) / "control.sock"


def secret_key(state: Path) -> bytes:
    """32 random bytes that sign cookies; made once, readable by the daemon only."""
    path = state / "cookie.key"
    try:
        return path.read_bytes()
    except FileNotFoundError:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(secrets.token_bytes(32))
            file.flush()
            os.fsync(file.fileno())
        return path.read_bytes()


class RoomLock:
    """One daemon, or one command that works without a daemon, per room."""

    def __init__(self, config: RoomConfig) -> None:
        self._config = config
        self._handle: int | None = None

    def __enter__(self) -> Self:
        folder = self._config.storage.state
        private_folder(folder)
        self._handle = os.open(folder / "room.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._handle)
            self._handle = None
            raise PlaceError(
                f"room {self._config.room.id!r} is run by another process already; stop that first"
            ) from None
        return self

    def __exit__(self, *_: object) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None
