"""A spare recorder process: started ahead, everything loaded, waiting to be given a folder.

Loading takes most of the time between the button and the first frame. Whoever starts recorders
keeps a spare; it listens at `RUN_DIR/spare-PID.sock` (PID: its keeper), takes one order, becomes
that recording's recorder process, and is gone when its keeper is. Loads no codec.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from recorder import launcher
from recorder.lock import handle_on

log = logging.getLogger(__name__)

ANSWER_S = 2.0
LOG = "spare.log"


def kinds(urls: Iterable[str]) -> list[str]:
    """The kinds of sources with these addresses: `rtsp`, `v4l2`, …"""
    return sorted({url.partition(":")[0].lower() for url in urls})


class Spare:
    """One spare process at a time, of this process, ready for sources of these `kinds`."""

    def __init__(
        self, run_dir: Path, kinds: Sequence[str] = (), *, python: str = sys.executable
    ) -> None:
        self.pid: int | None = None
        self._run_dir = run_dir
        self._kinds, self._python = list(kinds), python
        self._socket = run_dir / f"spare-{os.getpid()}.sock"
        self._handle: int | None = None
        self._gone = asyncio.Event()
        self._gone.set()

    async def start(self) -> None:
        """Starts one, unless one waits. Raises OSError."""
        if self.alive:
            return
        if (old := self._let_go()) is not None:
            os.close(old)
        self._socket.unlink(missing_ok=True)
        self._run_dir.mkdir(mode=0o750, parents=True, exist_ok=True)
        command = [self._python, "-m", "recorder.process", "--run-dir", str(self._run_dir)]
        command += ["--spare", str(self._socket), "--keeper", str(os.getpid())]
        command += [f"--ready-for={kind}" for kind in self._kinds]
        self.pid = await launcher.start(
            "spare", command, self._run_dir / LOG, {**os.environ, "PYTHONUNBUFFERED": "1"}
        )
        with contextlib.suppress(ProcessLookupError):
            self._handle = handle_on(self.pid)
            self._gone.clear()
            asyncio.get_running_loop().add_reader(self._handle, self._gone.set)

    @property
    def alive(self) -> bool:
        """Whether the process is there (it may still be loading)."""
        try:
            stat = Path(f"/proc/{self.pid}/stat").read_text("ascii", "replace")
        except OSError:
            return False
        return self._handle is not None and stat.rpartition(")")[2].split()[0] not in "ZX"

    @property
    def ready(self) -> bool:
        """Whether it has loaded everything and listens."""
        return self.alive and self._socket.is_socket()

    async def take(self, folder: Path, *, program: bool = True) -> int | None:
        """Makes the spare the recorder of `folder` and returns its pid; None when there is none.

        One that does not answer is killed, so that it cannot begin later beside another.
        """
        pid, handle = self.pid, self._handle
        if pid is None or handle is None or not self.ready:
            return None
        whole = os.path.abspath(folder)  # noqa: ASYNC240, PTH100 - asks no disk
        order = {"folder": whole, "program": program}
        self._let_go()
        try:
            async with asyncio.timeout(ANSWER_S):
                reader, writer = await asyncio.open_unix_connection(self._socket)
                try:
                    writer.write(json.dumps(order).encode() + b"\n")
                    await writer.drain()
                    answer = json.loads(await reader.readline() or b"{}")
                finally:
                    writer.close()
            if answer.get("pid") == pid:
                os.close(handle)
                return pid
            log.warning("the spare recorder does not take %s: %s", folder.name, answer)
        except (OSError, ValueError, TimeoutError) as error:
            log.warning("the spare recorder does not answer (%s)", error or "in time")
        await self._end(handle)
        return None

    async def gone(self) -> None:
        """Returns when the spare has died, was taken or was ended."""
        await self._gone.wait()

    async def stop(self) -> None:
        """Ends a spare that waits."""
        if (handle := self._let_go()) is not None:
            await self._end(handle)
        self._socket.unlink(missing_ok=True)

    def _let_go(self) -> int | None:
        """Knows of no spare from here on. Returns the handle of the one there was."""
        handle, self.pid, self._handle = self._handle, None, None
        if handle is not None:
            asyncio.get_running_loop().remove_reader(handle)
        self._gone.set()
        return handle

    async def _end(self, handle: int) -> None:
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()
        try:
            signal.pidfd_send_signal(handle, signal.SIGKILL)
            loop.add_reader(handle, ended.set)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(ANSWER_S):
                    await ended.wait()
        except ProcessLookupError:
            pass
        finally:
            loop.remove_reader(handle)
            os.close(handle)
