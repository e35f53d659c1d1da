"""WebDAV against wsgidav, a real server, through a proxy that breaks things."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from cheroot import wsgi
from fault_proxy import FaultProxy
from publishing_contract import HttpTargetContract, Site, TargetContract, deliver
from wsgidav.wsgidav_app import WsgiDAVApp

from publishing.target import TargetConfig, TargetError
from publishing.targets import create


class WsgiDav(Site):
    """wsgidav with a user and a password, on a folder of its own."""

    def __init__(self, root: Path, secret: Path) -> None:
        self.root = root
        self.secret = secret
        self.port = 0
        self.server: wsgi.Server | None = None
        self.serving: asyncio.Future[None] | None = None

    async def start(self) -> None:
        app = WsgiDAVApp(
            {
                "provider_mapping": {"/lectures": str(self.root)},
                "http_authenticator": {"domain_controller": None},
                "simple_dc": {"user_mapping": {"*": {"room": {"password": "s3cret word"}}}},
                "verbose": 1,
                "lock_storage": True,
                "property_manager": False,
            }
        )
        self.server = wsgi.Server(("127.0.0.1", self.port), app, numthreads=3)
        await asyncio.to_thread(self.server.prepare)
        self.port = self.server.bind_addr[1]
        self.serving = asyncio.get_running_loop().run_in_executor(None, self.server.serve)

    async def stop(self) -> None:
        assert self.server and self.serving
        await asyncio.to_thread(self.server.stop)
        await self.serving

    async def restart(self) -> None:
        await self.stop()
        self.port = 0
        await self.start()
        self.proxy.upstream = ("127.0.0.1", self.port)

    def config(self, **more: Any) -> TargetConfig:
        return TargetConfig(
            id="campus",
            target="webdav",
            url=f"{self.proxy.url}/lectures",
            user="room",
            secret=f"file:{self.secret}",
            **more,
        )

    async def holdings(self) -> dict[str, list[bytes]]:
        found: dict[str, list[bytes]] = {}
        for path in self.root.rglob("*"):
            if path.is_file() and not path.name.startswith("."):
                found.setdefault(path.name, []).append(path.read_bytes())
        return found

    async def wipe(self) -> None:
        for path in sorted(self.root.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()

    async def damage(self, name: str) -> None:
        (path,) = self.root.rglob(name)
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
        os.utime(path, (1, 1))


@pytest.fixture
async def wsgidav(tmp_path: Path) -> AsyncIterator[WsgiDav]:
    root, secret = tmp_path / "dav", tmp_path / "secret"
    root.mkdir()
    secret.write_text("s3cret word\n")
    site = WsgiDav(root, secret)
    await site.start()
    site.proxy = FaultProxy(("127.0.0.1", site.port))
    await site.proxy.start()
    yield site
    await site.proxy.stop()
    await site.stop()


class TestWebDav(HttpTargetContract):
    @pytest.fixture
    async def site(self, wsgidav: WsgiDav) -> WsgiDav:
        return wsgidav

    async def test_files_lie_where_the_template_says(self, site: WsgiDav, folder: Path) -> None:
        status = await deliver(folder, site.config(path="{year}/{course}/{date} {title}"))
        assert status.state == "verified"
        placed = site.root / "2026" / "math-101" / "2026-03-02 Calculus- limits"
        names = [path for path in placed.rglob("*") if path.is_file()]
        assert sorted(str(path.relative_to(placed)) for path in names) == [
            "captions.en.vtt", "chapters.vtt", "lecture.mp4", "link.imscc", "metadata.json",
            "offline.zip", "poster.jpg", "slides.json", "slides/001.jpg", "small.mp4",
            "transcript.en.txt",
        ]  # fmt: skip
        assert status.receipt is not None
        assert status.receipt["how"] == "hash"
        assert all(file["digest"].startswith("sha256:") for file in status.receipt["files"])

    async def test_a_wrong_password_is_blocked(self, site: WsgiDav, folder: Path) -> None:
        site.secret.write_text("guess")
        status = await deliver(folder, site.config())
        assert status.state == "failed"
        assert "`secret` of [[publish]] campus" in status.remedy
        assert "guess" not in status.model_dump_json()

    async def test_a_missing_collection_is_named(self, site: WsgiDav, folder: Path) -> None:
        url = f"{site.proxy.url}/lectures/missing"
        config = site.config().model_copy(update={"url": url})
        status = await deliver(folder, config)
        assert status.state == "failed"
        assert url in status.detail

    async def test_withdrawn_files_are_gone(self, site: WsgiDav, folder: Path) -> None:
        from publishing.delivery import DeliveryWorker

        worker = DeliveryWorker(folder.parent, [site.config()])
        await worker.deliver_once(folder, "campus")
        status = await worker.withdraw(folder, "campus", by="Ada Byron")
        assert status.state == "withdrawn"
        assert await site.holdings() == {}
        assert (await worker.deliver_once(folder, "campus")).state == "withdrawn"


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({}, "`url`"),
        ({"url": "ftp://x"}, "http://"),
        ({"url": "http://user:word@x"}, "`secret`"),
        ({"url": "http://x", "secret": "plain"}, "env:NAME"),
        ({"url": "http://x", "path": "{nobody}"}, "{recording}"),
        ({"url": "http://x", "path": "../up"}, ".."),
        ({"url": "http://x", "pasword": "file:/x"}, "pasword"),
    ],
)
def test_a_wrong_key_is_named(keys: dict[str, Any], told: str) -> None:
    with pytest.raises(TargetError) as error:
        create(TargetConfig(id="campus", target="webdav", **keys))
    assert told in str(error.value)
    assert "plain" not in str(error.value)


async def test_nobody_listens(make_recording: Any) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))  # and stays so: nobody else gets it meanwhile
        port = free.getsockname()[1]
        config = TargetConfig(id="campus", target="webdav", url=f"http://127.0.0.1:{port}")
        status = await deliver(make_recording(), config, tries=1)
    assert (status.state, status.detail) == ("retrying", "The WebDAV server cannot be reached.")


class Rclone(WsgiDav):
    """rclone's own WebDAV server: it computes hashes of its own and knows no locks."""

    async def start(self) -> None:
        program = shutil.which("rclone")
        if program is None:
            pytest.skip("rclone is not installed: apt-get install rclone")
        with socket.socket() as free:
            free.bind(("127.0.0.1", self.port))
            self.port = free.getsockname()[1]
        (self.root / "lectures").mkdir(exist_ok=True)
        self.process = await asyncio.create_subprocess_exec(
            *(program, "serve", "webdav", str(self.root), "--addr", f"127.0.0.1:{self.port}"),
            *("--user", "room", "--pass", "s3cret word", "--config", os.devnull),
            *("--dir-cache-time", "0s"),
            stderr=asyncio.subprocess.DEVNULL,
        )
        async with asyncio.timeout(60):
            while True:
                with contextlib.suppress(OSError):
                    _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                    writer.close()
                    return
                await asyncio.sleep(0.05)

    async def stop(self) -> None:
        self.process.terminate()
        await self.process.wait()

    async def wipe(self) -> None:
        await super().wipe()
        (self.root / "lectures").mkdir()


class TestRcloneWebDav(TargetContract):
    """A second real server, which another team wrote."""

    @pytest.fixture
    async def site(self, tmp_path: Path) -> AsyncIterator[Rclone]:
        root, secret = tmp_path / "dav", tmp_path / "secret"
        root.mkdir()
        secret.write_text("s3cret word\n")
        site = Rclone(root, secret)
        await site.start()
        site.proxy = FaultProxy(("127.0.0.1", site.port))
        await site.proxy.start()
        yield site
        await site.proxy.stop()
        await site.stop()
