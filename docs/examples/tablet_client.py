"""A native tablet in about a hundred lines: pairs, follows the pages, answers, comes back.

    python tablet_client.py http://room.example:8080 CODE [--answer 1]

Prints one JSON line for each page and question. It needs `httpx` and `aiomqtt`, and nothing of
classroomd; docs/tablet-protocol.md says what it speaks.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
import uuid
from typing import Any
from urllib.parse import urlsplit

import aiomqtt
import httpx


def pair(room: str, code: str) -> dict[str, Any]:
    """Turns the code into a credential. A real app keeps the answer in its key store."""
    asked = {"code": code, "name": "Example", "version": "example 1", "native": True}
    answer = httpx.post(f"{room}/api/v1/tablets/redeem", json=asked)
    answer.raise_for_status()
    return dict(answer.json())


class Tablet:
    """What this tablet knows: the last entry of the log, the page, what is not acknowledged."""

    def __init__(self, host: str, me: dict[str, Any], answer: Any) -> None:
        self.host, self.me, self.answer = host, me, answer
        self.session: str | None = None
        self.seq = 0
        self.page: str | None = None
        self.early: dict[int, dict[str, Any]] = {}
        self.outbox: dict[str, dict[str, Any]] = {}
        base = f"classroom/{me['room']}"
        self.heard = [f"{base}/class/log", f"{base}/class/now"]
        self.own = f"{base}/tablets/{me['tablet']}"

    async def run(self) -> None:
        """Stays connected."""
        while True:
            try:
                await self.connection()
            except aiomqtt.MqttError:
                await asyncio.sleep(1)

    async def connection(self) -> None:
        """One connection: subscribe first, then say hello, so that nothing falls between."""
        ident = self.me["tablet"]
        will = aiomqtt.Will(f"{self.own}/presence", "offline", qos=1, retain=True)
        async with aiomqtt.Client(
            self.host,
            self.me["broker"],
            username=ident,
            password=self.me["credential"],
            identifier=ident,
            will=will,
        ) as self.client:
            for topic in [*self.heard, f"{self.own}/down"]:
                await self.client.subscribe(topic, qos=1)
            await self.client.publish(f"{self.own}/presence", "online", qos=1, retain=True)
            await self.hello()
            beating = asyncio.create_task(self.beat())
            try:
                async for message in self.client.messages:
                    await self.hear(json.loads(bytes(message.payload)))
            finally:
                beating.cancel()

    async def say(self, message: dict[str, Any]) -> None:
        """Sends one message."""
        await self.client.publish(f"{self.own}/up", json.dumps(message), qos=1)

    async def hello(self) -> None:
        """Says what this tablet has, so that it gets what it lacks."""
        await self.say({"type": "hello", "v": 1, "session": self.session, "since": self.seq})

    async def beat(self) -> None:
        """Renews the lease on the seat."""
        while True:
            await asyncio.sleep(4)
            await self.say({"type": "ping", "t": time.monotonic()})

    async def hear(self, message: dict[str, Any]) -> None:
        """Does what the room says."""
        match message["type"]:
            case "welcome" if message["session"] != self.session:
                self.session, self.seq, self.early = message["session"], 0, {}
            case "snapshot":
                state = message["state"]
                self.seq = state["seq"]
                self.show(state["page"])
                for question in state["questions"]:
                    await self.asked(question)
            case "log":
                for entry in message["entries"]:
                    self.early[entry["seq"]] = entry
                await self.advance()
            case "ready":
                await self.advance()
                for answer in self.outbox.values():
                    await self.say(answer)
            case "pong" if message["seq"] > self.seq:
                await self.say({"type": "gap", "after": self.seq})
            case "saved" | "refused":
                self.outbox.pop(message["id"], None)
                print(json.dumps({"answer": message.get("state", "refused")}), flush=True)
            case "here":
                await self.hello()

    async def advance(self) -> None:
        """Takes the entries that follow on; asks for the others when something is missing."""
        while entry := self.early.pop(self.seq + 1, None):
            self.seq += 1
            if entry["kind"] == "page":
                self.show(entry["body"]["page"])
            elif entry["kind"] == "deck" and entry["body"]["pages"]:
                self.show(entry["body"]["pages"][0]["id"])
            elif entry["kind"] == "ask":
                for question in entry["body"]["questions"]:
                    await self.asked({**question, "state": "open"})
        self.early = {seq: entry for seq, entry in self.early.items() if seq > self.seq}
        if self.early:
            await self.say({"type": "gap", "after": self.seq, "upto": min(self.early) - 1})

    def show(self, page: str | None) -> None:
        """Shows a page: an app loads its image with its credential as a bearer token."""
        if page != self.page:
            self.page = page
            print(json.dumps({"page": page}), flush=True)

    async def asked(self, question: dict[str, Any]) -> None:
        """Answers; kept until acknowledged, sent again after every `ready`."""
        print(json.dumps({"question": question["text"]}), flush=True)
        if self.answer is None or question["state"] != "open":
            return
        ident = uuid.uuid4().hex
        self.outbox[ident] = {
            "type": "answer",
            "id": ident,
            "session": self.session,
            "question": question["id"],
            "value": self.answer,
            "at": time.time_ns() // 1_000_000,
        }
        await self.say(self.outbox[ident])


if __name__ == "__main__":
    words = argparse.ArgumentParser(description="An example of a native tablet.")
    words.add_argument("room")
    words.add_argument("code")
    words.add_argument("--answer", type=json.loads)
    told = words.parse_args()
    tablet = Tablet(urlsplit(told.room).hostname or "", pair(told.room, told.code), told.answer)
    asyncio.run(tablet.run())
