"""What a learning record store is told, and that it is told in the end."""

from __future__ import annotations

import asyncio
import base64
import json
from pathlib import Path
from typing import Any

import pytest

from controller.lessons_told import LessonsTold
from devices.tablets.clock import room_ms
from devices.tablets.log import Stay


class Lrs:
    """A store that keeps statements by id, over HTTP; `down` makes it fail."""

    def __init__(self) -> None:
        self.kept: dict[str, Any] = {}
        self.down = True
        self.asked = 0

    async def start(self) -> str:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/xapi"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        size = int(head.split("content-length: ")[1].split("\r\n")[0])
        body = json.loads(await reader.readexactly(size))
        token = base64.b64encode(b"room:secret").decode().lower()
        good = f"authorization: basic {token}" in head and "experience-api-version: 1.0.3" in head
        self.asked += 1
        status = "503 No" if self.down else "200 OK" if good else "400 Bad"
        if status == "200 OK":
            assert head.startswith("post /xapi/statements ")
            self.kept |= {statement["id"]: statement for statement in body}
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: 2\r\n\r\n[]".encode())
        await writer.drain()
        writer.close()

    async def stop(self) -> None:
        self._server.close()
        await self._server.wait_closed()


async def test_a_lesson_is_told_when_the_store_is_back(
    store: Any, tmp_path: Path, until: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("controller.lessons_told.FIRST_WAIT_S", 0.05)
    far = Lrs()
    endpoint = await far.start()
    told = LessonsTold(
        tmp_path / "lrs",
        store,
        endpoint=endpoint,
        user="room",
        secret=lambda: "secret",
        home="https://room.example",
        names=False,
    )
    await store.attend("c1", Stay("s1", "Ada", 1000, 5000))
    working = asyncio.create_task(told.run())
    told.add("c1")
    await until(lambda: far.asked >= 2)
    assert not far.kept
    far.down = False
    await until(lambda: not list((tmp_path / "lrs").iterdir()))
    working.cancel()
    await far.stop()
    verbs = {statement["verb"]["display"]["en"] for statement in far.kept.values()}
    assert verbs == {"joined", "left"}
    assert "Ada" not in json.dumps(far.kept)


async def test_names_are_forgotten_after_a_while(store: Any) -> None:
    await store.attend("old", Stay("s1", "Ada", 1000, 5000))
    await store.attend("new", Stay("s2", "Bob", room_ms(), None))
    await store.forget_names(room_ms() - 1000)
    assert [stay.label for stay in await store.attendance("old")] == ["s1"]
    assert [stay.label for stay in await store.attendance("new")] == ["Bob"]
