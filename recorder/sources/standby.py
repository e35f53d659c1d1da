"""A child that waits to become a source's child: all loaded, so that a source whose child has died
goes on after a tenth of a second and not after a start of Python.

`python -m recorder.sources.standby MODULE…` loads the modules, then takes one order, a JSON line on
its standard input: `{"module": …, "arguments": […], "name": …}`. From then on it is that module,
with the same input and output.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterable

from recorder.sources.open import Address, child_modules

AGAIN_AFTER = 0.3  # the one that was taken wants the CPU for itself at first
_PR_SET_NAME = 15


class Standby:
    """One process that waits, for the sources of one recorder; safe to call from any thread."""

    def __init__(self, urls: Iterable[str]) -> None:
        """`urls` are those of all sources: it loads what their children need."""
        self._modules = child_modules(url.partition(":")[0] for url in urls)
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._timer: threading.Timer | None = None
        self._stopped = False

    def start(self) -> None:
        """Starts one where none waits; without one, sources start their children themselves."""
        with self._lock, contextlib.suppress(OSError):
            if self._stopped or self._process is not None or not self._modules:
                return
            self._process = subprocess.Popen(
                [sys.executable, "-m", "recorder.sources.standby", *self._modules],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                bufsize=0,
            )

    def take(self, address: Address, source: str, role: str) -> subprocess.Popen[bytes] | None:
        """Makes the one that waits the child of a source; None when there is none."""
        assert address.child is not None
        with self._lock:
            process, self._process = self._process, None
            if process is None or self._stopped:
                return None
            self._timer = threading.Timer(AGAIN_AFTER, self.start)
            self._timer.daemon = True
            self._timer.start()
        arguments = [address.url, "--id", source, "--role", role]
        order = {"module": address.child, "arguments": arguments, "name": source}
        assert process.stdin is not None
        try:
            process.stdin.write(json.dumps(order).encode() + b"\n")
        except OSError:
            _end(process)
            return None
        return process

    def stop(self) -> None:
        with self._lock:
            self._stopped = True
            process, self._process = self._process, None
            if self._timer is not None:
                self._timer.cancel()
        if process is not None:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()


def _order() -> dict[str, object] | None:
    """The line on standard input, read to its end and not beyond; None when there is none."""
    line = b""
    while (byte := os.read(sys.stdin.fileno(), 1)) and byte != b"\n":
        line += byte
    return dict(json.loads(line)) if byte else None


def load(modules: Iterable[str]) -> None:
    """Imports them, and does what takes time in each (`prepare`)."""
    for name in modules:
        if prepare := getattr(importlib.import_module(name), "prepare", None):
            prepare()


def main() -> int:
    """Entry of the child."""
    load(sys.argv[1:])
    order = _order()
    if order is None:
        return 0
    module, arguments = str(order["module"]), order["arguments"]
    assert isinstance(arguments, list)
    sys.argv = [module, *map(str, arguments)]
    title = f"source {order['name']}".encode()[:15]
    ctypes.CDLL(None).prctl(_PR_SET_NAME, title, 0, 0, 0)
    return int(importlib.import_module(module).main())


if __name__ == "__main__":
    os._exit(main())
