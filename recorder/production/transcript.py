"""What was said, as far as it was understood: stretches of class time with their cues.

Kept in `products/parts/`, so that what was understood during class need not be heard again, and
what is cut out afterwards only falls away. Times are class seconds.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recorder.production.timeline import Timeline
from recorder.production.vtt import Cue
from recorder.program import PARTS
from recorder.recording import Recording, make_durably, write_durably

_SURE, _ENOUGH = 0.8, 4  # chance, and stretches after which the likeliest language it is
_LEAST_S = 0.2


@dataclass(frozen=True)
class Stretch:
    """From `begin` to `end`, with cues whose times are class seconds too."""

    begin: float
    end: float
    cues: tuple[Cue, ...] = ()


class Transcript:
    """The stretches done so far with one model and one choice of languages."""

    def __init__(self, recording: Recording, model: Path, among: Sequence[str]) -> None:
        told = [str(model), (model / "model.bin").stat().st_size, list(among)]
        key = hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16]
        self.path = recording.products / PARTS / f"transcript-{key}.json"
        self.language = ""
        self.stretches: list[Stretch] = []
        self._chances: dict[str, float] = {}
        self._asked: list[float] = []
        self._read()

    def _read(self) -> None:
        try:
            data = json.loads(self.path.read_bytes())
            stretches = [
                Stretch(one["begin"], one["end"], tuple(Cue(*cue) for cue in one["cues"]))
                for one in data["stretches"]
            ]
            self.language, self._chances = str(data["language"]), dict(data["chances"])
            self._asked = list(data["asked"])
        except (OSError, ValueError, KeyError, TypeError):
            return
        self.stretches = stretches

    def save(self) -> None:
        """Raises OSError."""
        stretches = [
            {
                "begin": one.begin,
                "end": one.end,
                "cues": [[cue.start, cue.end, cue.text] for cue in one.cues],
            }
            for one in self.stretches
        ]
        data: dict[str, Any] = {
            "language": self.language,
            "chances": self._chances,
            "asked": self._asked,
            "stretches": stretches,
        }
        make_durably(self.path.parent)
        write_durably(self.path, json.dumps(data, ensure_ascii=False).encode())

    def missing(self, begin: float, end: float) -> Iterator[tuple[float, float]]:
        """What of a span was not listened to yet."""
        at = begin
        for one in sorted(self.stretches, key=lambda one: one.begin):
            if one.end <= at or one.begin >= end:
                continue
            if one.begin - at > _LEAST_S:
                yield at, one.begin
            at = max(at, one.end)
        if end - at > _LEAST_S:
            yield at, end

    def asked(self, at: float) -> bool:
        """Whether the stretch that begins at `at` has had its say on the language."""
        return at in self._asked

    def likely(self, at: float, chances: dict[str, float]) -> None:
        """Takes what the stretch that begins at `at` sounds like; decides when it is clear."""
        if self.language or at in self._asked:
            return
        self._asked.append(at)
        for name, chance in chances.items():
            self._chances[name] = self._chances.get(name, 0.0) + chance
        best = max(self._chances, key=lambda name: self._chances[name], default="")
        sure = self._chances.get(best, 0.0) >= _SURE * len(self._asked)
        if (sure and len(self._asked) > 1) or len(self._asked) >= _ENOUGH or len(chances) == 1:
            self.language = best

    def decide(self, among: Sequence[str]) -> str:
        """The language as far as one can tell."""
        best = max(self._chances, key=lambda name: self._chances[name], default="")
        self.language = self.language or best or (among[0] if among else "en")
        return self.language

    def add(self, stretch: Stretch) -> None:
        """Takes a stretch that was listened to."""
        self.stretches.append(stretch)

    def cues(self, line: Timeline) -> list[Cue]:
        """All cues in lecture seconds; what is not in the lecture is left out."""
        found = []
        for one in self.stretches:
            for cue in one.cues:
                middle = (cue.start + cue.end) / 2
                if line.keeps(middle):
                    found.append(Cue(line.lecture(cue.start), line.lecture(cue.end), cue.text))
        return sorted(found, key=lambda cue: cue.start)
