"""TCP to a device: keep-alive, bounded buffers, optional upgrade to TLS."""

from __future__ import annotations

import asyncio
import socket
import ssl
from contextlib import suppress

from devices.transports.link import Link, LinkError

WRITE_TIMEOUT = 5.0


class TcpLink(Link):
    """A connection to host:port."""

    def __init__(self, host: str, port: int, *, timeout: float = 5.0) -> None:
        super().__init__()
        self._host, self._port, self._timeout = host, port, timeout
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def address(self) -> str:
        return f"tcp://{self._host}:{self._port}"

    async def open(self) -> None:
        try:
            async with asyncio.timeout(self._timeout):
                self._reader, self._writer = await asyncio.open_connection(
                    self._host, self._port, limit=64 * 1024
                )
        except TimeoutError:
            raise LinkError(f"{self.address} doesn't answer", "is it on the network") from None
        except OSError as error:
            raise LinkError(
                f"{self.address}: {error.strerror or error}", "check address, cable and power"
            ) from error
        self._tune()
        self.lost = None
        self._task = asyncio.create_task(self._read(), name=f"read {self.address}")

    def _tune(self) -> None:
        assert self._writer is not None
        sock = self._writer.get_extra_info("socket")
        with suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 20)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 5)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 20_000)

    async def _read(self) -> None:
        assert self._reader is not None
        try:
            while data := await self._reader.read(4096):
                self.on_data(data)
            self._gone("the device closed the connection")
        except OSError as error:
            self._gone(f"connection lost ({error.strerror or error})")

    async def write(self, data: bytes) -> None:
        if self._writer is None or self.lost is not None:
            raise LinkError(self.lost or "not connected")
        try:
            self._writer.write(data)
            async with asyncio.timeout(WRITE_TIMEOUT):
                await self._writer.drain()
        except (OSError, TimeoutError) as error:
            self._gone("connection lost while sending")
            raise LinkError("connection lost while sending") from error

    async def start_tls(self) -> None:
        """The devices' certificates are self-made, so only the wire is protected, not the name."""
        assert self._writer is not None and self._task is not None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        try:
            await self._writer.start_tls(context)
        except (OSError, ssl.SSLError) as error:
            raise LinkError(f"TLS failed ({error})", "is TLS on in the device's menu") from error
        self._task = asyncio.create_task(self._read(), name=f"read {self.address}")

    async def close(self) -> None:
        self.lost = self.lost or "closed"
        task, writer = self._task, self._writer
        self._task = self._writer = self._reader = None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        if writer is not None:
            writer.close()
            with suppress(OSError, TimeoutError, ssl.SSLError):
                async with asyncio.timeout(1.0):
                    await writer.wait_closed()
