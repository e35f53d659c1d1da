"""A track: one source of the class, with its state; its media go to the tape and to the feeds."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from typing import Any, Literal, Protocol

from recorder.clock import US, ClassClock
from recorder.control import SourceStatus
from recorder.judge import Judge
from recorder.media import MediaStream, Sample, describe
from recorder.recording import Recording, SourceSpec
from recorder.segments import Syncer, keep
from recorder.sources import SourceState
from recorder.tape import Tape, TapeEvents

log = logging.getLogger(__name__)

SILENT_FOR = 5.0
_SHOWN: dict[SourceState, Literal["opening", "running", "lost", "failed"]] = {
    "opening": "opening",
    "waiting": "opening",
    "running": "running",
    "lost": "lost",
    "failed": "failed",
    "ended": "lost",
}


class TrackFeeds(Protocol):
    """Where a track's samples go besides the disk."""

    def begin(self, source: str, streams: Sequence[MediaStream]) -> None: ...

    def sample(self, source: str, sample: Sample) -> None: ...

    def lost(self, source: str) -> None: ...


class Track:
    """Takes what its source delivers; a `Sink`. Its methods may be called from any thread.

    Only `close` waits for the disk.
    """

    def __init__(
        self,
        recording: Recording,
        spec: SourceSpec,
        clock: ClassClock,
        syncer: Syncer,
        feeds: TrackFeeds,
        events: TapeEvents,
        *,
        patient: bool = False,
    ) -> None:
        """`patient`: the source can wait for the disk, as a file does."""
        self.id = spec.id
        self.status = SourceStatus(role=spec.role)
        self.streams: list[MediaStream] = []
        self._feeds, self._events = feeds, events
        self._lock = threading.RLock()
        self._paused = self._closed = False
        self.judge = Judge(spec)
        self._dts: dict[int, int] = {}
        self._heard = time.monotonic()
        self._tape = Tape(
            spec.id,
            recording.track(spec.id),
            clock,
            syncer,
            self.status,
            events,
            lambda detail: self.changed("failed", detail),
            patient=patient,
        )
        self.found_start, self.found_end = self._tape.found_start, self._tape.found_end

    @property
    def position_us(self) -> int:
        """How far (class microseconds) every one of its streams has come."""
        return min(self._dts.values(), default=0)

    @property
    def behind(self) -> float:
        """Seconds by which the disk is behind the source."""
        return self._tape.behind

    @property
    def torn(self) -> bool:
        """Whether a segment of it may end in the middle of a fragment."""
        return self._tape.torn

    def begin(self, streams: Sequence[MediaStream]) -> None:
        streams = [keep(stream) for stream in streams]
        with self._lock:
            self.streams = streams
            self.judge.begin(streams)
            self._dts = {}
            self.status.video = any(stream.media == "video" for stream in streams)
            self.status.audio = any(stream.media == "audio" for stream in streams)
            self._tape.order(lambda: self._tape.begin(streams))
        self._feeds.begin(self.id, streams)

    def changed(self, state: SourceState, detail: str = "") -> None:
        with self._lock:
            if self._closed:
                return
            if state in ("lost", "ended", "waiting"):
                self._tape.order(self._tape.end_segment)
            before = self.status.state
            if state == "opening" and before in ("lost", "failed"):
                return  # a further attempt is not news
            self.status.state = _SHOWN[state]
            self.status.detail = detail
            self._heard = time.monotonic()
        if state in ("lost", "ended", "waiting"):
            self._feeds.lost(self.id)
        if detail:
            log.info("source %s is %s: %s", self.id, state, detail)
        self._events.source_changed(self.id)

    def sample(self, sample: Sample) -> None:
        if self._closed:
            return
        self._heard = time.monotonic()
        media = self.streams[sample.stream].media
        self._check_duration(sample)
        self._dts[sample.stream] = sample.dts
        self.judge.sample(sample)
        self._feeds.sample(self.id, sample)
        with self._lock:
            if self._paused or self._closed:
                return
        self._tape.put(sample, media)

    def _check_duration(self, sample: Sample) -> None:
        if sample.duration <= 0:
            stream = self.streams[sample.stream]
            if stream.media == "video":
                sample.duration = round(US / (stream.fps or 25))
            elif stream.rate:
                sample.duration = round(1024 * US / stream.rate)

    def block(self) -> None:
        """The disk is full: writes nothing until `unblock`, and keeps what there is."""
        self._tape.order(self._tape.block)

    def unblock(self) -> None:
        self._tape.order(self._tape.unblock)

    def pause(self) -> threading.Event:
        """Nothing that comes from here on reaches the disk until `resume`.

        Does not wait; the event says that what came before has been written.
        """
        with self._lock:
            self._paused = True
            return self._tape.order(self._tape.pause)

    def resume(self, t: float) -> None:
        """Goes on at class second `t`: sound at once, the picture from the next key frame.

        The frames before that lie in the pause; they must not reach the disk.
        """
        with self._lock:
            self._paused = False
            self._tape.order(lambda: self._tape.resume(t))

    def check(self) -> None:
        """Called once a second: notices a source that is connected and says nothing."""
        with self._lock:
            silent = time.monotonic() - self._heard > SILENT_FOR and not self._closed
            state = self.status.state
            if silent and state == "running":
                self.status.state = "lost"
                self.status.detail = f"nothing has come for {SILENT_FOR:.0f} s"
            elif not silent and state == "lost" and self.status.detail.startswith("nothing has"):
                self.status.state, self.status.detail = "running", ""
            self.status.bytes = self._tape.bytes
            changed = self.status.state != state
        if changed:
            self._events.source_changed(self.id)

    def end(self, end: float | None = None) -> threading.Event:
        """Ends the track once all is written. With `end` (class seconds) the rest is cut off.

        Does not wait; the event says that it is done.
        """
        with self._lock:
            self._closed = True
            return self._tape.order(lambda: self._tape.close(end))

    def close(self, end: float | None = None) -> None:
        """As `end`, and waits."""
        self.end(end).wait()

    def summary(self) -> dict[str, Any]:
        """The track as the manifest records it."""
        files, spans = self._tape.files(), self._tape.spans()
        return {
            "segments": len(files),
            "bytes": sum(path.stat().st_size for path in files),
            "from_s": round(min((start for start, _ in spans), default=0.0), 3),
            "to_s": round(max((stop for _, stop in spans), default=0.0), 3),
            "gaps": self.status.gaps,
            "dropped": self.status.dropped,
            "first_frame_ms": self.status.first_frame_ms,
            "streams": [describe(stream) for stream in self._tape.streams or self.streams],
        }
