"""A TCP proxy that cuts the connection after so many bytes; for protocols that are not HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from own_address import own_address


class CutProxy:
    """Each entry of `cuts` breaks one connection after that many bytes towards the server.

    With `loses` the server does what those bytes ask, and its next answer is what is lost.
    """

    def __init__(self, upstream: tuple[str, int]) -> None:
        self.upstream = upstream
        self.cuts: list[int] = []
        self.loses = False
        self.body_bytes = 0
        self.asked = 0
        self.on_bytes: Callable[[int], None] = lambda _: None
        self.host, self.port = own_address(), 0
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._accept, self.host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def reset(self) -> None:
        self.cuts, self.body_bytes, self.asked, self.loses = [], 0, 0, False
        self.on_bytes = lambda _: None

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.asked += 1
        cut = self.cuts.pop(0) if self.cuts else None
        try:
            up_reader, up_writer = await asyncio.open_connection(*self.upstream)
        except OSError:
            writer.transport.abort()
            self._tasks.discard(task)
            return
        lost = asyncio.Event()
        back = asyncio.create_task(_copy(up_reader, writer, lost))
        try:
            seen = 0
            while data := await reader.read(1 << 15):
                if cut is not None and seen + len(data) >= cut:
                    if self.loses:
                        lost.set()
                        up_writer.write(data)
                        await back
                        break
                    up_writer.write(data[: cut - seen])
                    await up_writer.drain()
                    break
                seen += len(data)
                self.body_bytes += len(data)
                up_writer.write(data)
                await up_writer.drain()
                self.on_bytes(self.body_bytes)
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            back.cancel()
            await asyncio.gather(back, return_exceptions=True)
            writer.transport.abort()
            up_writer.transport.abort()
            self._tasks.discard(task)


async def _copy(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, lost: asyncio.Event
) -> None:
    try:
        while data := await reader.read(1 << 15):
            if lost.is_set():
                break
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.transport.abort()
