"""64 displays (32 serial lines, 32 TCP), each asked once a second while commands run.

`first_byte_*`: from the call to the first byte on the wire; `floor_first_byte_p99_ms` the same of
bare asyncio streams beside as much asking (a question in the air must be answered first, and how
long that takes is this machine's other work).
`cpu`: share of one core, `floor_cpu` that of bare asyncio streams asking as many displays as often,
`cpu_ratio` one to the other.
`recovery_s`: after all 64 links were cut for three seconds and restored; `storm_ratio`: the most
connections of one tenth of a second in that time to all 64 at once (below 1: no storm).
"""

from __future__ import annotations

import asyncio
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from devices.manager import DeviceManager
from devices.model import DeviceSpec, DeviceState, Health, Power
from firmware_profiles.catalog import Catalog

SECONDS = 20.0
PROFILE = """extends = "samsung/mdc"
title = "Bench display"
vendor = "Samsung"
kind = "display"
[poll]
every_s = 1
[commands.volume]
poll = false
[commands.mute]
poll = false
[commands.input]
poll = false
[[evidence]]
document = "none"
status = "unverified"
"""


class _Farm:
    """The displays, in a process of their own."""

    def __init__(self, folder: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks._device_farm", folder],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.addresses: list[str] = self._line()

    def _line(self) -> list[str]:
        assert self._process.stdout is not None
        found: list[str] = json.loads(self._process.stdout.readline())
        return found

    async def order(self, what: str) -> None:
        """Cut or restore all links."""
        assert self._process.stdin is not None
        self._process.stdin.write(what + "\n")
        self._process.stdin.flush()
        await asyncio.to_thread(self._line)

    def stop(self) -> None:
        """End the process."""
        self._process.terminate()
        self._process.wait(10)


def run() -> dict[str, float | None]:
    """The figures named above."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "bench.toml").write_text(PROFILE)
        farm = _Farm(folder)
        try:
            floor, hop = asyncio.run(_floor(farm.addresses))
            figures = asyncio.run(_ours(farm, Catalog([Path(folder)])))
        finally:
            farm.stop()
    figures["floor_first_byte_p99_ms"] = round(hop, 3)
    figures["floor_cpu"] = round(floor, 4)
    figures["cpu_ratio"] = round((figures["cpu"] or 0) / floor, 2)
    return figures


async def _ours(farm: _Farm, catalog: Catalog) -> dict[str, float | None]:
    back: Counter[int] = Counter()
    zero = time.monotonic()
    healthy: dict[str, Health] = {}

    def on_state(state: DeviceState) -> None:
        if state.health is Health.ONLINE and healthy.get(state.id) is not Health.ONLINE:
            back[int((time.monotonic() - zero) * 10)] += 1
        healthy[state.id] = state.health

    names = [f"d{number}" for number in range(len(farm.addresses))]
    manager = DeviceManager(
        [
            DeviceSpec(id=name, profile="bench", transport=address)
            for name, address in zip(names, farm.addresses, strict=True)
        ],
        catalog=catalog,
        on_state=on_state,
    )
    await manager.start()
    await _all(manager, lambda state: state.power is Power.ON)
    delays: list[float] = []
    began, used = time.monotonic(), time.process_time()
    while time.monotonic() - began < SECONDS:
        result = await manager.send(random.choice(names), "volume", random.randrange(100))
        if result.first_byte_ms is not None:
            delays.append(result.first_byte_ms)
        await asyncio.sleep(0.02)
    cpu = (time.process_time() - used) / (time.monotonic() - began)
    await farm.order("cut")
    await asyncio.sleep(3)
    back.clear()
    restored = time.monotonic()
    await farm.order("restore")
    await _all(manager, lambda state: state.health is Health.ONLINE)
    recovery = time.monotonic() - restored
    await manager.stop()
    return {
        "first_byte_p50_ms": round(statistics.median(delays), 3),
        "first_byte_p99_ms": round(sorted(delays)[int(len(delays) * 0.99)], 3),
        "commands": len(delays),
        "cpu": round(cpu, 4),
        "recovery_s": round(recovery, 2),
        "storm_ratio": round(max(back.values(), default=0) / len(names), 2),
    }


async def _all(manager: DeviceManager, so: object) -> None:
    assert callable(so)
    async with asyncio.timeout(60):
        while not all(so(state) for state in manager.states()):  # noqa: ASYNC110
            await asyncio.sleep(0.05)


class _Bare:
    """One display asked over a bare stream, one question at a time as it must be."""

    question = bytes.fromhex("AA 11 01 00 12")

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self.writer, self._turn = reader, writer, asyncio.Lock()

    async def ask(self) -> float:
        """Milliseconds until the question was written."""
        began = time.monotonic()
        async with self._turn:
            self.writer.write(self.question)
            delay = (time.monotonic() - began) * 1000
            await self._reader.readexactly(8)
        return delay

    async def poll(self, until: float) -> None:
        """Ask twice a second."""
        while time.monotonic() < until:
            await self.ask()
            await asyncio.sleep(0.5)


async def _floor(addresses: list[str]) -> tuple[float, float]:
    """CPU of bare streams (the TCP half is asked twice a second, so as often in all), and the p99
    in ms of commands in between."""
    targets = [a.removeprefix("tcp://").split(":") for a in addresses if a.startswith("tcp://")]
    bare = [_Bare(*await asyncio.open_connection(host, int(port))) for host, port in targets]
    began, used = time.monotonic(), time.process_time()
    await asyncio.gather(*(one.poll(began + 5) for one in bare))
    cpu = (time.process_time() - used) / (time.monotonic() - began)
    until = time.monotonic() + SECONDS / 2
    polls = asyncio.gather(*(one.poll(until) for one in bare))
    delays: list[float] = []
    while time.monotonic() < until:
        delays.append(await random.choice(bare).ask())
        await asyncio.sleep(0.02)
    await polls
    for one in bare:
        one.writer.close()
    return cpu, sorted(delays)[int(len(delays) * 0.99)]


if __name__ == "__main__":
    print(json.dumps(run()))
