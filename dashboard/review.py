"""One recording as the review page shows it: chapters on the lecture's own time, files to play."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from controller.state import RecordingView
from recorder.recording import LECTURE, Marker, Recording, lecture_spans

HIDDEN_SUFFIXES = frozenset({".tmp", ".part", ".lock"})


class Chapter(BaseModel):
    """A place in the lecture: `start_s` on the lecture's time, what happened, and its word."""

    start_s: float
    kind: str
    label: str = ""


class ProductFile(BaseModel):
    """A finished file, to be fetched from `products/<name>`."""

    name: str
    bytes: int


class RecordingDetail(RecordingView):
    """A recording with what a viewer needs."""

    course: str | None = None
    lecturer: str | None = None
    ended: datetime | None = None
    lecture_s: float | None = None
    chapters: list[Chapter]
    products: list[ProductFile]
    measured: dict[str, Any]


def lecture_time(t: float, spans: Sequence[tuple[float, float]]) -> float:
    """Class time `t` (seconds) on the lecture's time: what pauses cut counts for nothing."""
    passed = 0.0
    for begin, end in spans:
        if t < begin:
            break
        passed += min(t, end) - begin
    return passed


def chapters(markers: Sequence[Marker], duration: float) -> list[Chapter]:
    """Where the lecture begins, turns pages, changes layout, resumes or was bookmarked."""
    spans = lecture_spans(list(markers), duration)
    kinds = {"start", "page", "layout", "resume", "bookmark", "restart"}
    found = [Chapter(start_s=0.0, kind="start")]
    for marker in markers:
        if marker.kind not in kinds or marker.kind == "start":
            continue
        data = marker.data
        label = data.get("label") or data.get("title") or data.get("layout") or data.get("page")
        at = lecture_time(marker.t, spans)
        found.append(Chapter(start_s=round(at, 3), kind=marker.kind, label=str(label or "")))
    found.sort(key=lambda chapter: chapter.start_s)
    return found


def detail(view: RecordingView, folder: Path) -> RecordingDetail:
    """Read a recording's folder for its page."""
    recording = Recording.open(folder)
    manifest = recording.manifest
    duration = view.duration_s or 0.0
    spans = lecture_spans(recording.markers(), duration) if duration else []
    return RecordingDetail(
        **view.model_dump(),
        course=manifest.course,
        lecturer=manifest.lecturer,
        ended=manifest.ended,
        lecture_s=round(sum(end - begin for begin, end in spans), 3) if spans else None,
        chapters=chapters(recording.markers(), duration) if duration else [],
        products=[
            ProductFile(name=file.name, bytes=file.stat().st_size) for file in _files(recording)
        ],
        measured=manifest.measured,
    )


def _files(recording: Recording) -> list[Path]:
    if not recording.products.is_dir():
        return []
    files = [
        file
        for file in recording.products.iterdir()
        if file.is_file() and not file.name.startswith(".") and file.suffix not in HIDDEN_SUFFIXES
    ]
    return sorted(files, key=lambda file: (file.name != LECTURE, file.name))
