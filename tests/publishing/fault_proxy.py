"""An HTTP proxy that breaks requests on purpose, and counts every byte it saw."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from own_address import own_address


@dataclass(frozen=True)
class Fault:
    """What happens to one request.

    `status`: it never reaches the server, this comes back. `lost`: the server does it, the answer
    is lost. `late`: the server does it, the answer is replaced by `status`. `cut`: the connection
    breaks after `after` bytes of the body.
    """

    kind: str
    status: int = 503
    after: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass
class Seen:
    """One request: `body` is how many bytes of it arrived here."""

    method: str
    path: str
    length: int | None
    body: int = 0
    status: int | None = None


class FaultProxy:
    """One connection per request; the nth request (from 0) meets `faults[n]`."""

    def __init__(self, upstream: tuple[str, int]) -> None:
        self.upstream = upstream
        self.faults: dict[int, Fault] = {}
        self.always: Callable[[Seen], Fault | None] = lambda _: None
        self.seen: list[Seen] = []
        self.on_body: Callable[[Seen], None] = lambda _: None
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.host, self.port = own_address(), 0

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._accept, self.host, self.port, limit=1 << 20)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    @property
    def asked(self) -> int:
        return len(self.seen)

    @property
    def body_bytes(self) -> int:
        return sum(seen.body for seen in self.seen)

    def reset(self) -> None:
        self.faults, self.seen = {}, []
        self.always = lambda _: None
        self.on_body = lambda _: None

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._serve(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        method, path, _ = lines[0].split(" ", 2)
        headers = {k.lower(): v.strip() for k, _, v in (h.partition(":") for h in lines[1:] if h)}
        chunked = "chunked" in headers.get("transfer-encoding", "")
        length = None if chunked else int(headers.get("content-length", 0))
        seen = Seen(method, path, length)
        fault = self.faults.get(len(self.seen)) or self.always(seen)
        self.seen.append(seen)
        kept = [line for line in lines[1:] if line and not line.lower().startswith("connection:")]
        request = "\r\n".join([lines[0], *kept, "Connection: close", "", ""]).encode("latin-1")

        up_reader = up_writer = None
        if fault is None or fault.kind != "status":
            try:
                up_reader, up_writer = await asyncio.open_connection(*self.upstream)
            except OSError:
                writer.transport.abort()
                return
            up_writer.write(request)
        try:
            limit = fault.after if fault and fault.kind == "cut" else None
            whole = await self._body(reader, up_writer, seen, chunked, limit)
            if not whole:
                writer.transport.abort()
                if up_writer:
                    up_writer.transport.abort()
                return
            if fault and fault.kind == "status":
                await _answer(writer, fault)
                return
            assert up_reader is not None
            await self._relay(up_reader, writer, seen, fault)
        finally:
            if up_writer:
                up_writer.close()

    async def _body(
        self,
        reader: asyncio.StreamReader,
        up: asyncio.StreamWriter | None,
        seen: Seen,
        chunked: bool,
        limit: int | None,
    ) -> bool:
        if limit == 0:
            return False
        left = seen.length
        while left is None or left > 0:
            if chunked:
                line = await reader.readline()
                size = int(line, 16)
                data = await reader.readexactly(size + 2)
                raw, count = line + data, size
            else:
                assert left is not None
                want = min(left, 1 << 16)
                if limit is not None:
                    want = min(want, limit - seen.body)
                raw = await reader.read(want)
                if not raw:
                    return False
                count = len(raw)
                left -= count
            seen.body += count
            self.on_body(seen)
            if up:
                up.write(raw)
                await up.drain()
            if limit is not None and seen.body >= limit:
                return False
            if chunked and count == 0:
                break
        return True

    async def _relay(
        self,
        up: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        seen: Seen,
        fault: Fault | None,
    ) -> None:
        head = await up.readuntil(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        seen.status = int(lines[0].split(" ")[1])
        rest = b""
        if fault and fault.kind in ("lost", "late"):
            while await up.read(1 << 16):
                pass
            if fault.kind == "late":
                await _answer(writer, fault)
            else:
                writer.transport.abort()
            return
        kept = [h for h in lines[1:] if h and not h.lower().startswith(("connection:", "keep-al"))]
        writer.write("\r\n".join([lines[0], *kept, "Connection: close", "", ""]).encode("latin-1"))
        while rest := await up.read(1 << 16):
            writer.write(rest)
            await writer.drain()
        await writer.drain()


async def _answer(writer: asyncio.StreamWriter, fault: Fault) -> None:
    extra = "".join(f"{key}: {value}\r\n" for key, value in fault.headers.items())
    writer.write(
        f"HTTP/1.1 {fault.status} Injected\r\nContent-Length: {len(fault.body)}\r\n{extra}"
        "Connection: close\r\n\r\n".encode()
        + fault.body
    )
    await writer.drain()
