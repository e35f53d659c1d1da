"""Tablets over HTTP and the WebSocket, against the real server."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import uuid
from typing import Any

import httpx
import pytest
import websockets

from dashboard import sockets

NUMBER = {"kind": "number", "text": "?"}


async def test_pairing_a_class_set_and_a_students_own_phone(
    people: Any, web: str, tablets: Any
) -> None:
    technician, nobody = people["technician"], people["nobody"]
    names = [f"Seat {n}" for n in range(1, 41)]
    [code] = (await technician.post("/api/v1/tablets/codes", json={"names": names})).json()
    assert code["qr"].startswith('<svg xmlns="http://www.w3.org/2000/svg"')
    assert code["url"].endswith(f"/tablet#{code['code']}")
    got = []
    for _ in names:
        async with httpx.AsyncClient(base_url=f"http://{web}", timeout=60) as device:
            made = await device.post("/api/v1/tablets/redeem", json={"code": code["code"]})
            got.append(made.json()["name"])
            assert (await device.get("/api/v1/tablets/me")).json()["name"] == got[-1]
            assert "credential" not in made.text or made.json()["credential"] is None
    assert got == names
    used_up = await nobody.post("/api/v1/tablets/redeem", json={"code": code["code"]})
    assert used_up.json()["code"] == "unknown_code"

    join = (await people["instructor"].get("/api/v1/tablets/join")).json()
    own = await nobody.post(
        "/api/v1/tablets/redeem", json={"code": join["code"].lower(), "name": "Ada"}
    )
    assert own.json() | {"tablet": "", "seat": ""} == {
        "tablet": "",
        "seat": "",
        "name": "Ada",
        "role": "student",
        "room": "room1",
        "session": "c1",
        "credential": None,
        "broker": None,
    }
    assert len((await technician.get("/api/v1/tablets")).json()) == 41
    await tablets.room.end()
    assert len((await technician.get("/api/v1/tablets")).json()) == 40
    assert (await nobody.get("/api/v1/tablets/me")).status_code == 401
    again = await nobody.post("/api/v1/tablets/redeem", json={"code": join["code"]})
    assert again.status_code == 403


async def test_rename_move_revoke(people: Any, page: Any, tablets: Any, until: Any) -> None:
    technician, eve = people["technician"], await page("Eve")
    await until(lambda: eve.replica.ready)
    ident = eve.paired.tablet.id
    changed = await technician.patch(
        f"/api/v1/tablets/{ident}", json={"name": "Row 2", "seat": "r2"}
    )
    assert changed.json()["name"] == "Row 2"
    assert (await technician.get("/api/v1/tablets")).json()[0]["connected"]
    await technician.post(f"/api/v1/tablets/{ident}/revoke", json={})
    await until(lambda: any(m["type"] == "bye" and m["code"] == "revoked" for m in eve.heard))
    await until(lambda: not tablets.room.members)
    await eve.connect()
    await until(lambda: eve.socket.close_code == 4403)


async def test_guessing_codes_is_limited(people: Any, tablets: Any) -> None:
    nobody = people["nobody"]
    for _ in range(8):
        wrong = await nobody.post("/api/v1/tablets/redeem", json={"code": "AAAAAA"})
        assert wrong.status_code == 403
    good = tablets.room.pairing.pair_set(["x"]).text
    locked = await nobody.post("/api/v1/tablets/redeem", json={"code": good})
    assert locked.status_code == 429
    assert "Wait" in locked.json()["detail"]


async def test_codes_expire(room: Any, clock: Any) -> None:
    code = room.pairing.pair_set(["x"], minutes=5)
    clock.ahead += 301_000
    with pytest.raises(Exception, match="not valid"):
        await room.pairing.redeem(code.text, "10.0.0.1")


async def test_a_lesson_over_the_socket(page: Any, tablets: Any, until: Any) -> None:
    teacher, ada = await page("teacher"), await page("Ada")
    await until(lambda: ada.replica.ready and teacher.replica.ready)
    await until(lambda: ada.replica.host_here)
    await teacher.say("turn", page="pc")
    await until(lambda: ada.replica.state["page"] == "pc")
    await teacher.say("ask", questions=[{"id": "q", **NUMBER}], seconds=60)
    await until(lambda: ada.replica.state["questions"])
    await ada.say("answer", session="c1", question="q", value=3)
    await until(lambda: any(m["type"] == "saved" for m in ada.heard))
    await teacher.say("pointer", page="pc", at=[100, 200])
    await until(lambda: any(m["type"] == "pointer" for m in ada.heard))
    late = await page("Late")
    await until(lambda: late.replica.ready)
    assert late.replica.state == ada.replica.state == tablets.room.lesson.state
    await teacher.cut()
    await until(lambda: not ada.replica.host_here)


async def test_a_second_lecturer_has_to_take_over(page: Any, tablets: Any, until: Any) -> None:
    first, second = await page("teacher"), await page("Other", connect=False)
    await tablets.room.pairing._change(second.paired.tablet.id, role="lecturer")
    await second.connect()
    await until(lambda: first.replica.ready and second.replica.ready)
    await first.say("turn", page="pb")
    await until(lambda: any(m["type"] == "saved" for m in first.heard))
    await second.say("turn", page="pc")
    await until(lambda: any(m.get("code") == "not_driving" for m in second.heard))
    await second.say("drive", take=True)
    await second.say("turn", page="pc")
    await until(lambda: first.replica.state["page"] == "pc")
    await first.say("turn", page="pd")
    await until(lambda: any(m.get("code") == "not_driving" for m in first.heard))


async def test_cut_off_at_random_no_answer_is_lost_or_doubled(
    page: Any, tablets: Any, until: Any
) -> None:
    """Forty pages answer five questions while three in ten of their connections are torn."""
    chance = random.Random(11)
    lesson = tablets.room.lesson
    teacher = await page("teacher")
    questions = [f"q{n}" for n in range(5)]
    await teacher.say("ask", questions=[{"id": q, **NUMBER} for q in questions])
    await until(lesson.open_questions)
    pages = [await page(f"S{n}", connect=False) for n in range(40)]

    async def work(tablet: Any, number: int) -> None:
        outbox = {q: uuid.uuid4().hex for q in questions}
        while outbox:
            try:
                await tablet.connect()
                for question, ident in outbox.items():
                    answer = {"session": "c1", "question": question, "value": number, "id": ident}
                    await tablet.put({"type": "answer", **answer})
                    if chance.random() < 0.3:
                        await tablet.cut()
                        break
                else:
                    await until(lambda: outbox.keys() <= _saved(tablet))
            except (OSError, websockets.ConnectionClosed):
                pass
            for question in _saved(tablet):
                outbox.pop(question, None)

    await asyncio.gather(*[work(tablet, number) for number, tablet in enumerate(pages)])
    for question in questions:
        result = lesson.result(question)
        assert result["answered"] == 40
        assert [times for _, times in result["counts"]] == [1] * 40
    await until(lambda: all(p.replica.state == lesson.state for p in pages))


def _saved(tablet: Any) -> set[str]:
    return {m["question"] for m in tablet.heard if m["type"] == "saved"}


async def test_a_lecturer_who_signs_out_leads_no_longer(
    web: str, people: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sockets, "TICK_S", 0.05)
    lecturer = people["instructor"]
    cookie = "; ".join(f"{k}={v}" for k, v in lecturer.cookies.items())
    address = f"ws://{web}/api/v1/tablets/socket?as="
    async with contextlib.AsyncExitStack() as stack:
        opened = {}
        for role in ("lecturer", "board"):
            headers = {"Cookie": cookie}
            connection = websockets.connect(address + role, additional_headers=headers)
            opened[role] = await stack.enter_async_context(connection)
            await opened[role].send(json.dumps({"type": "hello"}))
            assert json.loads(await asyncio.wait_for(opened[role].recv(), 30))
        assert (await lecturer.post("/api/v1/logout", json={})).status_code == 204
        await asyncio.wait_for(opened["lecturer"].wait_closed(), 30)
        assert opened["lecturer"].close_code == 4401
        assert opened["board"].close_code is None


async def test_strangers_and_other_sites_are_kept_out(web: str, page: Any, people: Any) -> None:
    ada = await page("Ada", connect=False)
    cookie = ada._headers
    address = f"ws://{web}/api/v1/tablets/socket"
    hello = json.dumps({"type": "hello"})

    async def outcome(headers: dict[str, str], query: str = "", first: str = hello) -> int:
        try:
            async with websockets.connect(address + query, additional_headers=headers) as socket:
                await socket.send(first)
                async with asyncio.timeout(10):
                    while True:
                        message = json.loads(await socket.recv())
                        if message["type"] == "welcome":
                            return 0
        except websockets.InvalidStatus as error:
            return error.response.status_code
        except websockets.ConnectionClosed as closed:
            return closed.rcvd.code if closed.rcvd else -1

    assert await outcome(cookie) == 0
    assert await outcome({}) == 4401
    assert await outcome({"Cookie": "classroomd_tablet=wrong"}) == 4401
    assert await outcome(cookie, "?as=lecturer") == 4401
    assert await outcome(cookie, "?as=board") == 4401
    student = "; ".join(f"{k}={v}" for k, v in people["student"].cookies.items())
    assert await outcome({"Cookie": student}, "?as=lecturer") == 4401
    assert await outcome(cookie | {"Origin": "https://evil.example"}) == 403
    assert await outcome(cookie, first="[]") == 4400
    assert await outcome(cookie, first='{"type":"ping","t":1}') == 4400
    assert await outcome(cookie, first=json.dumps({"type": "hello", "v": 9})) == 4406


async def test_floods_and_oversized_messages_are_cut_off(
    page: Any, tablets: Any, until: Any
) -> None:
    ada, eve = await page("Ada"), await page("Eve")
    await until(lambda: ada.replica.ready and eve.replica.ready)
    with contextlib.suppress(websockets.ConnectionClosed):
        for number in range(5000):
            await eve.say("ping", t=number)
    await until(lambda: eve.socket.close_code == 4429)
    mallory = await page("Mallory")
    with contextlib.suppress(websockets.ConnectionClosed):
        await mallory.put({"type": "answer", "value": "x" * 70_000})
    await until(lambda: mallory.socket.close_code == 4400)
    trudy = await page("Trudy")
    with contextlib.suppress(websockets.ConnectionClosed):
        await trudy.put({"type": "answer", "value": "x" * 300_000})
    await until(lambda: trudy.socket.close_code is not None)
    await ada.say("ping", t=1)
    await until(lambda: any(m["type"] == "pong" for m in ada.heard))


async def test_what_a_lesson_left(page: Any, people: Any, until: Any) -> None:
    teacher, ada = await page("teacher"), await page("=Ada")
    await until(lambda: ada.replica.ready)
    question = {"id": "q", "kind": "single", "text": "2+2?", "choices": ["3", "4"], "correct": [1]}
    await teacher.say("ask", questions=[question])
    await until(lambda: ada.replica.state["questions"])
    await ada.say("answer", session="c1", question="q", value=1)
    await ada.say("confused", on=True)
    await until(lambda: sum(m["type"] == "saved" for m in ada.heard) == 2)
    instructor, student = people["instructor"], people["student"]
    base = "/api/v1/tablets/sessions/c1"
    assert (await student.get(f"{base}/attendance.csv")).status_code == 403
    table = (await instructor.get(f"{base}/attendance.csv")).text
    assert "'=Ada" in table
    answers = (await instructor.get(f"{base}/answers.csv")).text.splitlines()
    assert answers[1].startswith("2+2?,'=Ada,")
    assert ",4,counted,1,1," in answers[1]
    told = (await instructor.get(f"{base}/xapi.json")).json()
    assert [s["verb"]["display"]["en"] for s in told] == ["joined", "answered"]
    assert told[1]["result"] == {"response": "1", "success": True}
    assert "Ada" not in json.dumps(told)
    assert (await instructor.get(f"{base}/confusion.json")).json() == [{"at": 0, "lost": 1}]
    assert "Ada" in (await instructor.get(f"{base}/xapi.json?names=true")).text


async def test_a_deck_becomes_pages(
    people: Any, page: Any, tablets: Any, until: Any, pdf: bytes
) -> None:
    instructor, nobody = people["instructor"], people["nobody"]
    headers = {"content-type": "application/pdf"}
    where = "/api/v1/tablets/decks?name=Waves.pdf"
    made = await instructor.post(where, content=pdf, headers=headers)
    assert made.status_code == 200, made.text
    deck = made.json()
    assert deck["title"] == "Waves"
    assert [p["title"] for p in deck["pages"]] == ["Page 1", "Page 2", "Page 3"]
    assert (await instructor.post(where, content=pdf, headers=headers)).json() == deck
    ada = await page("Ada")
    opened = await instructor.post(f"/api/v1/tablets/decks/{deck['id']}/open", json={})
    assert opened.status_code == 200
    await until(lambda: len(ada.replica.state["pages"]) == 3)
    image = ada.replica.state["pages"][0]["image"]
    assert (await nobody.get(image)).status_code == 401
    picture = await nobody.get(image, headers=ada._headers)
    assert picture.content[8:12] == b"WEBP"
    assert "immutable" in picture.headers["cache-control"]
    for name, content in (("x.pdf", b"no pdf"), ("x.exe", pdf), ("x.pdf", b"")):
        bad = await instructor.post(
            f"/api/v1/tablets/decks?name={name}", content=content, headers=headers
        )
        assert bad.json()["code"] == "bad_deck", bad.text
    refused = await instructor.post(where, content=pdf, headers={"content-type": "text/plain"})
    assert refused.status_code == 415
    assert (await people["student"].post(where, content=pdf, headers=headers)).status_code == 403
