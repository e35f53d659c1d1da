"""The recorder's control socket: what is said over it, the client, and the launcher.

JSON lines over a Unix socket, versioned. A request `{"id", "protocol", "command", "args"}` is
answered by `{"id", "ok", "status"}` or `{"id", "ok", "error"}`; what the recorder tells unasked is
`{"event": RecorderEvent}`. This module loads no codec.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import select
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from recorder import launcher
from recorder.lock import handle_on, writer
from recorder.recording import RecordingError, read_manifest
from recorder.spare import Spare

log = logging.getLogger(__name__)

PROTOCOL = 1
MAX_LINE = 1 << 20
LOG = "recorder.log"
_SOCKET_PATH_MAX = 107
_EVENTS_KEPT = 1000


class RecorderError(Exception):
    """The recorder cannot be started, reached or told something. The text is for a person."""


RecorderState = Literal["starting", "recording", "paused", "finishing", "finished", "failed"]


class SourceStatus(BaseModel):
    """One source as the recorder sees it.

    `level_dbfs` is the short-term peak of its sound; `dropped` counts packets that a slow disk
    could not take. `drift_ppm` is how much its clock runs slow against ours (None where ours
    stamps it), `clock_resets` how often that clock jumped, `sender_latency_ms` its way to us as
    its own clock tells it.
    """

    model_config = ConfigDict(extra="ignore")

    state: Literal["opening", "running", "lost", "failed"] = "opening"
    role: str = ""
    detail: str = ""
    video: bool = False
    audio: bool = False
    first_frame_ms: float | None = None
    bytes: int = 0
    gaps: int = 0
    dropped: int = 0
    level_dbfs: float | None = None
    drift_ppm: float | None = None
    clock_resets: int = 0
    sender_latency_ms: float | None = None


class EncoderStatus(BaseModel):
    """What encodes the program: `name` as FFmpeg calls it, `part` of the lecture counted from 1.

    `fps` are pictures a second over the last two seconds or so, `frames` and `skipped` those of
    this part, `behind_s` how late the newest one is, `queue_bytes` what waits in the recorder to be
    taken; `hand_overs` counts how often another encoder took over in this class.
    """

    model_config = ConfigDict(extra="ignore")

    name: str = ""
    part: int = 0
    fps: float | None = None
    frames: int = 0
    skipped: int = 0
    behind_s: float = 0.0
    queue_bytes: int = 0
    hand_overs: int = 0


class RecorderStatus(BaseModel):
    """The whole state of one recorder process; sent as answer to `status` and with each change."""

    model_config = ConfigDict(extra="ignore")

    protocol: int = PROTOCOL
    state: RecorderState
    recording: str
    session: str
    pid: int
    duration_s: float = 0.0
    first_frame_ms: float | None = None
    layout: str = "slides+presenter"
    held: bool = False
    sources: dict[str, SourceStatus] = Field(default_factory=dict)
    disk_free_bytes: int = 0
    disk_seconds_left: float | None = None
    program: Literal["starting", "running", "restarting", "off"] = "starting"
    encoder: EncoderStatus = Field(default_factory=EncoderStatus)
    lecture: str | None = None
    error: str | None = None


class RecorderEvent(BaseModel):
    """Something the recorder tells unasked.

    Kinds: `status` (data: a RecorderStatus), `levels` (data: source id → dBFS, about 5 a second),
    `fact` (data: code, source, detail, active: what health.py words as an alarm; codes:
    `source_lost`, `source_failed`, `no_source`, `silent`, `clipped`, `black`, `frozen`,
    `wrong_size`, `wrong_rate`, `packets_lost`, `disk_low`, `disk_full`, `disk_slow`,
    `program_lost`, `clock_unsynchronised`), `marker` (data: a Marker).
    `track`: source, and where the presenter is: x, y, w, h in shares of the picture, moving.
    """

    kind: Literal["status", "levels", "fact", "marker", "track"]
    data: dict[str, Any]


class Running(BaseModel):
    """A recorder process that is alive, as it announced itself in the run directory."""

    recording: str
    pid: int
    started_ticks: int
    socket: Path
    folder: Path


def socket_path(run_dir: Path, recording_id: str) -> Path:
    """Where the recorder of a recording listens. Raises RecorderError when the path is too long."""
    path = run_dir / f"{recording_id}.sock"
    if len(os.fsencode(path)) > _SOCKET_PATH_MAX:
        raise RecorderError(
            f"{path}: a socket's path may have {_SOCKET_PATH_MAX} bytes; shorten the run directory"
        )
    return path


def announcement_path(run_dir: Path, recording_id: str) -> Path:
    """The file in which a recorder says that it runs."""
    return run_dir / f"{recording_id}.json"


def started_ticks(pid: int) -> int | None:
    """When the process started, in clock ticks since boot; None when there is no such process.

    With the pid it identifies a process for good: a pid alone is used again.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("ascii", "replace")
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else int(fields[19])


