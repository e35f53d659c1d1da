"""The short way of HLS answers as the routes do, and reads what many ask for once."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

import httpx
import pytest

from dashboard import hls_door
from streaming import live
from streaming.access import Visibility
from streaming.live import LiveRoom

NEVER = re.compile("$.")
TOLD = ("content-type", "cache-control", "vary", "content-encoding", "x-content-type-options")


@pytest.fixture
async def on_air(hall: Any, make_live: Any) -> tuple[Any, str]:
    recording = hall.begin()
    parts = recording.products / "parts"
    maker = make_live(parts / "lecture-001.mp4", recording.live / "program.mp4")
    facts = {"part": 1, "file": "lecture-001.mp4", "from": 0.0}
    (parts / "lecture-001.json").write_text(json.dumps(facts))
    maker.write(5.5)
    hall.live.set_visibility(recording.folder, Visibility.PUBLIC)
    await hall.serve()
    return hall, f"http://{hall.address}/api/v1/live/{recording.id}/hls"


async def test_it_answers_as_the_routes_do(on_air: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    _, base = on_air
    asked = [
        "program/index.m3u8",
        "program/index.m3u8?viewer=v1&_HLS_msn=1&_HLS_skip=YES",
        "program/index.m3u8?_HLS_msn=99",
        "program/index.m3u8?_HLS_msn=x",
        "program/index.m3u8?viewer=%3Cb%3E",
        "sound/index.m3u8?viewer=v1",
        "program/0.m4s",
        "sound/1.m4s",
        "program/99.m4s",
    ]

    by_route: list[bool] = []  # the routes' answers have all of the application's headers

    async def answers() -> list[tuple[Any, ...]]:
        found = []
        async with httpx.AsyncClient(timeout=60) as client:
            for path in asked:
                for packed in ("gzip", "identity"):
                    headers = {"accept-encoding": packed}
                    one = await client.get(f"{base}/{path}", headers=headers)
                    told = [one.headers.get(name) for name in TOLD]
                    found.append((path, one.status_code, *told, one.content))
                    by_route.append("content-security-policy" in one.headers)
        return found

    quick = await answers()
    assert [one[1] for one in quick[::2]] == [200, 200, 400, 422, 422, 200, 200, 200, 404]
    assert by_route[2::2] == [False, False, True, True, False, False, False, True]
    assert not by_route[1]  # the first opens the stream
    by_route.clear()
    monkeypatch.setattr(hls_door, "_PATH", NEVER)
    assert quick == await answers()
    assert all(by_route)


async def test_what_many_ask_for_is_read_once(on_air: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    hall, base = on_air
    monkeypatch.setattr(live, "KNOWN_S", 600.0)
    read: list[str] = []
    for name in ("read_class", "read_segment"):
        whole = getattr(LiveRoom, name)

        def counted(self: Any, *given: Any, _whole: Any = whole, _name: str = name) -> Any:
            read.append(_name)
            return _whole(self, *given)

        monkeypatch.setattr(LiveRoom, name, counted)
    async with httpx.AsyncClient(timeout=60) as client:
        assert (await client.get(f"{base}/program/index.m3u8")).status_code == 200
        hall.live._classes.clear()
        read.clear()
        many = [client.get(f"{base}/program/1.m4s") for _ in range(30)]
        assert {one.status_code for one in await asyncio.gather(*many)} == {200}
    assert sorted(read) == ["read_class", "read_segment"]


async def test_who_may_no_longer_watch_gets_nothing_from_memory(on_air: Any) -> None:
    hall, base = on_air
    async with httpx.AsyncClient(timeout=60) as client:
        assert (await client.get(f"{base}/program/0.m4s")).status_code == 200
        hall.live.set_visibility(hall.recording.folder, Visibility.COURSE)
        for path in ("program/0.m4s", "program/index.m3u8"):
            assert (await client.get(f"{base}/{path}")).status_code == 404
        key = hall.live.links.make(recording=hall.recording.id)
        client.cookies.set("classroomd_live", key)
        one = await client.get(f"{base}/program/0.m4s")
        assert one.status_code == 200 and one.headers["cache-control"].startswith("private")
