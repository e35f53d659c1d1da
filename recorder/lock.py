"""The writer lock: at most one process writes a recording; and a handle on that process.

Loads only the standard library.
"""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

WRITER_LOCK = ".writer.lock"


class LockedError(Exception):
    """Another process writes the recording; `pid` is its number, 0 when it is not known."""

    def __init__(self, folder: Path, pid: int) -> None:
        super().__init__(
            f"{folder.name} is being written by process {pid or '?'}; "
            "only one recorder may write a recording"
        )
        self.pid = pid


def take(folder: Path) -> int:
    """Takes the lock and returns its handle; it holds until the process ends.

    Raises LockedError when it is held, OSError when the folder cannot be written.
    """
    lock = os.open(folder / WRITER_LOCK, os.O_RDWR | os.O_CREAT, 0o640)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = _holder(lock)
        os.close(lock)
        raise LockedError(folder, holder) from None
    os.truncate(lock, 0)
    os.pwrite(lock, str(os.getpid()).encode(), 0)
    return lock


def _holder(lock: int) -> int:
    text = os.pread(lock, 32, 0).strip()
    return int(text) if text.isdigit() else 0


def writer(folder: Path) -> int | None:
    """The pid of the process that holds the lock (0 when it is not known); None when it is free."""
    try:
        lock = os.open(folder / WRITER_LOCK, os.O_RDWR)
    except FileNotFoundError:
        return None
    try:
        # Shared, so that looking never makes a starting recorder believe that it is locked out.
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _holder(lock)
    finally:
        os.close(lock)
    return None


def handle_on(pid: int) -> int:
    """A pidfd, which keeps meaning the process when its number is used again.

    Raises ProcessLookupError when there is none. Before Linux 6.9 the kernel calls it an invalid
    argument where a child of the process still carries its number as that of the session.
    """
    try:
        return os.pidfd_open(pid)
    except OSError as error:
        if error.errno == errno.EINVAL and pid > 0:
            raise ProcessLookupError(errno.ESRCH, os.strerror(errno.ESRCH)) from error
        raise
