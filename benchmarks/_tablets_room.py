"""The room of the tablets' benchmark, in a process of its own: broker, lesson, web server.

Reads JSON lines `{"do": …}` on standard input and answers each with one.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI

from controller.broker import ManagedBroker
from controller.settings import AuthSettings
from controller.tablets import Tablets
from dashboard.api import tablet_socket
from dashboard.auth import Authenticator
from devices.transports.mqtt import MqttLink

PAGES = [
    {"id": f"p{n}", "kind": "image", "title": f"Page {n}", "url": None, "image": f"/p{n}.webp"}
    for n in range(40)
]


async def room(folder: Path) -> None:
    """Runs until standard input ends."""
    broker = ManagedBroker(folder)
    login = await broker.start()
    link = MqttLink(*login, client_id="room")
    await link.start()
    await link.wait_connected()
    tablets = Tablets("bench", folder, mqtt=link, managed=True)
    await tablets.start()
    lesson = await tablets.room.open("bench", "Benchmark")
    await lesson.put("deck", {"deck": {"id": "d", "title": "Deck"}, "pages": PAGES})
    app = FastAPI()
    app.state.tablets = tablets
    app.state.authenticator = Authenticator(AuthSettings(), b"k" * 32)
    app.include_router(tablet_socket.router, prefix="/api/v1")
    config = uvicorn.Config(
        app,
        port=0,
        log_level="error",
        lifespan="off",
        ws="websockets-sansio",
        ws_per_message_deflate=False,
        backlog=1024,
    )
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    task = asyncio.create_task(server._serve())
    while not server.started:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]

    async def pair(names: int, role: Any) -> list[dict[str, str]]:
        code = tablets.room.pairing.pair_set([f"T{n}" for n in range(names)], role)
        made = []
        for _ in range(names):
            paired = await tablets.redeem(code.text, "127.0.0.1", native=True)
            made.append({"id": paired.tablet.id, "credential": paired.credential})
        return made

    async def obey(order: dict[str, Any]) -> dict[str, Any]:
        match order["do"]:
            case "where":
                return {"web": port, "broker": list(login)}
            case "pair":
                return {"paired": await pair(order["n"], order["role"])}
            case "result":
                return lesson.result(order["question"])
            case "cpu":
                return {"s": time.process_time()}
            case "kill":
                return {"pid": broker.pid}
        return {}

    reader = asyncio.StreamReader(limit=1 << 24)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    try:
        while line := await reader.readline():
            print(json.dumps(await obey(json.loads(line))), flush=True)
    finally:
        server.should_exit = True
        await task
        await tablets.stop()
        await link.stop()
        await broker.stop()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        asyncio.run(room(Path(scratch)))
