"""One lecture from whatever the class left: parts, torn parts, or the tracks alone.

`python -m recorder.production.finish FOLDER` finds out what each part really holds, renders the
spans that no part has, and joins everything by stream copy. It may be stopped at any moment and
begun again: rendered spans are kept, and the lecture appears by rename.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
from av.container import OutputContainer
from av.packet import Packet
from av.stream import Stream

from recorder import segments
from recorder.engines import chapters
from recorder.engines.chapters import Chapter
from recorder.engines.writer import HYBRID
from recorder.production.work import Job, Workers
from recorder.production.workforce import workers
from recorder.program import PARTS
from recorder.recording import (
    Recording,
    RecordingError,
    lecture_spans,
    sync_directory,
    write_durably,
)
from recorder.spans import CUT

US = 1_000_000
FACTS = "lecture.json"
_SMALL = 0.06  # seconds that are not worth rendering: the picture before just stays longer
_CHUNK_S = 60.0  # one worker's share of a render: the same wherever it is done
_INSTANT = 0.005

Progress = Callable[[float, float], None]


@dataclass
class Piece:
    """A file that holds lecture seconds `begin` to `end` from its first frame on."""

    path: Path
    begin: float
    end: float
    header: tuple[bytes | None, ...] = ()


@dataclass(frozen=True)
class Finished:
    """The finished lecture. `rendered`: class spans that had to be rendered from the tracks."""

    path: Path
    duration: float
    chapters: list[Chapter]
    rendered: list[tuple[float, float]]
    parts: int


class Timeline:
    """The lecture's seconds against class seconds: the kept spans, one after the other."""

    def __init__(self, spans: Sequence[tuple[float, float]]) -> None:
        self.spans = list(spans)
        self.duration = sum(to - from_ for from_, to in spans)

    def lecture(self, t: float) -> float:
        """The lecture time of class time `t`; what lies in a cut is where the cut is."""
        passed = 0.0
        for begin, end in self.spans:
            if t < end:
                return passed + max(0.0, t - begin)
            passed += end - begin
        return passed

    def keeps(self, t: float) -> bool:
        """Whether class time `t` is in the lecture."""
        return any(begin <= t < end for begin, end in self.spans)

    def classes(self, begin: float, end: float) -> list[tuple[float, float]]:
        """The class spans, none longer than a minute, of lecture time `begin` to `end`."""
        found, passed = [], 0.0
        for from_, to in self.spans:
            first, last = max(begin, passed), min(end, passed + to - from_)
            at = first
            while last - at > 1e-6:
                stop = min(last, at + _CHUNK_S)
                found.append((from_ + at - passed, from_ + stop - passed))
                at = stop
            passed += to - from_
        return found


def timeline(recording: Recording, *, uncut: bool = False) -> Timeline:
    """What the lecture keeps, from the markers and how long the class went.

    `uncut`: what it would keep if nothing had been cut out after class.
    """
    markers = recording.markers()
    if uncut:
        markers = [m for m in markers if m.kind != CUT or m.data.get("erase")]
    ends = [marker.t for marker in markers]
    for source in recording.manifest.sources:
        spans = [
            segments.span(path) for _, path in segments.segment_files(recording.track(source.id))
        ]
        ends += [span[1] for span in spans if span is not None]
    return Timeline(lecture_spans(markers, max(ends, default=0.0)))


def probe(path: Path) -> tuple[float, tuple[bytes | None, ...]] | None:
    """How many seconds of picture and sound a part really holds, and its codec headers.

    Reads packets, decodes nothing. None when it holds nothing that can be used.
    """
    ends = {"video": 0.0, "audio": 0.0}
    try:
        container = av.open(str(path))
    except (av.error.FFmpegError, OSError):
        return None
    with container:
        header = tuple(stream.codec_context.extradata for stream in container.streams)
        if [stream.type for stream in container.streams] != ["video", "audio"]:
            return None
        for packet in _packets(container.demux(container.streams[0], container.streams[1])):
            end = (packet.pts or 0) + (packet.duration or 0)
            kind = packet.stream.type
            ends[kind] = max(ends[kind], float(end * packet.time_base))
    return (ends["audio"], header) if all(ends.values()) else None


def _packets(demuxer: Any) -> Any:
    """Packets up to the end, or to where the file is torn."""
    while True:
        try:
            packet = next(demuxer)
        except (StopIteration, av.error.FFmpegError):
            return
        if packet.size and packet.pts is not None:
            yield packet


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


def marks(recording: Recording, line: Timeline, first: str = "Start") -> list[Chapter]:
    """The chapters that were told in class; the lecture's beginning is called `first`."""
    marks = [Chapter(0, first)]
    for marker in recording.markers():
        told = chapters.title(marker.kind, marker.data)
        if marker.kind == "resume" and line.keeps(marker.t):
            told = "Resumed"
        if told is not None and line.keeps(marker.t):
            marks.append(Chapter(round(line.lecture(marker.t) * US), told))
    return marks


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


def join(pieces: Sequence[Piece], path: Path, told: Sequence[Chapter]) -> float:
    """Joins pieces by stream copy into an ordinary MP4 with chapters; returns its seconds.

    Each packet lands where its piece lies in the lecture; what a piece holds beyond its end is
    left out.
    """
    end = 0.0
    out: OutputContainer = av.open(str(path), "w", format="mp4", options=HYBRID)
    with out:
        streams: dict[str, Stream] = {}
        last = {"video": -1.0, "audio": -1.0}
        for piece in pieces:
            with av.open(str(piece.path)) as source:
                if not streams:
                    for stream in source.streams:
                        streams[stream.type] = out.add_stream_from_template(stream)
                    out.start_encoding()
                for packet in _packets(source.demux(source.streams[0], source.streams[1])):
                    kind = packet.stream.type
                    stop = _move(packet, piece, last[kind], streams[kind])
                    if stop is not None:
                        last[kind] = stop
                        end = max(end, stop)
                        out.mux_one(packet)
        out.set_chapters(chapter_list(told, end))
    with path.open("rb") as file:
        os.fsync(file.fileno())
    return end


def chapter_list(told: Sequence[Chapter], end: float) -> Any:
    """Chapters as a container takes them; `end` is the lecture's, in seconds."""
    within = [chapter for chapter in told if chapter.start < end * US]
    stops = [chapter.start for chapter in within[1:]] + [round(end * US)]
    return [
        {
            "id": number,
            "start": chapter.start,
            "end": stop,
            "time_base": Fraction(1, US),
            "metadata": {"title": chapter.title},
        }
        for number, (chapter, stop) in enumerate(zip(within, stops, strict=True))
    ]


def _move(packet: Packet[Any], piece: Piece, last: float, stream: Stream) -> float | None:
    """Puts a packet at its place; returns where it ends, or None when it is to be left out.

    Sound lies gapless where it can; a picture lasts until the next, at most to the piece's end.
    """
    assert packet.pts is not None
    base = packet.time_base
    length = float((packet.duration or 0) * base)
    at = piece.begin + float(packet.pts * base)
    if packet.stream.type == "audio":
        if at + length / 2 >= piece.end or at < last - length / 2:
            return None
        at = last if abs(at - last) < length / 2 else at
    else:
        if at >= piece.end - _INSTANT:
            return None
        length = min(length, piece.end - at)
        packet.duration = round(length / base)
    packet.pts = round(at / base)
    packet.dts = packet.pts
    packet.stream = stream
    return at + length


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
