"""One lecture from whatever the class left: parts, torn parts, or the tracks alone.

`python -m recorder.production.finish FOLDER` finds out what each part really holds, renders the
spans that no part has, and joins everything by stream copy. It may be stopped at any moment and
begun again: rendered spans are kept, and the lecture appears by rename.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2

from recorder.engines import chapters
from recorder.engines.chapters import Chapter
from recorder.production import camerawork
from recorder.production.joining import Piece, join, probe
from recorder.production.timeline import Timeline, marks, timeline
from recorder.production.work import Job, Workers
from recorder.production.workforce import workers
from recorder.program import PARTS
from recorder.recording import (
    Recording,
    RecordingError,
    sync_directory,
    write_durably,
)

US = 1_000_000
FACTS = "lecture.json"
_SMALL = 0.06  # seconds that are not worth rendering: the picture before just stays longer

Progress = Callable[[float, float], None]


@dataclass(frozen=True)
class Finished:
    """The finished lecture. `rendered`: class spans that had to be rendered from the tracks."""

    path: Path
    duration: float
    chapters: list[Chapter]
    rendered: list[tuple[float, float]]
    parts: int


def parts(recording: Recording, line: Timeline) -> tuple[list[Piece], list[float]]:
    """The usable parts in order, and the page turns (class seconds) they know of."""
    found, pages = [], []
    for facts_path in sorted((recording.products / PARTS).glob("lecture-*.json")):
        try:
            facts = json.loads(facts_path.read_bytes())
            begin, known = float(facts["from"]), [float(t) for t in facts.get("pages", [])]
        except (OSError, ValueError, KeyError, TypeError):
            continue
        path = facts_path.with_suffix(".mp4")
        held = probe(path) if path.exists() else None
        if held is None:
            continue
        start = line.lecture(begin)
        end = min(line.duration, start + held[0])
        if end - start > _SMALL:
            found.append(Piece(path, start, end, held[1]))
            pages += known
    return sorted(found, key=lambda piece: piece.begin), pages


def _alike(found: list[Piece]) -> list[Piece]:
    """The pieces that can be joined by copy: those whose header most seconds share."""
    seconds: dict[tuple[bytes | None, ...], float] = {}
    for piece in found:
        seconds[piece.header] = seconds.get(piece.header, 0.0) + piece.end - piece.begin
    best = max(seconds, key=lambda header: seconds[header], default=())
    return [piece for piece in found if piece.header == best]


def _arrange(found: list[Piece], duration: float) -> tuple[list[Piece], list[tuple[float, float]]]:
    """Lets no two pieces overlap: (pieces, lecture spans that none of them has).

    A piece can begin only at its first frame but end at any, so an earlier one gives way.
    """
    pieces: list[Piece] = []
    for piece in found:
        if pieces and piece.end <= pieces[-1].end:
            continue
        while pieces and pieces[-1].end > piece.begin:
            pieces[-1].end = piece.begin
            if pieces[-1].end - pieces[-1].begin > _SMALL:
                break
            pieces.pop()
        pieces.append(piece)
    missing, at = [], 0.0
    for piece in pieces:
        if piece.begin - at > _SMALL:
            missing.append((at, piece.begin))
        at = piece.end
    if duration - at > _SMALL:
        missing.append((at, duration))
    return pieces, missing


def finish(
    recording: Recording,
    *,
    rebuild: bool = False,
    layout: str | None = None,
    progress: Progress = lambda done, total: None,
    using: Workers | None = None,
) -> Finished:
    """Makes `products/lecture.mp4` and returns what it is.

    `rebuild` takes nothing but the tracks, for another `layout` or after a salvage; otherwise a
    lecture that stands is left as it is. `using`: who renders, else processes of this machine.
    Raises RecordingError when the class left nothing.
    """
    if recording.lecture.exists() and not rebuild:
        return _standing(recording)
    line = timeline(recording)
    if line.duration <= 0:
        raise RecordingError(f"{recording.folder}: the class left nothing to make a lecture of")
    folder = recording.products / PARTS
    folder.mkdir(parents=True, exist_ok=True)
    found, pages = ([], []) if rebuild else parts(recording, line)
    used, missing = _arrange(_alike(found), line.duration)
    using = using or workers()
    fills, turns, rendered = _fill(recording, line, missing, layout, progress, using)
    headers = {piece.header for piece in [*used, *fills]}
    if len(headers) > 1:  # hardware made the parts and software the rest: one encoder for all
        used, pages = [], []
        whole = [(0.0, line.duration)]
        fills, turns, rendered = _fill(recording, line, whole, layout, progress, using)
    told = _chapters(recording, line, pages + turns)
    pieces = sorted([*used, *fills], key=lambda piece: piece.begin)
    new = recording.lecture.with_suffix(".new")
    duration = join(pieces, new, told)
    new.replace(recording.lecture)
    sync_directory(recording.products)
    for path in [*folder.glob("lecture-*.mp4"), *folder.glob("fill-*")]:
        path.unlink()  # all of it is in the lecture, or can be made again from the tracks
    _note(recording, pages + turns, rendered)
    return Finished(recording.lecture, duration, told, rendered, len(used))


def _fill(
    recording: Recording,
    line: Timeline,
    missing: Sequence[tuple[float, float]],
    layout: str | None,
    progress: Progress,
    using: Workers,
) -> tuple[list[Piece], list[float], list[tuple[float, float]]]:
    fills: list[Piece] = []
    spans = [span for begin, end in missing for span in line.classes(begin, end)]
    names = [f"{PARTS}/fill-{round(from_ * 1000):09d}.mp4" for from_, _ in spans]
    if spans:
        camerawork.find(recording, line.spans)
    jobs = [
        Job("render", {"begin": from_, "end": to, "path": name, "layout": layout})
        for (from_, to), name in zip(spans, names, strict=True)
    ]
    made = using.map(recording.folder, jobs, progress)
    turns = [float(t) for result in made for t in result["pages"]]
    for (from_, to), name in zip(spans, names, strict=True):
        path = recording.products / name
        held = probe(path)
        assert held is not None, path
        start = line.lecture(from_)
        fills.append(Piece(path, start, start + to - from_, held[1]))
    return fills, turns, spans


def _chapters(recording: Recording, line: Timeline, pages: Sequence[float]) -> list[Chapter]:
    known = chapters.slide_titles(recording.live)
    first = chapters.shown(known, round(line.spans[0][0] * US)) if line.spans else ""
    kept = {round(line.lecture(t) * US): round(t * US) for t in pages if line.keeps(t)}
    titles = {turn: chapters.near(known, at) for turn, at in kept.items()}
    return chapters.merge(marks(recording, line, first or "Start"), titles, titles)


def _note(
    recording: Recording, pages: Sequence[float], rendered: Sequence[tuple[float, float]]
) -> None:
    facts = {"pages": sorted(pages), "rendered": rendered}
    write_durably(recording.products / PARTS / FACTS, json.dumps(facts).encode())


def _standing(recording: Recording) -> Finished:
    with av.open(str(recording.lecture)) as container:
        told = [
            Chapter(
                round(chapter["start"] * (chapter["time_base"] or Fraction(1)) * US),
                str(chapter["metadata"].get("title", "")),
            )
            for chapter in container.chapters()
        ]
        duration = (container.duration or 0) / av.time_base
    return Finished(recording.lecture, duration, told, [], 0)


def main() -> int:
    """Entry of the child: JSON lines tell how it goes."""
    parser = argparse.ArgumentParser(description="Makes one lecture of what the class left.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rebuild", action="store_true", help="from the tracks alone")
    parser.add_argument("--layout", help="another layout than in class, with --rebuild")
    options = parser.parse_args()
    cv2.setNumThreads(1)

    def say(event: str, **data: Any) -> None:
        print(json.dumps({"event": event, **data}), flush=True)

    try:
        recording = Recording.open(options.folder)
        finished = finish(
            recording,
            rebuild=options.rebuild,
            layout=options.layout,
            progress=lambda done, total: say("progress", done=done, total=total),
        )
    except (RecordingError, OSError, av.error.FFmpegError) as error:
        say("error", detail=str(error))
        return 1
    say(
        "finished",
        lecture=str(finished.path.relative_to(recording.folder)),
        duration=finished.duration,
        chapters=len(finished.chapters),
        rendered=finished.rendered,
        parts=finished.parts,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
