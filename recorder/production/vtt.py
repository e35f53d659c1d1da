"""WebVTT: cues that can be read in time, and nothing in them that a player takes for markup."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

_WIDTH = 42  # columns of a line; a wide character takes two
_LINES = 2
_CLOCK = r"(?:(\d+):)?(\d\d):(\d\d)\.(\d{3})"
_TIMING = re.compile(rf"{_CLOCK}\s+-->\s+{_CLOCK}")
_LONGEST_S, _SHORTEST_S = 7.0, 0.4


@dataclass(frozen=True)
class Cue:
    """Text from `start` to `end` (s)."""

    start: float
    end: float
    text: str


def clock(seconds: float) -> str:
    """A WebVTT time stamp."""
    ms = max(0, round(seconds * 1000))
    return f"{ms // 3_600_000:02d}:{ms // 60_000 % 60:02d}:{ms // 1000 % 60:02d}.{ms % 1000:03d}"


def safe(text: str) -> str:
    """Text as a cue may hold it: one line, no markup, no arrow."""
    plain = " ".join(text.split()).replace("-->", "→")
    return plain.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _columns(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)


def wrap(text: str, width: int = _WIDTH) -> list[str]:
    """Breaks text into lines of at most `width` columns, at spaces where there are any."""
    lines, line = [], ""
    for word in text.split():
        while _columns(word) > width:  # a script without spaces
            room = width - _columns(line)
            cut = 0
            while cut < len(word) and _columns(word[: cut + 1]) <= room:
                cut += 1
            lines.append(line + word[:cut])
            line, word = "", word[cut:]  # noqa: PLW2901
        joined = f"{line} {word}" if line else word
        if _columns(joined) > width:
            lines.append(line)
            line = word
        else:
            line = joined
    return [one for one in [*lines, line] if one]


def readable(cues: Iterable[Cue]) -> Iterator[Cue]:
    """Splits cues that are too long to read at once; each part gets its share of the time."""
    for cue in cues:
        lines = wrap(" ".join(cue.text.split()))
        if not lines:
            continue
        per = 1 if cue.end - cue.start > _LONGEST_S and len(lines) <= _LINES else _LINES
        parts = [lines[at : at + per] for at in range(0, len(lines), per)]
        total = sum(_columns(line) for line in lines)
        at = cue.start
        length = max(cue.end - cue.start, _SHORTEST_S)
        for part in parts:
            share = length * sum(_columns(line) for line in part) / total
            yield Cue(at, min(at + share, at + _LONGEST_S), "\n".join(part))
            at += share


def vtt(cues: Sequence[Cue], language: str | None = None) -> str:
    """A WebVTT file, its cues in order and none over another."""
    lines = ["WEBVTT"] + ([f"Language: {language}"] if language else []) + [""]
    ordered = sorted(cues, key=lambda cue: cue.start)
    for number, cue in enumerate(ordered, 1):
        following = ordered[number].start if number < len(ordered) else cue.end
        end = max(min(cue.end, following), cue.start + 0.001)
        text = "\n".join(safe(line) for line in cue.text.splitlines() if line.strip())
        lines += [str(number), f"{clock(cue.start)} --> {clock(end)}", text, ""]
    return "\n".join(lines)


def read(text: str) -> list[Cue]:
    """The cues of a WebVTT file; what is no cue (header, notes, styles) is left out."""
    cues = []
    for block in text.replace("\r\n", "\n").split("\n\n"):
        lines = block.strip("\n").split("\n")
        at = next((n for n, line in enumerate(lines[:2]) if "-->" in line), None)
        found = _TIMING.match(lines[at]) if at is not None else None
        if at is None or found is None:
            continue
        told = "\n".join(lines[at + 1 :])
        plain = told.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
        cues.append(Cue(_seconds(*found.groups()[:4]), _seconds(*found.groups()[4:]), plain))
    return cues


def _seconds(hours: str | None, minutes: str, seconds: str, millis: str) -> float:
    return int(hours or 0) * 3600 + int(minutes) * 60 + int(seconds) + int(millis) / 1000
