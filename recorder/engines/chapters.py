"""Chapters of a lecture, from marks that were made and page turns that were noticed."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CLOSEST_US = 5_000_000
_SAME_US = 2_000_000  # a page turn and a slide this near are the same

Titles = Sequence[tuple[int, str]]


@dataclass(frozen=True)
class Chapter:
    """A chapter that begins `start` microseconds into the lecture."""

    start: int
    title: str


def title(kind: str, data: Any) -> str | None:
    """The title that a marker gives a chapter ("" for none of its own); None when it makes none."""
    if kind not in ("page", "chapter", "bookmark"):
        return None
    told = (data.get("title") or data.get("label")) if isinstance(data, dict) else None
    return str(told or "")


def slide_titles(live: Path) -> Titles:
    """The slides that were read during class: (class µs, title); none without an analysis."""
    try:
        told = json.loads((live / "slides.json").read_bytes())["slides"]
        found = [(round(float(one["class_time"]) * 1e6), str(one["title"])) for one in told]
    except (OSError, ValueError, KeyError, TypeError):
        return []
    return sorted(found)


def near(titles: Titles, t: int) -> str:
    """The title of the slide that began at class time `t` (µs), as near as the detectors agree."""
    close = [(abs(at - t), title) for at, title in titles if abs(at - t) <= _SAME_US]
    return min(close)[1] if close else ""


def shown(titles: Titles, t: int) -> str:
    """The title of the slide that stands at class time `t` (µs)."""
    return next((title for at, title in reversed(titles) if at <= t), "")


def merge(
    marks: Iterable[Chapter], pages: Iterable[int], titles: Mapping[int, str] | None = None
) -> list[Chapter]:
    """Orders marks and page turns (lecture µs), no two closer than five seconds.

    A mark wins over a page turn beside it; what has no title is called by its number. `titles`
    are those of slides, by the page turn that began them; a chapter that a slide began is called
    after the one that stands longest in it.
    """
    named = titles or {}
    told = sorted(marks, key=lambda chapter: chapter.start)
    told += [
        Chapter(page, named.get(page, ""))
        for page in pages
        if all(abs(page - mark.start) > CLOSEST_US // 2 for mark in told)
    ]
    chapters: list[Chapter] = []
    for chapter in sorted(told, key=lambda chapter: chapter.start):
        if chapters and chapter.start - chapters[-1].start < CLOSEST_US:
            if chapter.title and not chapters[-1].title:
                chapters[-1] = Chapter(chapters[-1].start, chapter.title)
            continue
        chapters.append(chapter)
    ends = [chapter.start for chapter in chapters[1:]] + [math.inf]
    return [
        Chapter(one.start, _title(one, end, named) or f"Slide {number}")
        for number, (one, end) in enumerate(zip(chapters, ends, strict=True), 1)
    ]


def _title(chapter: Chapter, end: float, named: Mapping[int, str]) -> str:
    """A chapter's own title; where it is a slide's, that of the slide that stands longest."""
    if chapter.title not in ("", named.get(chapter.start, "")):
        return chapter.title
    begins = sorted(at for at in named if chapter.start <= at < end)
    stood = zip(begins, [*begins[1:], end], strict=False)
    known = [(till - at, named[at]) for at, till in stood if named[at]]
    return max(known, key=lambda one: one[0])[1] if known else chapter.title
