"""Children that are fed through their standard input and answer with JSON lines.

A child that dies, stalls or is slow never holds up a track: its queue is bounded.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

log = logging.getLogger(__name__)

WRITE_AT_ONCE = 1 << 20


def end_stopped() -> None:
    """Kills every child of this process that was stopped (SIGSTOP).

    The kernel tells of it at once (SIGCHLD), and whoever keeps the child replaces it as one that
    has died. One that hangs is told by its silence only, which takes longer.
    """
    with contextlib.suppress(ChildProcessError):
        while told := os.waitid(os.P_ALL, 0, os.WSTOPPED | os.WNOHANG):
            log.warning("child %d was stopped and is replaced", told.si_pid)
            with contextlib.suppress(ProcessLookupError):
                os.kill(told.si_pid, signal.SIGKILL)


class FeedChild:
    """One run of a child process: a queue, its writer, and the reader of its answers.

    `on_event(child, event)` and `on_end(child, status)` are called from its threads.
    """

    def __init__(
        self,
        module: str,
        arguments: Sequence[str],
        *,
        limit: int,
        nice: int = 0,
        on_event: Callable[[FeedChild, dict[str, Any]], None],
        on_end: Callable[[FeedChild, int], None],
    ) -> None:
        """`limit` is how many bytes may wait in memory; `nice` lowers its claim on the CPU."""
        self.module = module
        self.overflowed = False
        self._arguments = list(arguments)
        self._limit, self._nice = limit, nice
        self._on_event, self._on_end = on_event, on_end
        self._process: subprocess.Popen[bytes] | None = None
        self._queue: list[bytes] = []
        self._waiting = 0
        self._writing_since: float | None = None
        self._ended = self._closing = False
        self._state = threading.Condition()

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None else None

    @property
    def waiting(self) -> int:
        """Bytes that wait in memory for the child to take them."""
        return self._waiting

    def start(self) -> None:
        """Starts the process; messages put before wait in the queue. Raises OSError."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", self.module, *self._arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
        )
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, self._process.pid, self._nice)
        threading.Thread(target=self._write, name=f"{self.module}-in", daemon=True).start()
        threading.Thread(target=self._read, name=f"{self.module}-out", daemon=True).start()

    def put(self, *messages: bytes) -> bool:
        """Queues the messages together; False when there is no room for them.

        They leave at the next `flush`, so that a child is woken twenty times a second and not
        for each packet.
        """
        size = sum(map(len, messages))
        if self._ended or self._waiting + size > self._limit:
            self.overflowed = not self._ended
            return False
        with self._state:
            self._queue.extend(messages)
            self._waiting += size
            if self._waiting > WRITE_AT_ONCE:
                self._state.notify_all()
        return True

    def flush(self) -> None:
        with self._state:
            if self._queue:
                self._state.notify_all()

    def stuck_for(self) -> float:
        """Seconds for which the child has not taken what is being written to it."""
        since = self._writing_since
        return time.monotonic() - since if since is not None else 0.0

    def close_input(self) -> None:
        """Ends the feed once everything queued has been written."""
        with self._state:
            self._closing = True
            self._state.notify_all()

    def kill(self) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()

    def _write(self) -> None:
        assert self._process is not None and self._process.stdin is not None
        pipe = self._process.stdin
        try:
            while True:
                with self._state:
                    self._state.wait_for(lambda: self._queue or self._closing or self._ended)
                    if self._ended or not self._queue:
                        break
                    messages, self._queue = self._queue, []
                data = b"".join(messages)
                view = memoryview(data)
                while view:
                    self._writing_since = time.monotonic()
                    view = view[pipe.write(view[:WRITE_AT_ONCE]) :]
                self._writing_since = None
                with self._state:
                    self._waiting -= len(data)
                    self._state.notify_all()
        except OSError:
            pass  # the child is gone: its reader notices
        finally:
            with contextlib.suppress(OSError):
                pipe.close()

    def _read(self) -> None:
        assert self._process is not None and self._process.stdout is not None
        with self._process.stdout as answers:
            rest = b""
            while chunk := answers.read(65536):
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    self._take(line)
        status = self._process.wait()
        with self._state:
            self._ended = True
            self._state.notify_all()
        self._on_end(self, status)

    def _take(self, line: bytes) -> None:
        try:
            event = json.loads(line)
        except ValueError:
            event = None
        if isinstance(event, dict):
            self._on_event(self, event)
        elif line.strip():
            log.warning("%s said something that is not JSON: %.200r", self.module, line)
