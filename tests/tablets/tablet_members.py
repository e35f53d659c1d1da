"""Tablets of every way in, each with a replica of what it hears."""

from __future__ import annotations

import asyncio
import contextlib
import json
import uuid
from typing import Any

import aiomqtt
import websockets

from devices.tablets.clock import room_ms
from devices.tablets.member import Member
from devices.tablets.pairing import Paired, Tablet
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
            timeout=60,
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
        # What was under way when a broker died is never confirmed.
        await self._client.publish(f"{self.own}/up", json.dumps(message), qos=1, timeout=10)

    async def close(self) -> None:
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)


class PageTablet:
    """A tablet over the WebSocket, as the page is one: keeps a replica, answers gaps."""

    def __init__(self, web: str, headers: dict[str, str], query: str = "") -> None:
        self._address = f"ws://{web}/api/v1/tablets/socket{query}"
        self._headers = headers
        self.replica = Replica()
        self.heard: list[dict[str, Any]] = []
        self.socket: Any = None
        self._task: asyncio.Task[None] | None = None

    async def connect(self, **hello: Any) -> None:
        self.socket = await websockets.connect(
            self._address, additional_headers=self._headers, max_size=None, open_timeout=60
        )
        await self.put(self.replica.hello(**hello))
        self._task = asyncio.create_task(self._listen())

    async def _listen(self) -> None:
        with contextlib.suppress(websockets.ConnectionClosed):
            async for text in self.socket:
                self.heard.append(json.loads(text))
                for reply in self.replica.take(text):
                    await self.put(reply)

    async def put(self, message: dict[str, Any]) -> None:
        await self.socket.send(json.dumps(message))

    async def say(self, kind: str, **fields: Any) -> None:
        await self.put({"type": kind, "id": uuid.uuid4().hex, **fields})

    async def cut(self) -> None:
        """The network goes away without a word."""
        self.socket.transport.abort()
        if self._task:
            await self._task

    async def close(self) -> None:
        if self.socket:
            await self.socket.close()
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
