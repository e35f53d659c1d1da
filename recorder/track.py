"""A track: one source on disk, segment after segment, with its gaps marked."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from av.error import InvalidDataError

from recorder import fmp4
from recorder.clock import US, ClassClock
from recorder.control import SourceStatus
from recorder.media import MediaStream, Sample, describe, extension, needs_header
from recorder.recording import Recording, SourceSpec, sync_directory
from recorder.segments import SegmentError, SegmentWriter, Syncer, next_number, segment_files, span
from recorder.sources import SourceState
from recorder.sources.open import reason
from recorder.sources.parameters import annex_b, parameter_sets

log = logging.getLogger(__name__)

CUT_AFTER = 585 * US
LONGEST = 600 * US
GAP = 0.2
STILL = 3.0
SILENT_FOR = 5.0


class TrackEvents(Protocol):
    """What a track tells its process, from any thread."""

    def source_changed(self, source: str) -> None: ...

    def gap(self, source: str, from_: float, to: float) -> None: ...

    def disk_failed(self, source: str, detail: str) -> None: ...


class TrackFeeds(Protocol):
    """Where a track's samples go besides the disk."""

    def begin(self, source: str, streams: Sequence[MediaStream]) -> None: ...

    def sample(self, source: str, sample: Sample) -> None: ...

    def lost(self, source: str) -> None: ...


