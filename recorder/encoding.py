"""How the encoding of the live program goes, from what its child says about once a second."""

from __future__ import annotations

from collections import deque
from typing import Any

from recorder.control import EncoderStatus

_NOTES = 4


class Encoding:
    """`status` is how things stand; it is told each `started`, `encoder` and
    `progress` of the child."""

    def __init__(self) -> None:
        self.status = EncoderStatus()
        self._notes: deque[tuple[float, int]] = deque(maxlen=_NOTES)

    def started(self, event: dict[str, Any]) -> None:
        """A part begins. Another encoder than made the last part took over."""
        name, before = str(event.get("encoder", "")), self.status.name
        self._notes.clear()
        self.status = EncoderStatus(
            name=name,
            part=int(event.get("part", 0)),
            hand_overs=self.status.hand_overs + (before not in ("", name)),
        )

    def handed_over(self, event: dict[str, Any]) -> None:
        """Another encoder took over within the part, or at its beginning."""
        name, times = str(event.get("encoder", "")), self.status.hand_overs + 1
        self.status = self.status.model_copy(update={"name": name, "hand_overs": times})

    def progress(self, event: dict[str, Any], now: float) -> None:
        """The child's newest count of pictures, heard at `now` (seconds of a steady clock)."""
        frames = int(event.get("frames", 0))
        self._notes.append((now, frames))
        began, first = self._notes[0]
        rate = round((frames - first) / (now - began), 1) if now > began else None
        self.status = self.status.model_copy(
            update={
                "fps": rate,
                "frames": frames,
                "skipped": int(event.get("skipped", 0)),
                "behind_s": round(float(event.get("behind", 0.0)), 3),
            }
        )
