"""The lecture's seconds against the class's: what is kept, one span after the other."""

from __future__ import annotations

from collections.abc import Sequence

from recorder import segments
from recorder.engines import chapters
from recorder.engines.chapters import Chapter
from recorder.recording import Recording, lecture_spans
from recorder.spans import CUT

US = 1_000_000
_CHUNK_S = 60.0  # one worker's share of a render: the same wherever it is done


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
