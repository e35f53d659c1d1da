"""What viewers cost beside a class that is recorded, and how late a fragment reaches them.

200 viewers by WebSocket, then 200 by HLS, each against plain uvicorn with the same bytes in the
same run, and by HLS against nginx where it is installed (None where not), which serves a playlist
that stands still and the lecture by byte ranges. Server, recorder and viewers are processes of
their own. `…_cpu_ratio`: our server's CPU time to the plain one's, `…_to_nginx` to nginx's;
`…_cpu_percent_per_viewer` of one core. Fragment latency is counted from when another reader of the
file sees it to when a viewer has it whole. `recording_gaps` counts what the recording lost
meanwhile, `recording_parts` how often its program was begun.
"""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import os
import shutil
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from recorder import control
from recorder.recording import Layout, ProgramSpec, Recording, Role, SourceSpec, create
from streaming.fragments import Fragment, Tail
from streaming.index import FileIndex

VIEWERS = 200
SECONDS = 12.0
JOINING_S = 4.0
SIZE = "size=640x360&fps=25"


def cpu_s(pid: int) -> float:
    """CPU seconds of a process and of its children so far."""
    tasks = Path(f"/proc/{pid}/task")
    ns = sum(int((one / "schedstat").read_text("ascii").split()[0]) for one in tasks.iterdir())
    children = (tasks / str(pid) / "children").read_text("ascii").split()
    return ns / 1e9 + sum(cpu_s(int(one)) for one in children)


class Sightings:
    """When each fragment was first seen in the file, by track and time."""

    def __init__(self, path: Path) -> None:
        self.seen: dict[bytes, float] = {}
        self.late_ms: list[float] = []
        self._tail = Tail(path)

    async def run(self) -> None:
        while True:
            for piece in self._tail.read():
                if isinstance(piece, Fragment):
                    self.seen.setdefault(_name(piece.data), time.monotonic())
            await asyncio.sleep(0.002)

    def arrived(self, message: bytes) -> None:
        at = self.seen.get(_name(message))
        if at is not None:
            self.late_ms.append((time.monotonic() - at) * 1000)


def _name(data: bytes) -> bytes:
    """Track and time of the first fragment, where the recorder's live file has them."""
    return data[44:48] + data[60:68]


async def _web_socket(port: int, path: str, sightings: Sightings, measuring: asyncio.Event) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 22)
    writer.write(
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
    )
    await reader.readuntil(b"\r\n\r\n")
    while True:
        first, length = await reader.readexactly(2)
        if length == 126:
            length = int.from_bytes(await reader.readexactly(2), "big")
        elif length == 127:
            length = int.from_bytes(await reader.readexactly(8), "big")
        data = await reader.readexactly(length)
        if first & 15 == 2 and measuring.is_set():
            sightings.arrived(data)


async def _get(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str, more: str = ""
) -> bytes:
    head = f"GET {path} HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\n{more}\r\n"
    writer.write(head.encode())
    told = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = int(told.partition(b"content-length:")[2].split(b"\r\n")[0])
    data = await reader.readexactly(length)
    return data if told.startswith((b"http/1.1 200", b"http/1.1 206")) else b""


async def _hls_ours(port: int, base: str, index: FileIndex) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 22)
    number = len(index.segments)
    while True:
        asked = f"viewer=v{id(reader)}&_HLS_msn={number}&_HLS_skip=YES"
        # On a machine that is too busy a segment takes longer than the server waits.
        while not await _get(reader, writer, f"{base}/index.m3u8?{asked}"):  # noqa: ASYNC110
            await asyncio.sleep(0.5)
        await _get(reader, writer, f"{base}/{number}.m4s")
        number += 1


async def _hls_plain(port: int, base: str, index: FileIndex) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 22)
    number = len(index.segments)
    while True:
        while number >= len(index.segments):  # noqa: ASYNC110
            await asyncio.sleep(0.2)
        stretch = index.segments[number]
        await _get(reader, writer, f"{base}?at={stretch.offset}&size={stretch.size}")
        number += 1


async def _hls_nginx(port: int, name: str, index: FileIndex) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 22)
    number = len(index.segments)
    while True:
        while number >= len(index.segments):  # noqa: ASYNC110
            await asyncio.sleep(0.2)
        await _get(reader, writer, "/index.m3u8")
        stretch = index.segments[number]
        end = stretch.offset + stretch.size - 1
        if not await _get(reader, writer, f"/{name}", f"Range: bytes={stretch.offset}-{end}\r\n"):
            raise RuntimeError("nginx does not serve the lecture")
        number += 1


def _nginx(folder: Path, port: int) -> list[str]:
    """The command of an nginx that serves the parts of the lecture, with one worker."""
    state = folder / "nginx"
    state.mkdir(exist_ok=True)
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    places = "".join(f"{kind}_temp_path {state};" for kind in kinds)
    entry = "#EXTINF:2.00000,\n#EXT-X-BYTERANGE:100000@100000\nlecture-001.mp4\n"
    (folder / "products" / "parts" / "index.m3u8").write_text("#EXTM3U\n" + entry * 20)
    (state / "nginx.conf").write_text(
        f"user {getpass.getuser()}; daemon off; worker_processes 1; pid {state}/pid;"
        f"error_log {state}/errors crit; events {{ worker_connections 1024; }}"
        f"http {{ access_log off; sendfile on; tcp_nopush on; keepalive_requests 100000; {places}"
        f"server {{ listen 127.0.0.1:{port}; root {folder}/products/parts; }} }}"
    )
    return ["nginx", "-e", str(state / "errors"), "-c", str(state / "nginx.conf")]


