"""A room's tablets on a real store, and members that keep a replica of what they hear."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from controller.broker import ManagedBroker
from controller.tablet_store import TabletStore
from devices.tablets.access import BrokerAccess
from devices.tablets.clock import room_ms
from devices.tablets.member import Member
from devices.tablets.mqtt import MqttTablets
from devices.tablets.pairing import Paired, Tablet
from devices.tablets.replica import Replica
from devices.tablets.room import TabletRoom
from devices.transports.mqtt import MqttLink


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


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[ManagedBroker]:
    broker = ManagedBroker(tmp_path)
    if not broker.takes_tablets:
        pytest.skip("mosquitto's dynamic security plugin is not installed")
    broker.login = await broker.start()
    yield broker
    await broker.stop()


@pytest.fixture
async def door(room: TabletRoom, broker: ManagedBroker) -> AsyncIterator[MqttTablets]:
    link = MqttLink(*broker.login, client_id="daemon")
    await link.start()
    assert await link.wait_connected()
    door = MqttTablets(room, link, BrokerAccess(link, room.room))
    await door.start()
    yield door
    await door.stop()
    await link.stop()


class NativeTablet:
    """A tablet of its own over MQTT: connects, says hello, keeps a replica."""

    def __init__(self, port: int, room: str, paired: Paired) -> None:
        self.port, self.base, self.paired = port, f"classroom/{room}", paired
        self.replica = Replica()
        self.heard: list[dict[str, Any]] = []
        self._task: asyncio.Task[None] | None = None
        self._client: aiomqtt.Client | None = None

    @property
    def own(self) -> str:
        return f"{self.base}/tablets/{self.paired.tablet.id}"

    def client(self, **other: Any) -> aiomqtt.Client:
        ident = self.paired.tablet.id
        fields = {"username": ident, "password": self.paired.credential, "identifier": ident}
        will = aiomqtt.Will(f"{self.own}/presence", "offline", qos=1, retain=True)
        return aiomqtt.Client(
            "127.0.0.1",
            self.port,
            will=will,
            protocol=aiomqtt.ProtocolVersion.V5,
            **(fields | other),
        )

    async def connect(self) -> None:
        up: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._run(up))
        await up

    async def _run(self, up: asyncio.Future[None]) -> None:
        try:
            async with self.client() as client:
                self._client = client
                for topic in ("class/log", "class/now"):
                    await client.subscribe(f"{self.base}/{topic}", qos=1)
                await client.subscribe(f"{self.own}/down", qos=1)
                await self.put(self.replica.hello())
                up.set_result(None)
                async for message in client.messages:
                    self.heard.append(json.loads(bytes(message.payload)))
                    for reply in self.replica.take(bytes(message.payload)):
                        await self.put(reply)
        except Exception as error:
            if not up.done():
                up.set_exception(error)
        finally:
            self._client = None

    @property
    def connected(self) -> bool:
        return self._client is not None

    async def say(self, kind: str, **fields: Any) -> None:
        await self.put({"type": kind, **fields})

    async def put(self, message: dict[str, Any]) -> None:
        assert self._client
        await self._client.publish(f"{self.own}/up", json.dumps(message), qos=1)

    async def close(self) -> None:
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)


@pytest.fixture
async def native(
    room: TabletRoom, door: MqttTablets, broker: ManagedBroker
) -> AsyncIterator[Callable[..., Any]]:
    """Pairs a native tablet; connects it unless told not to."""
    made: list[NativeTablet] = []

    async def take(name: str, role: Any = "student", *, connect: bool = True) -> NativeTablet:
        paired = await room.pairing.redeem(room.pairing.pair_set([name], role).text, "127.0.0.1")
        await door.grant(paired.tablet.id, paired.credential)
        tablet = NativeTablet(broker.port, room.room, paired)
        made.append(tablet)
        if connect:
            await tablet.connect()
        return tablet

    yield take
    for tablet in made:
        await tablet.close()
