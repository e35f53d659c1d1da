"""What a hostile tablet tries on the WebSocket and over HTTP; MQTT has its own in test_mqtt.py."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest

NUMBER = {"kind": "number", "text": "?"}
SECRET = 987_654_321


async def test_a_page_cannot_speak_for_another(page: Any, tablets: Any, until: Any) -> None:
    teacher, ada, eve = await page("teacher"), await page("Ada"), await page("Eve")
    await teacher.say("ask", questions=[{"id": "q", **NUMBER}])
    await until(lambda: all((one.replica.state or {}).get("questions") for one in (ada, eve)))
    other = ada.paired.tablet
    forged = {
        **{"seat": other.seat, "tablet": other.id, "author": other.seat},
        **{"you": {"seat": other.seat}, "credential": "x" * 43},
    }
    await eve.say("answer", session="c1", question="q", value=1, **forged)
    await eve.say("hand", up=True, **forged)
    await until(lambda: sum(m["type"] == "saved" for m in eve.heard) == 2)
    lesson = tablets.room.lesson
    assert set(lesson.answers_to("q")) == {eve.paired.tablet.seat}
    assert set(lesson.hands) == {eve.paired.tablet.seat}
    await eve.put({"type": "hello", **forged})
    await until(lambda: sum(m["type"] == "welcome" for m in eve.heard) == 2)
    assert {m["you"]["seat"] for m in eve.heard if m["type"] == "welcome"} == {
        eve.paired.tablet.seat
    }


async def test_nobody_reads_anothers_answers(
    page: Any, tablets: Any, people: Any, until: Any
) -> None:
    teacher, ada, eve = await page("teacher"), await page("Ada"), await page("Eve")
    question = {"id": "q", **NUMBER, "correct": SECRET + 1}
    await teacher.say("ask", questions=[question])
    await until(lambda: ada.replica.state and ada.replica.state["questions"])
    await ada.say("answer", session="c1", question="q", value=SECRET)
    await until(lambda: any(m["type"] == "saved" for m in ada.heard))
    await eve.put({"type": "gap", "after": 0})
    await eve.put({"type": "hello", "session": "c1", "since": 0})
    await eve.say("ping", t=1)
    await until(lambda: any(m["type"] == "pong" for m in eve.heard))
    late = await page("Late")
    await until(lambda: late.replica.ready)
    for one in (eve, late):
        told = json.dumps(one.heard)
        assert str(SECRET) not in told
        assert str(SECRET + 1) not in told, "the right answer is not told before it is shown"
        assert not {"results", "seats"} & {m["type"] for m in one.heard}
    async with httpx.AsyncClient(
        base_url=people["nobody"].base_url, headers=eve._headers, timeout=60
    ) as stolen:
        for path in ("lesson", "lesson/summary", "sessions/c1/answers.csv", "decks", "", "codes"):
            answer = await stolen.get(f"/api/v1/tablets/{path}".rstrip("/"))
            assert answer.status_code in {401, 403}, path
    student = await people["student"].get("/api/v1/tablets/sessions/c1/answers.csv")
    assert student.status_code == 403


@pytest.mark.parametrize("native", [False, True])
async def test_a_code_pairs_one_tablet_however_often_it_is_sent(
    people: Any, tablets: Any, native: bool
) -> None:
    code = tablets.room.pairing.pair_set(["Ada"]).text
    body = {"code": code, "native": native}
    tries = [people["nobody"].post("/api/v1/tablets/redeem", json=body) for _ in range(6)]
    answers = await asyncio.gather(*tries)
    assert sorted(answer.status_code for answer in answers) == [200] + [403] * 5
    assert [t.name for t in tablets.room.pairing.tablets()] == ["Ada"]
    assert tablets.room.pairing.tablets()[0].seat == "Ada"


async def test_a_revoked_credential_opens_nothing(page: Any, tablets: Any, people: Any) -> None:
    eve = await page("Eve", connect=False)
    await tablets.room.pairing.revoke(eve.paired.tablet.id)
    bearer = {"Authorization": f"Bearer {eve.paired.credential}"}
    for headers in (bearer, eve._headers):
        async with httpx.AsyncClient(
            base_url=people["nobody"].base_url, headers=headers, timeout=60
        ) as device:
            assert (await device.get("/api/v1/tablets/me")).status_code == 401
            assert (await device.get("/api/v1/tablets/join")).status_code == 401
            broker = await device.post("/api/v1/tablets/broker", json={})
            assert broker.status_code == 401


@pytest.mark.parametrize("ident", ["#", "+/up", "../x", "a" * 65, "", "ünı"])
async def test_ids_with_wildcards_are_refused(
    page: Any, tablets: Any, until: Any, ident: str
) -> None:
    eve = await page("Eve")
    await until(lambda: eve.replica.ready)
    before = tablets.room.lesson.seq
    await eve.put({"type": "answer", "id": ident, "session": "c1", "question": "q", "value": 1})
    await until(lambda: any(m["type"] == "error" for m in eve.heard))
    assert tablets.room.lesson.seq == before
