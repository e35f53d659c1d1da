"""A room's tablets on a real store, and members that keep a replica of what they hear."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from controller.tablet_store import TabletStore
from devices.tablets.clock import room_ms
from devices.tablets.member import Member
from devices.tablets.pairing import Tablet
from devices.tablets.replica import Replica
from devices.tablets.room import TabletRoom


class Listener(Member):
    """A member in this process: replies of its replica go back to the room."""

    def __init__(self, room: TabletRoom, tablet: Tablet) -> None:
        super().__init__(tablet)
        self.room, self.replica = room, Replica()
        self.heard: list[dict[str, Any]] = []
        self.closed: tuple[str, str] | None = None
        self.deaf = False

    def send(self, text: str) -> None:
        if self.deaf or self.closed:
            return
        self.heard.append(json.loads(text))
        for reply in self.replica.take(text):
            self.later = asyncio.ensure_future(self.room.receive(self, json.dumps(reply)))

    def close(self, code: str, reason: str) -> None:
        self.closed = (code, reason)
        self.room.members.discard(self)

    async def say(self, kind: str, **fields: Any) -> dict[str, Any]:
        """Says something; returns the acknowledgement or refusal."""
        fields.setdefault("id", uuid.uuid4().hex)
        if kind == "answer":
            fields.setdefault("session", self.room.lesson.session if self.room.lesson else "")
        await self.room.receive(self, json.dumps({"type": kind, **fields}))
        for message in reversed(self.heard):
            if message["type"] in ("saved", "refused") and message["id"] == fields["id"]:
                return message
        return self.heard[-1] if self.heard else {}

    async def hello(self) -> None:
        if self not in self.room.members:
            self.room.join(self)
        await self.room.receive(self, json.dumps(self.replica.hello()))

    def last(self, kind: str) -> dict[str, Any]:
        return next(m for m in reversed(self.heard) if m["type"] == kind)


class Clock:
    """The room's clock: the real one, and it may be put forward by hand."""

    def __init__(self) -> None:
        self.ahead = 0

    def __call__(self) -> int:
        return room_ms() + self.ahead


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[TabletStore]:
    store = TabletStore(tmp_path / "tablets.db")
    await store.open()
    yield store
    await store.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def room(store: TabletStore, clock: Clock) -> AsyncIterator[TabletRoom]:
    room = TabletRoom("room1", store, now=clock)
    await room.start()
    yield room
    await room.stop()


@pytest.fixture
def seat(room: TabletRoom) -> Callable[..., Any]:
    """Pairs a tablet and connects it: `await seat("Ada")`, `await seat("Board", "board")`."""

    async def take(name: str, role: Any = "student", *, greet: bool = True) -> Listener:
        code = room.pairing.pair_set([name], role)
        paired = await room.pairing.redeem(code.text, "127.0.0.1")
        member = Listener(room, paired.tablet)
        if greet:
            await member.hello()
        return member

    return take


@pytest.fixture
def until() -> Callable[..., Any]:
    """Waits for a condition, at most 30 s."""

    async def wait(condition: Callable[[], Any]) -> Any:
        async with asyncio.timeout(30):
            while not (value := condition()):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        return value

    return wait
