"""One recorder process, kept alive: launched, adopted, watched, replaced, told what is wanted.

What is wanted (`Wanted`) is held here and reconciled at every connection, so that a recorder that
was replaced, or a controller that was restarted, always ends up in the state that the class is in.
A process is replaced only after its end is confirmed by pidfd: there are never two writers.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import structlog

from recorder import control
from recorder.control import RecorderClient, RecorderError, RecorderEvent, RecorderStatus
from recorder.lock import handle_on, writer
from recorder.recording import Life, Recording, RecordingError
from recorder.spare import Spare

_log = structlog.get_logger(__name__)

Phase = Literal["starting", "running", "restarting", "finished", "failed"]

CONNECT_S = 20.0
PING_S = 2.0
HUNG_S = 8.0
LOOK_S = 0.2
LEAVE_S = 5.0
STEADY_S = 30.0
GIVE_UP = 6


@dataclass(frozen=True)
class Wanted:
    """The state that the class wants its recorder in."""

    layout: str
    paused: bool = False
    held: bool = False
    finish: bool = False


class RecorderSupervisor:
    """Keeps one recording's recorder running until its lecture is finished.

    `on_change` is told every new phase or status, `on_event` what the recorder says besides. A
    `spare` that waits becomes the recorder, so that it need not be loaded first.
    """

    def __init__(
        self,
        folder: Path,
        recording: str,
        run_dir: Path,
        wanted: Wanted,
        *,
        on_change: Callable[[RecorderSupervisor], None],
        on_event: Callable[[RecorderSupervisor, RecorderEvent], None],
        spare: Spare | None = None,
    ) -> None:
        self.folder = folder
        self.recording = recording
        self.wanted = wanted
        self.phase: Phase = "starting"
        self.status: RecorderStatus | None = None
        self.detail = ""
        self.restarts = 0
        self.pid: int | None = None
        self._run_dir = run_dir
        self._spare = spare
        self._on_change = on_change
        self._on_event = on_event
        self._client: RecorderClient | None = None
        self._turn = asyncio.Lock()
        self._nudge = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Launch the recorder, or adopt the one that runs already for this recording."""
        self._task = asyncio.create_task(self._keep(), name=f"recorder {self.recording}")

    async def release(self) -> None:
        """Stop supervising; the recorder goes on by itself."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    @property
    def settled(self) -> bool:
        """Nothing more will come: the lecture is finished or was given up."""
        return self.phase in {"finished", "failed"}

    async def want(self, wanted: Wanted) -> None:
        """The class wants another state. Returns when the recorder has it, or is away."""
        self.wanted = wanted
        client = self._client
        if client is not None:
            with suppress(RecorderError):
                await self._reconcile(client)

    async def command(self, name: str, **args: Any) -> RecorderStatus:
        """One command; RecorderError when the recorder is away or refuses."""
        if self._client is None:
            raise RecorderError("The recorder is not running at the moment; try again shortly.")
        return await self._client.command(name, timeout=HUNG_S, **args)

    def nudge(self) -> None:
        """Relaunch now instead of at the end of the back-off."""
        self._nudge.set()

    # The life of the process

    async def _keep(self) -> None:
        failures = 0
        while (end := await self._ended()) is None:
            began = asyncio.get_running_loop().time()
            try:
                self.pid = self._present() or await control.launch(
                    self.folder, self._run_dir, spare=self._spare
                )
                await self._attend(self.pid)
            except (RecorderError, OSError) as error:
                self.detail = str(error)
                _log.warning("recorder", recording=self.recording, error=str(error))
            self.pid = None
            if (end := await self._ended()) is not None:
                break
            lasted = asyncio.get_running_loop().time() - began
            failures = 1 if lasted > STEADY_S else failures + 1
            if self.wanted.finish and failures >= GIVE_UP:
                end = "failed"
                break
            self.restarts += 1
            _log.warning("recorder_lost", recording=self.recording, restarts=self.restarts)
            self._enter("restarting")
            self._nudge.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(0.0 if failures == 1 else min(10, 2 ** (failures - 3))):
                    await self._nudge.wait()
        self._enter(end)

    def _present(self) -> int | None:
        """The process that writes this recording already, announced or just starting."""
        announced = (r.pid for r in control.running(self._run_dir) if r.recording == self.recording)
        return next(announced, None) or writer(self.folder)

    async def _attend(self, pid: int) -> None:
        """Returns when the process is gone for certain."""
        gone = asyncio.create_task(exited(pid))
        talk = asyncio.create_task(self._talk())
        still = asyncio.create_task(stood_still(pid))
        try:
            await asyncio.wait({gone, talk, still}, return_when=asyncio.FIRST_COMPLETED)
            if not gone.done() and not still.done():
                first = asyncio.FIRST_COMPLETED
                await asyncio.wait({gone, still}, timeout=LEAVE_S, return_when=first)
            if not gone.done():
                _log.warning("recorder_replaced", recording=self.recording, pid=pid)
                await control.kill_and_confirm(pid)
            await asyncio.wait({talk}, timeout=1.0)  # what it said last is still in the socket
            if talk.done() and (error := talk.exception()) is not None:
                self.detail = str(error)
        finally:
            self._client = None
            for task in (gone, talk, still):
                task.cancel()
            await asyncio.gather(gone, talk, still, return_exceptions=True)

    async def _talk(self) -> None:
        """Returns when the socket closes; raises when the recorder does not answer."""
        client = await RecorderClient.connect(self._run_dir, self.recording, CONNECT_S)
        try:
            self._client = client
            await self._reconcile(client)
            self.detail = ""
            self._enter("running")
            events = asyncio.create_task(self._listen(client))
            pings = asyncio.create_task(self._ping(client))
            try:
                done, _ = await asyncio.wait({events, pings}, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
            finally:
                for task in (events, pings):
                    task.cancel()
                await asyncio.gather(events, pings, return_exceptions=True)
        finally:
            self._client = None
            await client.close()

    async def _listen(self, client: RecorderClient) -> None:
        async for event in client.events():
            if event.kind == "status":
                self._take(RecorderStatus.model_validate(event.data))
            else:
                self._on_event(self, event)

    async def _ping(self, client: RecorderClient) -> None:
        while True:
            await asyncio.sleep(PING_S)
            self._take(await client.command("status", timeout=HUNG_S))

    async def _reconcile(self, client: RecorderClient) -> None:
        async with self._turn:
            status = await client.command("status")
            wanted = self.wanted
            if wanted.finish:
                if status.state not in {"finishing", "finished", "failed"}:
                    status = await client.command("finish")
            else:
                if status.layout != wanted.layout:
                    status = await client.command("layout", layout=wanted.layout)
                if wanted.paused != (status.state == "paused"):
                    status = await client.command("pause" if wanted.paused else "resume")
                if wanted.held != status.held:
                    status = await client.command("hold" if wanted.held else "release")
            self._take(status)

    async def _ended(self) -> Phase | None:
        """How the recording ended, as its folder says; None while it has not.

        Its life is `failed` for a failed delivery too; only a recording that failed has an error.
        """
        try:
            manifest = await asyncio.to_thread(lambda: Recording.open(self.folder).manifest)
        except RecordingError as error:
            self.detail = str(error)
            return None
        if manifest.life is Life.RECORDING:
            return None
        if manifest.error:
            self.detail = manifest.error
        return "failed" if manifest.error else "finished"

    def _take(self, status: RecorderStatus) -> None:
        if status != self.status:
            self.status = status
            self._on_change(self)

    def _enter(self, phase: Phase) -> None:
        self.phase = phase
        self._on_change(self)


async def stood_still(pid: int) -> None:
    """Wait until the process is stopped (SIGSTOP): it will not answer, and need not be asked."""
    while not control.stopped(pid):  # noqa: ASYNC110 - nobody but its parent is told
        await asyncio.sleep(LOOK_S)


async def exited(pid: int) -> None:
    """Wait until the process is gone (a zombie counts as gone)."""
    try:
        handle = handle_on(pid)
    except ProcessLookupError:
        return
    loop = asyncio.get_running_loop()
    gone: asyncio.Future[None] = loop.create_future()

    def readable() -> None:
        if not gone.done():
            gone.set_result(None)

    loop.add_reader(handle, readable)
    try:
        await gone
    finally:
        loop.remove_reader(handle)
        os.close(handle)
