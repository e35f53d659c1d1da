"""The event stream on a real socket: the whole room first, then each change."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import websockets

from controller.state import Event
from dashboard.api import events

TOKEN = {"Authorization": "Bearer token-instructor"}


@pytest.fixture
async def stream(served: str) -> AsyncIterator[websockets.ClientConnection]:
    async with websockets.connect(
        f"ws://{served}/api/v1/events", additional_headers=TOKEN, open_timeout=60
    ) as socket:
        yield socket


async def _hear(socket: websockets.ClientConnection, kind: str) -> dict[str, Any]:
    async with asyncio.timeout(30):
        while True:
            event = json.loads(await socket.recv())
            if event["kind"] == kind:
                return dict(event["data"])


async def test_the_room_comes_first_and_then_each_change(
    stream: websockets.ClientConnection, room: Any, served: str
) -> None:
    first = json.loads(await stream.recv())
    assert first["kind"] == "snapshot"
    assert first["data"]["name"] == "Lecture hall 2"
    async with httpx.AsyncClient(base_url=f"http://{served}", headers=TOKEN, timeout=60) as client:
        await client.post("/api/v1/session", json={"title": "Optics"})
    assert (await _hear(stream, "session"))["title"] == "Optics"
    room.level(lectern=-20.0)
    assert await _hear(stream, "levels") == {"lectern": -20.0}


async def test_a_quiet_room_still_ticks(served: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "TICK_S", 0.05)
    async with websockets.connect(
        f"ws://{served}/api/v1/events", additional_headers=TOKEN, open_timeout=60
    ) as socket:
        assert "now" in await _hear(socket, "tick")


async def test_nothing_is_compressed(stream: websockets.ClientConnection) -> None:
    assert stream.response is not None
    assert "permessage-deflate" not in str(stream.response.headers)


async def test_one_that_does_not_keep_up_is_closed_and_may_come_again(
    served: str, room: Any
) -> None:
    address = f"ws://{served}/api/v1/events"
    async with websockets.connect(
        address, additional_headers=TOKEN, max_queue=1, compression=None, open_timeout=60
    ) as slow:
        await _hear(slow, "snapshot")
        padding = "x" * 4000
        async with asyncio.timeout(60):
            while room.events.subscribers:
                for _ in range(100):
                    room.events.publish(Event(kind="step", data={"detail": padding}))
                await asyncio.sleep(0)
        with pytest.raises(websockets.ConnectionClosed) as closed:
            while True:
                await asyncio.wait_for(slow.recv(), 30)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == events.TOO_SLOW
    async with websockets.connect(address, additional_headers=TOKEN, open_timeout=60) as again:
        assert (await _hear(again, "snapshot"))["room"] == "lab-2"


async def test_a_client_that_leaves_is_forgotten(served: str, room: Any) -> None:
    async with websockets.connect(
        f"ws://{served}/api/v1/events", additional_headers=TOKEN, open_timeout=60
    ) as socket:
        await _hear(socket, "snapshot")
        assert room.events.subscribers == 1
    for _ in range(3000):
        if not room.events.subscribers:
            break
        await asyncio.sleep(0.01)
    assert not room.events.subscribers


async def test_signing_out_ends_the_stream(served: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "TICK_S", 0.05)
    async with httpx.AsyncClient(base_url=f"http://{served}", timeout=60) as client:
        await client.post("/api/v1/login", json={"pin": "2222"})
        cookies = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
        async with websockets.connect(
            f"ws://{served}/api/v1/events", additional_headers={"Cookie": cookies}, open_timeout=60
        ) as socket:
            await _hear(socket, "snapshot")
            await client.post("/api/v1/logout", json={})
            with pytest.raises(websockets.ConnectionClosed) as closed:
                while True:
                    await asyncio.wait_for(socket.recv(), 30)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == events.SIGNED_OUT


async def test_another_sites_page_does_not_listen(served: str) -> None:
    async with httpx.AsyncClient(base_url=f"http://{served}", timeout=60) as client:
        await client.post("/api/v1/login", json={"pin": "2222"})
        cookies = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
    with pytest.raises(websockets.InvalidStatus) as refused:
        await websockets.connect(
            f"ws://{served}/api/v1/events",
            additional_headers={"Cookie": cookies},
            origin="http://evil.test",  # type: ignore[arg-type]
        )
    assert refused.value.response.status_code == 403
