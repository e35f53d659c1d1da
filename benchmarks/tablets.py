"""How soon a page turn is on every tablet, beside the bare broker's fan-out in the same run.

Room, broker and crowd are processes of their own; the lecturer's tablet is in this one. Five in
six tablets come in over MQTT, the others over the WebSocket. `page_turn_N_p99_ms`: from the
lecturer's send to each tablet's copy of the page, 99th percentile over tablets and turns;
`…_last_…`: until the last tablet of a turn has it. `saved_N_…`: until the lecturer's tablet hears
that the turn is committed; a slow disk shows there. `room_cpu_N_turn_ms`: the room's processor
time for a turn, above that of a quarter of a second of a class that listens (`…_idle_ms`); the
machine's other work hardly changes these. One slow turn among TURNS must not be the 99th
percentile, so there are many. Also: N joining at once, N answering at once (counted exactly), one
tablet after the other returning from standby with all that it missed (`standby_back_…`), one that
joins late (`late_join_…`), and all back after the broker was killed.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import statistics
import sys
import time
import uuid
from collections.abc import Awaitable
from typing import Any

import aiomqtt
import websockets

TURNS = 100
EVERY_S = 0.25
MISSED = 300
"""Entries that a tablet in standby misses."""

INK_EVERY_S = 0.025
"""A lecturer's device may say 60 things a second; what is beyond is dropped by the room."""

SAY_S, SAID = 5.0, 4
FIRST = asyncio.FIRST_COMPLETED

CROWDS = (40, 100, 300)


class Other:
    """A process that obeys JSON lines; it answers within a time or is named as what did not."""

    def __init__(self, module: str) -> None:
        self._module = module
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", self._module),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=1 << 24,
        )

    async def do(self, what: str, *, within_s: float = 90, **fields: Any) -> Any:
        assert self._process
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps({"do": what, **fields}).encode() + b"\n")
        try:
            async with asyncio.timeout(within_s):
                await self._process.stdin.drain()
                line = await self._process.stdout.readline()
        except TimeoutError:
            raise RuntimeError(f"{self._module} did not {what} within {within_s:g} s") from None
        if not line:
            raise RuntimeError(f"{self._module} ended while asked to {what}")
        answer = json.loads(line)
        if "failed" in answer:
            raise RuntimeError(f"{self._module} could not {what}: {answer['failed']}")
        return answer

    async def stop(self) -> None:
        if self._process is None:
            return
        assert self._process.stdin
        self._process.stdin.close()
        for end in (None, self._process.terminate, self._process.kill):
            if end and self._process.returncode is None:
                end()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(20):
                    await self._process.wait()
                    return


class Lecturer:
    """The lecturer's tablet, over the WebSocket: it hears everything, as the page does."""

    def __init__(self, socket: Any) -> None:
        self._socket = socket
        self._waiting: dict[str, asyncio.Future[int]] = {}
        self._listening = asyncio.create_task(self._listen())

    async def _listen(self) -> None:
        async for text in self._socket:
            message = json.loads(text)
            done = self._waiting.get(message.get("id", ""))
            if done is None or done.done():
                continue
            if message["type"] == "saved":
                done.set_result(message.get("seq", 0))
            elif message["type"] == "refused":
                done.set_exception(RuntimeError(message["message"]))

    async def say(self, kind: str, **fields: Any) -> tuple[int, int]:
        """Says something; returns when it was sent and the log's number for it.

        What is not acknowledged is said again under the same id, as the protocol has it.
        """
        ident = uuid.uuid4().hex
        text = json.dumps({"type": kind, "id": ident, **fields})
        done = self._waiting[ident] = asyncio.get_running_loop().create_future()
        sent = time.monotonic_ns()
        try:
            for _ in range(SAID):
                await self._socket.send(text)
                await asyncio.wait({done, self._listening}, timeout=SAY_S, return_when=FIRST)
                if done.done():
                    return sent, await done
                if self._listening.done():
                    raise RuntimeError(f"the lecturer's connection ended at a {kind}")
        finally:
            del self._waiting[ident]
        raise RuntimeError(f"the room did not acknowledge a {kind} within {SAID * SAY_S:g} s")

    async def stop(self) -> None:
        self._listening.cancel()
        await asyncio.gather(self._listening, return_exceptions=True)


def _p(samples: list[float], share: float) -> float:
    return round(statistics.quantiles(samples, n=1000)[int(share * 10) - 1], 1)


async def _turns(lecturer: Lecturer, crowd: Other, n: int) -> dict[str, float | None]:
    for number in range(5):
        await lecturer.say("turn", page=f"p{number + 30}")
        await asyncio.sleep(EVERY_S)
    turns, saved = [], []
    for number in range(TURNS):
        turns.append(await lecturer.say("turn", page=f"p{number % 40}"))
        saved.append((time.monotonic_ns() - turns[-1][0]) / 1e6)
        await asyncio.sleep(EVERY_S)
    first, last = turns[0][1], turns[-1][1]
    seen = (await crowd.do("seen", first=first, last=last))["seen"]
    each = [(at - sent) / 1e6 for sent, seq in turns for at in seen[str(seq)]]
    slowest = [(max(seen[str(seq)]) - sent) / 1e6 for sent, seq in turns]
    return {
        f"page_turn_{n}_p50_ms": _p(each, 50),
        f"page_turn_{n}_p99_ms": _p(each, 99),
        f"saved_{n}_p50_ms": _p(saved, 50),
        f"saved_{n}_p99_ms": _p(saved, 99),
        f"page_turn_{n}_last_p50_ms": _p(slowest, 50),
        f"page_turn_{n}_last_p99_ms": _p(slowest, 99),
    }


