"""What every source child is: told a URL, writes a feed, ends with its parent."""

from __future__ import annotations

import argparse
import os
import sys
import threading
import time
from collections.abc import Callable

from recorder import feed

BEAT_S = 0.2


class SourceError(Exception):
    """The source cannot be opened; the text says what to do."""


def boottime_us() -> int:
    """CLOCK_BOOTTIME in microseconds."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000


class Output:
    """The feed on a descriptor, written whole, message by message.

    Each method raises BrokenPipeError when nobody reads any more.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._sent = time.monotonic()
        self._promised: float | None = None

    def send(self, message: feed.Message) -> None:
        data = memoryview(feed.encode(message))
        while data:
            data = data[os.write(self._descriptor, data) :]
        self._sent = time.monotonic()

    def beat(self, every: float = BEAT_S) -> None:
        """Says that the child does not hang: once, and where it has said nothing for `every` / 2 s.

        Call it every `every` seconds at least, from the thread that does the work. That is a
        promise: whoever reads ends a child that breaks it.
        """
        if every != self._promised or time.monotonic() - self._sent > every / 2:
            self._promised = every
            self.send(feed.Command("alive", {"every": every}))

    def wait(self, stop: threading.Event, seconds: float) -> bool:
        """Waits for `stop` at most so long and says meanwhile that it lives. Whether it was set."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if stop.wait(min(left, BEAT_S / 2)):
                return True
            self.beat()
        return stop.is_set()


Serve = Callable[[Output, threading.Event], None]


def _stop_with_stdin() -> threading.Event:
    """An event that is set when standard input closes: the parent is gone or wants an end."""
    stop = threading.Event()

    def wait() -> None:
        while os.read(sys.stdin.fileno(), 4096):
            pass
        stop.set()

    threading.Thread(target=wait, name="stdin", daemon=True).start()
    return stop


def _leave_stdout() -> None:
    """After a broken pipe: keeps the interpreter from complaining about it at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def serve(description: str, open_source: Callable[[str, str, str], Serve]) -> int:
    """Runs a source child until standard input closes; its exit status.

    `open_source(url, id, role)` gives what then writes the feed until it is told to stop; 2 where
    it raises SourceError (the address is wrong), 3 where the source fails later.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("url")
    parser.add_argument("--id", required=True)
    parser.add_argument("--role", required=True)
    options = parser.parse_args()
    output, stop = Output(sys.stdout.fileno()), _stop_with_stdin()
    status = 2
    try:
        run = open_source(options.url, options.id, options.role)
        status = 3
        run(output, stop)
    except SourceError as error:
        print(error, file=sys.stderr)
        return status
    except BrokenPipeError:
        _leave_stdout()
    return 0
