"""HLS from the lecture itself: segments are byte ranges of the part that is being written.

Nothing is written a second time, and everything since the class began can be played (DVR): the
playlist only grows. A part that follows another (the program was restarted) and a pause are
discontinuities. The playlist ends when the recording does.

RFC 8216 and its second edition (draft-pantos-hls-rfc8216bis: blocking reload, skipped segments).
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import math
import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from recorder.recording import MANIFEST, MARKERS, Life, Recording, RecordingError, lecture_spans
from streaming.fragments import Init
from streaming.index import FileIndex, Stretch

TARGET_S = 4
SKIP_S = 6 * TARGET_S
REFRESH_S = 0.25
_PART = re.compile(r"lecture-(\d{3})\.json")


class HlsError(Exception):
    """There is no such playlist, init segment or segment (now)."""


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment; `date` stands where it cannot be told from the one before."""

    number: int
    part: int
    stretch: Stretch
    discontinuity: bool
    date: datetime | None


def class_second(lecture: float, start: float, spans: Sequence[tuple[float, float]]) -> float:
    """Class time of lecture time `lecture` in a part that began at class time `start`."""
    at = start
    for begin, end in spans:
        length = end - max(begin, start)
        if length <= 0:
            continue
        if lecture < length:
            return max(begin, start) + max(lecture, 0.0)
        lecture -= length
        at = end
    return at + lecture


def lecture_second(at: float, spans: Sequence[tuple[float, float]]) -> float:
    """Lecture time of class time `at`: what lies in no span is left out."""
    return sum(max(0.0, min(at, end) - begin) for begin, end in spans)


class Timeline:
    """All segments of one recording, in order. `refresh` reads the disk; call it in a thread."""

    def __init__(self, folder: Path) -> None:
        self.recording = Recording.open(folder)
        self.segments: list[Segment] = []
        self.parts: dict[int, FileIndex] = {}
        self.ended = False
        self._starts: dict[int, float] = {}
        self._taken: dict[int, int] = {}
        self._spans: list[tuple[float, float]] = [(0.0, math.inf)]
        self._stamps: dict[str, int] = {}
        self._started = self.recording.manifest.started
        self._previous: tuple[int, int] | None = None  # part and span of the last segment
        self._lock = threading.Lock()

    def refresh(self) -> None:
        """Takes in what has been written since."""
        with self._lock:
            if self.ended:
                return
            finished = self._finished()
            self._look_for_parts()
            if self._changed(MARKERS):
                self._spans = lecture_spans(self.recording.markers(), math.inf) or self._spans
            numbers = sorted(self.parts)
            for number in numbers:
                index = self.parts[number]
                index.refresh()
                if finished or number != numbers[-1]:
                    index.flush()
                self._take(number, index)
            self.ended = finished

    def _changed(self, name: str) -> bool:
        try:
            stamp = (self.recording.folder / name).stat().st_mtime_ns
        except OSError:
            return False
        before, self._stamps[name] = self._stamps.get(name), stamp
        return before != stamp

    def _finished(self) -> bool:
        if not self._changed(MANIFEST):
            return False
        try:
            return self.recording.manifest.life is not Life.RECORDING
        except RecordingError:
            return True

    def _look_for_parts(self) -> None:
        parts = self.recording.products / "parts"
        names = [path.name for path in parts.iterdir()] if parts.is_dir() else []
        for name in sorted(names):
            match = _PART.fullmatch(name)
            if match is None or int(match[1]) in self.parts:
                continue
            with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
                facts = json.loads((parts / name).read_bytes())
                path = parts / str(facts["file"])
                if path.is_file() and path.resolve().is_relative_to(
                    self.recording.folder.resolve()
                ):
                    self._starts[int(match[1])] = float(facts["from"])
                    self.parts[int(match[1])] = FileIndex(path)

    def _take(self, part: int, index: FileIndex) -> None:
        for stretch in index.segments[self._taken.get(part, 0) :]:
            at = class_second(stretch.start, self._starts[part], self._spans)
            span = sum(begin <= at for begin, _ in self._spans)
            new = self._previous != (part, span)
            date = self._started + timedelta(seconds=at) if new else None
            first = self._previous is None
            self._previous = (part, span)
            number = len(self.segments)
            self.segments.append(Segment(number, part, stretch, new and not first, date))
        self._taken[part] = len(index.segments)

    def part_start(self, part: int) -> float:
        """Where in the lecture a part begins, in seconds."""
        return lecture_second(self._starts.get(part, 0.0), self._spans)

    @property
    def init(self) -> Init | None:
        """The newest part's init segment."""
        return next((self.parts[n].init for n in sorted(self.parts, reverse=True)), None)

    def read(self, number: int) -> bytes:
        """The bytes of a segment. Raises HlsError. Reads the disk."""
        if not 0 <= number < len(self.segments):
            raise HlsError(f"there is no segment {number}")
        segment = self.segments[number]
        stretch = segment.stretch
        try:
            data = self.parts[segment.part].read(stretch.offset, stretch.size)
        except OSError as error:
            raise HlsError(f"segment {number} cannot be read: {error.strerror}") from error
        if len(data) != stretch.size:
            raise HlsError(f"segment {number} is no longer there")
        return data

    def read_init(self, part: int) -> Init:
        """The init segment of a part. Raises HlsError."""
        index = self.parts.get(part)
        if index is None or index.init is None:
            raise HlsError(f"there is no part {part}")
        return index.init

    def bandwidth(self) -> int:
        """The peak rate in bit/s, of the newest hundred segments."""
        rates = [
            segment.stretch.size * 8 / segment.stretch.duration
            for segment in self.segments[-100:]
            if segment.stretch.duration > 0.5
        ]
        return int(max(rates, default=3_000_000)) + 1

    def close(self) -> None:
        for index in self.parts.values():
            index.close()


