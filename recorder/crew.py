"""The children that make something of the tracks while the class runs: program and watcher.

Either may die or stall at any time; it is started again, and the program makes a new part.
"""

from __future__ import annotations

import asyncio
import logging
import re
import signal
from pathlib import Path
from typing import Any, Literal, Protocol

from recorder.children import FeedChild, end_stopped
from recorder.control import EncoderStatus, SourceStatus
from recorder.encoding import Encoding
from recorder.feeds import Feeds
from recorder.recording import Recording
from recorder.sources.stream import Backoff

log = logging.getLogger(__name__)

PROGRAM_QUEUE, WATCH_QUEUE = 64 << 20, 4 << 20
STUCK = 8.0
_WATCH_FACTS = ("silent", "clipped", "black", "frozen")


class Class(Protocol):
    """What the crew needs of the recorder."""

    recording: Recording
    feeds: Feeds
    restarted: bool

    def now(self) -> float: ...
    def in_loop(self, function: Any, *args: Any) -> None: ...
    def fact(self, code: str, source: str, active: bool, detail: str = "") -> None: ...
    def tell(self, kind: Any, data: dict[str, Any]) -> None: ...
    def mark(self, kind: str, t: float, **data: Any) -> asyncio.Future[None]: ...
    def changed(self) -> None: ...
    def source_status(self) -> dict[str, SourceStatus]: ...


