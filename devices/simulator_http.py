"""A simulated device behind HTTP, with a WebSocket where its session has one."""

from __future__ import annotations

import asyncio
from http import HTTPStatus

from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol

from devices.far_end import FarEnd
from devices.far_shelly import WEBSOCKET
from devices.http_door import HttpDoor
from devices.simulated import SimulatedDevice
from devices.simulator_ports import Port
from devices.transports.http import LONGEST, PATH_END
from firmware_profiles.wire import HttpTransport, Session


class HttpPort(Port):
    """Listens on host:port; connections are kept. A device with a password asks for it, except
    where its session does that itself (ONVIF)."""

    def __init__(self, device: SimulatedDevice, session: Session, host: str, port: int) -> None:
        super().__init__(device)
        self._session, self._host, self._port = session, host, port
        self._table = device.profile.transports.http or HttpTransport()
        self._server: asyncio.Server | None = None
        self._far: FarEnd | None = None
        self._serving: set[asyncio.Task[None]] = set()
        options = device.options
        password = str(options.get("password") or "")
        self._door = HttpDoor(
            self._table.auth,
            str(options.get("device") or "device"),
            str(options.get("username") or "admin"),
            password,
        )
        self._closed = bool(password) and session.kind != "onvif"

    async def start(self) -> str:
        self._server = await asyncio.start_server(self._connected, self._host, self._port)
        port = self._server.sockets[0].getsockname()[1]
        self.device.options["host"] = f"{self._host}:{port}"
        self._far = FarEnd(self.device, self._session, datagram=True)
        self._far.open(lambda data: None)
        return f"http://{self._host}:{port}"

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while self.device.takes_connections() and await self._request(reader, writer):
                pass
        except (OSError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            writer.close()

    async def _request(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request and its answer; False when the connection is over."""
        raw = await reader.readuntil(b"\r\n\r\n")
        first, *lines = raw.decode("latin-1").split("\r\n")
        method, path, _ = first.split(" ", 2)
        headers = {
            name.strip().lower(): value.strip()
            for name, _, value in (line.partition(":") for line in lines)
        }
        if headers.get("upgrade", "").lower() == "websocket" and self._session.kind == "shelly":
            await self._websocket(path, raw, reader, writer)
            return False
        size = int(headers.get("content-length", "0"))
        if not 0 <= size <= LONGEST:
            return False
        sent = await reader.readexactly(size)
        if method != "POST" and self._session.kind == "onvif":
            await self._respond(writer, 404, b"")
            return True
        assert self._far is not None
        asked = f"{method} {path}".encode() + PATH_END + sent
        given = headers.get("authorization", "")
        if self._closed and not (self._far.public(asked) or self._door.trusts(method, given)):
            await self._respond(writer, 401, b"", f"WWW-Authenticate: {self._door.challenge()}")
            return True
        for delay, data in self._far.received(asked):
            if delay:
                await asyncio.sleep(delay)
            status, _, body = data.partition(PATH_END)
            await self._respond(writer, int(status) if status.isdigit() else 500, body)
            return not self._far.closing
        await asyncio.sleep(30)  # it keeps silent, as the fault or its state wants
        return False

    async def _websocket(
        self, path: str, raw: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Text messages both ways until either side closes."""
        protocol = ServerProtocol()
        far = FarEnd(self.device, self._session, datagram=True)

        def flush() -> None:
            for piece in protocol.data_to_send():
                if piece:
                    writer.write(piece)

        def tell(data: bytes) -> None:
            if body := data.partition(PATH_END)[2]:
                protocol.send_text(body)
                flush()

        far.open(tell)
        data = raw
        try:
            while data:
                protocol.receive_data(data)
                for event in protocol.events_received():
                    if isinstance(event, Request):
                        protocol.send_response(protocol.accept(event))
                    elif isinstance(event, Frame) and event.opcode is Opcode.TEXT:
                        asked = f"{WEBSOCKET} {path}".encode() + PATH_END + bytes(event.data)
                        for delay, answer in far.received(asked):
                            await asyncio.sleep(delay)
                            tell(answer)
                flush()
                await writer.drain()
                if protocol.close_expected() or far.closing:
                    return
                data = await reader.read(65536)
        finally:
            far.close()

    async def _respond(
        self, writer: asyncio.StreamWriter, status: int, body: bytes, *more: str
    ) -> None:
        lines = (
            f"HTTP/1.1 {status} {HTTPStatus(status).phrase}",
            f"Content-Type: {self._table.content}",
            f"Content-Length: {len(body)}",
            *more,
        )
        writer.write("\r\n".join((*lines, "", "")).encode() + body)
        await writer.drain()

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        if self._far is not None:
            self._far.close()
        serving = list(self._serving)
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)