class Playlist:
    """The text of a media playlist, built once and grown with its timeline."""

    def __init__(self, timeline: Timeline, first: int = 0) -> None:
        self._timeline = timeline
        self._first = first
        self._entries: list[str] = []
        self._part: int | None = None
        self._longest = 0.0
        self._packed: dict[bool, tuple[tuple[int, bool], bytes]] = {}

    def packed(self, *, skip: bool = False) -> bytes:
        """`text` compressed by gzip, once for all who ask before it changes."""
        state = (len(self._timeline.segments), self._timeline.ended)
        kept = self._packed.get(skip)
        if kept is None or kept[0] != state:
            kept = self._packed[skip] = (state, gzip.compress(self.text(skip=skip).encode(), 3))
        return kept[1]

    def text(self, *, skip: bool = False) -> str:
        """The playlist as it stands; with `skip` what lies far back is left out (a delta)."""
        timeline = self._timeline
        for segment in timeline.segments[self._first + len(self._entries) :]:
            self._entries.append(self._entry(segment))
        head = [
            "#EXTM3U",
            "#EXT-X-VERSION:9",
            f"#EXT-X-TARGETDURATION:{max(TARGET_S, math.ceil(self._longest))}",
            f"#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,CAN-SKIP-UNTIL={SKIP_S}.0",
            f"#EXT-X-MEDIA-SEQUENCE:{self._first}",
            "#EXT-X-PLAYLIST-TYPE:EVENT",
            "#EXT-X-INDEPENDENT-SEGMENTS",
        ]
        entries = self._entries
        if skip and not timeline.ended:
            left_out = self._older_than(SKIP_S)
            if left_out:
                head.append(f"#EXT-X-SKIP:SKIPPED-SEGMENTS={left_out}")
                entries = entries[left_out:]
        tail = ["#EXT-X-ENDLIST"] if timeline.ended else []
        return "\n".join([*head, *entries, *tail]) + "\n"

    def _entry(self, segment: Segment) -> str:
        lines = []
        if segment.discontinuity:
            lines.append("#EXT-X-DISCONTINUITY")
        if segment.part != self._part:
            self._part = segment.part
            lines.append(f'#EXT-X-MAP:URI="init-{segment.part}.mp4"')
        if segment.date is not None:
            stamp = segment.date.isoformat(timespec="milliseconds")
            lines.append(f"#EXT-X-PROGRAM-DATE-TIME:{stamp}")
        self._longest = max(self._longest, segment.stretch.duration)
        lines += [f"#EXTINF:{segment.stretch.duration:.5f},", f"{segment.number}.m4s"]
        return "\n".join(lines)

    def _older_than(self, seconds: float) -> int:
        kept = 0.0
        segments = self._timeline.segments
        for number in range(len(segments) - 1, self._first - 1, -1):
            kept += segments[number].stretch.duration
            if kept > seconds:
                return number - self._first
        return 0


class HlsStream:
    """One recording's timeline, kept fresh while somebody asks."""

    def __init__(self, folder: Path) -> None:
        self.timeline = Timeline(folder)
        self._lock = asyncio.Lock()
        self._fresh = -math.inf
        self._came = asyncio.Event()
        self._looking: asyncio.Task[None] | None = None
        self._closed = False

    async def refresh(self) -> None:
        """Reads the disk, at most every REFRESH_S, however many ask."""
        loop = asyncio.get_running_loop()
        if loop.time() - self._fresh < REFRESH_S or self.timeline.ended:
            return
        async with self._lock:
            if loop.time() - self._fresh >= REFRESH_S:
                await asyncio.to_thread(self.timeline.refresh)
                self._fresh = loop.time()

    async def until(self, number: int, timeout: float = 3 * TARGET_S) -> bool:
        """Waits for segment `number`; False when it has not come after `timeout`, or soon after.

        However many wait, one task looks and one clock runs.
        """
        await self.refresh()
        loop = asyncio.get_running_loop()
        end = loop.time() + timeout
        while number >= len(self.timeline.segments) and not self.timeline.ended:
            if self._closed or loop.time() >= end:
                return False
            if self._looking is None or self._looking.done():
                self._looking = asyncio.create_task(self._look(min(timeout, TARGET_S)))
                self._looking.add_done_callback(self._wake)
            await self._came.wait()
        return True

    async def _look(self, seconds: float) -> None:
        """Refreshes until something new came, or for so long."""
        loop = asyncio.get_running_loop()
        end, known = loop.time() + seconds, len(self.timeline.segments)
        while loop.time() < end:
            await asyncio.sleep(REFRESH_S)
            await self.refresh()
            if len(self.timeline.segments) > known or self.timeline.ended:
                break

    def _wake(self, _: asyncio.Task[None]) -> None:
        """Whoever waits looks again, also when the looking failed or was ended."""
        came, self._came = self._came, asyncio.Event()
        came.set()

    def close(self) -> None:
        self._closed = True
        if self._looking is not None:
            self._looking.cancel()
        self.timeline.close()
