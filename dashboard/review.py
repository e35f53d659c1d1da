"""One recording as the review page shows it: chapters on the lecture's own time, files to play."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from controller.state import RecordingView
from dashboard.viewing import Seen
from recorder.products import Kind, Product, products
from recorder.recording import PRODUCTS, Marker, Recording, Role, lecture_spans
from streaming.access import Visibility

UNLISTED = frozenset({Kind.SLIDE})
FOR_STAFF = frozenset({Kind.DRAFT})
LONG_SILENCE_S = 20.0


class Chapter(BaseModel):
    """A place in the lecture: `start_s` on the lecture's time, what happened, and its word.

    Kinds: `start`, `slide` (label: its title), `page`, `layout`, `resume`, `bookmark`, `restart`.
    """

    start_s: float
    kind: str
    label: str = ""


class ProductFile(BaseModel):
    """A finished file, to be fetched from `products/<name>`."""

    name: str
    bytes: int
    kind: Kind
    language: str | None = None
    media_type: str


class ReviewStream(BaseModel):
    """One picture that plays beside others: `name` is a product, `role` what it shows."""

    name: str
    role: Literal["slides", "presenter", "audience"]


class Captions(BaseModel):
    """Captions in one language (BCP 47); `name` is a product (WebVTT)."""

    name: str
    language: str


class Silence(BaseModel):
    """A long stretch in which nobody speaks, in seconds of the lecture."""

    from_s: float
    to_s: float


class RecordingDetail(RecordingView):
    """A recording with what a viewer needs.

    `streams` are the pictures on the lecture's time, and `sound` its sound alone; the player shows
    them in step, or `lecture.mp4` where there are fewer than two. `slides` names the product with
    the slides' times, pictures and text. `may_note`: notes can be kept here; `may_edit`: the
    caller runs the room, and sees `visibility`. `held`: why it is held back, for those.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": "9f2c11ab",
                    "session": "s-20261124-0915",
                    "title": "Optics, lecture 3",
                    "started": "2026-11-24T08:15:00Z",
                    "duration_s": 5400.0,
                    "life": "ready",
                    "folder": "2026-11-24_09-15-00_phy-101_9f2c11ab",
                    "lecture": True,
                    "bytes": 734003200,
                    "lecture_s": 5280.0,
                    "chapters": [{"start_s": 0.0, "kind": "start", "label": "Refraction"}],
                    "streams": [
                        {"name": "screen.mp4", "role": "slides"},
                        {"name": "front.mp4", "role": "presenter"},
                    ],
                    "sound": "audio.m4a",
                    "captions": [{"name": "captions.en.vtt", "language": "en"}],
                    "slides": "slides.json",
                    "silences": [],
                    "products": [
                        {
                            "name": "lecture.mp4",
                            "bytes": 512000000,
                            "kind": "lecture",
                            "media_type": "video/mp4",
                        }
                    ],
                    "measured": {},
                    "may_note": True,
                    "may_edit": False,
                }
            ]
        }
    )

    course: str | None = None
    lecturer: str | None = None
    language: str | None = None
    ended: datetime | None = None
    lecture_s: float | None = None
    chapters: list[Chapter]
    streams: list[ReviewStream]
    sound: str | None = None
    captions: list[Captions]
    slides: str | None = None
    poster: str | None = None
    silences: list[Silence]
    products: list[ProductFile]
    measured: dict[str, Any]
    may_note: bool = False
    may_edit: bool = False
    visibility: Visibility | None = None
    held: dict[str, Any] | None = None


def lecture_time(t: float, spans: Sequence[tuple[float, float]]) -> float:
    """Class time `t` (seconds) on the lecture's time: what pauses cut counts for nothing."""
    passed = 0.0
    for begin, end in spans:
        if t < begin:
            break
        passed += min(t, end) - begin
    return passed


