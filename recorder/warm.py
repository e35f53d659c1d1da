"""What a spare recorder process does until it is given a class: loads everything, and waits.

It forks the first children of the sources from itself, so that they are as warm as it is; whatever
is started later (after a loss) is a process of its own.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import logging
import os
import select
import signal
import socket
import subprocess
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

from recorder.lock import handle_on
from recorder.sources import standby

log = logging.getLogger(__name__)

LOADED = ("asyncio", "recorder.recorder", "recorder.sources.stream", "recorder.sources.fed")
_ORDER_S = 2.0


class Order:
    """A folder to record. `accept` and `refuse` answer whoever gave it."""

    def __init__(self, connection: socket.socket, folder: Path, program: bool) -> None:
        self.folder, self.program = folder, program
        self._connection = connection

    def accept(self) -> None:
        self._answer(pid=os.getpid())

    def refuse(self, error: str) -> None:
        self._answer(error=error)

    def _answer(self, **answer: Any) -> None:
        with contextlib.suppress(OSError), self._connection:
            self._connection.sendall(json.dumps(answer).encode() + b"\n")


def load(modules: Sequence[str]) -> None:
    """Imports what a recorder and its children need, without starting a thread: it will fork."""
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    standby.load((*LOADED, *modules))
    del os.environ["OPENBLAS_NUM_THREADS"]
    if "cv2" in sys.modules:
        sys.modules["cv2"].setNumThreads(1)


def wait(path: Path, keeper: int) -> Order | None:
    """Waits for an order at the socket `path`; None when the keeper's process is gone."""
    try:
        watched = handle_on(keeper)
    except ProcessLookupError:
        return None
    with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as server:
        path.unlink(missing_ok=True)
        before = os.umask(0o177)
        try:
            server.bind(str(path))
        finally:
            os.umask(before)
        server.listen(1)
        try:
            while True:
                readable, _, _ = select.select([server.fileno(), watched], [], [])
                if server.fileno() in readable and (order := _order(server.accept()[0])):
                    return order
                if watched in readable:
                    return None
        finally:
            path.unlink(missing_ok=True)
            os.close(watched)


def _order(connection: socket.socket) -> Order | None:
    connection.settimeout(_ORDER_S)
    try:
        with connection.makefile("rb") as lines:
            said = json.loads(lines.readline(1 << 16))
        return Order(connection, Path(said["folder"]), bool(said["program"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        log.warning("an order that is not understood: %s", error)
        connection.close()
        return None


def log_to(path: Path) -> None:
    """Sends what this process says to the end of the file from here on."""
    sys.stdout.flush()
    sys.stderr.flush()
    output = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o640)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(output)


class Forked:
    """A child that was forked; what `fed` needs of a `subprocess.Popen`."""

    def __init__(self, pid: int, stdin: IO[bytes], stdout: IO[bytes]) -> None:
        self.pid, self.stdin, self.stdout = pid, stdin, stdout
        self._status: int | None = None

    def poll(self) -> int | None:
        if self._status is None:
            try:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
            except ChildProcessError:
                self._status = -1
            else:
                if pid:
                    self._status = os.waitstatus_to_exitcode(status)
        return self._status

    def kill(self) -> None:
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)

    def wait(self, timeout: float | None = None) -> int:
        """Raises subprocess.TimeoutExpired."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while (status := self.poll()) is None:
            if deadline is not None and time.monotonic() > deadline:
                raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0.0)
            time.sleep(0.02)
        return status


def fork(module: str, arguments: Sequence[str]) -> Forked:
    """Runs `python -m MODULE ARGUMENTS` in a fork: only before this process has threads."""
    read_in, write_in = os.pipe()
    read_out, write_out = os.pipe()
    pid = os.fork()
    if pid == 0:
        _become(module, arguments, read_in, write_out)
    os.close(read_in)
    os.close(write_out)
    return Forked(pid, os.fdopen(write_in, "wb", 0), os.fdopen(read_out, "rb", 0))


def _become(module: str, arguments: Sequence[str], stdin: int, stdout: int) -> None:
    code = 1
    try:
        os.dup2(stdin, 0)
        os.dup2(stdout, 1)
        os.closerange(3, os.sysconf("SC_OPEN_MAX"))  # the lock above all, and the others' pipes
        sys.argv = [module, *arguments]
        code = importlib.import_module(module).main()
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)
