"""Repairs what a crash left behind: keeps what is readable, quarantines the rest, deletes nothing.

Used when a recorder starts again on its folder, and by `classroomd recordings salvage|verify`.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from recorder import fmp4
from recorder.recording import (
    FIRST_MANIFEST,
    MANIFEST,
    QUARANTINE,
    TRACKS,
    Recording,
    RecordingError,
    read_manifest,
    sync_directory,
    write_durably,
)
from recorder.segments import segment_files

log = logging.getLogger(__name__)


@dataclass
class Report:
    """What was found. `problems` are sentences; each is about one file."""

    files: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    repaired: list[str] = field(default_factory=list)
    quarantined: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def sound(self) -> bool:
        return not self.problems


def salvage(folder: Path, *, newest: int | None = None) -> Report:
    """Repairs every track of the folder, and its manifest when that is damaged.

    With `newest` only so many segments of each track are looked at, from the last: a recorder that
    starts again is in a hurry, and a crash tears nothing that was closed before.

    Torn tails and unreadable files go to `quarantine/` beside them. Raises RecordingError when
    neither the manifest nor its first copy can be read.
    """
    report = Report()
    _salvage_manifest(folder, report)
    for track in _tracks(folder):
        total = 0.0
        for _, path in segment_files(track)[-newest if newest else 0 :]:
            report.files += 1
            total += _repair(path, report, quick=bool(newest))
        report.seconds[track.name] = round(total, 3)
    return report


def verify(folder: Path, *, decode: bool = False) -> Report:
    """Looks at everything and changes nothing. With `decode` every picture is decoded."""
    report = Report()
    if problem := _manifest_problem(folder):
        report.problems.append(problem)
    for track in _tracks(folder):
        total = 0.0
        for _, path in segment_files(track):
            report.files += 1
            found = fmp4.scan(path) if path.suffix in fmp4.SUFFIXES else None
            if found is not None and found.sound < found.size:
                lost = found.size - found.sound
                report.problems.append(f"{_name(path)}: {lost} bytes at its end are torn")
            length, problem = _read(path, decode=decode)
            total += length
            if problem:
                report.problems.append(f"{_name(path)}: {problem}")
        report.seconds[track.name] = round(total, 3)
    lecture = Recording(folder, "").lecture
    if lecture.exists():
        report.files += 1
        report.seconds["lecture"], problem = _read(lecture, decode=decode)
        if problem:
            report.problems.append(f"{_name(lecture)}: {problem}")
    return report


def _tracks(folder: Path) -> Iterator[Path]:
    tracks = folder / TRACKS
    if tracks.is_dir():
        yield from sorted(path for path in tracks.iterdir() if path.is_dir())


def _name(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"


def _manifest_problem(folder: Path) -> str:
    try:
        read_manifest(folder)
    except RecordingError as error:
        return str(error)
    return ""


def _salvage_manifest(folder: Path, report: Report) -> None:
    problem = _manifest_problem(folder)
    if not problem:
        return
    first = folder / FIRST_MANIFEST
    if not first.exists():
        raise RecordingError(f"{problem}; its first copy is missing too, so it stays as it is")
    damaged = folder / MANIFEST
    if damaged.exists():
        _quarantine(damaged, report)
    write_durably(damaged, first.read_bytes())
    read_manifest(folder)
    report.repaired.append(MANIFEST)
    report.problems.append(f"{MANIFEST} was damaged and stands again as it was at the start")


def _quarantine(path: Path, report: Report) -> None:
    target = path.parent / QUARANTINE
    target.mkdir(mode=0o750, exist_ok=True)
    place = _free(target / path.name)
    path.replace(place)
    sync_directory(target)
    sync_directory(path.parent)
    report.quarantined.append(_name(path))
    log.warning("%s cannot be read and was put into quarantine", path)


def _free(path: Path) -> Path:
    place, number = path, 1
    while place.exists():
        place, number = path.with_name(f"{path.name}.{number}"), number + 1
    return place


def _repair(path: Path, report: Report, *, quick: bool) -> float:
    """Repairs one segment; `quick`: looks only at its end. Returns its readable seconds."""
    if path.suffix not in fmp4.SUFFIXES:
        length, problem = _read(path)
        if length == 0.0:
            report.problems.append(f"{_name(path)}: {problem or 'it is empty'}")
            _quarantine(path, report)
        return length
    found = fmp4.scan_edges(path) if quick else fmp4.scan(path)
    if not found.fragments or found.start is None or found.stop is None:
        if path.stat().st_size == 0 or found.sound == found.size:
            report.problems.append(f"{_name(path)}: it was begun and holds nothing yet")
        else:
            report.problems.append(f"{_name(path)}: nothing in it is readable")
        _quarantine(path, report)
        return 0.0
    if found.sound < found.size:
        report.problems.append(f"{_name(path)}: its end was torn")
        _cut_tail(path, found.sound)
        report.repaired.append(_name(path))
    return found.stop - found.start


def _cut_tail(path: Path, sound: int) -> None:
    """Moves the torn bytes after `sound` to quarantine."""
    target = path.parent / QUARANTINE
    target.mkdir(mode=0o750, exist_ok=True)
    with path.open("r+b") as file:
        file.seek(sound)
        with _free(target / f"{path.name}.tail").open("wb") as tail:
            shutil.copyfileobj(file, tail)
            tail.flush()
            os.fsync(tail.fileno())
        sync_directory(target)
        file.truncate(sound)
        os.fsync(file.fileno())


def _read(path: Path, *, decode: bool = False) -> tuple[float, str]:
    """Reads every packet. Returns the seconds covered and a problem, or an empty string."""
    import av

    start, stop, problem = None, 0.0, ""
    try:
        with av.open(str(path)) as container:
            for packet in container.demux():
                if packet.pts is not None and packet.time_base is not None:
                    at = float(packet.pts * packet.time_base)
                    start = at if start is None else min(start, at)
                    stop = max(stop, at + float((packet.duration or 0) * packet.time_base))
                if decode:
                    packet.decode()
    except (OSError, av.error.FFmpegError) as error:
        problem = f"it cannot be read to its end ({getattr(error, 'strerror', None) or error})"
    if start is None:
        return 0.0, problem or "nothing in it is readable"
    return stop - start, problem
