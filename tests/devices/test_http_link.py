"""HTTP to a device: which request an answer belongs to, and what a device does wrong."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from devices.transports.http import PATH_END, HttpLink
from devices.transports.link import LinkError
from firmware_profiles.wire import HttpTransport


class Slow:
    """Answers each request with its path, once it may; `asked` lists them."""

    def __init__(self) -> None:
        self.asked: asyncio.Queue[str] = asyncio.Queue()
        self.may: dict[str, asyncio.Event] = {}
        self.answer: Callable[[str], bytes] = lambda path: _ok(path.encode())

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                path = head.split(" ")[1]
                self.asked.put_nowait(head.split("\r\n")[0])
                if path in self.may:
                    await self.may[path].wait()
                writer.write(self.answer(path))
                await writer.drain()
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            writer.close()


def _ok(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


@pytest.fixture
async def slow() -> AsyncIterator[tuple[Slow, HttpLink]]:
    device = Slow()
    server = await asyncio.start_server(device.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    link = HttpLink("127.0.0.1", port, "/default", HttpTransport(), timeout=20)
    await link.open()
    yield device, link
    await link.close()
    server.close()


def _heard(link: HttpLink) -> tuple[asyncio.Queue[bytes], asyncio.Queue[bytes]]:
    answers: asyncio.Queue[bytes] = asyncio.Queue()
    late: asyncio.Queue[bytes] = asyncio.Queue()
    link.on_data, link.on_late = answers.put_nowait, late.put_nowait
    return answers, late


async def test_the_verb_and_the_path_are_said_or_the_usual_ones(slow: Any) -> None:
    device, link = slow
    answers, _ = _heard(link)
    for head in ("GET /a?turn=on", "/b", ""):
        await link.write(head.encode() + PATH_END)
        await asyncio.wait_for(answers.get(), 20)
    asked = [device.asked.get_nowait() for _ in range(3)]
    assert asked == ["GET /a?turn=on HTTP/1.1", "POST /b HTTP/1.1", "POST /default HTTP/1.1"]


async def test_a_late_answer_is_not_taken_for_the_next_ones(slow: Any) -> None:
    device, link = slow
    answers, late = _heard(link)
    device.may["/first"] = asyncio.Event()
    await link.write(b"GET /first" + PATH_END)
    await asyncio.wait_for(device.asked.get(), 20)
    await link.write(b"GET /second" + PATH_END)
    device.may["/first"].set()
    assert await asyncio.wait_for(answers.get(), 20) == b"200" + PATH_END + b"/second"
    assert late.get_nowait() == b"200" + PATH_END + b"/first"


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nx",
        b"HTTP/1.1 abc\r\n\r\n",
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc",
        b"\xff" * 100_000,
    ],
)
async def test_what_is_no_http_loses_the_link_and_raises_nothing(answer: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    link = HttpLink(
        "127.0.0.1", server.sockets[0].getsockname()[1], "/", HttpTransport(), timeout=20
    )
    lost: asyncio.Queue[str] = asyncio.Queue()
    link.on_lost = lost.put_nowait
    await link.open()
    await link.write(b"GET /" + PATH_END)
    assert link.address in await asyncio.wait_for(lost.get(), 20)
    with pytest.raises(LinkError):
        await link.write(b"GET /" + PATH_END)
    await link.close()
    server.close()
