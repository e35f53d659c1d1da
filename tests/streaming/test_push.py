"""Pushed programs arrive, come back by themselves, and keep their secrets."""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import os
import re
import secrets
import shutil
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import av
import pytest
from pydantic import ValidationError

from streaming import push as push_module
from streaming import push_child
from streaming.push import Pushes, PushSpec, PushStatus

SECRET = f"correct-horse-{secrets.token_hex(4)}"  # no other test run's, which /proc shows too
FFMPEG = shutil.which("ffmpeg")
needs_ffmpeg = pytest.mark.skipif(FFMPEG is None, reason="ffmpeg is not installed")


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """A port below the range from which the system itself takes ports for connections."""
    while True:
        port = 20_000 + secrets.randbelow(10_000)
        with socket.socket(socket.AF_INET, kind) as one, contextlib.suppress(OSError):
            one.bind(("127.0.0.1", port))
            return port


def recorded(file: Path) -> int:
    """How many pictures a file holds so far."""
    try:
        with av.open(str(file)) as container:
            return sum(1 for packet in container.demux(video=0) if packet.size)
    except (OSError, av.error.FFmpegError, IndexError):
        return 0


class Server:
    """ffmpeg as the other side: takes one stream and writes it to a file."""

    def __init__(self, out: Path, *source: str) -> None:
        self.out, self.source = out, source
        self.process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        self.process = await asyncio.create_subprocess_exec(
            *("ffmpeg", "-y", "-loglevel", "error", *self.source),
            *("-c", "copy", "-f", "matroska", "-flush_packets", "1", str(self.out)),
            stdin=asyncio.subprocess.DEVNULL,
        )

    async def stop(self) -> None:
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()
            await self.process.wait()

    def pictures(self) -> int:
        return recorded(self.out)


@pytest.fixture
async def growing(tmp_path: Path, make_live: Any) -> AsyncIterator[Path]:
    """A folder whose live file grows in real time."""
    maker = make_live(tmp_path / "part.mp4", _live(tmp_path))

    async def write() -> None:
        while True:
            await asyncio.to_thread(maker.write, 0.2)
            await asyncio.sleep(0.2)

    task = asyncio.create_task(write())
    yield tmp_path
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


def _live(folder: Path) -> Path:
    (folder / "live").mkdir()
    return folder / "live" / "program.mp4"


async def until(condition: Callable[[], Any], seconds: float = 45.0) -> None:
    async with asyncio.timeout(seconds):
        while not await asyncio.to_thread(condition):  # noqa: ASYNC110
            await asyncio.sleep(0.1)


def lines_of_commands() -> list[str]:
    """The command line and environment of every process here: what other users might see."""
    seen = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):
                seen.append((folder / "cmdline").read_bytes().decode("utf-8", "replace"))
                seen.append((folder / "environ").read_bytes().decode("utf-8", "replace"))
    return seen


def _pushes(*specs: PushSpec, told: list[PushStatus] | None = None) -> Pushes:
    heard = told if told is not None else []
    return Pushes(specs, resolve=lambda _: SECRET, on_change=heard.append)


def _states(pushes: Pushes) -> dict[str, str]:
    return {status.id: status.state for status in pushes.statuses()}


@needs_ffmpeg
async def test_rtmp_arrives_and_comes_back_after_the_server_dies(
    growing: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(push_module, "FIRST_WAIT_S", 0.2)
    monkeypatch.setattr(push_module, "LONGEST_WAIT_S", 0.5)
    port, dead = free_port(), free_port()
    address = f"rtmp://127.0.0.1:{port}/live/{SECRET}"
    server = Server(tmp_path / "one.mkv", "-listen", "1", "-f", "flv", "-i", address)
    await server.start()
    told: list[PushStatus] = []
    pushes = _pushes(
        PushSpec(id="campus", url=f"rtmp://127.0.0.1:{port}/live/{{secret}}", secret="env:X"),
        PushSpec(id="dead", url=f"rtmp://127.0.0.1:{dead}/live/x"),
        told=told,
    )
    pushes.start(growing)
    try:
        await until(lambda: server.pictures() > 20)
        await until(lambda: _states(pushes)["campus"] == "live")
        assert _states(pushes)["dead"] in {"connecting", "retrying"}
        commands = lines_of_commands()
        # The server was given it by this test; the children were not.
        assert sum(SECRET in line for line in commands) == sum(address in x for x in commands)
        await server.stop()
        await until(lambda: any(s.id == "campus" and s.state == "retrying" for s in told))
        again = Server(tmp_path / "two.mkv", "-listen", "1", "-f", "flv", "-i", address)
        await again.start()
        server = again
        await until(lambda: again.pictures() > 20)
        assert all(SECRET not in status.model_dump_json() for status in told)
    finally:
        await pushes.stop()
        await server.stop()
    assert {status.state for status in pushes.statuses()} == {"off"}


class Nginx:
    """nginx with its RTMP module, as sites run it: it records what is published to it."""

    MODULE = Path("/usr/lib/nginx/modules/ngx_rtmp_module.so")
    COMMAND = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")

    def __init__(self, folder: Path, key: str) -> None:
        folder.mkdir()
        self.folder, self.port = folder, free_port()
        self.process: asyncio.subprocess.Process | None = None
        (folder / "nginx.conf").write_text(
            f"load_module {self.MODULE}; user {getpass.getuser()}; daemon off;"
            f"worker_processes 1; pid {folder}/pid; error_log {folder}/errors;"
            "events { worker_connections 64; }"
            f"rtmp {{ server {{ listen 127.0.0.1:{self.port}; application {key} {{"
            f"live on; record all; record_path {folder}; }} }} }}"
        )

    async def start(self) -> None:
        assert self.COMMAND
        self.process = await asyncio.create_subprocess_exec(
            *(self.COMMAND, "-e", str(self.folder / "errors")),
            *("-c", str(self.folder / "nginx.conf")),
        )

    async def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            await self.process.wait()

    def pictures(self) -> int:
        for file in self.folder.glob("*.flv"):
            return recorded(file)
        return 0


async def in_tls(port: int) -> asyncio.Server:
    """A server that takes TLS off and passes the rest to `port`."""
    certificate = push_child._certificate()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate["cert_file"], certificate["key_file"])

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(1 << 16):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            there = await asyncio.open_connection("127.0.0.1", port)
            await asyncio.gather(pass_on(reader, there[1]), pass_on(there[0], writer))

    return await asyncio.start_server(connected, "127.0.0.1", 0, ssl=context)


