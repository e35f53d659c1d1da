"""The live hub: one reader per live source, shared by everybody who watches it.

A reader runs only while somebody watches. What it reads in one go is one message to every viewer:
the same bytes object in each queue. A viewer that does not keep up loses its queue and goes on at
the next key frame; nobody else notices, and neither does the recording, whose files are only read.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from streaming.fragments import Fragment, Init, Piece

log = logging.getLogger(__name__)

POLL_S, POLL_MANY_S, MANY = 0.02, 0.04, 40
BACKWARDS_S = 1.0
QUEUE_MESSAGES = 150
QUEUE_BYTES = 8 * 1024 * 1024
BACKLOG_BYTES = 16 * 1024 * 1024
IDLE_S = 5.0


class Follower(Protocol):
    """Where a live source's pieces come from; `fragments.Tail` is one."""

    def read(self) -> list[Piece]: ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Message:
    """What viewers are sent: an init segment, or fragments that follow one another.

    `key`: a viewer may begin here. `gap`: what came before it was left out.
    """

    data: bytes
    init: Init | None = None
    key: bool = False
    gap: bool = False


class Viewer:
    """One viewer's bounded queue. `skipped` counts how often it was set forward."""

    def __init__(self, first: list[Message]) -> None:
        self.skipped = 0
        self.closed = False
        self._queue: deque[Message] = deque(first)
        self._bytes = sum(len(message.data) for message in first)
        self._waiting_for_key = not any(message.key for message in first)
        self._init_owed: Message | None = None
        self._wake = asyncio.Event()
        self._wake.set()

    def offer(self, message: Message) -> None:
        """Queues the message, or skips to the next key frame when the queue is full."""
        if message.init is not None:
            self._queue.clear()
            self._bytes = 0
            self._waiting_for_key = True
        elif self._waiting_for_key:
            if not message.key:
                return
            self._waiting_for_key = False
        elif len(self._queue) >= QUEUE_MESSAGES or self._bytes > QUEUE_BYTES:
            self._skip(message)
            return
        self._put(message)

    def _skip(self, message: Message) -> None:
        self.skipped += 1
        init = next((m for m in reversed(self._queue) if m.init is not None), None)
        self._queue.clear()
        self._bytes = 0
        if init is not None:
            self._put(init)
        if message.key:
            self._put(Message(message.data, None, True, True))
        else:
            self._waiting_for_key = True

    def _put(self, message: Message) -> None:
        self._queue.append(message)
        self._bytes += len(message.data)
        self._wake.set()

    def close(self) -> None:
        self.closed = True
        self._wake.set()

    def __aiter__(self) -> AsyncIterator[Message]:
        return self

    async def __anext__(self) -> Message:
        """The next message; ends when the hub closes."""
        while not self._queue:
            if self.closed:
                raise StopAsyncIteration
            self._wake.clear()
            await self._wake.wait()
        message = self._queue.popleft()
        self._bytes -= len(message.data)
        return message


class Channel:
    """One live source: its reader, what a newcomer needs, its viewers."""

    def __init__(self, name: str, follow: Callable[[], Follower]) -> None:
        self.name = name
        self.viewers: set[Viewer] = set()
        self._follow = follow
        self._task: asyncio.Task[None] | None = None
        self._init: Message | None = None
        self._backlog: list[Message] = []  # from the latest key frame on
        self._backlog_bytes = 0
        self._latest = 0.0

    @property
    def idle(self) -> bool:
        return not self.viewers and (self._task is None or self._task.done())

    def join(self) -> Viewer:
        """A new viewer; it begins at the latest key frame."""
        first = [] if self._init is None else [self._init]
        if self._backlog:
            data = b"".join(message.data for message in self._backlog)
            first.append(Message(data, None, True))
        viewer = Viewer(first)
        self.viewers.add(viewer)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name=f"live {self.name}")
        return viewer

    def leave(self, viewer: Viewer) -> None:
        self.viewers.discard(viewer)
        viewer.close()

    async def _run(self) -> None:
        """Reads while there are viewers, and a little longer for one who only reloads."""
        follower = self._follow()
        loop = asyncio.get_running_loop()
        watched = loop.time()
        try:
            while loop.time() - watched < IDLE_S:
                if self.viewers:
                    watched = loop.time()
                self.take(follower.read())
                await asyncio.sleep(POLL_S if len(self.viewers) < MANY else POLL_MANY_S)
        except Exception:
            log.exception("live source %s stopped", self.name)
        finally:
            follower.close()
            self._init, self._backlog, self._backlog_bytes = None, [], 0
            for viewer in list(self.viewers):
                self.leave(viewer)

    def take(self, pieces: list[Piece]) -> None:
        """Hands what was read to everybody, cut where a key frame begins."""
        batch: list[Fragment] = []
        for piece in pieces:
            if isinstance(piece, Init):
                self._send_batch(batch)
                batch = []
                if self._init is None or self._init.data != piece.data:
                    self._send_init(Message(piece.data, piece))
                continue  # the same again: the writer only began another file
            if piece.video:
                if piece.start < self._latest - BACKWARDS_S and self._init is not None:
                    self._send_batch(batch)
                    batch = []
                    self._send_init(self._init)  # a new program, whose clock begins anew
                elif piece.sync:
                    self._send_batch(batch)
                    batch = []
                self._latest = piece.start
            batch.append(piece)
        self._send_batch(batch)

    def _send_init(self, message: Message) -> None:
        self._init = message
        self._backlog, self._backlog_bytes, self._latest = [], 0, 0.0
        self._send(message)

    def _send_batch(self, batch: list[Fragment]) -> None:
        if not batch or self._init is None:
            return
        message = Message(b"".join(one.data for one in batch), None, batch[0].sync)
        if message.key:
            self._backlog, self._backlog_bytes = [], 0
        if message.key or self._backlog:
            self._backlog.append(message)
            self._backlog_bytes += len(message.data)
            if self._backlog_bytes > BACKLOG_BYTES:
                self._backlog, self._backlog_bytes = [], 0
        self._send(message)

    def _send(self, message: Message) -> None:
        for viewer in self.viewers:
            viewer.offer(message)

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        for viewer in list(self.viewers):
            self.leave(viewer)


class Hub:
    """All channels, by the file or folder that they read."""

    def __init__(self) -> None:
        self._channels: dict[Path, Channel] = {}

    def join(self, path: Path, follow: Callable[[Path], Follower]) -> tuple[Channel, Viewer]:
        """A viewer of what `follow(path)` reads. Leave with `channel.leave(viewer)`."""
        self._channels = {key: one for key, one in self._channels.items() if not one.idle}
        channel = self._channels.get(path)
        if channel is None:
            channel = self._channels[path] = Channel(path.name, lambda: follow(path))
        return channel, channel.join()

    def watching(self, folder: Path) -> int:
        """How many watch something below `folder`."""
        return sum(
            len(channel.viewers)
            for path, channel in self._channels.items()
            if path.is_relative_to(folder)
        )

    async def close(self) -> None:
        """Ends every channel; its viewers' iteration ends."""
        channels, self._channels = list(self._channels.values()), {}
        for channel in channels:
            await channel.close()