def chapters(
    markers: Sequence[Marker], duration: float, titles: Sequence[tuple[float, str]] = ()
) -> list[Chapter]:
    """Where the lecture begins, turns pages, changes layout, resumes or was bookmarked.

    `titles`: when each slide came up (seconds of the lecture) and what it is called; where they
    are known, they stand for the page turns.
    """
    spans = lecture_spans(list(markers), duration)
    length = sum(end - begin for begin, end in spans)
    kinds = {"layout", "resume", "bookmark", "restart"} | ({"page"} if not titles else set())
    first = titles[0][1] if titles and titles[0][0] < 1.0 else ""
    found = [Chapter(start_s=0.0, kind="start", label=first)]
    told = first
    for start, title in titles:
        if title and title != told:
            found.append(Chapter(start_s=round(start, 3), kind="slide", label=title))
        told = title or told
    for marker in markers:
        if marker.kind not in kinds or not any(b <= marker.t <= e for b, e in spans):
            continue
        data = marker.data
        label = data.get("label") or data.get("title") or data.get("layout") or data.get("page")
        at = min(lecture_time(marker.t, spans), length)
        found.append(Chapter(start_s=round(at, 3), kind=marker.kind, label=str(label or "")))
    found.sort(key=lambda chapter: chapter.start_s)
    return found


def detail(view: RecordingView, seen: Seen) -> RecordingDetail:
    """Read a recording's folder for its page."""
    recording = Recording(seen.folder, seen.id)
    manifest = seen.manifest
    duration = _class_end(recording, view.duration_s or 0.0)
    markers = recording.markers()
    spans = lecture_spans(markers, duration) if duration else []
    files = products(seen.folder, manifest)
    names = {file.name for file in files}
    titles = _titles(seen.folder)
    return RecordingDetail(
        **view.model_dump(),
        course=manifest.course,
        lecturer=manifest.lecturer,
        language=manifest.language,
        ended=manifest.ended,
        lecture_s=round(sum(end - begin for begin, end in spans), 3) if spans else None,
        chapters=chapters(markers, duration, titles) if duration else [],
        streams=_streams(files),
        sound="audio.m4a" if "audio.m4a" in names else None,
        captions=[
            Captions(name=file.name, language=file.language)
            for file in files
            if file.kind is Kind.CAPTIONS and file.language
        ],
        slides="slides.json" if "slides.json" in names else None,
        poster="poster.jpg" if "poster.jpg" in names else None,
        silences=_silences(seen.folder),
        products=[
            ProductFile(
                name=file.name,
                bytes=file.size,
                kind=file.kind,
                language=file.language,
                media_type=file.media_type,
            )
            for file in files
            if file.kind not in UNLISTED and (seen.staff or file.kind not in FOR_STAFF)
        ],
        measured=manifest.measured if seen.staff else {},
        may_note=seen.by != "anyone",
        may_edit=seen.staff,
        visibility=seen.visibility if seen.staff else None,
        held=manifest.held if seen.staff else None,
    )


def _class_end(recording: Recording, lecture_s: float) -> float:
    """The class time at which the recording ended: the lecture is shorter by pauses and cuts."""
    ends = [marker.t for marker in recording.markers() if marker.kind == "end"]
    return max([*ends, lecture_s])


def _streams(files: Sequence[Product]) -> list[ReviewStream]:
    """The slides and one view of each person; a framed camera stands for its track."""
    framed = {file.source for file in files if file.kind is Kind.FRAMED}
    found = []
    for file in files:
        shown = file.kind is Kind.FRAMED or (file.kind is Kind.TRACK and file.source not in framed)
        if not shown:
            continue
        match file.role:
            case Role.SLIDES:
                found.append(ReviewStream(name=file.name, role="slides"))
            case Role.PRESENTER:
                found.append(ReviewStream(name=file.name, role="presenter"))
            case Role.AUDIENCE:
                found.append(ReviewStream(name=file.name, role="audience"))
    order = ("slides", "presenter", "audience")
    return sorted(found, key=lambda stream: order.index(stream.role))


def _product(folder: Path, name: str) -> Any:
    try:
        return json.loads((folder / PRODUCTS / name).read_bytes())
    except (OSError, ValueError):
        return None


def _titles(folder: Path) -> list[tuple[float, str]]:
    try:
        data = _product(folder, "slides.json")
        told = [(float(one["time"]), str(one.get("title") or "")) for one in data["slides"]]
    except (KeyError, TypeError, ValueError, AttributeError):
        return []
    return told if any(title for _, title in told) else []


def _silences(folder: Path) -> list[Silence]:
    try:
        spans = [(float(a), float(b)) for a, b in _product(folder, "sound.json")["silences"]]
    except (KeyError, TypeError, ValueError):
        return []
    return [Silence(from_s=a, to_s=b) for a, b in spans if b - a >= LONG_SILENCE_S]
