"""A source whose capture, generation or encoding runs in a child process and arrives as a feed."""

from __future__ import annotations

import contextlib
import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import IO, TYPE_CHECKING, BinaryIO, Protocol, cast

from recorder import feed
from recorder.sources import plugged
from recorder.sources.open import Address

if TYPE_CHECKING:  # the children start before anything that is slow to load
    from recorder.clock import ClassClock
    from recorder.manifest import SourceSpec
    from recorder.sources import Sink
    from recorder.sources.standby import Standby

log = logging.getLogger(__name__)

FIRST_FEED, NEXT_FEED = 20.0, 3.0  # a child sends once a second at least
LATE = 0.5  # beyond what a child promised
FIRST_WAIT = 0.1  # a process that died is no camera that must start again
SETTLED = 1.0  # nor need it be let alone for long: it delivered


class Child(Protocol):
    """A running child; `subprocess.Popen` is one."""

    pid: int

    @property
    def stdin(self) -> IO[bytes] | None: ...
    @property
    def stdout(self) -> IO[bytes] | None: ...
    def kill(self) -> None: ...
    def wait(self, timeout: float | None = None) -> int: ...


Spawn = Callable[[Address, str, str], Child]


def spawn(address: Address, source: str, role: str) -> Child:
    """Starts the child of a source. Its messages go to this process's standard error."""
    assert address.child is not None
    return subprocess.Popen(
        [sys.executable, "-m", address.child, address.url, "--id", source, "--role", role],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        bufsize=0,
    )


class FedSource(threading.Thread):
    """Keeps the child running and hands its feed on; a daemon thread."""

    def __init__(
        self,
        spec: SourceSpec,
        address: Address,
        clock: ClassClock,
        sink: Sink,
        first: Child | None = None,
        standby: Standby | None = None,
    ) -> None:
        """`first` is a child that was started ahead of time; `standby` becomes the next one."""
        super().__init__(name=f"source-{spec.id}", daemon=True)
        self.ended = False
        self._spec, self._address = spec, address
        self._clock, self._sink = clock, sink
        self._child = first
        self._standby = standby
        self._offset = round(spec.offset_ms * 1000)
        self._wake = threading.Event()
        self._stopping = False

    def retry(self) -> None:
        self._wake.set()

    def stop(self) -> None:
        self._stopping = True
        self._wake.set()
        self._kill()

    def check(self) -> None:
        """Its own thread listens whether the child hangs."""

    def measured(self) -> dict[str, float]:
        return {}

    def _hangs(self, seconds: float) -> None:
        log.warning("source %s: nothing came for %.1f s", self._spec.id, seconds)
        self._kill()

    def _kill(self) -> None:
        child = self._child
        if child is not None:
            with contextlib.suppress(ProcessLookupError):
                child.kill()

    def run(self) -> None:
        from recorder.sources.stream import Backoff

        backoff = Backoff(FIRST_WAIT)
        ran = False
        while not self._stopping:
            self._sink.changed("opening")
            began, delivered = time.monotonic(), False
            try:
                child = self._child or self._next()
                self._child = child
                delivered = self._read(child)
                ran |= delivered
                code = child.wait()
                detail = f"its process ended (status {code})"
            except (OSError, feed.FeedError) as error:
                detail = f"its process failed: {error}"
                self._kill()
            except Exception as error:
                log.exception("source %s: reading its feed failed", self._spec.id)
                detail = f"reading its feed failed ({type(error).__name__})"
                self._kill()
            self._reap()
            if self._stopping:
                return
            self._sink.changed("lost" if ran else "failed", detail)
            if delivered and time.monotonic() - began > SETTLED:
                backoff.reset()
            if plugged.wait(self._wake, backoff.wait(), self._address.url):
                backoff.reset()
            self._wake.clear()

    def _next(self) -> Child:
        told = (self._address, self._spec.id, self._spec.role)
        taken = self._standby.take(*told) if self._standby is not None else None
        return taken or spawn(*told)

    def _reap(self) -> None:
        child, self._child = self._child, None
        if child is None:
            return
        for pipe in (child.stdin, child.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(1.0)

    def _read(self, child: Child) -> bool:
        """Hands the feed on until it ends. Returns whether any packet came."""
        import io

        import av

        from recorder.media import MediaStream, Sample
        from recorder.sources.silence import Listener

        assert child.stdout is not None
        listener = Listener(child.stdout.fileno(), child.pid, self._hangs)
        listener.patience = FIRST_FEED
        stream = cast("BinaryIO", io.BufferedReader(listener, 1 << 18))
        announced: dict[int, MediaStream] = {}
        begun = waiting = False
        for message in feed.read(stream):
            match message:
                case feed.FeedPacket():
                    if message.index not in announced:
                        continue
                    if not begun:
                        begun, waiting = True, False
                        listener.patience = NEXT_FEED
                        order = {index: place for place, index in enumerate(announced)}
                        self._sink.begin(list(announced.values()))
                        self._sink.changed("running")
                    shift = self._clock.from_boottime_us(self._offset)
                    packet = av.Packet(message.data)
                    packet.is_keyframe = message.key
                    self._sink.sample(
                        Sample(
                            order[message.index],
                            message.pts + shift,
                            message.dts + shift,
                            message.duration,
                            message.key,
                            packet,
                        )
                    )
                case feed.StreamInfo():
                    announced[message.index] = MediaStream(
                        message.media,
                        message.codec,
                        bytes.fromhex(message.extradata),
                        message.width,
                        message.height,
                        message.fps,
                        message.rate,
                        message.channels,
                    )
                    begun = False
                case feed.Command("alive", {"every": float(every)}):
                    listener.promised = every + LATE
                case feed.Command("waiting"):
                    announced.clear()
                    if begun or not waiting:
                        self._sink.changed("waiting", "nothing comes from a browser now")
                    begun, waiting = False, True
        return begun
