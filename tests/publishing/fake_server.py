"""The ground under the strict fakes: a small HTTP server that also sees requests that broke off."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from own_address import own_address


@dataclass
class Request:
    """`whole` is False when the connection ended before the body did."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes = b""
    whole: bool = True

    @property
    def form(self) -> dict[str, str]:
        assert self.headers.get("content-type", "").startswith("application/x-www-form-urlencoded")
        return dict(parse_qsl(self.body.decode(), keep_blank_values=True))

    @property
    def json(self) -> Any:
        assert self.headers.get("content-type", "").startswith("application/json")
        return json.loads(self.body)

    def parts(self) -> list[Part]:
        """The parts of a multipart body, in the order in which they came."""
        kind, _, boundary = self.headers["content-type"].partition("boundary=")
        assert kind.startswith("multipart/form-data")
        found = []
        for raw in self.body.split(b"--" + boundary.strip('"').encode())[1:-1]:
            head, _, data = raw.removeprefix(b"\r\n").partition(b"\r\n\r\n")
            lines = [line.partition(":") for line in head.decode().split("\r\n")]
            headers = {name.lower(): value.strip() for name, _, value in lines}
            told = dict(
                item.strip().partition("=")[::2]
                for item in headers["content-disposition"].split(";")[1:]
            )
            found.append(
                Part(
                    told["name"].strip('"'),
                    told["filename"].strip('"') if "filename" in told else None,
                    data.removesuffix(b"\r\n"),
                    headers.get("content-type"),
                )
            )
        return found


@dataclass
class Part:
    name: str
    filename: str | None
    data: bytes
    media_type: str | None = None

    @property
    def text(self) -> str:
        return self.data.decode()


@dataclass
class Answer:
    """`body` that is no bytes goes out as JSON."""

    status: int = 200
    body: Any = b""
    headers: dict[str, str] = field(default_factory=dict)


class Fake:
    """One request per connection. Subclasses say what they `answer`, in `refusals` what they did
    not like: a strict fake answers 400 and writes down why, and the test shows it. `base` is the
    address by which it is reached, for those that tell addresses of their own.
    """

    def __init__(self) -> None:
        self.host, self.port = own_address(), 0
        self.base = ""
        self.refusals: list[str] = []
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def answer(self, request: Request) -> Answer:
        raise NotImplementedError

    def refuse(self, why: str, status: int = 400) -> Answer:
        self.refusals.append(why)
        return Answer(status, why.encode(), {"content-type": "text/plain"})

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._accept, self.host, self.port, limit=1 << 20)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._tasks.add(task)
        try:
            request = await _read(reader)
            answer = await self.answer(request)
            if request.whole:
                await _write(writer, request, answer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            writer.close()


async def _read(reader: asyncio.StreamReader) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, target, _ = head[0].split(" ", 2)
    headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in head[1:-2])}
    parts = urlsplit(target)
    request = Request(
        method,
        unquote(parts.path),
        dict(parse_qsl(parts.query, keep_blank_values=True)),
        headers,
    )
    try:
        if "chunked" in headers.get("transfer-encoding", ""):
            while size := int(await reader.readline(), 16):
                request.body += (await reader.readexactly(size + 2))[:-2]
            await reader.readline()
        else:
            blocks, left = [], int(headers.get("content-length", 0))
            while left:
                if not (block := await reader.read(min(left, 1 << 18))):
                    request.whole = False
                    break
                blocks.append(block)
                left -= len(block)
            request.body = b"".join(blocks)
    except (OSError, asyncio.IncompleteReadError):
        request.body, request.whole = b"".join(blocks), False
    return request


async def _write(writer: asyncio.StreamWriter, request: Request, answer: Answer) -> None:
    headers = dict(answer.headers)
    body = answer.body
    if not isinstance(body, bytes):
        body = json.dumps(body).encode()
        headers.setdefault("content-type", "application/json")
    headers.setdefault("content-length", str(len(body)))
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    writer.write(f"HTTP/1.1 {answer.status} Fake\r\n{lines}connection: close\r\n\r\n".encode())
    if request.method != "HEAD":
        writer.write(body)
    await writer.drain()
