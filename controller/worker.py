"""One production process: started at low priority, stopped and continued, followed by its words.

It ends when this process ends, however that ends; its own children are stopped with it.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

_LAST_WORDS = 2000
_GRACE_S = 5.0


class Worker:
    """A process, begun by `command` and told its folder, that tells JSON lines.

    `ended` is its exit status once it has ended; `step` and `share` (0 to 1) say where it is.
    """

    def __init__(
        self,
        command: Sequence[str],
        folder: Path,
        *,
        nice: int,
        begun: Callable[[], None] = lambda: None,
    ) -> None:
        """`begun` is called when a further step has begun."""
        self.folder = folder
        self.step = ""
        self.share = 0.0
        self.paused = False
        self.ended: int | None = None
        self._command = command
        self._nice = nice
        self._begun = begun
        self._detail = ""
        self._said = b""
        self._process: asyncio.subprocess.Process | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """The process, while there is one."""
        return self._process.pid if self._process is not None and self.ended is None else None

    async def start(self, settings: dict[str, Any]) -> None:
        """Start it with these settings. Raises OSError."""
        polite = ["ionice", "-c", "3"] if shutil.which("ionice") else []
        own = ["--json", "--settings", "--nice", str(self._nice), "--owner", str(os.getpid())]
        self._process = await asyncio.create_subprocess_exec(
            *polite,
            *(*self._command, str(self.folder), *own),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(settings).encode() + b"\n")
        self._process.stdin.close()
        self._task = asyncio.create_task(
            self._follow(self._process), name=f"worker {self.folder.name}"
        )

    def pause(self, wanted: bool) -> None:
        """Stop it and its children where they are, or let them go on."""
        if wanted != self.paused and self._signal(signal.SIGSTOP if wanted else signal.SIGCONT):
            self.paused = wanted

    def why(self) -> str:
        """Why it ended, in its own last words."""
        lines = self._said.decode("utf-8", "replace").strip().splitlines()
        return self._detail or (lines[-1] if lines else f"it ended with status {self.ended}")

    async def wait(self) -> None:
        """Until it has ended."""
        if self._task is not None:
            await asyncio.shield(self._task)

    async def stop(self) -> None:
        """End it and its children, and wait until they are gone."""
        if self._task is None:
            return
        if self.ended is None:
            self.pause(False)
            self._signal(signal.SIGTERM)
            with suppress(TimeoutError):
                async with asyncio.timeout(_GRACE_S):
                    await asyncio.shield(self._task)
        self._signal(signal.SIGKILL)
        with suppress(asyncio.CancelledError):
            await self._task

    def _signal(self, number: signal.Signals) -> bool:
        if self._process is None or self.ended is not None:
            return False
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)
            return True
        return False

    async def _follow(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None and process.stderr is not None
        await asyncio.gather(self._hear(process.stdout), self._keep(process.stderr))
        self.ended = await process.wait()

    async def _hear(self, stream: asyncio.StreamReader) -> None:
        async for line in stream:
            try:
                told = json.loads(line)
            except ValueError:
                continue
            if not isinstance(told, dict):
                continue
            if told.get("event") == "progress":
                before, self.step = self.step, str(told.get("step", ""))
                total = float(told.get("total") or 1.0)
                self.share = min(1.0, max(0.0, float(told.get("done") or 0.0) / total))
                if self.step != before:
                    self._begun()
            elif told.get("event") == "error":
                self._detail = str(told.get("detail", ""))

    async def _keep(self, stream: asyncio.StreamReader) -> None:
        while chunk := await stream.read(4096):
            self._said = (self._said + chunk)[-_LAST_WORDS:]
