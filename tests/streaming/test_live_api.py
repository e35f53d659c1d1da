"""Live over HTTP and WebSocket: who may watch, what they get, how caches are told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import websockets

from controller.state import AccessRole, SessionState
from dashboard.api import live
from recorder.recording import Life, Recording
from streaming.access import Links, Visibility, read_visibility
from streaming.hub import Message

ALL = [None, *AccessRole]
LETS_IN = {
    Visibility.NOBODY: {AccessRole.INSTRUCTOR, AccessRole.TECHNICIAN, AccessRole.ADMIN},
    Visibility.COURSE: {AccessRole.INSTRUCTOR, AccessRole.TECHNICIAN, AccessRole.ADMIN},
    Visibility.CAMPUS: set(AccessRole),
    Visibility.PUBLIC: set(ALL),
}


def headers(role: AccessRole | None) -> dict[str, str]:
    return {"Authorization": f"Bearer token-{role.value}"} if role else {}


@pytest.fixture
async def on_air(hall: Any, make_live: Any) -> AsyncIterator[tuple[Any, Recording, Any]]:
    recording = hall.begin()
    parts = recording.products / "parts"
    maker = make_live(parts / "lecture-001.mp4", recording.live / "program.mp4")
    facts = {"part": 1, "file": "lecture-001.mp4", "from": 0.0}
    (parts / "lecture-001.json").write_text(json.dumps(facts))
    maker.write(5.5)
    await hall.serve()
    yield hall, recording, maker


def client(hall: Any, role: AccessRole | None = None) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        base_url=f"http://{hall.address}/api/v1", headers=headers(role), timeout=60
    )


@pytest.mark.parametrize("visibility", Visibility)
async def test_only_those_who_may_watch_see_that_there_is_something(
    on_air: Any, visibility: Visibility
) -> None:
    hall, recording, _ = on_air
    hall.live.set_visibility(recording.folder, visibility)
    base = f"/live/{recording.id}"
    addresses = [
        f"{base}/hls/index.m3u8",
        f"{base}/hls/program/index.m3u8",
        f"{base}/hls/program/init-1.mp4",
        f"{base}/hls/sound/0.m4s",
    ]
    for role in ALL:
        async with client(hall, role) as caller:
            may = role in LETS_IN[visibility]
            view = (await caller.get("/live")).json()
            assert view["state"] == ("live" if may else "off"), (visibility, role)
            for address in addresses:
                answer = await caller.get(address)
                assert answer.status_code == (200 if may else 404), (role, address)
            uri = f"ws://{hall.address}/api/v1{base}/watch/program"
            if may:
                async with websockets.connect(uri, additional_headers=headers(role)) as socket:
                    assert json.loads(await socket.recv())["kind"] in {"init", "state"}
            else:
                with pytest.raises(websockets.InvalidStatus) as refused:
                    await websockets.connect(uri, additional_headers=headers(role))
                assert refused.value.response.status_code == 404


async def test_a_signed_link_opens_its_class_and_no_other(on_air: Any) -> None:
    hall, recording, _ = on_air
    hall.live.set_visibility(recording.folder, Visibility.COURSE)
    async with client(hall, AccessRole.INSTRUCTOR) as lecturer:
        link = (await lecturer.post("/live/link", json={"whole_course": True})).json()["path"]
    key = link.partition("key=")[2]
    async with client(hall) as guest:
        assert (await guest.get("/live", params={"key": "forged"})).json()["state"] == "off"
        assert (await guest.get("/live", params={"key": key})).json()["state"] == "live"
        # The browser keeps it: nothing but the first address carries the key.
        assert (await guest.get(f"/live/{recording.id}/hls/index.m3u8")).status_code == 200
        hall.live.set_visibility(recording.folder, Visibility.NOBODY)
        assert (await guest.get(f"/live/{recording.id}/hls/index.m3u8")).status_code == 404
    links = Links(b"k" * 32)
    assert links.opens(key, recording="any", course="PHY1")
    assert not links.opens(key, recording=recording.id, course="PHY2")
    assert not Links(b"x" * 32).opens(key, recording=recording.id, course="PHY1")


async def test_visibility_is_kept_and_damage_shuts(on_air: Any) -> None:
    hall, recording, _ = on_air
    async with client(hall, AccessRole.INSTRUCTOR) as lecturer:
        answer = await lecturer.post("/live/visibility", json={"visibility": "public"})
        assert answer.json()["visibility"] == "public"
        assert (await hall.room.rights.show(recording.id)).visibility == "public"
    assert read_visibility(recording.folder, Visibility.NOBODY) is Visibility.PUBLIC
    (recording.folder / "access.json").write_text("{torn")
    assert read_visibility(recording.folder, Visibility.PUBLIC) is Visibility.NOBODY


async def test_the_socket_sends_what_a_player_needs(on_air: Any, decoded: Any) -> None:
    hall, recording, maker = on_air
    uri = f"ws://{hall.address}/api/v1/live/{recording.id}/watch/program"
    async with websockets.connect(
        uri, additional_headers=headers(AccessRole.INSTRUCTOR), max_size=None, open_timeout=60
    ) as socket:
        media, texts = b"", []
        async with asyncio.timeout(30):
            while len(media) < 5000:
                message = await socket.recv()
                if isinstance(message, str):
                    texts.append(json.loads(message))
                else:
                    media += message
        init = next(text for text in texts if text["kind"] == "init")
        assert "avc1" in init["mime"]
        begun = decoded(media)[0]
        assert 25 <= begun < 40  # from the key frame at 4 s
        maker.write(0.2)
        async with asyncio.timeout(30):
            while decoded(media)[0] < begun + 3:
                message = await socket.recv()
                media += message if isinstance(message, bytes) else b""
            hall.be(SessionState.PAUSED)
            told = ""
            while told != "paused":
                message = await socket.recv()
                told = json.loads(message).get("state", "") if isinstance(message, str) else told
            hall.be(SessionState.ENDED)
            with pytest.raises(websockets.ConnectionClosed) as closed:
                while True:
                    await socket.recv()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4410


async def test_who_is_shut_out_is_cut_off(on_air: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    hall, recording, _ = on_air
    from dashboard.api import live as live_module

    monkeypatch.setattr(live_module, "TICK_S", 0.1)
    hall.live.set_visibility(recording.folder, Visibility.PUBLIC)
    uri = f"ws://{hall.address}/api/v1/live/{recording.id}/watch/program"
    async with websockets.connect(uri, max_size=None, open_timeout=60) as socket:
        await socket.recv()
        hall.live.set_visibility(recording.folder, Visibility.NOBODY)
        with pytest.raises(websockets.ConnectionClosed) as closed:
            async with asyncio.timeout(30):
                while True:
                    await socket.recv()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4403


async def test_who_takes_nothing_is_let_go(on_air: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A viewer whose connection is full for too long; the one beside it stays."""
    hall, recording, _ = on_air
    hall.live.set_visibility(recording.folder, Visibility.PUBLIC)
    path = f"/api/v1/live/{recording.id}/watch/program"
    uri = f"ws://{hall.address}{path}"
    async with websockets.connect(uri, max_size=None, open_timeout=60) as beside:
        assert json.loads(await beside.recv())
        monkeypatch.setattr(live, "SEND_S", 0.5)
        reader, writer = await asyncio.open_connection(*hall.address.split(":"), limit=2048)
        writer.write(
            f"GET {path} HTTP/1.1\r\nHost: {hall.address}\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
        )
        assert b"101" in await asyncio.wait_for(reader.readline(), 30)
        (channel,) = hall.live.hub._channels.values()
        async with asyncio.timeout(40):
            while hall.live.viewers(recording.folder) < 2:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
            large = Message(bytes(1_000_000), None, True)
            heard = 0
            while hall.live.viewers(recording.folder) == 2:
                channel._send(large)
                while heard < 1_000_000:
                    heard += len(await beside.recv())
                heard -= 1_000_000
                await asyncio.sleep(0.01)
        assert hall.live.viewers(recording.folder) == 1
        await beside.ping()
        writer.close()


