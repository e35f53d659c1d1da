"""One class being recorded: sources to tracks, feeds to the children, and the state of it all."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from recorder import salvage
from recorder.clock import US, ClassClock, synchronised
from recorder.commands import Commands
from recorder.control import (
    RecorderEvent,
    RecorderState,
    RecorderStatus,
    SourceStatus,
)
from recorder.crew import Crew
from recorder.disk import DiskGuard
from recorder.facts import Facts
from recorder.feeds import Feeds
from recorder.finish import Outcome, end_tracks, finish
from recorder.recording import Manifest, Marker, Recording, RecordingError, boottime, class_time
from recorder.scribe import Scribe
from recorder.segments import Syncer
from recorder.server import ControlServer
from recorder.sources import Source
from recorder.sources.fed import Child, FedSource
from recorder.sources.open import SourceError, parse
from recorder.sources.standby import Standby
from recorder.sources.stream import StreamSource
from recorder.substream import SubstreamSink
from recorder.track import Track

log = logging.getLogger(__name__)

TICK = 0.05
LAG = 0.15
LIVE_TICK, LIVE_LAG = 0.03, 0.1  # viewers wait for these; who is later still makes the program wait
TRACKS_TICK = 0.1  # for the watcher alone
BEHIND = 2.0


class Recorder:
    """Runs in one asyncio loop; sources and writers have their own threads and never wait for it.

    `children` are source children that were started ahead of time, by source id.
    """

    def __init__(
        self,
        recording: Recording,
        manifest: Manifest,
        run_dir: Path,
        *,
        children: dict[str, Child] | None = None,
        program: bool = True,
    ) -> None:
        self.recording, self.manifest = recording, manifest
        self.clock = ClassClock(boottime() - class_time(manifest))
        self.state: RecorderState = "starting"
        self.layout = str(manifest.layout)
        self.held: float | None = None
        self.end: float | None = None  # class seconds, once it is decided
        self.error: str | None = None
        self.restarted = False
        self.tracks: dict[str, Track] = {}
        self.sources: dict[str, Source] = {}
        self.feeds = Feeds(manifest.sources)
        self._substreams: list[StreamSource] = []
        self._early = children or {}
        self._syncer = Syncer(self._disk_slow)
        self._disk = DiskGuard(self, recording.folder)
        self._facts = Facts(self.tell)
        self.first_frame_ms: float | None = None
        self._first_frame = asyncio.Event()
        self._scribe = Scribe(recording, self._marked)
        self._server = ControlServer(
            run_dir, recording.id, recording.folder, Commands(self).handle, self._facts.standing
        )
        self._fast = self._all_fast()
        self._standby = Standby(spec.url for spec in manifest.sources)
        self.renders = program  # a lecture is wanted, live or afterwards
        self.crew = Crew(self, program=program and not self._fast)
        self._dirty = asyncio.Event()
        self._exit: asyncio.Future[int] | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def _all_fast(self) -> bool:
        """Files that are read as fast as possible carry class time themselves."""
        try:
            return all(parse(spec.url).fast for spec in self.manifest.sources)
        except SourceError:
            return False

    def now(self) -> float:
        """Class time in seconds; that of the material when files are read as fast as possible."""
        if self._fast:
            return max((track.position_us for track in self.tracks.values()), default=0) / US
        return self.clock.now()

    # ---- running

    async def run(self) -> int:
        """Records until the class is finished or this process is told to leave it. Exit status."""
        self._loop = asyncio.get_running_loop()
        self._exit = self._loop.create_future()
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(number, self._leave_soon)
        ending = self._recover()
        if not ending:
            self._start_sources()
        await self._server.start()
        self._spawn(self._publish())
        if ending:
            self.begin_finish()
        else:
            self._spawn(self._ticks())
            self._spawn(self._seconds())
            self._spawn(self._start_crew())
        code = await self._exit
        for task in self._tasks:
            task.cancel()
        self.tell("status", self.status().model_dump(mode="json"))
        await self._server.stop()
        self.crew.stop()
        self._scribe.stop()
        return code

    def _spawn(self, coroutine: Any) -> None:
        task = self._loop.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._task_done)

    def _task_done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("a part of the recorder failed", exc_info=error)

    def _recover(self) -> bool:
        """Takes up what an earlier process left. True when the class had ended already."""
        markers = self.recording.markers()
        if not markers:
            self.mark("start", 0.0)
            return False
        self.restarted = True
        try:
            report = salvage.salvage(self.recording.folder, newest=2)
            log.info("salvaged: %s", report)
        except (OSError, RecordingError):
            log.exception("salvaging failed; what is there stays as it is")
        paused = ending = False
        for marker in markers:
            match marker.kind:
                case "pause" | "resume":
                    paused = marker.kind == "pause"
                case "hold":
                    self.held = marker.t
                case "release":
                    self.held = None
                case "layout":
                    self.layout = str(marker.data.get("layout", self.layout))
                case "end":
                    ending, self.held = True, marker.t
        if paused:
            self.state = "paused"
            self.feeds.pause(self.now())
        if not ending:
            self.mark("restart", self.now())
        return ending

    def _start_sources(self) -> None:
        for spec in self.manifest.sources:
            track = Track(
                *(self.recording, spec, self.clock, self._syncer, self.feeds, self),
                patient=spec.url.startswith("file:"),
            )
            self.tracks[spec.id] = track
            if self.state == "paused":
                track.pause()
            try:
                address = parse(spec.url, spec.channel)
            except SourceError as error:
                track.changed("failed", str(error))
                continue
            given = (spec, address, self.clock, track)
            if address.child is not None:
                first = self._early.pop(spec.id, None)
                self.sources[spec.id] = FedSource(*given, first, self._standby)
                continue
            resume = 0.0
            if track.found_end is not None and track.found_start is not None:
                resume = track.found_end if self._fast else self.now() - track.found_start
            self.sources[spec.id] = StreamSource(*given, resume)
            if sub := spec.sub or address.sub:
                with contextlib.suppress(SourceError):
                    sink = SubstreamSink(spec.id, self.feeds)
                    self._substreams.append(StreamSource(spec, parse(sub), self.clock, sink, 0.0))
        for source in (*self.sources.values(), *self._substreams):
            source.start()
        if self.state == "starting":
            self.state = "recording"

    async def _start_crew(self) -> None:
        """The first frame goes before: the children want the CPU for themselves at first."""
        self.crew.prepare()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._first_frame.wait(), 0.7)
        self.crew.start()
        await asyncio.sleep(3.0)  # what it loads can wait
        await asyncio.to_thread(self._standby.start)

    async def _ticks(self) -> None:
        live = self.manifest.program.live
        tick, lag = (LIVE_TICK, LIVE_LAG) if live else (TICK, LAG)
        tick = tick if self.renders else TRACKS_TICK
        while True:
            await asyncio.sleep(tick)
            self.feeds.tick(round((self.now() - (0.0 if self._fast else lag)) * US))

    async def _seconds(self) -> None:
        while True:
            for name, source in self.sources.items():
                source.check()
                self._note_clock(name, source.measured())
            written = 0
            for track in self.tracks.values():
                track.check()
                written += track.status.bytes
                for code, wrong in track.judge.verdicts(track.status.state).items():
                    self.fact(code, track.id, bool(wrong), wrong)
                if track.behind > BEHIND:
                    self._disk.slow(f"it is {track.behind:.0f} s behind the sources")
            self.crew.check()
            self._disk.look(written + self.crew.written())
            self._judge_sources()
            unkept = "the wall clock is not kept in step by NTP"
            self.fact("clock_unsynchronised", "", not synchronised(), unkept)
            self._scribe.retry()
            self._dirty.set()
            if self._fast and self.sources and all(s.ended for s in self.sources.values()):
                self.begin_finish()
                return
            await asyncio.sleep(1.0)

    def _note_clock(self, source: str, measured: dict[str, float]) -> None:
        if measured and source in self.tracks:
            status = self.tracks[source].status
            status.drift_ppm = measured.get("drift_ppm")
            status.clock_resets = int(measured.get("clock_resets", 0))
            status.sender_latency_ms = measured.get("sender_latency_ms")

    def _judge_sources(self) -> None:
        states = [track.status.state for track in self.tracks.values()]
        none = not any(state in ("running", "opening") for state in states)
        self.fact("no_source", "", none, "no source delivers anything")

    # ---- what tracks and children tell (tracks from their own threads)

    def in_loop(self, function: Callable[..., None], *args: Any) -> None:
        """Calls the function in the recorder's loop, from any thread."""
        with contextlib.suppress(RuntimeError):  # the loop is closed: we are leaving
            self._loop.call_soon_threadsafe(function, *args)

    def source_changed(self, source: str) -> None:
        self.in_loop(self._source_changed, source)

    def _source_changed(self, source: str) -> None:
        status = self.tracks[source].status
        if status.first_frame_ms is not None and self.first_frame_ms is None:
            self.first_frame_ms = status.first_frame_ms
            log.info("first frame on disk after %.0f ms", self.first_frame_ms)
            self._first_frame.set()
        self.fact("source_lost", source, status.state == "lost", status.detail)
        self.fact("source_failed", source, status.state == "failed", status.detail)
        self._judge_sources()
        self._dirty.set()

    def gap(self, source: str, from_: float, to: float) -> None:
        self.in_loop(self._gap, source, from_, to)

    def _gap(self, source: str, from_: float, to: float) -> None:
        self.mark("gap", from_, source=source, **{"from": from_, "to": to})

    def disk_failed(self, source: str, detail: str) -> None:
        self.in_loop(self._disk_failed, source, detail)

    def _disk_failed(self, source: str, detail: str) -> None:
        log.warning("writing the track of %s failed: %s", source, detail)
        self._disk.failed(detail)

    def dropped(self, source: str, media: str, from_: float, to: float) -> None:
        self.in_loop(self._dropped, source, media, from_, to)

    def _dropped(self, source: str, media: str, from_: float, to: float) -> None:
        what = "pictures" if media == "video" else "sound"
        self._disk.slow(f"{to - from_:.1f} s of {what} of {source} were left out")
        self.mark("gap", from_, source=source, media=media, **{"from": from_, "to": to})

    def _disk_slow(self, seconds: float) -> None:
        self.in_loop(self._disk.slow, f"a sync took {seconds:.1f} s")

    def fact(self, code: str, source: str, active: bool, detail: str = "") -> None:
        """Tells a fact when it begins or ends to be true."""
        self._facts.set(code, source, active, detail)

    def tell(self, kind: Any, data: dict[str, Any]) -> None:
        self._server.tell(RecorderEvent(kind=kind, data=data))

    def changed(self) -> None:
        """Something that the status shows has changed."""
        self._dirty.set()

    async def _publish(self) -> None:
        while True:
            await self._dirty.wait()
            self._dirty.clear()
            self.tell("status", self.status().model_dump(mode="json"))
            await asyncio.sleep(0.1)

    def mark(self, kind: str, t: float, **data: Any) -> asyncio.Future[None]:
        """Writes a marker, in order, without holding up the loop."""
        return self._scribe.mark(kind, t, **data)

    def _marked(self, marker: Marker) -> None:
        self.in_loop(self.tell, "marker", marker.model_dump(mode="json"))

    # ---- commands

    def status(self) -> RecorderStatus:
        return RecorderStatus(
            state=self.state,
            recording=self.recording.id,
            session=self.manifest.session,
            pid=os.getpid(),
            duration_s=round(self.now() if self.end is None else self.end, 3),
            first_frame_ms=self.first_frame_ms,
            layout=self.layout,
            held=self.held is not None,
            sources=self.source_status(),
            disk_free_bytes=self._disk.free,
            disk_seconds_left=self._disk.seconds_left,
            program=self.crew.program_state,
            encoder=self.crew.encoder(),
            lecture=f"products/{self.recording.lecture.name}"
            if self.recording.lecture.exists()
            else None,
            error=self.error,
        )

    # ---- the end

    def begin_finish(self) -> None:
        if self.state in ("finishing", "finished", "failed"):
            return
        self.state = "finishing"
        self._dirty.set()
        self._spawn(self._finish())

    async def _finish(self) -> None:
        outcome = Outcome("the recorder failed while it finished")
        try:
            end = self.held if self.held is not None else self.now()
            outcome = await finish(self, end, LAG)
        finally:
            self.error = outcome.error
            self.state = "failed" if outcome.error else "finished"
            assert self._exit is not None
            if not self._exit.done():
                self._exit.set_result(1 if outcome.error else 0)

    def stop_sources(self) -> None:
        self._standby.stop()
        for source in (*self.sources.values(), *self._substreams):
            source.stop()
        for process in self._early.values():
            process.kill()

    def source_status(self) -> dict[str, SourceStatus]:
        return {name: track.status for name, track in self.tracks.items()}

    def _leave_soon(self) -> None:
        if self.state not in ("finishing", "finished", "failed"):
            self._spawn(self._leave())

    async def _leave(self) -> None:
        """Ends this process and leaves the class to a successor: the machine is shutting down."""
        log.info("told to end: the recording stays open and can be taken up again")
        self.stop_sources()
        await end_tracks(self.tracks.values())
        await self.crew.leave()
        self._syncer.stop()
        assert self._exit is not None
        if not self._exit.done():
            self._exit.set_result(0)