class Crew:
    """Starts, watches and restarts the two children."""

    def __init__(self, owner: Class, *, program: bool) -> None:
        self.program_state: Literal["starting", "running", "restarting", "off"] = (
            "starting" if program else "off"
        )
        self.finished: dict[str, Any] | None = None
        self.program_gone = asyncio.Event()
        self.heard = 0.0
        self._encoding = Encoding()
        self._owner = owner
        self._with_program = program
        self._program: FeedChild | None = None
        self._watch: FeedChild | None = None
        self._program_backoff, self._watch_backoff = Backoff(0.2), Backoff(1.0)
        self._program_began = 0.0
        self._ending = False
        self._parts = owner.recording.products / "parts"
        self._watched: set[str] = set()

    @property
    def has_program(self) -> bool:
        return self._program is not None

    def encoder(self) -> EncoderStatus:
        """What encodes the program now, and how that goes."""
        queued = self._program.waiting if self._program is not None else 0
        return self._encoding.status.model_copy(update={"queue_bytes": queued})

    def _next_part(self) -> int:
        """One more than any part that was ever begun."""
        numbers = [0]
        for path in self._parts.glob("lecture-*") if self._parts.is_dir() else ():
            if match := re.match(r"lecture-(\d+)", path.name):
                numbers.append(int(match[1]))
        return max(numbers) + 1

    def prepare(self) -> None:
        """Opens the first part's queue, so that it has everything from the beginning.

        From here on no child of the recorder stands still for long, those of sources included.
        """
        asyncio.get_running_loop().add_signal_handler(signal.SIGCHLD, end_stopped)
        end_stopped()
        if self._with_program:
            self._make_program()

    def _make_program(self) -> None:
        part = self._next_part()
        t = 0.0 if part == 1 and not self._owner.restarted else self._owner.now()
        self._program = FeedChild(
            "recorder.program",
            [str(self._owner.recording.folder), "--part", str(part), "--from", f"{t:.6f}"],
            limit=PROGRAM_QUEUE,
            nice=5,
            on_event=lambda child, event: self._owner.in_loop(self._program_said, child, event),
            on_end=lambda child, status: self._owner.in_loop(self._program_ended, child, status),
        )
        self._owner.feeds.attach(self._program, t)

    def start(self) -> None:
        self._start_program()
        self._start_watch()

    def _start_program(self) -> None:
        if self._ending or not self._with_program:
            return
        if self._program is None:
            self._make_program()
        assert self._program is not None
        self._run_program(self._program)

    def _run_program(self, program: FeedChild) -> None:
        self._program_began = asyncio.get_running_loop().time()
        try:
            program.start()
        except OSError as error:
            log.warning("the program does not start: %s", error)
            self._program_ended(program, -1)

    def _start_watch(self) -> None:
        if self._ending:
            return
        self._watch = FeedChild(
            "recorder.watch",
            [str(self._owner.recording.folder)],
            limit=WATCH_QUEUE,
            nice=10,
            on_event=lambda child, event: self._owner.in_loop(self._watch_said, child, event),
            on_end=lambda child, status: self._owner.in_loop(self._watch_ended, child, status),
        )
        self._owner.feeds.attach_watch(self._watch, self._owner.now())
        try:
            self._watch.start()
        except OSError as error:
            log.warning("the watcher does not start: %s", error)
            self._watch_ended(self._watch, -1)

    def _program_said(self, child: FeedChild, event: dict[str, Any]) -> None:
        if child is not self._program:
            return
        self.heard = asyncio.get_running_loop().time()
        match event.get("event"):
            case "started":
                self.program_state = "running"
                self._encoding.started(event)
                self._owner.fact("program_lost", "", False)
                self._owner.changed()
            case "progress":
                self._encoding.progress(event, self.heard)
            case "finished":
                self.finished = event
                self.program_gone.set()
            case "microphone":
                now, before = str(event.get("source")), str(event.get("instead_of"))
                log.info("microphone %s is heard instead of %s", now, before)
                t = float(event.get("t", 0.0))
                self._owner.mark("microphone", t, source=now, instead_of=before)
            case "encoder":
                now, before = str(event.get("encoder")), str(event.get("instead_of"))
                why, t = str(event.get("why")), float(event.get("t", 0.0))
                log.warning("%s encodes from here on: %s", now, why)
                self._encoding.handed_over(event)
                self._owner.mark("encoder", t, encoder=now, instead_of=before, why=why)
                self._owner.changed()
            case "error":
                log.warning("the program says: %s", event.get("detail"))

    def _program_ended(self, child: FeedChild, status: int) -> None:
        if child is not self._program:
            return
        self._owner.feeds.detach(child)
        self._program = None
        self.program_gone.set()
        if self._ending:
            return
        log.warning("the program ended (status %s); a new part begins", status)
        self.program_state = "restarting"
        self._owner.fact("program_lost", "", True, f"its process ended (status {status})")
        self._owner.changed()
        loop = asyncio.get_running_loop()
        if loop.time() - self._program_began > 30.0:
            self._program_backoff.reset()
        self.program_gone.clear()
        loop.call_later(self._program_backoff.wait(), self._start_program)

    def _watch_said(self, child: FeedChild, event: dict[str, Any]) -> None:
        data = event.get("data")
        if child is not self._watch or not isinstance(data, dict):
            return
        match event.get("event"):
            case "levels":
                for name, status in self._owner.source_status().items():
                    if name in data:
                        status.level_dbfs = float(data[name])
                self._owner.tell("levels", data)
            case "track":
                self._owner.tell("track", data)
            case "fact":
                source = str(data.get("source", ""))
                self._watched.add(source)
                active, detail = bool(data.get("active")), str(data.get("detail", ""))
                self._owner.fact(str(data.get("code")), source, active, detail)

    def _watch_ended(self, child: FeedChild, status: int) -> None:
        if child is not self._watch:
            return
        self._owner.feeds.detach(child)
        self._watch = None
        for source in self._watched:
            for code in _WATCH_FACTS:
                self._owner.fact(code, source, False)
        if self._ending:
            return
        log.warning("the watcher ended (status %s)", status)
        loop = asyncio.get_running_loop()
        loop.call_later(self._watch_backoff.wait(), self._start_watch)

    def check(self) -> None:
        """Called once a second: ends a child that no longer takes anything."""
        for child in (self._program, self._watch):
            if child is None:
                continue
            lost = child is self._program and child.overflowed
            if lost or child.stuck_for() > STUCK:
                log.warning("%s no longer follows and is started again", child.module)
                child.kill()

    def written(self) -> int:
        """Bytes of the parts on disk."""
        paths = self._parts.glob("*.mp4") if self._parts.is_dir() else ()
        return sum(_size(path) for path in paths)

    def end(self) -> None:
        """No child is started any more, but a program that has its queue already."""
        self._ending = True
        if self._program is not None and self._program.pid is None:
            self._run_program(self._program)

    async def leave(self) -> None:
        """Lets the program close its part, as far as that goes quickly."""
        self._ending = True
        if self._watch is not None:
            self._watch.close_input()
        if self._program is not None:
            self._program.close_input()
            try:
                async with asyncio.timeout(5.0):
                    await self.program_gone.wait()
            except TimeoutError:
                log.warning("the program did not close its part in time")
        self.stop()

    def stop(self) -> None:
        self._ending = True
        if self._watch is not None:
            self._watch.close_input()
        if self._program is not None:
            self._program.kill()


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