async def _raw(where: dict[str, Any], crowd: Other, n: int) -> dict[str, float | None]:
    host, port, username, password = where["broker"]
    sent = []
    async with aiomqtt.Client(host, port, username=username, password=password) as client:
        for number in range(TURNS):
            sent.append(time.monotonic_ns())
            text = json.dumps({"type": "raw", "n": number, "filler": "x" * 180})
            await client.publish("classroom/bench/class/now", text, qos=1)
            await asyncio.sleep(EVERY_S)
    heard = (await crowd.do("raw", last=TURNS - 1))["raw"]
    each = [(at - when) / 1e6 for when, times in zip(sent, heard, strict=True) for at in times]
    return {f"broker_{n}_p50_ms": _p(each, 50), f"broker_{n}_p99_ms": _p(each, 99)}


async def _standby(lecturer: Lecturer, crowd: Other) -> dict[str, float | None]:
    await crowd.do("doze")
    seq = 0
    for number in range(MISSED):
        ink = {"page": f"p{number % 40}", "stroke": f"k{number}", "part": 0, "points": "FBSAAgQBBA"}
        _, seq = await lecturer.say("ink", **ink)
        await asyncio.sleep(INK_EVERY_S)
    back = await crowd.do("wake", seq=seq, within_s=300)
    return {
        "standby_back_p50_ms": round(statistics.median(back["back"]), 1),
        "standby_back_max_ms": round(max(back["back"]), 1),
        "late_join_p50_ms": round(statistics.median(back["late"]), 1),
        "late_join_max_ms": round(max(back["late"]), 1),
    }


async def _join(room: Other, crowd: Other, n: int) -> dict[str, float | None]:
    paired = (await room.do("pair", n=n, role="student"))["paired"]
    joined = await crowd.do("join", paired=paired, where=await room.do("where"))
    return {f"join_{n}_ms": round(joined["ms"], 1)}


async def _answers(
    lecturer: Lecturer, room: Other, crowd: Other, n: int
) -> dict[str, float | None]:
    question = f"q{n}"
    await lecturer.say("ask", questions=[{"id": question, "kind": "number", "text": "?"}])
    answered = await crowd.do("answer", question=question)
    result = await room.do("result", question=question)
    return {
        f"answers_{n}_ms": round(answered["ms"], 1),
        f"answers_{n}_missing": n - result["answered"],
    }


async def _killed(lecturer: Lecturer, room: Other, crowd: Other) -> dict[str, float | None]:
    os.kill((await room.do("kill"))["pid"], signal.SIGKILL)
    began = time.monotonic()
    _, seq = await lecturer.say("turn", page="p1")
    await crowd.do("ready", seq=seq)
    return {"broker_killed_all_back_s": round(time.monotonic() - began, 2)}


async def _crowd(lecturer: Lecturer, room: Other, crowd: Other, n: int) -> dict[str, float | None]:
    figures: dict[str, float | None] = {}

    async def phase(what: str, measured: Awaitable[dict[str, float | None]]) -> None:
        print(f"   {n} tablets: {what}", flush=True)
        figures.update(await measured)

    where = await room.do("where")
    await phase("join", _join(room, crowd, n))
    idle = [await room.do("cpu")]
    await phase("the bare broker", _raw(where, crowd, n))
    idle.append(await room.do("cpu"))
    await phase("page turns", _turns(lecturer, crowd, n))
    turned = [idle[1], await room.do("cpu")]
    rest, work = ((after["s"] - before["s"]) / TURNS for before, after in (idle, turned))
    figures[f"room_cpu_{n}_idle_ms"] = round(1000 * rest, 2)
    figures[f"room_cpu_{n}_turn_ms"] = round(1000 * (work - rest), 2)
    turn, bare = figures[f"page_turn_{n}_p99_ms"], figures[f"broker_{n}_p99_ms"]
    assert turn is not None
    assert bare is not None
    figures[f"page_turn_{n}_p99_ratio"] = round(turn / bare, 2)
    await phase("answers", _answers(lecturer, room, crowd, n))
    if n == CROWDS[-1]:
        await phase("standby and late joiners", _standby(lecturer, crowd))
        await phase("the broker killed", _killed(lecturer, room, crowd))
    await crowd.do("leave")
    return figures


async def _measure() -> dict[str, float | None]:
    figures: dict[str, float | None] = {}
    room, crowd = Other("benchmarks._tablets_room"), Other("benchmarks._tablets_crowd")
    try:
        await room.start()
        await crowd.start()
        where = await room.do("where")
        [teacher] = (await room.do("pair", n=1, role="lecturer"))["paired"]
        address = f"ws://127.0.0.1:{where['web']}/api/v1/tablets/socket?as=lecturer"
        async with websockets.connect(address, max_size=None) as socket:
            hello = {"type": "hello", "credential": teacher["credential"]}
            await socket.send(json.dumps(hello))
            lecturer = Lecturer(socket)
            for n in CROWDS:
                figures |= await _crowd(lecturer, room, crowd, n)
            await lecturer.stop()
    finally:
        await crowd.stop()
        await room.stop()
    return figures


def run() -> dict[str, float | None]:
    """Returns the figures; see the module's docstring."""
    return asyncio.run(_measure())