async def test_hls_tells_caches_and_counts_viewers(on_air: Any, decoded: Any) -> None:
    hall, recording, maker = on_air
    base = f"/live/{recording.id}/hls"
    async with client(hall, AccessRole.INSTRUCTOR) as caller:
        master = await caller.get(f"{base}/index.m3u8")
        assert master.headers["content-type"].startswith("application/vnd.apple.mpegurl")
        media = next(x for x in master.text.splitlines() if x.startswith("program/"))
        playlist = await caller.get(f"{base}/{media}")
        assert playlist.headers["cache-control"] == "no-cache"
        assert playlist.text.count("#EXTINF") == 2
        assert (await caller.get("/live")).json()["viewers"] == 1
        init = await caller.get(f"{base}/program/init-1.mp4")
        first = await caller.get(f"{base}/program/0.m4s")
        assert first.headers["cache-control"] == "private, max-age=31536000, immutable"
        assert decoded(init.content + first.content)[0] == 50
        hall.live.set_visibility(recording.folder, Visibility.PUBLIC)
        again = await caller.get(f"{base}/program/0.m4s")
        assert again.headers["cache-control"].startswith("public")
        assert (await caller.get(f"{base}/program/77.m4s")).status_code == 404
        assert (await caller.get(f"{base}/program/..%2Finit.mp4")).status_code == 404
        assert (await caller.get(f"{base}/other/index.m3u8")).status_code == 404
        waiting = asyncio.create_task(caller.get(f"{base}/program/index.m3u8?_HLS_msn=2"))
        maker.write(3.0)
        blocked = await asyncio.wait_for(waiting, 30)
        assert blocked.text.count("#EXTINF") >= 3


