"""Captions of a class that is on, as they are written: `live/captions.<lang>.vtt`.

They come some ten seconds after the words (docs/recording-format.md), and never change. For HLS
they are cut into the segments of the lecture; a segment is listed when nothing can be added to it.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from pathlib import Path

from recorder.recording import LIVE
from streaming.hls import HlsError, Segment, Timeline

_NAME = re.compile(r"captions\.([a-z]{2,3}(?:-[A-Za-z0-9]{1,8})*)\.vtt")
_TIMING = re.compile(r"(\d+):(\d\d):(\d\d\.\d{3}) --> (\d+):(\d\d):(\d\d\.\d{3})")
MAX_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Cue:
    """One caption, in seconds of the lecture; `text` is escaped as WebVTT wants it."""

    start: float
    end: float
    text: str


def languages(folder: Path) -> list[str]:
    """The languages that the class in `folder` is captioned in. Reads the disk."""
    try:
        names = [path.name for path in (folder / LIVE).iterdir()]
    except OSError:
        return []
    return sorted(found[1] for name in names if (found := _NAME.fullmatch(name)))


def path_of(folder: Path, language: str) -> Path:
    """The file of one language. Raises HlsError when there is none."""
    name = f"captions.{language}.vtt"
    path = folder / LIVE / name
    if not _NAME.fullmatch(name) or not path.is_file():
        raise HlsError(f"there are no captions in {language!r}")
    return path


@dataclass
class Captions:
    """The captions of one class in one language, read as they grow."""

    path: Path
    cues: list[Cue] = field(default_factory=list)
    _offset: int = 0

    def refresh(self) -> None:
        """Takes in the cues that are whole. Reads the disk."""
        try:
            with self.path.open("rb") as file:
                file.seek(self._offset)
                data = file.read(MAX_BYTES)
        except OSError:
            return
        whole = data[: data.rfind(b"\n\n") + 2] if b"\n\n" in data else b""
        self._offset += len(whole)
        for block in whole.decode("utf-8", "replace").split("\n\n"):
            lines = block.strip("\n").split("\n")
            found = _TIMING.match(lines[0]) if lines else None
            if found and len(lines) > 1:
                self.cues.append(
                    Cue(
                        _seconds(*found.groups()[:3]),
                        _seconds(*found.groups()[3:]),
                        "\n".join(lines[1:]),
                    )
                )

    @property
    def until(self) -> float:
        """Up to here (lecture seconds) no cue can come any more."""
        return self.cues[-1].start if self.cues else 0.0

    def ready(self, timeline: Timeline) -> list[Segment]:
        """The segments whose captions are complete."""
        if timeline.ended:
            return timeline.segments
        until = self.until
        return [one for one in timeline.segments if _end(timeline, one) <= until]

    def playlist(self, timeline: Timeline) -> str:
        """The media playlist of the captions."""
        ready = self.ready(timeline)
        longest = max((one.stretch.duration for one in ready), default=4.0)
        lines = [
            "#EXTM3U",
            "#EXT-X-VERSION:9",
            f"#EXT-X-TARGETDURATION:{max(4, math.ceil(longest))}",
            "#EXT-X-MEDIA-SEQUENCE:0",
            "#EXT-X-PLAYLIST-TYPE:EVENT",
        ]
        for one in ready:
            if one.discontinuity:
                lines.append("#EXT-X-DISCONTINUITY")
            lines += [f"#EXTINF:{one.stretch.duration:.5f},", f"{one.number}.vtt"]
        return "\n".join(lines + (["#EXT-X-ENDLIST"] if timeline.ended else [])) + "\n"

    def segment(self, timeline: Timeline, number: int) -> str:
        """The captions of one segment. Raises HlsError while they may still grow."""
        ready = self.ready(timeline)
        if number >= len(ready):
            raise HlsError(f"segment {number} has no captions yet")
        one = ready[number]
        begin = timeline.part_start(one.part)
        start, end = begin + one.stretch.start, _end(timeline, one)
        # Lecture time `begin` is time 0 of the part's own clock.
        lines = ["WEBVTT", f"X-TIMESTAMP-MAP=LOCAL:{_stamp(begin)},MPEGTS:0", ""]
        for cue in self.cues:
            if cue.end > start and cue.start < end:
                lines += [f"{_stamp(cue.start)} --> {_stamp(cue.end)}", cue.text, ""]
        return "\n".join(lines) + "\n"


def _end(timeline: Timeline, one: Segment) -> float:
    return timeline.part_start(one.part) + one.stretch.end


def _seconds(hours: str, minutes: str, seconds: str) -> float:
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds)


def _stamp(seconds: float) -> str:
    minutes, rest = divmod(round(seconds * 1000), 60_000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{rest // 1000:02}.{rest % 1000:03}"
