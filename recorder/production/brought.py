"""The text of decks that were brought to class: page turns say it, so nothing need be read.

A marker `page` carries `title` and `text` when its page belongs to a deck (tablet-protocol.md).
It belongs to the slide that appears at about the same time; a source that shows something else
turns its pages at other times, and is read as before.
"""

from __future__ import annotations

from collections.abc import Sequence

from recorder.production.readings import Reading
from recorder.production.timeline import timeline
from recorder.recording import Recording
from recorder.spans import Span

BEFORE_S = 2.0
AFTER_S = 3.0


def texts(recording: Recording, slides: Sequence[Span]) -> list[Reading | None]:
    """What the page turn that began each slide says of it; `slides` are lecture seconds."""
    line = timeline(recording)
    turns = [
        (line.lecture(marker.t), marker.data)
        for marker in recording.markers()
        if marker.kind == "page" and line.keeps(marker.t)
    ]
    found: list[Reading | None] = []
    for begin, end in slides:
        last = min(begin + AFTER_S, end)
        near = [turn for turn in turns if begin - BEFORE_S <= turn[0] < last]
        _, said = min(near, key=lambda turn: abs(turn[0] - begin), default=(0.0, {}))
        known = {"title": str(said.get("title") or ""), "text": str(said.get("text") or "")}
        found.append(known if known["text"] else None)
    return found