@pytest.mark.parametrize("decision", ["hold", "cut"])
async def test_what_was_taken_back_after_class_is_served_no_more(
    on_air: Any, decision: str
) -> None:
    hall, recording, _ = on_air
    hall.live.set_visibility(recording.folder, Visibility.PUBLIC)
    base = f"/live/{recording.id}/hls/program"
    async with client(hall) as caller:
        assert (await caller.get(f"{base}/index.m3u8")).status_code == 200
        assert (await caller.get(f"{base}/0.m4s")).status_code == 200
        hall.be(SessionState.ENDED)
        recording.update(life=Life.READY)
        hall.live._classes.clear()  # as a second later
        assert (await caller.get(f"{base}/0.m4s")).status_code == 200
        if decision == "hold":
            recording.update(life=Life.HELD, held={"by": "Ada"})
        else:
            recording.mark("cut", 1.0, **{"from": 1.0, "to": 2.0})
        hall.live._classes.clear()
        for name in ("index.m3u8", "0.m4s", "init-1.mp4"):
            assert (await caller.get(f"{base}/{name}")).status_code == 404
        assert recording.folder not in hall.live._streams
        assert hall.live.cached(recording.folder, "program", 0) is None
        recording.update(life=Life.READY, held=None)
        recording.mark("uncut", 1.0)
        hall.live._classes.clear()
        assert (await caller.get(f"{base}/0.m4s")).status_code == 200


async def test_slides_are_pictures_for_those_who_may_watch(on_air: Any) -> None:
    hall, recording, _ = on_air
    hall.room.picture = lambda source: b"\xff\xd8jpeg" if source == "screen" else None
    address = f"/live/{recording.id}/slides.jpg"
    async with client(hall, AccessRole.INSTRUCTOR) as caller:
        answer = await caller.get(address)
        assert (answer.status_code, answer.content) == (200, b"\xff\xd8jpeg")
        hall.be(SessionState.PAUSED)
        assert (await caller.get(address)).status_code == 204
    async with client(hall) as guest:
        assert (await guest.get(address)).status_code == 404


def test_the_folder_of_a_class_is_all_that_is_served(tmp_path: Path) -> None:
    links = Links(b"k" * 32)
    assert not links.opens("", recording="r", course=None)
    assert not links.opens(links.make(recording="other"), recording="r", course=None)