def stopped(pid: int) -> bool:
    """Whether the process stands still (SIGSTOP); False when there is none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("ascii", "replace")
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] == "T"


def running(run_dir: Path) -> list[Running]:
    """The recorders of this run directory that are alive, stopped ones (SIGSTOP) included."""
    found = []
    for path in sorted(run_dir.glob("*.json")) if run_dir.is_dir() else ():
        try:
            process = Running.model_validate_json(path.read_bytes())
        except (OSError, ValidationError):
            continue
        if started_ticks(process.pid) == process.started_ticks:
            found.append(process)
    return found


_EXITING = 0x4  # PF_EXITING, see proc_pid_stat(5), field flags


def _is_recorder(pid: int) -> bool | None:
    """Whether the process is a recorder; None while it is just starting and has no command line.

    One that ends has no command line any more, and may still hold its lock: it counts.
    """
    if command := Path(f"/proc/{pid}/cmdline").read_bytes():
        return b"recorder.process" in command
    fields = Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()
    return True if fields[0] in "ZX" or int(fields[6]) & _EXITING else None


async def kill_and_confirm(pid: int, timeout: float = 10.0) -> None:
    """Kills a recorder process, also a stopped one, and returns once it is gone.

    A process that is not a recorder is left alone: the pid was used again. Raises RecorderError
    when it cannot be killed or does not go, as when a disk hangs; nobody may start a second
    writer then.
    """
    try:
        handle = handle_on(pid)
    except ProcessLookupError:
        return
    try:
        while (recorder := _is_recorder(pid)) is None:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)
        if not recorder:
            return
        signal.pidfd_send_signal(handle, signal.SIGKILL)
        poll = select.poll()
        poll.register(handle, select.POLLIN)
        if not await asyncio.to_thread(poll.poll, timeout * 1000):
            raise RecorderError(
                f"the recorder process {pid} was killed and does not end; look at the disk it "
                "writes to, then try again"
            )
    except (ProcessLookupError, FileNotFoundError):
        return
    except PermissionError as error:
        raise RecorderError(f"the recorder process {pid} may not be ended: {error}") from error
    finally:
        os.close(handle)


async def launch(
    folder: Path,
    run_dir: Path,
    *,
    python: str = sys.executable,
    env: Mapping[str, str] | None = None,
    program: bool = True,
    spare: Spare | None = None,
) -> int:
    """Starts the recorder process of a recording and returns its pid at once.

    It lives in its own systemd unit where this process is a unit itself, else in its own session,
    and outlives this process either way. Its messages go to FOLDER/recorder.log. Without
    `program` only the tracks are made. A `spare` that waits becomes that process. Raises
    RecorderError when the recording is being written already (kill_and_confirm that process
    first) or the process cannot be started.
    """
    if (holder := writer(folder)) is not None:
        raise RecorderError(
            f"{folder.name} is being written by process {holder}; that one must be ended first"
        )
    try:
        recording_id = read_manifest(folder).id
        os.makedirs(run_dir, mode=0o750, exist_ok=True)  # noqa: PTH103
        socket_path(run_dir, recording_id)
        if spare is not None and (pid := await spare.take(folder, program=program)):
            return pid
        command = [python, "-m", "recorder.process", str(folder), "--run-dir", str(run_dir)]
        command += [] if program else ["--no-program"]
        environment = {**os.environ, **(env or {})}
        return await launcher.start(recording_id, command, folder / LOG, environment)
    except (OSError, RecordingError) as error:
        raise RecorderError(f"the recorder of {folder.name} does not start: {error}") from error


class RecorderClient:
    """A connection to one recorder process. `status` is the last one heard."""

    def __init__(self, reader: asyncio.StreamReader, writer_: asyncio.StreamWriter) -> None:
        """Use `connect`."""
        self.status: RecorderStatus | None = None
        self._reader, self._writer = reader, writer_
        self._next = 0
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._events: asyncio.Queue[RecorderEvent | None] = asyncio.Queue()
        self._closed = False
        self._task = asyncio.create_task(self._listen())

    @classmethod
    async def connect(cls, run_dir: Path, recording_id: str, timeout: float = 5.0) -> Self:
        """Connects, waiting for a recorder that is just starting, and asks for its status.

        Raises RecorderError when it is not there or does not answer in `timeout` seconds.
        """
        path = socket_path(run_dir, recording_id)
        deadline = asyncio.get_running_loop().time() + timeout
        while True:
            try:
                streams = await asyncio.open_unix_connection(path, limit=MAX_LINE)
                break
            except OSError as error:
                if asyncio.get_running_loop().time() > deadline:
                    raise RecorderError(
                        f"the recorder of {recording_id} cannot be reached: {error.strerror}"
                    ) from error
                await asyncio.sleep(0.02)
        client = cls(*streams)
        try:
            left = max(0.1, deadline - asyncio.get_running_loop().time())
            await client.command("status", timeout=left)
        except RecorderError:
            await client.close()
            raise
        return client

    async def command(self, name: str, *, timeout: float = 10.0, **args: Any) -> RecorderStatus:
        """Says a command and returns the recorder's status after it.

        Raises RecorderError with the recorder's refusal, or when it is gone or does not answer.
        """
        if self._closed:
            raise RecorderError("the recorder has ended")
        self._next += 1
        number = self._next
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        request = {"id": number, "protocol": PROTOCOL, "command": name, "args": args}
        try:
            self._writer.write(json.dumps(request).encode() + b"\n")
            async with asyncio.timeout(timeout):
                await self._writer.drain()
                reply = await answer
        except TimeoutError:
            raise RecorderError(f"the recorder did not answer {name!r} in {timeout:g} s") from None
        except OSError as error:
            raise RecorderError("the recorder has ended") from error
        finally:
            self._answers.pop(number, None)
        if not reply.get("ok"):
            raise RecorderError(str(reply.get("error") or f"the recorder refused {name!r}"))
        self.status = RecorderStatus.model_validate(reply["status"])
        return self.status

    async def events(self) -> AsyncIterator[RecorderEvent]:
        """What the recorder tells unasked; ends when the connection closes."""
        while (event := await self._events.get()) is not None:
            yield event

    async def close(self) -> None:
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()

    async def _listen(self) -> None:
        try:
            while line := await self._reader.readline():
                self._take(line)
        except (OSError, ValueError) as error:
            log.warning("the recorder's answer cannot be read: %s", error)
        finally:
            self._closed = True
            for answer in self._answers.values():
                if not answer.done():
                    answer.set_exception(RecorderError("the recorder has ended"))
            self._events.put_nowait(None)

    def _take(self, line: bytes) -> None:
        message = json.loads(line)
        if "event" not in message:
            answer = self._answers.get(message.get("id"))
            if answer is not None and not answer.done():
                answer.set_result(message)
            return
        event = RecorderEvent.model_validate(message["event"])
        if event.kind == "status":
            self.status = RecorderStatus.model_validate(event.data)
        if event.kind == "levels" and self._events.qsize() > _EVENTS_KEPT // 10:
            return  # nobody listens: levels are stale at once
        while self._events.qsize() > _EVENTS_KEPT:
            self._events.get_nowait()
        self._events.put_nowait(event)
