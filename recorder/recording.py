"""A recording: one folder that holds everything a class left behind.

The folder is the truth: every later stage reads it and nothing else. Layout and versions are
documented in docs/recording-format.md. This module loads no codec and may be imported anywhere.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import re
import secrets
import time
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from pydantic import ValidationError

from recorder.manifest import (
    FORMAT_VERSION,
    Layout,
    Life,
    Manifest,
    Marker,
    ProgramSpec,
    Role,
    SourceSpec,
)
from recorder.spans import lecture_spans

log = logging.getLogger(__name__)

__all__ = [
    "DELIVERIES",
    "FORMAT_VERSION",
    "LECTURE",
    "LIVE",
    "MANIFEST",
    "MARKERS",
    "PRODUCTS",
    "TRACKS",
    "Layout",
    "Life",
    "Manifest",
    "Marker",
    "ProgramSpec",
    "Recording",
    "RecordingError",
    "Role",
    "SourceSpec",
    "boot_id",
    "boottime",
    "class_time",
    "create",
    "find",
    "lecture_spans",
    "list_recordings",
    "read_manifest",
    "sync_directory",
    "write_durably",
]

MANIFEST = "recording.json"
MARKERS = "markers.jsonl"
TRACKS = "tracks"
LIVE = "live"
PRODUCTS = "products"
DELIVERIES = "deliveries"
LECTURE = "lecture.mp4"
QUARANTINE = "quarantine"
FIRST_MANIFEST = ".recording.first.json"
_MANIFEST_LOCK = ".manifest.lock"


class RecordingError(Exception):
    """A recording folder cannot be made, found, read or changed. The text says what to do."""


def boottime() -> float:
    """Seconds since the machine started, sleep included: the clock of every class."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def boot_id() -> str:
    """Identifies this start of the machine; it changes with every boot."""
    return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()


def class_time(manifest: Manifest) -> float:
    """Seconds since the class began.

    Within one boot by CLOCK_BOOTTIME, which no clock setting moves; after a reboot by the
    difference of the wall clocks, which is all that survives a power cut.
    """
    if manifest.boot_id == boot_id():
        return boottime() - manifest.boottime
    return max(0.0, (datetime.now(UTC) - manifest.started).total_seconds())


def sync_directory(folder: Path) -> None:
    """Makes the folder's entries (new, renamed and removed files) durable."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def make_durably(folder: Path) -> None:
    """Makes the folder, and those it lies in, so that a power cut does not take them back."""
    if not folder.is_dir():
        make_durably(folder.parent)
        folder.mkdir(mode=0o750, exist_ok=True)
        sync_directory(folder.parent)


def write_durably(path: Path, data: bytes) -> None:
    """Replaces the file as a whole: after a crash either the old or the new content stands."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.new")
    with temporary.open("wb") as file:
        os.fchmod(file.fileno(), 0o640)
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    sync_directory(path.parent)


class Recording:
    """One recording folder on disk. Cheap to make; nothing is cached but the identity."""

    def __init__(self, folder: Path, recording_id: str) -> None:
        self.folder = folder
        self.id = recording_id

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Opens an existing folder. Raises RecordingError when its manifest cannot be read."""
        return cls(folder, read_manifest(folder).id)

    @property
    def manifest(self) -> Manifest:
        """The manifest as it stands on disk now. Raises RecordingError when it is damaged."""
        return read_manifest(self.folder)

    @property
    def live(self) -> Path:
        return self.folder / LIVE

    @property
    def products(self) -> Path:
        return self.folder / PRODUCTS

    @property
    def lecture(self) -> Path:
        return self.products / LECTURE

    @property
    def deliveries(self) -> Path:
        return self.folder / DELIVERIES

    def track(self, source: str) -> Path:
        """The folder of the source's segments."""
        return self.folder / TRACKS / source

    @contextmanager
    def _locked(self) -> Iterator[None]:
        lock = os.open(self.folder / _MANIFEST_LOCK, os.O_RDWR | os.O_CREAT, 0o640)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def update(self, **fields: Any) -> Manifest:
        """Changes manifest fields and returns the result. Any process may call it at any time.

        Raises RecordingError when the manifest is damaged or a value does not fit.
        """
        with self._locked():
            changed = {**self.manifest.model_dump(), **fields}
            try:
                manifest = Manifest.model_validate(changed)
            except ValidationError as error:
                raise RecordingError(f"{self.folder / MANIFEST}: {_first(error)}") from error
            write_durably(self.folder / MANIFEST, _dump(manifest))
        return manifest

    def mark(self, kind: str, t: float, **data: Any) -> Marker:
        """Appends a marker at class time `t` (seconds) and returns once it is on disk."""
        marker = Marker(t=round(t, 6), kind=kind, data=data)
        path = self.folder / MARKERS
        with self._locked():
            fresh = not path.exists()
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o640)
            try:
                size = os.fstat(handle).st_size
                torn = size > 0 and os.pread(handle, 1, size - 1) != b"\n"
                os.write(handle, b"\n" * torn + marker.model_dump_json().encode() + b"\n")
                os.fsync(handle)
            finally:
                os.close(handle)
            if fresh:
                sync_directory(self.folder)
        return marker

    def markers(self) -> list[Marker]:
        """All markers in the order in which they were written; a torn line is skipped."""
        path = self.folder / MARKERS
        try:
            lines = path.read_bytes().splitlines()
        except FileNotFoundError:
            return []
        found = []
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                found.append(Marker.model_validate_json(line))
            except ValidationError:
                log.warning("%s:%d is damaged and was skipped", path, number)
        return found

    def bytes(self) -> int:
        """Everything in the folder, in bytes."""
        total = 0
        for root, _, files in os.walk(self.folder):
            for name in files:
                try:
                    total += (Path(root) / name).lstat().st_size
                except FileNotFoundError:
                    continue
        return total