async def _measure(
    kind: str, folder: Path, viewer: Callable[[int], Awaitable[None]], started: asyncio.Event
) -> float:
    """CPU seconds per second of the server while everybody watches."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    ours = [sys.executable, "-m", "benchmarks._live_server", kind, str(folder), str(port)]
    command = _nginx(folder, port) if kind == "nginx" else ours
    server = await asyncio.create_subprocess_exec(*command)
    tasks: list[asyncio.Task[None]] = []
    try:
        async with asyncio.timeout(150):
            while True:
                with contextlib.suppress(OSError):
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                    writer.close()
                    break
                await asyncio.sleep(0.1)
        for _ in range(VIEWERS):
            tasks.append(asyncio.create_task(_ignoring(viewer(port))))
            await asyncio.sleep(0.005)
        await asyncio.sleep(JOINING_S)
        started.set()
        before, at = cpu_s(server.pid), time.monotonic()
        await asyncio.sleep(SECONDS)
        used = (cpu_s(server.pid) - before) / (time.monotonic() - at)
        if any(task.done() for task in tasks):
            raise RuntimeError(f"{kind}: a viewer was lost")
        return used
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        server.terminate()  # nginx ends its worker with itself
        try:
            await asyncio.wait_for(server.wait(), 3)
        except TimeoutError:
            server.kill()
            await server.wait()


async def _ignoring(viewer: Awaitable[None]) -> None:
    with contextlib.suppress(OSError, asyncio.IncompleteReadError):
        await viewer


def _begin(root: Path) -> Recording:
    return create(
        root,
        session="s1",
        room="bench",
        title="Class",
        sources=[
            SourceSpec(id="front", role=Role.PRESENTER, url=f"test:presenter?{SIZE}"),
            SourceSpec(id="screen", role=Role.SLIDES, url=f"test:slides?{SIZE}"),
        ],
        layout=Layout.SLIDES_PRESENTER,
        program=ProgramSpec(width=640, height=360, fps=25, live=True),
    )


async def _run() -> dict[str, float | None]:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as root:
        recording = _begin(Path(root))
        pid = await control.launch(recording.folder, Path(root) / "run")
        try:
            return await _watched(recording)
        finally:
            await control.kill_and_confirm(pid)


async def _watched_by_socket(
    kind: str, recording: Recording, path: str
) -> tuple[float, list[float]]:
    sightings, started = Sightings(recording.live / "program.mp4"), asyncio.Event()
    seeing = asyncio.create_task(sightings.run())
    used = await _measure(
        kind,
        recording.folder,
        lambda port: _web_socket(port, path, sightings, started),
        started,
    )
    seeing.cancel()
    return used, sorted(sightings.late_ms)


async def _watched(recording: Recording) -> dict[str, float | None]:
    folder = recording.folder
    index = FileIndex(recording.products / "parts" / "lecture-001.mp4")
    async with asyncio.timeout(150):
        while len(index.segments) < 2:
            index.refresh()
            await asyncio.sleep(0.2)

    async def indexing() -> None:
        while True:
            index.refresh()
            await asyncio.sleep(0.2)

    tasks = [asyncio.create_task(indexing())]
    results: dict[str, float | None] = {}
    cpu: dict[str, float] = {}
    api = f"/api/v1/live/{recording.id}"
    for kind, path in (("ours", f"{api}/watch/program"), ("plain", "/watch")):
        cpu[kind], late = await _watched_by_socket(kind, recording, path)
        name = "websocket" if kind == "ours" else "plain_websocket"
        results[f"{name}_fragment_p50_ms"] = round(statistics.median(late), 1)
        results[f"{name}_fragment_p99_ms"] = round(late[int(len(late) * 0.99)], 1)
    results["websocket_cpu_ratio"] = round(cpu["ours"] / cpu["plain"], 3)
    results["websocket_cpu_percent_per_viewer"] = round(cpu["ours"] * 100 / VIEWERS, 3)
    cpu["ours"] = await _measure(
        "ours", folder, lambda port: _hls_ours(port, f"{api}/hls/program", index), asyncio.Event()
    )
    cpu["plain"] = await _measure(
        "plain", folder, lambda port: _hls_plain(port, "/stretch", index), asyncio.Event()
    )
    results["hls_cpu_ratio"] = round(cpu["ours"] / cpu["plain"], 3)
    results["hls_cpu_ratio_to_nginx"] = None
    if shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin"):
        name = "lecture-001.mp4"
        cpu["nginx"] = await _measure(
            "nginx", folder, lambda port: _hls_nginx(port, name, index), asyncio.Event()
        )
        results["hls_cpu_ratio_to_nginx"] = round(cpu["ours"] / cpu["nginx"], 2)
        results["nginx_cpu_percent_per_viewer"] = round(cpu["nginx"] * 100 / VIEWERS, 3)
    results["hls_cpu_percent_per_viewer"] = round(cpu["ours"] * 100 / VIEWERS, 3)
    results["recording_gaps"] = sum(one.kind == "gap" for one in recording.markers())
    results["recording_parts"] = len(list((recording.products / "parts").glob("lecture-*.mp4")))
    for task in tasks:
        task.cancel()
    return results


def run() -> dict[str, float | None]:
    """Entry of `python -m benchmarks streaming`."""
    return asyncio.run(_run())
