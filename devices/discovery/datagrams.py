"""Ask by UDP and collect who answers, for a while."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from typing import Any

Answer = tuple[bytes, str]
LONGEST = 65_507
MOST_ANSWERS = 2048


class _Collector(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.answers: asyncio.Queue[Answer] = asyncio.Queue(MOST_ANSWERS)

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        with suppress(asyncio.QueueFull):
            self.answers.put_nowait((data, str(addr[0])))


async def ask_all(
    question: bytes,
    targets: Iterable[tuple[str, int]],
    seconds: float,
    *,
    multicast_from: Iterable[str] = (),
    times: int = 2,
) -> AsyncIterator[Answer]:
    """Send `question` to every target, `times` over the first half, and yield answers.

    `multicast_from`: addresses of our interfaces to send multicasts from (default: the system's).
    A target that can't be reached is passed over.
    """
    loop = asyncio.get_running_loop()
    sources = list(multicast_from) or [""]
    collector = _Collector()
    transports = []
    for source in sources:
        with suppress(OSError):
            transport, _ = await loop.create_datagram_endpoint(
                lambda: collector, sock=_socket(source)
            )
            transports.append(transport)
    end = loop.time() + seconds
    pauses = [seconds / 2 / times] * times
    try:
        next_send = loop.time()
        while (now := loop.time()) < end:
            if pauses and now >= next_send:
                next_send = now + pauses.pop()
                for transport in transports:
                    for target in targets:
                        with suppress(OSError):
                            transport.sendto(question, target)
            until = min(end, next_send) if pauses else end
            answer = None
            with suppress(TimeoutError):
                async with asyncio.timeout_at(until):
                    answer = await collector.answers.get()
            if answer is not None:
                yield answer
    finally:
        for transport in transports:
            transport.close()


def _socket(source: str) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setblocking(False)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 4)
    if source:
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(source))
    sock.bind((source, 0))
    return sock
