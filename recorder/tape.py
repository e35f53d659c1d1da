"""The tape: what puts one track onto the disk, in a thread of its own, so that a disk that is slow
holds up no source.

What waits is bounded. When it grows too long, pictures are left out up to the next key frame that
finds room; sound is kept much longer. What was left out is counted and marked.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from av.error import InvalidDataError

from recorder.annexb import annex_b
from recorder.clock import US, ClassClock
from recorder.control import SourceStatus
from recorder.media import MediaStream, Sample, extension, needs_header
from recorder.recording import make_durably
from recorder.segments import (
    SegmentError,
    SegmentWriter,
    Syncer,
    next_number,
    segment_files,
    span,
    trim,
)
from recorder.sources.open import reason
from recorder.sources.parameters import parameter_sets

log = logging.getLogger(__name__)

CUT_AFTER = 585 * US
LONGEST = 600 * US
GAP = 0.2
STILL = 3.0
PICTURE_BYTES, SOUND_BYTES = 24 << 20, 4 << 20
LOOK_EVERY = 0.5


class TapeEvents(Protocol):
    """What a tape tells, from its own thread; `dropped` also from the source's."""

    def source_changed(self, source: str) -> None: ...

    def gap(self, source: str, from_: float, to: float) -> None: ...

    def dropped(self, source: str, media: str, from_: float, to: float) -> None: ...

    def disk_failed(self, source: str, detail: str) -> None: ...


class _Shed:
    """One stream of which samples are being left out, since class second `since`."""

    def __init__(self, media: str, since: float) -> None:
        self.media, self.since, self.until = media, since, since


