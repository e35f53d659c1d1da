"""The pages that follow what is shared: a connection that has fallen silent is made anew."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from websockets.asyncio.client import connect

from controller.state import AccessRole
from dashboard.api import share
from streaming.share import ShareRoom

NOW = {
    "available": True,
    "reason": "",
    "remedy": "",
    "name": "Kim",
    "may": True,
    "leads": False,
    "shown": None,
    "sharers": [],
    "ended": [],
    "asking": [],
}


@pytest.mark.browser
@pytest.mark.timeout(120)
async def test_a_silent_connection_is_made_anew_each_time(chromium: Any, hall: Any) -> None:
    """The room says something at least every 20 s: a minute of silence is a dead connection."""
    page = await chromium.new_page()
    await page.clock.install()
    made: asyncio.Queue[Any] = asyncio.Queue()

    async def room(socket: Any) -> None:
        made.put_nowait(socket)

    async def heard(socket: Any, may: bool) -> None:
        """The room says something, and the page has heard it."""
        socket.send(json.dumps(NOW | {"may": may}))
        await page.wait_for_selector("button.main" if may else ".said")

    await page.route("**/api/v1/share", lambda route: route.fulfill(json=NOW))
    await page.route_web_socket("**/api/v1/share/events*", room)
    await page.goto(f"http://{await hall.serve()}/share?lang=en")
    async with asyncio.timeout(60):
        socket = await made.get()
        await heard(socket, False)
        await page.clock.run_for(40_000)
        await heard(socket, True)
        await page.clock.run_for(40_000)
        assert made.empty()  # it was heard 40 s ago
        for _ in range(2):
            await page.clock.run_for(70_000)
            socket = await made.get()
            await page.wait_for_selector("[data-link=open]")
            await heard(socket, False)


async def test_the_room_says_so_that_it_is_there(
    hall: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(share, "REPEAT_S", 0.0)
    hall.app.state.share = ShareRoom(tmp_path, enabled=False)
    address = await hall.serve()
    token = {"Authorization": f"Bearer token-{AccessRole.INSTRUCTOR.value}"}
    async with (
        asyncio.timeout(30),
        connect(
            f"ws://{address}/api/v1/share/events", additional_headers=token, open_timeout=60
        ) as socket,
    ):
        assert await socket.recv() == await socket.recv()  # nothing has changed meanwhile
