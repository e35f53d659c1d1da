"""What a learning record store is told, and that it is told in the end."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import uuid
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from controller.lessons_told import LessonsTold
from devices.tablets import lrs
from devices.tablets.attendance import statements
from devices.tablets.clock import room_ms
from devices.tablets.log import Answer, Stay
from devices.tablets.question import Question

IRI = re.compile(r"https?://[^\s]+")
INTERACTIONS = {
    *("true-false", "choice", "fill-in", "long-fill-in", "matching", "performance"),
    *("sequencing", "likert", "numeric", "other"),
}


def check(statement: Any) -> None:
    """A statement as xAPI 1.0.3, part 2, wants it; what it does not know is not allowed."""
    assert statement.keys() <= {
        *("id", "actor", "verb", "object", "result", "context", "timestamp"),
    }
    assert uuid.UUID(statement["id"]).version
    actor = statement["actor"]
    assert actor.keys() <= {"objectType", "name", "account"}  # exactly one way to identify
    assert actor["objectType"] == "Agent"
    assert actor["account"].keys() == {"homePage", "name"}
    assert IRI.fullmatch(actor["account"]["homePage"])
    assert actor["account"]["name"]
    verb = statement["verb"]
    assert IRI.fullmatch(verb["id"])
    _language_map(verb["display"])
    _activity(statement["object"])
    when = datetime.fromisoformat(statement["timestamp"])
    assert when.tzinfo is not None
    assert statement.get("context", {}).keys() <= {"contextActivities"}
    for kind, activities in statement.get("context", {}).get("contextActivities", {}).items():
        assert kind in {"parent", "grouping", "category", "other"}
        for activity in activities:
            _activity(activity)
    result = statement.get("result", {})
    assert result.keys() <= {"response", "success", "completion", "score", "duration"}
    assert isinstance(result.get("response", ""), str)
    assert isinstance(result.get("success", True), bool)
    assert _no_nulls(statement)


def _activity(activity: Any) -> None:
    assert activity.keys() <= {"objectType", "id", "definition"}
    assert activity.get("objectType", "Activity") == "Activity"
    assert IRI.fullmatch(activity["id"])
    definition = activity.get("definition", {})
    interaction = {"interactionType", "choices", "correctResponsesPattern"}
    assert definition.keys() <= {"name", "description", "type", *interaction}
    assert IRI.fullmatch(definition.get("type", "https://x.example"))
    if "name" in definition:
        _language_map(definition["name"])
    if interaction & definition.keys():
        assert definition["interactionType"] in INTERACTIONS
        assert all(isinstance(one, str) for one in definition.get("correctResponsesPattern", []))
        choices = definition.get("choices", [])
        assert len({choice["id"] for choice in choices}) == len(choices)
        for choice in choices:
            assert re.fullmatch(r"[^\s\[\]]+", choice["id"])
            _language_map(choice["description"])


def _language_map(texts: Any) -> None:
    assert texts
    for tag, text in texts.items():
        assert re.fullmatch(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*", tag)
        assert isinstance(text, str)


def _no_nulls(value: Any) -> bool:
    """Only extensions may hold null (part 2, 2.2)."""
    if isinstance(value, dict):
        return all(_no_nulls(one) for one in value.values())
    return all(map(_no_nulls, value)) if isinstance(value, list) else value is not None


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
            status = self._take(body)
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: 2\r\n\r\n[]".encode())
        await writer.drain()
        writer.close()

    def _take(self, body: Any) -> str:
        """All or none, as xAPI 1.0.3 part 3, 2.1.1 has it."""
        assert isinstance(body, list)
        assert len({statement["id"] for statement in body}) == len(body)
        for statement in body:
            check(statement)
        if any(self.kept.get(one["id"], one) != one for one in body):
            return "409 Conflict"
        self.kept |= {statement["id"]: statement for statement in body}
        return "200 OK"

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


QUESTIONS = [
    Question(id="one", kind="single", text="2+2?", choices=["3", "4"], correct=[1]),
    Question(id="many", kind="multiple", text="", choices=["a b", "c"], correct=[0, 1]),
    Question(id="num", kind="number", text="?", correct=4.5),
    Question(id="word", kind="words", text="?"),
    Question(id="say", kind="text", text="?"),
    Question(id="draw", kind="ink", text="?"),
]
VALUES = {"one": 1, "many": [0], "num": 4.5, "word": "x", "say": "long", "draw": [{}, {}]}


def _told(**options: Any) -> list[dict[str, Any]]:
    answers = [
        Answer(f"a-{q.id}", q.id, "Seat-1", "t", VALUES[q.id], 1000, 2000, "counted", 1)
        for q in QUESTIONS
    ]
    late = Answer("late", "one", "Seat-2", "t", 0, 1000, 9000, "saved", 1)
    return statements(
        "c1",
        "https://room.example",
        [Stay("Seat-1", "Ada", 1000, 5000), Stay("Seat-2", "Bob", 1000, None)],
        [*answers, late],
        {q.id: q for q in QUESTIONS},
        **options,
    )


def test_every_statement_is_as_the_specification_wants_it() -> None:
    for names in (False, True):
        for statement in _told(names=names, secret=b"k" * 32):
            check(statement)
    told = {s["object"]["id"].rpartition("/")[2]: s for s in _told()}
    assert told["one"]["result"] == {"response": "1", "success": True}
    assert told["many"]["result"] == {"response": "0", "success": False}
    assert told["many"]["object"]["definition"]["correctResponsesPattern"] == ["0[,]1"]
    assert told["num"]["object"]["definition"]["correctResponsesPattern"] == ["4.5"]
    assert len(_told()) == 2 + 1 + 6, "what was only saved is not told"


def test_pseudonyms_need_the_rooms_secret() -> None:
    def accounts(**options: Any) -> set[str]:
        return {one["actor"]["account"]["name"] for one in _told(**options)}

    assert accounts(secret=b"1" * 32) == accounts(secret=b"1" * 32)
    assert not accounts(secret=b"1" * 32) & accounts(secret=b"2" * 32)
    assert "Ada" not in json.dumps(_told(secret=b"1" * 32))
    assert "Ada" in json.dumps(_told(names=True, secret=b"1" * 32))


async def test_one_statement_that_differs_does_not_keep_the_others_out() -> None:
    far = Lrs()
    endpoint, far.down = await far.start(), False
    told = _told()
    await lrs.send(endpoint, "room", "secret", told[:1])
    changed = [{**told[0], "timestamp": "2026-01-01T00:00:00+00:00"}, *told[1:]]
    await lrs.send(endpoint, "room", "secret", changed)
    await lrs.send(endpoint, "room", "secret", told)
    assert list(far.kept.values()) == told
    with pytest.raises(lrs.LrsError, match="400"):
        await lrs.send(endpoint, "room", "wrong", told)
    await far.stop()
