"""What devices send unasked to a UDP port of ours (PJLink class 2: 4352), one socket for all.

A notice counts only when it comes from the device's own address, and even then it is only a reason
to ask: the sender's address of a datagram proves nothing.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, Protocol

log = logging.getLogger(__name__)


class Listener(Protocol):
    """One device that may be told something: its host name or address, its port for notices."""

    @property
    def notice_port(self) -> int | None: ...

    @property
    def host(self) -> str: ...

    def noticed(self, data: bytes) -> None: ...


class NoticeBoard:
    """Listens on `ports` and tells the devices whose address a datagram comes from."""

    def __init__(
        self,
        devices: Callable[[], Iterable[Listener]],
        *,
        address: str = "0.0.0.0",  # noqa: S104
    ) -> None:
        self._devices, self._address = devices, address
        self._transports: dict[int, asyncio.DatagramTransport] = {}
        self._hosts: dict[str, set[str]] = {}
        self._lookups: set[asyncio.Task[None]] = set()

    async def start(self, ports: Iterable[int]) -> None:
        """Listen; a port that another program holds is logged and left to it."""
        loop = asyncio.get_running_loop()
        for port in sorted(set(ports)):
            try:
                transport, _ = await loop.create_datagram_endpoint(
                    lambda port=port: _Ear(self, port),  # type: ignore[misc]
                    local_addr=(self._address, port),
                )
            except OSError as error:
                log.warning("UDP port %s is taken (%s): no notices", port, error.strerror or error)
                continue
            self._transports[port] = transport

    def close(self) -> None:
        """Listen no longer."""
        for transport in self._transports.values():
            transport.close()
        self._transports.clear()
        for task in self._lookups:
            task.cancel()

    def received(self, data: bytes, sender: str, port: int) -> None:
        """One datagram."""
        for device in self._devices():
            if device.notice_port != port:
                continue
            known = self._hosts.get(device.host)
            if known is None:
                self._hosts[device.host] = {device.host}
                task = asyncio.create_task(self._look_up(device.host))
                self._lookups.add(task)
                task.add_done_callback(self._lookups.discard)
                known = self._hosts[device.host]
            if sender in known:
                device.noticed(data)

    async def _look_up(self, host: str) -> None:
        with suppress(OSError):
            found = await asyncio.get_running_loop().getaddrinfo(host, None, family=socket.AF_INET)
            self._hosts[host] |= {str(entry[4][0]) for entry in found}


class _Ear(asyncio.DatagramProtocol):
    def __init__(self, board: NoticeBoard, port: int) -> None:
        self._board, self._port = board, port

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        self._board.received(data[:2048], str(addr[0]), self._port)
