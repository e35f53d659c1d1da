"""From the end of class to the verified receipt over a link of 2 Mbit/s, with and without sending
during class.

A lecture of 1.2 Mbit/s grows for CLASSROOMD_BENCH_CLASS_S seconds (90) as the program writes it, is
closed, and goes to moto's S3 through a proxy that lets 2 Mbit/s pass. `ahead_ratio` is the time
without to the time with; it grows with the class, because what is left to send does not.
"""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.publishing import _s3
from publishing.delivery import DeliveryWorker
from publishing.settings import TargetConfig
from recorder.recording import Life, Recording

CLASS_S = float(os.environ.get("CLASSROOMD_BENCH_CLASS_S", "90"))
LINK_BYTES_S = 2e6 / 8
LECTURE_BYTES_S = 1.2e6 / 8
BLOCK = 16 << 10


class Link:
    """A proxy that passes what is sent at the link's rate; answers come back at once."""

    def __init__(self, host: str, port: int) -> None:
        self._there = host, port
        self._free = 0.0

    async def start(self) -> int:
        """The port to connect to."""
        self.server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return int(self.server.sockets[0].getsockname()[1])

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await asyncio.open_connection(*self._there)
        back = asyncio.create_task(_copy(up_reader, writer))
        try:
            while block := await reader.read(BLOCK):
                now = time.monotonic()
                self._free = max(self._free, now) + len(block) / LINK_BYTES_S
                await asyncio.sleep(self._free - now)
                up_writer.write(block)
                await up_writer.drain()
        except OSError:
            pass
        finally:
            up_writer.close()
            await back


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while block := await reader.read(1 << 16):
            writer.write(block)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


async def _held(root: Path, config: TargetConfig, number: int) -> float:
    """Seconds from the end of a class to its verified receipt."""
    folder = root / f"2026-03-02_080{number}_bench_rec{number}"
    part = folder / "products" / "parts" / "lecture-001.mp4"
    part.parent.mkdir(parents=True)
    manifest = {
        "id": f"rec{number}", "session": "s", "room": "r", "title": "Benchmark", "boot_id": "b",
        "started": "2026-03-02T08:00:00Z", "boottime": 1.0, "life": "recording", "sources": [],
        "consent": True,
    }  # fmt: skip
    (folder / "recording.json").write_text(json.dumps(manifest))
    worker = DeliveryWorker(root, [config])
    await worker.start()
    begun = time.monotonic()
    with part.open("wb") as file:
        file.write(b"head" * 18)
        while (passed := time.monotonic() - begun) < CLASS_S:
            file.write(os.urandom(max(0, int(passed * LECTURE_BYTES_S) - file.tell())))
            file.flush()
            await asyncio.sleep(0.5)
    over = time.monotonic()
    with part.open("r+b") as file:
        file.seek(36)
        file.write(b"finished" * 2)
    part.replace(folder / "products" / "lecture.mp4")
    Recording.open(folder).update(life=Life.READY)
    worker.submit(folder, config.id)
    while worker.statuses()[-1].state.value != "verified":  # noqa: ASYNC110
        await asyncio.sleep(0.05)
    await worker.stop()
    return time.monotonic() - over


async def _both(root: Path, served: dict[str, Any]) -> dict[str, float | None]:
    host, _, port = str(served["url"]).rpartition("/")[2].partition(":")
    link = Link(host, int(port))
    url = f"http://127.0.0.1:{await link.start()}"
    found = []
    for number, during in enumerate((False, True)):
        own = {**served, "url": url, "during_class": during, "products": ["lecture"]}
        found.append(await _held(root / str(number), TargetConfig(**own), number))
    link.server.close()
    return {
        "class_s": CLASS_S,
        "after_class_s": round(found[0], 1),
        "ahead_s": round(found[1], 1),
        "ahead_ratio": round(found[0] / found[1], 2),
    }


def run() -> dict[str, float | None]:
    """Seconds from the end of class to the receipt, without and with sending during class."""
    with tempfile.TemporaryDirectory() as folder, _s3(Path(folder)) as site:
        return asyncio.run(_both(Path(folder), site.config))
