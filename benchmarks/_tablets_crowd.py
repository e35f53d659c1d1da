"""The crowd of the tablets' benchmark: many real clients in one process.

One in six comes in over the WebSocket, the others over MQTT. Reads JSON lines `{"do": …}` on
standard input and answers each with one. Times are CLOCK_MONOTONIC, in nanoseconds.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import aiomqtt
import websockets

from devices.tablets.replica import Replica

EVERY_SOCKET = 6
DOZE = 24
BASE = "classroom/bench"
PATIENCE_S = 60.0


class LateError(Exception):
    """Tablets were not where they should be in time; the text says how many."""


class Client(ABC):
    """One tablet that keeps a replica and notes when it heard what."""

    def __init__(self, who: dict[str, str], where: dict[str, Any]) -> None:
        self.who, self.where = who, where
        self.replica = Replica()
        self.seen: dict[int, int] = {}
        self.raw: dict[int, int] = {}
        self.saved: set[str] = set()
        self.task = asyncio.create_task(self._stay())

    async def _stay(self) -> None:
        beating = asyncio.create_task(self._beat())
        try:
            await self._connect()
        finally:
            beating.cancel()

    async def _beat(self) -> None:
        """A tablet is heard every four seconds, whatever else it does."""
        await asyncio.sleep(random.uniform(0, 4))
        while True:
            if self.replica.ready:
                with contextlib.suppress(OSError, aiomqtt.MqttError, websockets.WebSocketException):
                    await self.put({"type": "ping", "t": time.monotonic()})
            await asyncio.sleep(4)

    async def _connect(self) -> None:
        while True:
            with contextlib.suppress(OSError, aiomqtt.MqttError, websockets.WebSocketException):
                await self.run()
            self.replica.ready = False
            await asyncio.sleep(random.uniform(0.1, 0.8))

    @abstractmethod
    async def run(self) -> None:
        """Connects and listens until the connection ends."""

    @abstractmethod
    async def put(self, message: dict[str, Any]) -> None:
        """Sends one message."""

    async def hear(self, text: str | bytes) -> None:
        now = time.monotonic_ns()
        message = json.loads(text)
        if message["type"] == "raw":
            self.raw[message["n"]] = now
            return
        if message["type"] == "saved":
            self.saved.add(message["id"])
        before = self.replica.seq
        for reply in self.replica.take(text):
            await self.put(reply)
        for seq in range(before + 1, self.replica.seq + 1):
            self.seen[seq] = now


class SocketClient(Client):
    """Over the WebSocket, as the page."""

    socket: Any = None

    async def run(self) -> None:
        address = f"ws://127.0.0.1:{self.where['web']}/api/v1/tablets/socket"
        async with websockets.connect(address, max_size=None, compression=None) as self.socket:
            await self.put(self.replica.hello(credential=self.who["credential"]))
            async for text in self.socket:
                await self.hear(text)

    async def put(self, message: dict[str, Any]) -> None:
        await self.socket.send(json.dumps(message))


class MqttClient(Client):
    """Over MQTT, as a native app."""

    client: aiomqtt.Client

    async def run(self) -> None:
        host, port, _, _ = self.where["broker"]
        ident = self.who["id"]
        own = f"{BASE}/tablets/{ident}"
        async with aiomqtt.Client(
            host, port, username=ident, password=self.who["credential"], identifier=ident
        ) as self.client:
            topics = [(f"{BASE}/class/log", 1), (f"{BASE}/class/now", 1), (f"{own}/down", 1)]
            await self.client.subscribe(topics)
            await self.put(self.replica.hello())
            async for message in self.client.messages:
                await self.hear(bytes(message.payload))

    async def put(self, message: dict[str, Any]) -> None:
        topic = f"{BASE}/tablets/{self.who['id']}/up"
        await self.client.publish(topic, json.dumps(message), qos=1)


class Crowd:
    """All clients of this process."""

    def __init__(self) -> None:
        self.clients: list[Client] = []
        self.dozing: list[Client] = []

    async def obey(self, order: dict[str, Any]) -> dict[str, Any]:
        began = time.monotonic()
        match order["do"]:
            case "join":
                for number, who in enumerate(order["paired"]):
                    kind = SocketClient if number % EVERY_SOCKET == 0 else MqttClient
                    self.clients.append(kind(who, order["where"]))
                await self._until(lambda client: client.replica.ready)
            case "leave":
                for client in self.clients:
                    client.task.cancel()
                await asyncio.gather(*[c.task for c in self.clients], return_exceptions=True)
                self.clients = []
            case "seen":
                seqs = range(order["first"], order["last"] + 1)
                await self._until(lambda client: client.replica.seq >= order["last"])
                return {"seen": {seq: [c.seen[seq] for c in self.clients] for seq in seqs}}
            case "raw":
                hearing = [c for c in self.clients if isinstance(c, MqttClient)]
                await self._until(lambda c: c not in hearing or order["last"] in c.raw)
                return {"raw": [[c.raw[n] for c in hearing] for n in range(order["last"] + 1)]}
            case "ready":
                await self._until(lambda client: client.replica.ready)
                await self._until(lambda client: client.replica.seq >= order["seq"])
            case "doze":
                self.dozing, self.clients = self.clients[:DOZE], self.clients[DOZE:]
                for client in self.dozing:
                    client.task.cancel()
                await asyncio.gather(*[c.task for c in self.dozing], return_exceptions=True)
            case "wake":
                # The others share this process: what they still digest is not the sleepers' delay.
                await self._until(lambda client: client.replica.seq >= order["seq"])
                return await self._wake(order["seq"])
            case "answer":
                await asyncio.gather(*[self._answer(c, order["question"]) for c in self.clients])
                await self._until(lambda client: order["question"] in client.saved)
        return {"ms": 1000 * (time.monotonic() - began)}

    async def _wake(self, seq: int) -> dict[str, list[float]]:
        """Each comes back with what it had, then once more as one that has nothing."""
        took: dict[str, list[float]] = {"back": [], "late": []}
        for old in self.dozing:
            for how, replica in (("back", old.replica), ("late", Replica())):
                replica.ready = False
                began = time.monotonic()
                client = type(old)(old.who, old.where)
                client.replica = replica
                try:
                    async with asyncio.timeout(PATIENCE_S):
                        while not (replica.ready and replica.seq >= seq):  # noqa: ASYNC110
                            await asyncio.sleep(0.002)
                except TimeoutError:
                    text = f"a tablet from standby ({how}) was not there after {PATIENCE_S:g} s"
                    raise LateError(text) from None
                took[how].append(1000 * (time.monotonic() - began))
                client.task.cancel()
                await asyncio.gather(client.task, return_exceptions=True)
        return took

    async def _answer(self, client: Client, question: str) -> None:
        answer = {"type": "answer", "id": question, "session": "bench", "question": question}
        await client.put({**answer, "value": 1})

    async def _until(self, condition: Callable[[Any], bool]) -> None:
        try:
            async with asyncio.timeout(PATIENCE_S):
                while not all(map(condition, self.clients)):  # noqa: ASYNC110
                    await asyncio.sleep(0.005)
        except TimeoutError:
            late = [c for c in self.clients if not condition(c)]
            over = sum(isinstance(c, SocketClient) for c in late)
            raise LateError(
                f"{len(late)} of {len(self.clients)} tablets ({over} over the WebSocket) were not"
                f" there after {PATIENCE_S:g} s; the first is at entry {late[0].replica.seq}"
            ) from None


async def main() -> None:
    """Obeys until standard input ends."""
    crowd = Crowd()
    reader = asyncio.StreamReader(limit=1 << 24)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        try:
            answer = await crowd.obey(json.loads(line))
        except LateError as error:
            answer = {"failed": str(error)}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
