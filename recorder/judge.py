"""The judge of a source: does it deliver what it should, and all of it?

Compared with what room.toml expects (`expect = "1920x1080@25"`), or else with what the source
itself began with. Loses nothing and changes nothing; it only says.
"""

from __future__ import annotations

import itertools
import re
import statistics
import threading
from collections import deque
from collections.abc import Sequence

from recorder.clock import US
from recorder.media import MediaStream, Sample
from recorder.recording import SourceSpec
from recorder.sources.open import SourceError, parse

WINDOW_S = 10.0
SLOW = 0.7
LOST_SHARE = 0.02
_EXPECT = re.compile(r"(?:(\d+)x(\d+))?(?:@(\d+(?:\.\d+)?))?")


class Judge:
    """Fed by the source's thread; `verdicts` are asked for once a second by another."""

    def __init__(self, spec: SourceSpec) -> None:
        match = _EXPECT.fullmatch(spec.expect or "")
        width, height, fps = match.groups() if match else (None, None, None)
        self._expected = (int(width), int(height)) if width and height else None
        self._expected_fps = float(fps) if fps else None
        try:
            address = parse(spec.url)
        except SourceError:
            self._steady = False
        else:  # what is captured leaves out pictures that do not change; a file has its own times
            self._steady = address.live and address.child is None
        self._lock = threading.Lock()
        self._size: tuple[int, int] | None = None
        self._media: list[str] = []
        self._stamps: dict[int, deque[int]] = {}
        self._best = 0.0

    def begin(self, streams: Sequence[MediaStream]) -> None:
        with self._lock:
            self._media = [stream.media for stream in streams]
            self._stamps = {place: deque() for place in range(len(streams))}
            for stream in streams:
                if stream.media == "video" and stream.width:
                    self._size = (stream.width, stream.height)
                    self._expected = self._expected or self._size

    def sample(self, sample: Sample) -> None:
        if not self._steady:
            return
        with self._lock:
            stamps = self._stamps.get(sample.stream)
            if stamps is None:
                return
            stamps.append(sample.dts)
            while stamps[-1] - stamps[0] > WINDOW_S * US:
                stamps.popleft()

    def verdicts(self, state: str) -> dict[str, str]:
        """By the fact's code: what is wrong, or an empty text."""
        found = {"wrong_size": "", "wrong_rate": "", "packets_lost": ""}
        if state != "running":
            return found
        with self._lock:
            size, stamps = self._size, {place: list(s) for place, s in self._stamps.items()}
            media = list(self._media)
        if size is not None and self._expected is not None and size != self._expected:
            found["wrong_size"] = f"{_shown(size)} instead of {_shown(self._expected)}"
        for place, times in stamps.items():
            if len(times) < 3 or times[-1] - times[0] < WINDOW_S * US * 0.8:
                continue
            seconds = (times[-1] - times[0]) / US
            share = _lost(times) / seconds
            if share > LOST_SHARE:
                found["packets_lost"] = f"{share:.0%} of its {_WHAT[media[place]]}"
            if media[place] == "video":
                found["wrong_rate"] = self._rate((len(times) - 1) / seconds)
        return found

    def _rate(self, fps: float) -> str:
        self._best = max(self._best, fps)
        expected = self._expected_fps or self._best
        if fps >= SLOW * expected:
            return ""
        return f"{fps:.1f} pictures a second instead of {expected:.3g}"


_WHAT = {"video": "picture", "audio": "sound"}


def _shown(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"


def _lost(times: Sequence[int]) -> float:
    """Seconds that are missing between packets which otherwise come evenly."""
    steps = [later - earlier for earlier, later in itertools.pairwise(times)]
    usual = statistics.median(steps)
    return sum(step - usual for step in steps if step > 1.8 * usual) / US
