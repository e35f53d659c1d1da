"""Sharing over HTTP: who is let in, a tablet that is chosen, another room's program by WHIP."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect

pytest.importorskip("aiortc", reason="aiortc is not installed: pip install classroomd[webrtc]")

from sharing import Laptop, until

from controller.state import AccessRole
from controller.tablets import Tablets
from streaming.push import Pushes, PushSpec
from streaming.share import ShareRoom


async def test_another_room_is_shown_on_the_board_by_whip(
    hall: Any, room: ShareRoom, make_live: Any, tmp_path: Path
) -> None:
    """What one room pushes by WHIP, the next one shows: an overflow room."""
    hall.app.state.share = room
    address = await hall.serve()
    (tmp_path / "live").mkdir()
    maker = make_live(tmp_path / "part.mp4", tmp_path / "live" / "program.mp4")

    async def write() -> None:
        while True:
            await asyncio.to_thread(maker.write, 0.2)
            await asyncio.sleep(0.2)

    writing = asyncio.create_task(write())
    token = f"token-{AccessRole.INSTRUCTOR.value}"
    spec = PushSpec(id="next", url=f"whip://{address}/api/v1/share/whip", secret="env:X")
    pushes = Pushes([spec], resolve=lambda _: token)
    pushes.start(tmp_path)
    try:
        await until(lambda: any(one.state == "live" for one in room.sharers.values()))
        shown = room.sharers[room.shown or ""]
        assert (shown.person.name, shown.codec) == ("instructor-bot", "h264")
    finally:
        await pushes.stop()
        writing.cancel()


async def test_a_paired_tablet_asks_and_is_chosen(
    hall: Any, room: ShareRoom, laptop: Callable[..., Laptop], tmp_path: Path
) -> None:
    tablets = Tablets("lab-2", tmp_path / "state")
    await tablets.start()
    hall.app.state.tablets, hall.app.state.share = tablets, room
    address = await hall.serve()
    base = f"http://{address}/api/v1"
    teacher = {"Authorization": f"Bearer token-{AccessRole.INSTRUCTOR.value}"}
    codes = [
        tablets.room.pairing.pair_each(["Kim"])[0],
        tablets.room.pairing.pair_each(["Front"], "board")[0],
    ]
    try:
        async with httpx.AsyncClient(timeout=60) as http:
            keys = []
            for code in codes:
                asked = {"code": code.text, "native": True}
                made = (await http.post(f"{base}/tablets/redeem", json=asked)).json()
                keys.append({"Authorization": f"Bearer {made['credential']}"})
            kim, board = keys
            told = (await http.get(f"{base}/share", headers=kim)).json()
            assert (told["name"], told["may"], told["leads"], told["asking"]) == (
                "Kim",
                False,
                False,
                [],
            )
            one = laptop()
            offer = {"sdp": await one.offer(), "kind": "camera"}
            answer = await http.post(f"{base}/share", json=offer, headers=kim)
            assert (answer.status_code, answer.json()["code"]) == (403, "not_chosen")
            events = f"ws://{address}/api/v1/share/events?asks=true"
            async with connect(events, additional_headers=kim, open_timeout=60) as socket:
                assert json.loads(await socket.recv())["may"] is False
                seen = (await http.get(f"{base}/share", headers=teacher)).json()
                ((key, name),) = [(who["key"], who["name"]) for who in seen["asking"]]
                assert name == "Kim"
                await http.post(f"{base}/share/allow", json={"key": key}, headers=teacher)
                async with asyncio.timeout(30):
                    while not json.loads(await socket.recv())["may"]:
                        pass
            answer = await http.post(f"{base}/share", json=offer, headers=kim)
            await one.take(answer.json()["sdp"])
            shown = (await http.get(f"{base}/share", headers=board)).json()
            assert shown["shown"] == answer.json()["id"]
            # Only the board and those who teach receive it, and one ends only what is one's own.
            watch = {"sdp": await laptop().offer()}
            refused = await http.post(f"{base}/share/watch", json=watch, headers=kim)
            assert refused.status_code == 403
            given = await http.post(f"{base}/share/watch", json=watch, headers=board)
            assert given.status_code == 200
            ended = await http.request(
                "DELETE", f"{base}/share/{shown['shown']}", json={}, headers=board
            )
            assert ended.status_code == 403
            taken = {"key": key, "allowed": False}
            back = (await http.post(f"{base}/share/allow", json=taken, headers=teacher)).json()
            assert (back["shown"], back["sharers"]) == (None, [])
    finally:
        await tablets.stop()


async def test_who_is_let_in(hall: Any, tmp_path: Path) -> None:
    hall.app.state.share = ShareRoom(tmp_path, enabled=False)
    base = f"http://{await hall.serve()}/api/v1/share"

    def token(role: AccessRole) -> dict[str, str]:
        return {"Authorization": f"Bearer token-{role.value}"}

    teacher, student = token(AccessRole.INSTRUCTOR), token(AccessRole.STUDENT)
    offer = {"sdp": "v=0 anything at all"}
    async with httpx.AsyncClient(timeout=60) as http:
        assert (await http.get(base)).status_code == 401
        assert (await http.get(base, headers=student)).status_code == 401
        told = (await http.get(base, headers=teacher)).json()
        assert (told["available"], told["may"], told["leads"]) == (False, True, True)
        assert "[streaming]" in told["remedy"]
        answer = await http.post(base, json=offer, headers=teacher)
        assert (answer.status_code, answer.json()["code"]) == (503, "sharing_off")
        assert (await http.post(f"{base}/show", json={}, headers=student)).status_code == 403
        whip = {"Content-Type": "application/sdp"}
        assert (await http.post(f"{base}/whip", content="v=0", headers=whip)).status_code == 401
        answer = await http.post(f"{base}/whip", content="v=0", headers=whip | student)
        assert answer.status_code == 403
        answer = await http.post(f"{base}/whip", content="v=0", headers=whip | teacher)
        assert answer.status_code == 503
        answer = await http.post(f"{base}/whip", content="v=0" * 40_000, headers=whip | teacher)
        assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
