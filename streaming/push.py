"""Push: the program sent on to other servers (RTMP, SRT, WHIP), each by a child of its own.

A destination that is slow, dead or wrong costs nobody else anything: its child is ended and
started again, later and later. A child is told where to send on its standard input, so that no
secret stands in a command line, in the environment or in a log.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import random
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator

from recorder.recording import LIVE
from streaming import conference

log = logging.getLogger(__name__)

PROGRAM_FILE = "program.mp4"
SCHEMES = ("rtmp", "rtmps", "srt", "whip", "whips")
SILENT_S = 15.0
FIRST_WAIT_S, LONGEST_WAIT_S = 1.0, 60.0
STEADY_S = 30.0
_LINE = 64 * 1024

PushState = Literal["off", "connecting", "live", "retrying"]


def _is_reference(text: str) -> str:
    if not text.startswith(("env:", "file:")) or not text.partition(":")[2]:
        raise ValueError("a secret is never written here, only where it can be found")
    return text


class PushSpec(BaseModel):
    """`[[streaming.push]]`: where to send the program while a class is live.

    `url`: `rtmp(s)://`, `srt://`, `whip(s)://` (WHIP over http or https) or `conference:///dev/…`
    (`streaming.conference`). `secret` refers to the stream key (`env:NAME`, `file:/path`), which
    takes the place of `{secret}` in the address; a WHIP address without that sends it as a bearer
    token.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,40}$")
    url: str
    secret: Annotated[str, AfterValidator(_is_reference)] | None = None
    auto: bool = True

    @field_validator("url")
    @classmethod
    def _known(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme == conference.SCHEME:
            conference.parse(url)
            return url
        if parts.scheme not in SCHEMES or not parts.hostname:
            raise ValueError(f"must begin with one of {', '.join(SCHEMES)} and name a host")
        if parts.password is not None:
            raise ValueError("a password never stands in the address; put {secret} there")
        return url


class PushStatus(BaseModel):
    """How a destination is doing. `detail` says what went wrong, without any secret."""

    id: str
    state: PushState = "off"
    detail: str = ""
    since: datetime
    attempts: int = 0
    sent_bytes: int = 0
    next_try: datetime | None = None


class Push:
    """One destination: its child, watched and begun again until `stop`."""

    def __init__(
        self,
        spec: PushSpec,
        folder: Path,
        *,
        resolve: Callable[[str], str],
        on_change: Callable[[PushStatus], None],
    ) -> None:
        self.spec = spec
        self.status = PushStatus(id=spec.id, since=datetime.now(UTC))
        self._file = folder / LIVE / PROGRAM_FILE
        self._resolve, self._on_change = resolve, on_change
        self._secret = ""
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name=f"push {self.spec.id}")

    async def stop(self) -> None:
        """Ends the child; returns when it is gone."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        self._say("off")

    def _say(self, state: PushState, detail: str = "") -> None:
        if self._secret:
            detail = detail.replace(self._secret, "…")
        fresh = state != self.status.state
        self.status = self.status.model_copy(
            update={
                "state": state,
                "detail": detail[:300],
                "since": datetime.now(UTC) if fresh else self.status.since,
                "next_try": None,
            }
        )
        self._on_change(self.status)

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        failures = 0
        while True:
            began = loop.time()
            self.status = self.status.model_copy(update={"attempts": self.status.attempts + 1})
            self._say("connecting")
            try:
                detail = await self._once()
            except Exception as error:
                log.exception("push %s", self.spec.id)
                detail = str(error)
            failures = 1 if loop.time() - began > STEADY_S else failures + 1
            wait = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0 ** min(failures - 1, 10))
            wait *= random.uniform(0.7, 1.3)  # noqa: S311
            self._say("retrying", detail)
            next_try = datetime.fromtimestamp(datetime.now(UTC).timestamp() + wait, UTC)
            self.status = self.status.model_copy(update={"next_try": next_try})
            log.warning("push %s: %s; again in %.0f s", self.spec.id, self.status.detail, wait)
            await asyncio.sleep(wait)

    async def _once(self) -> str:
        """Runs the child until it ends or falls silent; says why."""
        if self.spec.secret is not None:
            self._secret = await asyncio.to_thread(self._resolve, self.spec.secret)
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "streaming.push_child"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            limit=_LINE,
        )
        try:
            assert child.stdin is not None
            order = {"url": self.spec.url, "secret": self._secret, "file": str(self._file)}
            child.stdin.write(json.dumps(order).encode() + b"\n")
            await child.stdin.drain()
            return await self._watch(child)
        finally:
            with contextlib.suppress(ProcessLookupError):
                child.kill()
            await asyncio.shield(child.wait())

    async def _watch(self, child: asyncio.subprocess.Process) -> str:
        assert child.stdout is not None
        reason = "the child that sends has ended"
        while True:
            try:
                async with asyncio.timeout(SILENT_S):
                    line = await child.stdout.readline()
            except (TimeoutError, ValueError):
                return "nothing more gets through to the other side"
            if not line:
                return reason
            with contextlib.suppress(ValueError, KeyError, TypeError):
                told = json.loads(line)
                if told["event"] == "failed":
                    reason = str(told["detail"])
                elif told["event"] == "sent":
                    update = {"sent_bytes": self.status.sent_bytes + int(told["bytes"])}
                    self.status = self.status.model_copy(update=update)
                    if self.status.state != "live":
                        self._say("live")


class Pushes:
    """All destinations of a room."""

    def __init__(
        self,
        specs: Sequence[PushSpec],
        *,
        resolve: Callable[[str], str],
        on_change: Callable[[PushStatus], None] = lambda _: None,
    ) -> None:
        self.specs = {spec.id: spec for spec in specs}
        self._resolve, self._on_change = resolve, on_change
        self._running: dict[str, Push] = {}

    def statuses(self) -> list[PushStatus]:
        """Every destination, running or not."""
        now = datetime.now(UTC)
        return [
            self._running[id_].status if id_ in self._running else PushStatus(id=id_, since=now)
            for id_ in self.specs
        ]

    def start(self, folder: Path, id_: str | None = None) -> None:
        """Sends the class in `folder` to one destination, or to all that begin by themselves.

        Raises KeyError when there is no such destination.
        """
        chosen = [self.specs[id_]] if id_ else [one for one in self.specs.values() if one.auto]
        for spec in chosen:
            if spec.id not in self._running:
                push = Push(spec, folder, resolve=self._resolve, on_change=self._on_change)
                self._running[spec.id] = push
                push.start()

    async def stop(self, id_: str | None = None) -> None:
        """Ends one destination, or all."""
        chosen = [id_] if id_ else list(self._running)
        pushes = [self._running.pop(one) for one in chosen if one in self._running]
        await asyncio.gather(*(push.stop() for push in pushes))