class Track:
    """Writes what its source delivers; a `Sink`. Its methods may be called from any thread."""

    def __init__(
        self,
        recording: Recording,
        spec: SourceSpec,
        clock: ClassClock,
        syncer: Syncer,
        feeds: TrackFeeds,
        events: TrackEvents,
    ) -> None:
        self.id = spec.id
        self.status = SourceStatus(role=spec.role)
        self.streams: list[MediaStream] = []
        self._recording, self._clock = recording, clock
        self._syncer, self._feeds, self._events = syncer, feeds, events
        self._folder = recording.track(spec.id)
        self._folder.mkdir(parents=True, exist_ok=True)
        self._lock = threading.RLock()
        self._writer: SegmentWriter | None = None
        self._started: set[int] = set()
        self._paused = self._blocked = self._closed = self._refused = False
        self._closed_bytes = sum(path.stat().st_size for _, path in segment_files(self._folder))
        self._dts: dict[int, int] = {}
        self._heard = time.monotonic()
        self._spans: dict[Path, tuple[float, float]] = {}
        files = [path for _, path in segment_files(self._folder)]
        ends, starts = self._first_span(reversed(files)), self._first_span(files)
        # Class seconds of what an earlier run of the process left on disk.
        self.found_start, self.found_end = starts and starts[0], ends and ends[1]
        # Up to where the source is on disk, while nothing is being written.
        self._missing_from: float | None = self.found_end
        self._awaited = True
        self._from_us = 0

    def _first_span(self, paths: Iterable[Path]) -> tuple[float, float] | None:
        return next((found for path in paths if (found := self._span(path))), None)

    def _span(self, path: Path) -> tuple[float, float] | None:
        """Beginning and end of a segment; those written by this process need no look."""
        if path not in self._spans and (found := span(path)):
            self._spans[path] = found
        return self._spans.get(path)

    @property
    def position_us(self) -> int:
        """How far (class microseconds) every one of its streams has come."""
        return min(self._dts.values(), default=0)

    def begin(self, streams: Sequence[MediaStream]) -> None:
        with self._lock:
            self._end_segment()
            self.streams = list(streams)
            self._refused = False
            self._dts = {}
            self.status.video = any(stream.media == "video" for stream in streams)
            self.status.audio = any(stream.media == "audio" for stream in streams)
        self._feeds.begin(self.id, streams)

    def changed(self, state: SourceState, detail: str = "") -> None:
        with self._lock:
            if self._closed:
                return
            if state in ("lost", "ended"):
                self._end_segment()
            before = self.status.state
            if state == "opening" and before in ("lost", "failed"):
                return  # a further attempt is not news
            self.status.state = "lost" if state == "ended" else state
            self.status.detail = detail
            self._heard = time.monotonic()
        if state in ("lost", "ended"):
            self._feeds.lost(self.id)
        if detail:
            log.info("source %s is %s: %s", self.id, state, detail)
        self._events.source_changed(self.id)

    def sample(self, sample: Sample) -> None:
        with self._lock:
            if self._closed:
                return
            self._heard = time.monotonic()
            self._check_duration(sample)
            last = self._dts.get(sample.stream)
            self._dts[sample.stream] = sample.dts
            self._feeds.sample(self.id, sample)
            if self._paused or self._blocked or self._refused or sample.dts < self._from_us:
                return
            if last is not None and sample.dts - last > STILL * US:
                self._mark_gap(last / US, sample.dts / US)
            try:
                self._write(sample)
            except InvalidDataError:
                self.status.detail = "some of its packets are damaged and were left out"
            except (SegmentError, ValueError) as error:
                self._refused = True
                self._end_segment()
                self.changed("failed", f"it cannot be recorded: {error}")
            except OSError as error:
                self._disk_failed(error)

    def _check_duration(self, sample: Sample) -> None:
        if sample.duration <= 0:
            stream = self.streams[sample.stream]
            if stream.media == "video":
                sample.duration = round(US / (stream.fps or 25))
            elif stream.rate:
                sample.duration = round(1024 * US / stream.rate)

    def _write(self, sample: Sample) -> None:
        video = self.streams[sample.stream].media == "video"
        writer = self._writer
        if video and writer is None and sample.key:
            self._complete(sample)
        if writer is not None and writer.first is not None:
            length = sample.dts - writer.first
            natural = sample.key if video else not self.status.video
            if length >= LONGEST or (length >= CUT_AFTER and natural):
                self._end_segment()
                writer = None
        if writer is None:
            if any(needs_header(stream) for stream in self.streams):
                return  # its first key frame brings the header
            writer = self._next_segment()
        if sample.stream not in self._started:
            if video and not sample.key:
                return
            self._started.add(sample.stream)
        if self._missing_from is not None or self._awaited:
            self._found(sample)
        writer.write(sample)
        if self.status.first_frame_ms is None and writer.on_disk:
            self.status.first_frame_ms = round(self._clock.now() * 1000, 1)
            self._events.source_changed(self.id)

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

    def _found(self, sample: Sample) -> None:
        """The first sample after the track was interrupted."""
        missing, self._missing_from, self._awaited = self._missing_from, None, False
        if missing is not None:
            self._mark_gap(missing, sample.pts / US)

    def _mark_gap(self, from_: float, to: float) -> None:
        if to - from_ > GAP:
            self.status.gaps += 1
            self._events.gap(self.id, round(from_, 3), round(to, 3))

    def _end_segment(self) -> None:
        writer, self._writer = self._writer, None
        if writer is None:
            return
        if writer.samples and not self._paused:
            self._missing_from = writer.last / US
        try:
            writer.close()
        except OSError as error:
            log.warning("%s could not be closed in order: %s", writer.path.name, reason(error))
        with contextlib.suppress(FileNotFoundError):
            self._closed_bytes += writer.path.stat().st_size
            if writer.first is not None:
                self._spans[writer.path] = (writer.first / US, writer.last / US)

    def _disk_failed(self, error: OSError) -> None:
        self._blocked = True
        self._end_segment()
        self._events.disk_failed(self.id, reason(error))

    def block(self) -> None:
        """The disk is full: writes nothing until `unblock`, and keeps what there is."""
        with self._lock:
            self._blocked = True
            self._end_segment()

    def unblock(self) -> None:
        with self._lock:
            self._blocked = False

    def pause(self) -> None:
        """Nothing more reaches the disk until `resume`."""
        with self._lock:
            self._end_segment()
            self._paused = True
            self._missing_from = None

    def resume(self, t: float) -> None:
        """Goes on at class second `t`: sound at once, the picture from the next key frame.

        The frames before that lie in the pause; they must not reach the disk.
        """
        with self._lock:
            self._paused = False
            self._from_us = round(t * US)

    def check(self) -> None:
        """Called once a second: notices a source that is connected and says nothing."""
        with self._lock:
            silent = time.monotonic() - self._heard > SILENT_FOR
            state = self.status.state
            if silent and state == "running":
                self.status.state = "lost"
                self.status.detail = f"nothing has come for {SILENT_FOR:.0f} s"
            elif not silent and state == "lost" and self.status.detail.startswith("nothing has"):
                self.status.state, self.status.detail = "running", ""
            size = self._closed_bytes
            if self._writer is not None:
                with contextlib.suppress(FileNotFoundError):
                    size += self._writer.path.stat().st_size
            self.status.bytes = size
            changed = self.status.state != state
        if changed:
            self._events.source_changed(self.id)

    def close(self, end: float | None = None) -> None:
        """Ends the track. With `end` (class seconds) what lies after it is cut off."""
        with self._lock:
            self._closed = True
            missing = self._missing_from if self._writer is None else None
            self._end_segment()
            if end is not None:
                for path in trim(self._folder, end):
                    self._spans.pop(path, None)
                if missing is not None and not self._paused:
                    self._mark_gap(missing, end)

    def summary(self) -> dict[str, Any]:
        """The track as the manifest records it."""
        files = segment_files(self._folder)
        spans = [found for _, path in files if (found := self._span(path))]
        return {
            "segments": len(files),
            "bytes": sum(path.stat().st_size for _, path in files),
            "from_s": round(min((start for start, _ in spans), default=0.0), 3),
            "to_s": round(max((stop for _, stop in spans), default=0.0), 3),
            "gaps": self.status.gaps,
            "first_frame_ms": self.status.first_frame_ms,
            "streams": [describe(stream) for stream in self.streams],
        }


def trim(folder: Path, end: float) -> list[Path]:
    """Cuts a track at `end` (class seconds), to a fragment, without copying packets.

    Returns the segments that were cut or removed.
    """
    changed = []
    for _, path in reversed(segment_files(folder)):
        found = span(path)
        if found is None:
            continue
        if found[1] <= end:
            break
        changed.append(path)
        if found[0] >= end:
            path.unlink()
        elif path.suffix in fmp4.SUFFIXES:
            kept = [part.end for part in fmp4.scan(path).fragments if part.start < end]
            with path.open("r+b") as file:
                file.truncate(max(kept))
                os.fsync(file.fileno())
        else:
            _copy_until(path, end)
    if changed:
        sync_directory(folder)
    return changed


def _copy_until(path: Path, end: float) -> None:
    import av

    copy = path.with_suffix(".new")
    with av.open(str(path)) as source, av.open(str(copy), "w", format="matroska") as target:
        streams = {s.index: target.add_stream_from_template(s) for s in source.streams}
        for packet in source.demux():
            if packet.pts is None or packet.time_base is None:
                continue
            if packet.pts * packet.time_base < end:
                packet.stream = streams[packet.stream_index]
                target.mux_one(packet)
    copy.replace(path)
