"""Which of a class the lecture keeps: pauses, what comes after End, and what was cut out later.

A cut is a marker as well (`cut`, with the class seconds `from` and `to`), written after class; it
changes no track. `uncut` takes the cuts made before it back, but not those with `erase`, whose
time is destroyed in the tracks as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from recorder.manifest import Marker

Span = tuple[float, float]
CUT, UNCUT = "cut", "uncut"


def lecture_spans(markers: Sequence[Marker], duration: float) -> list[Span]:
    """Returns the spans (class seconds) that the lecture keeps, in order.

    Pauses are cut out; so is everything after the end, or after an End that was not taken back,
    and what was cut out after class.
    """
    end, held, paused_at = duration, None, None
    pauses: list[Span] = []
    for marker in markers:
        match marker.kind:
            case "pause" if paused_at is None:
                paused_at = marker.t
            case "resume" if paused_at is not None:
                pauses.append((paused_at, marker.t))
                paused_at = None
            case "hold":
                held = marker.t
            case "release":
                held = None
            case "end":
                end = min(end, marker.t)
    if held is not None:
        end = min(end, held)
    if paused_at is not None:
        pauses.append((paused_at, end))
    return without(end, [*pauses, *cuts(markers)])


def cuts(markers: Iterable[Marker], *, erased: bool = False) -> list[Span]:
    """The cuts (class seconds) that stand, in the order in which they were made.

    What was erased is in no track any more, so it cannot be taken back; `erased` asks for those
    cuts only.
    """
    found: list[tuple[Span, bool]] = []
    for marker in markers:
        if marker.kind == UNCUT:
            found = [one for one in found if one[1]]
        elif marker.kind == CUT:
            try:
                span = float(marker.data["from"]), float(marker.data["to"])
            except (KeyError, TypeError, ValueError):
                continue
            found.append((span, bool(marker.data.get("erase"))))
    return [span for span, gone in found if gone or not erased]


def without(end: float, out: Iterable[Span]) -> list[Span]:
    """What of 0 to `end` is left when the spans `out` are taken away."""
    spans, start = [], 0.0
    for from_, to in sorted(out):
        if min(from_, end) > start:
            spans.append((start, min(from_, end)))
        start = max(start, to)
    if end > start:
        spans.append((start, end))
    return spans


def class_spans(kept: Sequence[Span], begin: float, end: float) -> list[Span]:
    """The class spans that lie behind lecture seconds `begin` to `end` of the `kept` spans."""
    found, passed = [], 0.0
    for from_, to in kept:
        first, last = max(begin, passed), min(end, passed + to - from_)
        if last > first:
            found.append((from_ + first - passed, from_ + last - passed))
        passed += to - from_
    return found
