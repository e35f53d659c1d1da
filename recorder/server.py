"""The recorder's side of the control socket. Loads no codec."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from recorder.control import (
    MAX_LINE,
    PROTOCOL,
    RecorderError,
    RecorderEvent,
    RecorderStatus,
    Running,
    announcement_path,
    socket_path,
    started_ticks,
)

log = logging.getLogger(__name__)

BACKLOG_BYTES = 4 << 20

Handler = Callable[[str, dict[str, Any]], Awaitable[RecorderStatus]]


def _line(event: RecorderEvent) -> bytes:
    return b'{"event":' + event.model_dump_json().encode() + b"}\n"


class ControlServer:
    """Answers commands and tells events to everyone who is connected.

    `handle(name, args)` carries a command out and returns the status after it; it raises
    RecorderError to refuse.
    """

    def __init__(
        self,
        run_dir: Path,
        recording_id: str,
        folder: Path,
        handle: Handler,
        greeting: Callable[[], list[RecorderEvent]] = list,
    ) -> None:
        """`greeting` gives the events that a new client must know of: the facts that stand."""
        self._greeting = greeting
        self._path = socket_path(run_dir, recording_id)
        self._announcement = announcement_path(run_dir, recording_id)
        self._folder, self._id, self._handle = folder, recording_id, handle
        self._clients: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        self._path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        self._path.unlink(missing_ok=True)
        before = os.umask(0o117)
        try:
            self._server = await asyncio.start_unix_server(self._serve, self._path, limit=MAX_LINE)
        finally:
            os.umask(before)
        ticks = started_ticks(os.getpid())
        assert ticks is not None
        running = Running(
            recording=self._id,
            pid=os.getpid(),
            started_ticks=ticks,
            socket=self._path,
            folder=self._folder.absolute(),
        )
        fresh = self._announcement.with_suffix(".new")
        fresh.write_text(running.model_dump_json())
        fresh.replace(self._announcement)

    async def stop(self) -> None:
        """Withdraws the announcement and closes every connection once its events are sent."""
        self._announcement.unlink(missing_ok=True)
        self._path.unlink(missing_ok=True)
        if self._server is not None:
            self._server.close()
        for client in list(self._clients):
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(1.0):
                    await client.drain()
            client.close()
        for client in list(self._clients):
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(1.0):
                    await client.wait_closed()

    def tell(self, event: RecorderEvent) -> None:
        """Sends the event to every client; one that does not read is let go."""
        if not self._clients:
            return
        line = _line(event)
        for client in list(self._clients):
            if client.transport.get_write_buffer_size() > BACKLOG_BYTES:
                log.warning("a client of the control socket does not read; it is let go")
                client.transport.abort()
                self._clients.discard(client)
            else:
                client.write(line)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for event in self._greeting():
            writer.write(_line(event))
        self._clients.add(writer)
        try:
            while line := await reader.readline():
                writer.write(json.dumps(await self._answer(line)).encode() + b"\n")
                await writer.drain()
        except (OSError, ValueError):
            pass  # gone, or a line beyond all measure
        finally:
            self._clients.discard(writer)
            writer.close()

    async def _answer(self, line: bytes) -> dict[str, Any]:
        number = None
        try:
            request = json.loads(line)
            number = request.get("id")
            name, args = request["command"], request.get("args") or {}
            spoken = request.get("protocol")
            if spoken != PROTOCOL:
                text = f"this recorder speaks protocol {PROTOCOL}, not {spoken!r}"
                return {"id": number, "ok": False, "error": text}
            status = await self._handle(str(name), dict(args))
        except RecorderError as error:
            return {"id": number, "ok": False, "error": str(error)}
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return {"id": number, "ok": False, "error": "the request is not understood"}
        return {"id": number, "ok": True, "status": status.model_dump(mode="json")}
