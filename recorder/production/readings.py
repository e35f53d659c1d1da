"""What was read in pictures of slides before: by their bytes, so that none is read twice."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from recorder.program import PARTS
from recorder.recording import Recording, make_durably, write_durably

Reading = dict[str, str]  # title and text


class Readings:
    """The texts known for these languages and readers."""

    def __init__(self, recording: Recording, languages: Sequence[str], readers: Sequence[str]):
        told = json.dumps([list(languages), list(readers)])
        key = hashlib.sha256(told.encode()).hexdigest()[:12]
        self.path = recording.products / PARTS / f"texts-{key}.json"
        self._texts: dict[str, Reading] = {}
        try:
            data = json.loads(self.path.read_bytes())
            self._texts = {
                str(name): {"title": str(one["title"]), "text": str(one["text"])}
                for name, one in data.items()
            }
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return

    def known(self, picture: bytes) -> Reading | None:
        """What was read in this picture (JPEG)."""
        return self._texts.get(_name(picture))

    def keep(self, picture: bytes, reading: Reading) -> None:
        """Remembers it; `save` makes that last."""
        self._texts[_name(picture)] = reading

    def save(self) -> None:
        """Raises OSError."""
        make_durably(self.path.parent)
        write_durably(self.path, json.dumps(self._texts, ensure_ascii=False).encode())


def _name(picture: bytes) -> str:
    return hashlib.sha256(picture).hexdigest()[:32]


def content(path: Path) -> bytes:
    """A picture's bytes; none when it is not there."""
    try:
        return path.read_bytes()
    except OSError:
        return b""
