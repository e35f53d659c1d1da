"""A simulated device behind HTTP: posts are its messages, everything else isn't there."""

from __future__ import annotations

import asyncio
from http import HTTPStatus

from devices.far_end import FarEnd
from devices.simulated import SimulatedDevice
from devices.simulator_ports import Port
from devices.transports.http import LONGEST, PATH_END
from firmware_profiles.wire import Session

_TYPE = "application/soap+xml; charset=utf-8"


class HttpPort(Port):
    """Listens on host:port; connections are kept."""

    def __init__(self, device: SimulatedDevice, session: Session, host: str, port: int) -> None:
        super().__init__(device)
        self._session, self._host, self._port = session, host, port
        self._server: asyncio.Server | None = None
        self._far: FarEnd | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def start(self) -> str:
        self._server = await asyncio.start_server(self._serve, self._host, self._port)
        port = self._server.sockets[0].getsockname()[1]
        self.device.options["host"] = f"{self._host}:{port}"
        self._far = FarEnd(self.device, self._session, datagram=True)
        self._far.open(lambda data: None)
        return f"http://{self._host}:{port}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while self.device.takes_connections() and await self._request(reader, writer):
                pass
        except (OSError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _request(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request and its answer; False when the connection is over."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.split("\r\n")
        method, path, _ = first.split(" ", 2)
        headers = {
            name.strip().lower(): value.strip()
            for name, _, value in (line.partition(":") for line in lines)
        }
        size = int(headers.get("content-length", "0"))
        if not 0 <= size <= LONGEST:
            return False
        sent = await reader.readexactly(size)
        if method != "POST":
            await _respond(writer, 404, b"")
            return True
        assert self._far is not None
        for delay, data in self._far.received(path.encode() + PATH_END + sent):
            if delay:
                await asyncio.sleep(delay)
            status, _, body = data.partition(PATH_END)
            await _respond(writer, int(status) if status.isdigit() else 500, body)
            return not self._far.closing
        await asyncio.sleep(30)  # it keeps silent, as the fault or its state wants
        return False

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        if self._far is not None:
            self._far.close()
        for writer in list(self._writers):
            writer.close()
        await asyncio.sleep(0)


async def _respond(writer: asyncio.StreamWriter, status: int, body: bytes) -> None:
    head = (
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nContent-Type: {_TYPE}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    writer.write(head.encode() + body)
    await writer.drain()