def _dump(manifest: Manifest) -> bytes:
    return (manifest.model_dump_json(indent=2) + "\n").encode()


def _first(error: ValidationError) -> str:
    details = error.errors()[0]
    place = ".".join(str(part) for part in details["loc"])
    return f"{place}: {details['msg']}" if place else details["msg"]


def read_manifest(folder: Path) -> Manifest:
    """Reads `recording.json` of the folder. Raises RecordingError with place and remedy."""
    path = folder / MANIFEST
    try:
        content = json.loads(path.read_bytes())
        version = content.get("version") if isinstance(content, dict) else None
        if isinstance(version, int) and version > FORMAT_VERSION:
            raise RecordingError(
                f"{path}: made by a newer version (format {version}); update classroomd to read it"
            )
        return Manifest.model_validate(content)
    except FileNotFoundError:
        raise RecordingError(f"{folder}: no recording here ({MANIFEST} is missing)") from None
    except ValidationError as error:
        problem = _first(error)
    except (OSError, ValueError) as error:
        problem = str(error)
    raise RecordingError(
        f"{path} is damaged ({problem}); run `classroomd recordings salvage {folder.name}`"
    )


def _slug(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:40] or "class"


def create(
    root: Path,
    *,
    session: str,
    room: str,
    title: str,
    sources: Sequence[SourceSpec],
    layout: Layout = Layout.SLIDES_PRESENTER,
    program: ProgramSpec | None = None,
    course: str | None = None,
    lecturer: str | None = None,
    language: str | None = None,
) -> Recording:
    """Makes the folder of a new recording; class time starts now.

    Raises RecordingError when the folder cannot be written, when two sources share an id, or
    when an address carries a password, which would then stand in the manifest.
    """
    boot = boottime()
    seen: set[str] = set()
    for source in sources:
        if source.id in seen:
            raise RecordingError(f"two sources are called {source.id!r}; give each its own id")
        seen.add(source.id)
        for address in filter(None, (source.url, source.sub)):
            if "@" in address and urlsplit(address).password is not None:
                raise RecordingError(
                    f"source {source.id!r}: the password must not stand in the address; "
                    'name it with secret = "env:NAME" or "file:/path" (holding user:password)'
                )
    now = datetime.now(UTC)
    manifest = Manifest(
        id=secrets.token_hex(4),
        session=session,
        room=room,
        title=title,
        course=course,
        lecturer=lecturer,
        language=language,
        started=now,
        boot_id=boot_id(),
        boottime=boot,
        sources=list(sources),
        layout=layout,
        program=program or ProgramSpec(),
    )
    stamp = now.astimezone().strftime("%Y-%m-%d_%H-%M-%S")
    folder = root / f"{stamp}_{_slug(course or 'class')}_{manifest.id}"
    try:
        make_durably(root)
        folder.mkdir(mode=0o750)
        for part in (TRACKS, LIVE, PRODUCTS, DELIVERIES):
            (folder / part).mkdir(mode=0o750)
        write_durably(folder / FIRST_MANIFEST, _dump(manifest))
        write_durably(folder / MANIFEST, _dump(manifest))
        sync_directory(root)
    except OSError as error:
        raise RecordingError(
            f"{folder}: the recording cannot be made: {error.strerror or error}; "
            "check that the disk has room and may be written"
        ) from error
    return Recording(folder, manifest.id)


def list_recordings(root: Path) -> list[Recording]:
    """Every recording under `root`, newest first; damaged ones are skipped with a log line."""
    found = []
    for folder in root.iterdir() if root.is_dir() else ():
        if not (folder / MANIFEST).exists():
            continue
        try:
            manifest = read_manifest(folder)
        except RecordingError as error:
            log.warning("%s", error)
            continue
        found.append((manifest.started, Recording(folder, manifest.id)))
    return [recording for _, recording in sorted(found, key=lambda item: item[0], reverse=True)]


def find(root: Path, recording_id: str) -> Recording:
    """The recording with this id or folder name. Raises RecordingError when there is none."""
    named = root / recording_id
    if "/" not in recording_id and (named / MANIFEST).exists():
        return Recording.open(named)
    for folder in root.glob(f"*_{recording_id}") if re.fullmatch(r"\w+", recording_id) else ():
        return Recording.open(folder)
    raise RecordingError(f"{root}: there is no recording {recording_id!r}")
