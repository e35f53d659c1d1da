"""The text of decks that were brought to class: page turns say it, so nothing need be read.

A marker `page` carries `title` and `text` when its page belongs to a deck (tablet-protocol.md).
It belongs to the slide that appears at about the same time; a source that shows something else
turns its pages at other times, and is read as before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from recorder.production.timeline import timeline
from recorder.recording import Recording

if TYPE_CHECKING:
    from recorder.production.slides import Slide

BEFORE_S = 2.0
AFTER_S = 3.0


def texts(recording: Recording, slides: Sequence[Slide]) -> Mapping[int, dict[str, str]]:
    """Title and text by the number of the slide that a page turn began."""
    line = timeline(recording)
    turns = [
        (line.lecture(marker.t), marker.data)
        for marker in recording.markers()
        if marker.kind == "page" and line.keeps(marker.t)
    ]
    found = {}
    for slide in slides:
        last = min(slide.time + AFTER_S, slide.end)
        near = [turn for turn in turns if slide.time - BEFORE_S <= turn[0] < last]
        _, said = min(near, key=lambda turn: abs(turn[0] - slide.time), default=(0.0, {}))
        if said.get("text"):
            found[slide.number] = {"title": str(said.get("title") or ""), "text": str(said["text"])}
    return found
