"""The web server of one room: the pages' port, and a local socket for the command line."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

LOCAL = "classroomd.local"


class ServerError(Exception):
    """The server cannot listen. The text says what to do."""


def listen(host: str, port: int) -> socket.socket:
    """A listening TCP socket; port 0 takes a free one. Raises ServerError."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=512)
    except OSError as error:
        raise ServerError(
            f"{host}:{port} cannot be used ({error.strerror}); choose another [server] port "
            "or --port, or stop what listens there"
        ) from error


class _Local:
    """Marks requests from the local socket: only the daemon's own user can open it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope[LOCAL] = True
        await self._app(scope, receive, send)


class _Server(uvicorn.Server):
    """Leaves signals to the daemon."""

    @contextlib.contextmanager
    def capture_signals(self):  # type: ignore[no-untyped-def]
        yield


class WebServer:
    """Serves `app` on a TCP socket for people and on a Unix socket for the command line."""

    def __init__(self, app: ASGIApp, tcp: socket.socket, local: Path) -> None:
        self._tcp = tcp
        self._local = local
        self._servers = [_Server(_config(app)), _Server(_config(_Local(app)))]
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def url(self) -> str:
        """Where the pages are."""
        host, port = self._tcp.getsockname()[:2]
        host = {"0.0.0.0": "localhost", "127.0.0.1": "localhost", "::": "localhost"}.get(host, host)  # noqa: S104
        return f"http://{host}:{port}"

    async def start(self) -> None:
        """Returns when both sockets answer."""
        self._local.unlink(missing_ok=True)
        unix = socket.socket(socket.AF_UNIX)
        mask = os.umask(0o177)
        try:
            unix.bind(str(self._local))
        finally:
            os.umask(mask)
        unix.listen(64)
        for server, sock in zip(self._servers, (self._tcp, unix), strict=True):
            self._tasks.append(asyncio.create_task(server.serve(sockets=[sock])))
        while not all(server.started for server in self._servers):
            for task in self._tasks:
                if task.done():
                    await task
            await asyncio.sleep(0.005)

    async def stop(self) -> None:
        """Closes connections and returns when both servers have ended."""
        for server in self._servers:
            server.should_exit = True
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._local.unlink(missing_ok=True)


def _config(app: ASGIApp) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        ws="websockets-sansio",
        ws_per_message_deflate=False,  # compressing each viewer's stream costs more than sending it
        ws_max_size=1 << 20,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=2,
    )
