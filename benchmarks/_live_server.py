"""Serves a class that is being recorded: `ours` by the application's live routes, `plain` the same
bytes by the least that uvicorn can do. Arguments: kind, recording folder, port."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import uvicorn
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from controller.settings import AuthSettings
from controller.state import SessionState
from dashboard import problems
from dashboard.api import hls, live
from dashboard.app import _Shield
from dashboard.auth import Authenticator
from dashboard.hls_door import HlsDoor
from recorder.recording import Recording
from streaming.access import Visibility
from streaming.fragments import Fragment, Tail
from streaming.live import LiveRoom

EVERY_S = 0.04  # as the hub reads for a crowd


def ours(folder: Path) -> Any:
    """The live routes over a room that only knows which class is on."""
    recording = Recording.open(folder).id
    session = SimpleNamespace(recording=recording, state=SessionState.LIVE, title="Class")
    view = SimpleNamespace(session=session, name="Room")
    app = FastAPI()
    app.state.classroom = SimpleNamespace(view=lambda: view, recording_folder=lambda _: folder)
    app.state.live = LiveRoom(b"k" * 32, default_visibility=Visibility.PUBLIC)
    app.state.authenticator = Authenticator(AuthSettings(), b"k" * 32)
    app.add_middleware(_Shield)
    app.add_middleware(HlsDoor)
    problems.install(app)
    app.include_router(live.router, prefix="/api/v1")
    app.include_router(hls.router, prefix="/api/v1")
    return app


def plain(folder: Path) -> Any:
    """One reader, a queue for each socket, and one file: no rights, no rules, no skipping."""
    queues: set[asyncio.Queue[bytes]] = set()
    tail = Tail(folder / "live" / "program.mp4")
    tasks: list[asyncio.Task[None]] = []
    name = folder / "products" / "parts" / "lecture-001.mp4"

    async def read() -> None:
        while True:
            pieces = [piece.data for piece in tail.read() if isinstance(piece, Fragment)]
            if pieces:
                for queue in queues:
                    queue.put_nowait(b"".join(pieces))
            await asyncio.sleep(EVERY_S)

    async def watch(socket: WebSocket) -> None:
        await socket.accept()
        if not tasks:
            tasks.append(asyncio.create_task(read()))
        queue: asyncio.Queue[bytes] = asyncio.Queue()
        queues.add(queue)
        with contextlib.suppress(Exception):
            while True:
                await socket.send_bytes(await queue.get())
        queues.discard(queue)

    async def stretch(request: Request) -> Response:
        at, size = int(request.query_params["at"]), int(request.query_params["size"])
        with name.open("rb") as file:
            file.seek(at)
            return Response(file.read(size), media_type="video/mp4")

    return Starlette(routes=[WebSocketRoute("/watch", watch), Route("/stretch", stretch)])


def main() -> None:
    kind, folder, port = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    app = ours(folder) if kind == "ours" else plain(folder)
    config = uvicorn.Config(
        app,
        host="127.0.0.1",
        port=port,
        log_level="warning",
        access_log=False,
        lifespan="off",
        ws="websockets-sansio",
        ws_per_message_deflate=False,
    )
    uvicorn.Server(config).run()


if __name__ == "__main__":
    main()
