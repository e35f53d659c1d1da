"""The program by WebRTC (WHEP) for browsers that want it at once: who watches, and how many may.

The media are in a child (`whep_child`, aiortc) that is there while somebody watches. The picture is
the program's own encode. ICE uses the machine's own addresses only: no STUN, no TURN.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import os
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from streaming.ordered import Ordered, OrderError

MAX_VIEWERS = 8
BUSY = 0.9
CHECK_S = 5.0


class WhepError(Exception):
    """It cannot be watched this way. `code` is stable; the texts are for people."""

    def __init__(self, code: str, message: str, remedy: str) -> None:
        super().__init__(message)
        self.code, self.remedy = code, remedy


@dataclass(frozen=True, slots=True)
class _Viewer:
    file: Path
    allowed: Callable[[], Awaitable[bool]]


class Whep:
    """Everybody who watches by WebRTC. `most`: how many at a time; 0: nobody."""

    def __init__(self, most: int = MAX_VIEWERS) -> None:
        self.most = most
        self._viewers: dict[str, _Viewer] = {}
        self._checking: asyncio.Task[None] | None = None
        self._child = Ordered(
            "streaming.whep_child",
            busy=lambda: bool(self._viewers),
            on_event=lambda told: self._drop(told["viewer"]),
            on_end=self._viewers.clear,
        )

    @property
    def offered(self) -> bool:
        """Whether this room shows its program by WebRTC at all."""
        return self.most > 0 and importlib.util.find_spec("aiortc") is not None

    def watching(self, folder: Path) -> int:
        """How many watch something below `folder`."""
        return sum(one.file.is_relative_to(folder) for one in self._viewers.values())

    async def watch(
        self, file: Path, offer: str, allowed: Callable[[], Awaitable[bool]]
    ) -> tuple[str, str]:
        """A viewer of the live file: its id, and the answer to its offer. Raises WhepError.

        `allowed` is asked every few seconds; the connection ends when it says no.
        """
        if not self.offered:
            raise WhepError(
                "no_webrtc",
                "This room shows nothing by WebRTC.",
                "Install classroomd[webrtc] and set whep under [streaming].",
            )
        if "H264/90000" not in offer:
            raise WhepError(
                "no_h264", "The offer has no H.264.", "Watch by the WebSocket or HLS instead."
            )
        if len(self._viewers) >= self.most:
            raise WhepError("too_many", "Too many watch this way.", "Choose another way to watch.")
        if not self._viewers and os.getloadavg()[0] > BUSY * (os.cpu_count() or 1):
            raise WhepError("busy", "The room's computer is busy.", "Choose another way to watch.")
        id_ = secrets.token_urlsafe(16)
        self._viewers[id_] = _Viewer(file, allowed)
        try:
            told = await self._child.order("watch", viewer=id_, file=str(file), sdp=offer)
        except BaseException as error:
            self._drop(id_)
            if not isinstance(error, OrderError):
                raise
            raise WhepError(
                "no_connection", "The connection could not be made.", "Choose another way to watch."
            ) from error
        if self._checking is None or self._checking.done():
            self._checking = asyncio.create_task(self._check(), name="whep")
        return id_, str(told["sdp"])

    async def end(self, id_: str) -> None:
        """A viewer leaves, or is made to."""
        if id_ in self._viewers:
            self._drop(id_)
            with contextlib.suppress(OrderError):
                await self._child.order("close", viewer=id_)

    async def stop(self) -> None:
        """Ends everything."""
        if self._checking is not None:
            self._checking.cancel()
            await asyncio.gather(self._checking, return_exceptions=True)
        await self._child.stop()

    def _drop(self, id_: str) -> None:
        self._viewers.pop(id_, None)

    async def _check(self) -> None:
        while self._viewers:
            await asyncio.sleep(CHECK_S)
            for id_, viewer in list(self._viewers.items()):
                with contextlib.suppress(Exception):
                    if await viewer.allowed():
                        continue
                await self.end(id_)