class Tape:
    """Takes samples and orders in one queue and carries them out in order.

    A `patient` tape makes its source wait instead of leaving anything out: a file runs nowhere.
    """

    def __init__(
        self,
        source: str,
        folder: Path,
        clock: ClassClock,
        syncer: Syncer,
        status: SourceStatus,
        events: TapeEvents,
        on_refused: Callable[[str], None],
        *,
        patient: bool = False,
    ) -> None:
        self.streams: list[MediaStream] = []
        self.bytes = 0
        self.torn = False  # a write failed, so that a segment may end in the middle of a fragment
        self._source, self._folder = source, folder
        self._clock, self._syncer = clock, syncer
        self._status, self._events, self._on_refused = status, events, on_refused
        self._writer: SegmentWriter | None = None
        self._started: set[int] = set()
        self._paused = self._blocked = self._refused = self._ended = False
        self._dts: dict[int, int] = {}
        self._from_us = 0
        self._looked = 0.0
        self._spans: dict[Path, tuple[float, float]] = {}
        make_durably(folder)
        files = [path for _, path in segment_files(folder)]
        self._closed_bytes = self.bytes = sum(path.stat().st_size for path in files)
        ends, starts = self._first_span(reversed(files)), self._first_span(files)
        # Class seconds of what an earlier run of the process left on disk.
        self.found_start, self.found_end = starts and starts[0], ends and ends[1]
        # Up to where the source is on disk, while nothing is being written.
        self._missing_from: float | None = self.found_end
        self._patient = patient
        self._queue: deque[tuple[float, int, Sample | Callable[[], None]]] = deque()
        self._put = self._taken = 0
        self._oldest: float | None = None
        self._shed: dict[int, _Shed] = {}
        self._changed = threading.Condition()
        threading.Thread(target=self._run, name=f"tape-{source}", daemon=True).start()

    # ---- what is asked of it, from any thread

    def put(self, sample: Sample, media: str) -> None:
        """Queues a sample, or leaves it out where the disk does not follow."""
        size = sample.packet.size
        with self._changed:
            if self._patient:
                while self._put - self._taken > PICTURE_BYTES and not self._ended:
                    self._changed.wait(0.1)
            elif not self._has_room(sample, media, size):
                return
            self._put += size
            self._queue.append((time.monotonic(), size, sample))
            self._changed.notify_all()

    def order(self, do: Callable[[], None]) -> threading.Event:
        """Has something done after all that was queued before. The event tells when it is done."""
        done = threading.Event()

        def carry_out() -> None:
            try:
                do()
            finally:
                done.set()

        with self._changed:
            if self._ended:
                done.set()
                return done
            self._queue.append((time.monotonic(), 0, carry_out))
            self._changed.notify_all()
        return done

    @property
    def behind(self) -> float:
        """For how many seconds the oldest of what waits has been waiting."""
        oldest = self._oldest
        return 0.0 if oldest is None else time.monotonic() - oldest

    def _has_room(self, sample: Sample, media: str, size: int) -> bool:
        waiting = self._put - self._taken + size
        shed = self._shed.get(sample.stream)
        if media == "video":
            free = waiting <= PICTURE_BYTES
            if shed is not None:
                free = sample.key and waiting <= PICTURE_BYTES // 2
        else:
            free = waiting <= PICTURE_BYTES + SOUND_BYTES
        if free:
            if shed is not None:
                self._end_shed(sample.stream, sample.pts / US)
            return True
        if shed is None:
            log.warning("%s: the disk does not follow; %s is left out", self._source, media)
            shed = self._shed[sample.stream] = _Shed(media, sample.pts / US)
        shed.until = max(shed.until, (sample.pts + sample.duration) / US)
        self._status.dropped += 1
        return False

    def _end_shed(self, stream: int, to: float) -> None:
        shed = self._shed.pop(stream)
        self._events.dropped(self._source, shed.media, round(shed.since, 3), round(to, 3))

    # ---- its thread

    def _run(self) -> None:
        while not self._ended:
            with self._changed:
                self._changed.wait_for(lambda: self._queue)
                batch, self._queue = self._queue, deque()
            for queued, size, item in batch:
                self._oldest = queued
                try:
                    if isinstance(item, Sample):
                        self._write_sample(item)
                    else:
                        item()
                except Exception:
                    log.exception("%s: writing its track failed", self._source)
                    self.end_segment()
                self._taken += size
            self._oldest = None
            if time.monotonic() - self._looked > LOOK_EVERY:
                self._look()

    def _look(self) -> None:
        self._looked = time.monotonic()
        size = self._closed_bytes
        if self._writer is not None:
            with contextlib.suppress(OSError):
                size += self._writer.path.stat().st_size
        self.bytes = size

    def _write_sample(self, sample: Sample) -> None:
        last = self._dts.get(sample.stream)
        self._dts[sample.stream] = sample.dts
        if self._paused or self._blocked or self._refused or sample.dts < self._from_us:
            return
        if last is not None and sample.dts - last > STILL * US:
            self._mark_gap(last / US, sample.dts / US)
        try:
            self._write(sample)
        except InvalidDataError:
            self._status.detail = "some of its packets are damaged and were left out"
        except (SegmentError, ValueError) as error:
            self._refused = True
            self.end_segment()
            self._on_refused(f"it cannot be recorded: {error}")
        except OSError as error:
            self._blocked = self.torn = True
            self.end_segment()
            self._events.disk_failed(self._source, reason(error))

    def _write(self, sample: Sample) -> None:
        video = self.streams[sample.stream].media == "video"
        writer = self._writer
        if video and writer is None and sample.key:
            self._complete(sample)
        if writer is not None and writer.first is not None:
            length = sample.dts - writer.first
            natural = sample.key if video else not self._has_picture()
            if length >= LONGEST or (length >= CUT_AFTER and natural):
                self.end_segment()
                writer = None
        if writer is None:
            if any(needs_header(stream) for stream in self.streams):
                return  # its first key frame brings the header
            writer = self._next_segment()
        if sample.stream not in self._started:
            if video and not sample.key:
                return
            self._started.add(sample.stream)
        if self._missing_from is not None:
            missing, self._missing_from = self._missing_from, None
            self._mark_gap(missing, sample.pts / US)
        writer.write(sample)
        if self._status.first_frame_ms is None and writer.on_disk:
            self._status.first_frame_ms = round(self._clock.now() * 1000, 1)
            self._events.source_changed(self._source)

    def _has_picture(self) -> bool:
        return any(stream.media == "video" for stream in self.streams)

    def _complete(self, sample: Sample) -> None:
        """Takes a picture's header from its first key frame where the source did not send it."""
        stream = self.streams[sample.stream]
        if not stream.extradata and (sets := parameter_sets(stream.codec, sample.data)):
            self.streams[sample.stream] = replace(stream, extradata=annex_b(sets))

    def _next_segment(self) -> SegmentWriter:
        number = next_number(self._folder)
        path = self._folder / f"{number:06d}.{extension(self.streams)}"
        self._started = set()
        self._writer = SegmentWriter(path, self.streams, self._syncer)
        return self._writer

    def _mark_gap(self, from_: float, to: float) -> None:
        if to - from_ > GAP:
            self._status.gaps += 1
            self._events.gap(self._source, round(from_, 3), round(to, 3))

    # ---- orders, carried out in its thread

    def begin(self, streams: Sequence[MediaStream]) -> None:
        self.end_segment()
        self.streams = list(streams)
        self._refused = False
        self._dts = {}

    def end_segment(self) -> None:
        writer, self._writer = self._writer, None
        if writer is None:
            return
        if writer.samples and not self._paused:
            self._missing_from = writer.last / US
        try:
            writer.close()
        except OSError as error:
            self.torn = True
            log.warning("%s could not be closed in order: %s", writer.path.name, reason(error))
        with contextlib.suppress(OSError):
            self._closed_bytes += writer.path.stat().st_size
            if writer.first is not None:
                self._spans[writer.path] = (writer.first / US, writer.last / US)
        self._look()

    def block(self) -> None:
        self._blocked = True
        self.end_segment()

    def unblock(self) -> None:
        self._blocked = False

    def pause(self) -> None:
        self.end_segment()
        self._paused = True
        self._missing_from = None
        self._dts.clear()  # what a pause leaves out is no gap

    def resume(self, t: float) -> None:
        self._paused = False
        self._from_us = round(t * US)

    def close(self, end: float | None) -> None:
        """The last order. With `end` (class seconds) what lies after it is cut off."""
        missing = self._missing_from if self._writer is None else None
        self.end_segment()
        with self._changed:
            self._ended = True
            for stream, shed in list(self._shed.items()):
                self._end_shed(stream, shed.until)
            self._changed.notify_all()
        if end is not None:
            for path, stop in trim(self._folder, end).items():
                begun = self._spans.pop(path, None)
                if begun is not None and stop is not None:
                    self._spans[path] = (begun[0], stop)
            if missing is not None and not self._paused:
                self._mark_gap(missing, end)

    # ---- afterwards

    def _first_span(self, paths: Iterable[Path]) -> tuple[float, float] | None:
        return next((found for path in paths if (found := self._span(path))), None)

    def _span(self, path: Path) -> tuple[float, float] | None:
        """Beginning and end of a segment; those written by this process need no look."""
        if path not in self._spans and (found := span(path)):
            self._spans[path] = found
        return self._spans.get(path)

    def files(self) -> list[Path]:
        return [path for _, path in segment_files(self._folder)]

    def spans(self) -> list[tuple[float, float]]:
        """Class seconds of the readable segments, in order."""
        return [found for path in self.files() if (found := self._span(path))]