@pytest.mark.skipif(
    Nginx.COMMAND is None or not Nginx.MODULE.exists(),
    reason="nginx with RTMP is not installed: apt-get install nginx-light libnginx-mod-rtmp",
)
async def test_rtmp_and_rtmps_reach_nginx(growing: Path, tmp_path: Path) -> None:
    """Two servers at once, one of them behind TLS; the media arrive whole at both."""
    plain, secure = Nginx(tmp_path / "plain", "live"), Nginx(tmp_path / "secure", "live")
    await plain.start()
    await secure.start()
    relay = await in_tls(secure.port)
    tls = relay.sockets[0].getsockname()[1]
    pushes = _pushes(
        PushSpec(id="plain", url=f"rtmp://127.0.0.1:{plain.port}/live/one"),
        PushSpec(id="secure", url=f"rtmps://127.0.0.1:{tls}/live/{{secret}}", secret="env:X"),
    )
    pushes.start(growing)
    try:
        await until(lambda: plain.pictures() > 20 and secure.pictures() > 20)
        await until(lambda: set(_states(pushes).values()) == {"live"})
        assert not any(SECRET in line for line in lines_of_commands())
        (file,) = secure.folder.glob("*.flv")
        with av.open(str(file)) as container:
            assert {stream.codec_context.name for stream in container.streams} == {"h264", "aac"}
    finally:
        await pushes.stop()
        relay.close()
        await plain.stop()
        await secure.stop()


@needs_ffmpeg
async def test_srt_is_encrypted_and_its_passphrase_is_not_shown(
    growing: Path, tmp_path: Path
) -> None:
    port = free_port(socket.SOCK_DGRAM)
    source = f"srt://127.0.0.1:{port}?mode=listener&passphrase={SECRET}"
    server = Server(tmp_path / "srt.mkv", "-f", "mpegts", "-i", source)
    await server.start()
    url = f"srt://127.0.0.1:{port}?passphrase={{secret}}&latency=50000"
    pushes = _pushes(PushSpec(id="srt", url=url, secret="env:X"))
    pushes.start(growing)
    try:
        await until(lambda: server.pictures() > 20)
        commands = lines_of_commands()
        assert sum(SECRET in line for line in commands) == sum(source in x for x in commands)
    finally:
        await pushes.stop()
        await server.stop()


class WhipServer:
    """aiortc as the other side; it refuses whoever does not know the token."""

    def __init__(self) -> None:
        self.frames = {"video": 0, "audio": 0}
        self.port = 0
        self._peers: list[Any] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        body, status, more = b"", "200 OK", ""
        if head.startswith("POST"):
            length = re.search(r"content-length: *(\d+)", head, re.IGNORECASE)
            assert length
            offer = (await reader.readexactly(int(length[1]))).decode()
            if f"Bearer {SECRET}" in head:
                body = (await self._accept(offer)).encode()
                status = "201 Created"
                more = "Content-Type: application/sdp\r\nLocation: /one\r\n"
            else:
                status = "401 Unauthorized"
        more += f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        writer.write(f"HTTP/1.1 {status}\r\n{more}".encode() + body)
        await writer.drain()
        writer.close()

    async def _accept(self, offer: str) -> str:
        aiortc = pytest.importorskip("aiortc")
        # aiortc decodes every profile, but agrees to the constrained baseline only.
        offer = re.sub(r"profile-level-id=\w+", "profile-level-id=42e01f", offer)
        peer = aiortc.RTCPeerConnection()
        self._peers.append(peer)
        peer.on("track", lambda track: self._tasks.append(asyncio.create_task(self._pull(track))))
        await peer.setRemoteDescription(aiortc.RTCSessionDescription(offer, "offer"))
        await peer.setLocalDescription(await peer.createAnswer())
        return str(peer.localDescription.sdp)

    async def _pull(self, track: Any) -> None:
        with contextlib.suppress(Exception):
            while True:
                await track.recv()
                self.frames[track.kind] += 1

    async def stop(self) -> None:
        self._server.close()
        for peer in self._peers:
            await peer.close()
        for task in self._tasks:
            task.cancel()


async def test_whip_arrives_as_webrtc(growing: Path) -> None:
    pytest.importorskip("aiortc")
    server = WhipServer()
    await server.start()
    url = f"whip://127.0.0.1:{server.port}/room"
    pushes = _pushes(PushSpec(id="whip", url=url, secret="env:X"))
    pushes.start(growing)
    try:
        await until(lambda: server.frames["video"] > 10 and server.frames["audio"] > 10)
        assert not any(SECRET in line for line in lines_of_commands())
    finally:
        await pushes.stop()
        await server.stop()


def test_an_address_with_a_password_or_without_a_host_is_refused() -> None:
    for url in ("rtmp://u:p@host/app", "http://host/", "srt:///x", "file:/etc/passwd"):
        with pytest.raises(ValidationError):
            PushSpec(id="x", url=url)
