"""Whether the disk under a folder is well: room, its file system's own complaints, its pace."""

from __future__ import annotations

import os
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from pydantic import BaseModel

_PROBE = b"\0" * 4096
_ASKED_AGAIN_S = 10.0


class DiskHealth(BaseModel):
    """`sync_ms`: how long 4 KiB took to be on the disk just now; None where it cannot be tried.

    `errors`: what the file system has found wrong with itself since it was made, None where it
    does not count them (only ext4 does). Sizes are bytes.
    """

    device: str = ""
    kind: str = ""
    free_bytes: int = 0
    total_bytes: int = 0
    files_left: int | None = None
    read_only: bool = False
    errors: int | None = None
    sync_ms: float | None = None


class DiskProbe:
    """Asks at most every ten seconds, however many consoles are open."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._asked = 0.0
        self._told: DiskHealth | None = None

    def look(self) -> DiskHealth:
        """How the disk is. Blocks while it syncs; raises OSError when it is gone."""
        if self._told is None or time.monotonic() - self._asked > _ASKED_AGAIN_S:
            self._told, self._asked = disk_health(self._folder), time.monotonic()
        return self._told


def disk_health(folder: Path) -> DiskHealth:
    """The disk that holds `folder`, or will hold it. Blocks while it syncs; raises OSError."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    facts = os.statvfs(folder)
    device, kind = _mounted(folder.stat().st_dev)
    return DiskHealth(
        device=device,
        kind=kind,
        free_bytes=facts.f_bavail * facts.f_frsize,
        total_bytes=facts.f_blocks * facts.f_frsize,
        files_left=facts.f_favail if facts.f_files else None,
        read_only=bool(facts.f_flag & os.ST_RDONLY),
        errors=_errors(device),
        sync_ms=_sync_ms(folder),
    )


def _mounted(number: int) -> tuple[str, str]:
    """Device and type of a file system, as /proc/self/mountinfo has it (proc(5))."""
    wanted = f"{os.major(number)}:{os.minor(number)}"
    with suppress(OSError):
        for line in Path("/proc/self/mountinfo").read_text().splitlines():
            before, _, after = line.partition(" - ")
            if before.split()[2] == wanted:
                kind, source, *_ = after.split()
                return source, kind
    return "", ""


def _errors(device: str) -> int | None:
    """ext4's `errors_count` (kernel documentation, ABI/testing/sysfs-fs-ext4)."""
    with suppress(OSError, ValueError):
        name = Path(device).resolve().name
        return int(Path("/sys/fs/ext4", name, "errors_count").read_text())
    return None


def _sync_ms(folder: Path) -> float | None:
    try:
        with tempfile.TemporaryFile(dir=folder) as file:  # never has a name
            began = time.monotonic()
            file.write(_PROBE)
            file.flush()
            os.fsync(file.fileno())
            return round((time.monotonic() - began) * 1000, 1)
    except OSError:
        return None
