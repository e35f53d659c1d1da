"""Fifty panels and consoles open at once: what they cost the daemon, how soon each hears an event;
and how soon the panel's first paint stands on a slow 3G link.

Floor of the same run: a bare `websockets` server in its own process that sends the same texts to as
many clients at the same beat.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx
import websockets

from benchmarks._processes import TICK

CLIENTS, SECONDS = 50, 15
SLOW_3G = {
    "offline": False,
    "latency": 400,
    "downloadThroughput": 50_000,
    "uploadThroughput": 50_000,
}
BARE = """
import asyncio, json, sys, time, websockets
clients = set()
async def handle(socket):
    clients.add(socket)
    await socket.wait_closed()
async def main():
    async with websockets.serve(handle, "127.0.0.1", 0, compression=None) as server:
        print(json.dumps({"port": server.sockets[0].getsockname()[1]}), flush=True)
        loop = asyncio.get_running_loop()
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            for _ in range(round(float(line) * 10)):
                text = json.dumps({"kind": "levels", "data": {"stamp": time.monotonic()}})
                websockets.broadcast(clients, text)
                await asyncio.sleep(0.1)
            print(json.dumps({"told": True}), flush=True)
asyncio.run(main())
"""


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


class _Child:
    """A server process that is told by lines how long to tell events."""

    def __init__(self, argv: list[str]) -> None:
        self._process = subprocess.Popen(
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.told = self._line()

    def _line(self) -> dict[str, Any]:
        assert self._process.stdout
        return dict(json.loads(self._process.stdout.readline()))

    def tell(self, seconds: float) -> float:
        """Let it tell events for that long; CPU seconds that it took."""
        assert self._process.stdin
        before = _cpu(self._process.pid)
        self._process.stdin.write(f"{seconds}\n")
        self._process.stdin.flush()
        self._line()
        return _cpu(self._process.pid) - before

    def end(self) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()


async def _crowd(child: _Child, address: str, cookie: str | None) -> tuple[float, list[float]]:
    """CPU share of the server, and the milliseconds from telling to hearing, of every client."""
    late: list[float] = []

    async def hear(socket: websockets.ClientConnection) -> None:
        async for text in socket:
            stamp = json.loads(text)["data"].get("stamp")
            if stamp is not None:
                late.append((time.monotonic() - stamp) * 1000)

    headers = {"Cookie": cookie} if cookie else {}
    sockets = [
        await websockets.connect(address, additional_headers=headers, compression=None)
        for _ in range(CLIENTS)
    ]
    listeners = [asyncio.create_task(hear(socket)) for socket in sockets]
    await asyncio.sleep(2)  # snapshots are through
    cpu = await asyncio.to_thread(child.tell, SECONDS)
    for task in listeners:
        task.cancel()
    await asyncio.gather(*listeners, return_exceptions=True)
    for socket in sockets:
        await socket.close()
    return cpu / SECONDS, sorted(late)


async def _first_paint(url: str) -> tuple[float | None, float | None]:
    """Milliseconds to the first contentful paint on slow 3G: never seen before, and seen before."""
    chromium = os.environ.get("CLASSROOMD_CHROMIUM") or shutil.which("chromium")
    if chromium is None:
        return None, None
    from playwright.async_api import async_playwright

    found: list[float | None] = []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=chromium, args=["--headless=new", "--no-sandbox", "--disable-gpu"]
        )
        context = await browser.new_context(viewport={"width": 1280, "height": 800})
        for _ in range(2):
            page = await context.new_page()
            session = await context.new_cdp_session(page)
            await session.send("Network.enable")
            await session.send("Network.emulateNetworkConditions", SLOW_3G)
            await page.goto(url)
            painted = None
            for _ in range(200):
                painted = await page.evaluate(
                    "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? null"
                )
                if painted is not None:
                    break
                await asyncio.sleep(0.05)
            found.append(painted)
            await page.close()
        await browser.close()
    return found[0], found[1]


def _percentile(values: list[float], share: float) -> float:
    return values[min(len(values) - 1, int(len(values) * share))]


def run() -> dict[str, float | None]:
    """Ours beside the bare server; times in milliseconds, CPU as a share of one core."""
    with tempfile.TemporaryDirectory(prefix="bench-pages-") as folder:
        ours = _Child([sys.executable, "-m", "benchmarks._pages_server", folder])
        try:
            url = f"http://127.0.0.1:{ours.told['port']}"
            answer = httpx.post(f"{url}/api/v1/login", json={"pin": ours.told["pin"]})
            cookie = "; ".join(f"{name}={value}" for name, value in answer.cookies.items())
            events = f"{url.replace('http', 'ws')}/api/v1/events"
            cpu, late = asyncio.run(_crowd(ours, events, cookie))
            cold, warm = asyncio.run(_first_paint(url))
        finally:
            ours.end()
    bare = _Child([sys.executable, "-c", BARE])
    try:
        floor_cpu, floor = asyncio.run(_crowd(bare, f"ws://127.0.0.1:{bare.told['port']}", None))
    finally:
        bare.end()
    return {
        "clients": float(CLIENTS),
        "events_heard": float(len(late)),
        "cpu_share": round(cpu, 4),
        "cpu_ratio": round(cpu / max(floor_cpu, 0.001), 2),
        "event_ms_median": round(statistics.median(late), 2),
        "event_ms_p99": round(_percentile(late, 0.99), 2),
        "event_p99_ratio": round(_percentile(late, 0.99) / _percentile(floor, 0.99), 2),
        "first_paint_slow3g_ms": cold,
        "first_paint_again_slow3g_ms": warm,
    }
