"""UDP to a device, plain or OSC. There is no connection: only answers show that it is there."""

from __future__ import annotations

import asyncio
from typing import Any

from devices.transports.link import Link, LinkError
from firmware_profiles.fields import TemplateError
from firmware_profiles.osc import osc_datagram, osc_text


class _Protocol(asyncio.DatagramProtocol):
    def __init__(self, link: UdpLink) -> None:
        self._link = link

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        self._link.received(data)

    def error_received(self, exc: Exception) -> None:
        """ICMP refusals come here; the missing answer is noticed by the driver."""


class UdpLink(Link):
    """Datagrams to host:port, from `local_port` (0: any)."""

    datagram = True

    def __init__(self, host: str, port: int, *, local_port: int = 0) -> None:
        super().__init__()
        self._host, self._port, self._local_port = host, port, local_port
        self._transport: asyncio.DatagramTransport | None = None

    @property
    def address(self) -> str:
        return f"udp://{self._host}:{self._port}"

    async def open(self) -> None:
        loop = asyncio.get_running_loop()
        local = ("0.0.0.0", self._local_port) if self._local_port else None  # noqa: S104
        try:
            self._transport, _ = await loop.create_datagram_endpoint(
                lambda: _Protocol(self),
                remote_addr=(self._host, self._port),
                local_addr=local,
                allow_broadcast=True,
            )
        except OSError as error:
            raise LinkError(
                f"{self.address}: {error.strerror or error}", "check the address"
            ) from error
        self.lost = None

    def received(self, data: bytes) -> None:
        """One datagram arrived."""
        if data:
            self.on_data(data)

    async def write(self, data: bytes) -> None:
        if self._transport is None or self._transport.is_closing():
            raise LinkError("not connected")
        self._transport.sendto(data)

    async def close(self) -> None:
        self.lost = self.lost or "closed"
        if self._transport is not None:
            self._transport.close()
            self._transport = None


class OscLink(UdpLink):
    """OSC in its text form on this side, datagrams on the wire; one socket for both ways."""

    @property
    def address(self) -> str:
        return f"osc://{self._host}:{self._port}"

    def received(self, data: bytes) -> None:
        if (text := osc_text(data)) is not None:
            self.on_data(text)

    async def write(self, data: bytes) -> None:
        try:
            datagram = osc_datagram(data)
        except (TemplateError, ValueError, StopIteration) as error:
            raise LinkError(f"not an OSC message: {error}") from error
        await super().write(datagram)
