"""A whole daemon whose class others take part in from a browser: its room, children, recording."""

from __future__ import annotations

import asyncio
import contextlib
import json
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from browsing import ARGUMENTS, CHROMIUM, PIN, Daemon, end_recorders
from playwright.async_api import Browser, async_playwright


class Hall(Daemon):
    """A room with one camera and without devices.

    `live`: its program can be watched; `more`: tables of room.toml that it has besides.
    """

    def __init__(self, folder: Path, more: str, *, live: bool = False) -> None:
        self._live, self._more = live, more
        super().__init__(folder, "")

    def _write(self, projector: str) -> None:
        pin = self.folder / "pin"
        pin.write_text(PIN)
        pin.chmod(0o600)
        (self.folder / "room.toml").write_text(f"""
            [room]
            id = "hall"
            name = "Lecture hall"
            [storage]
            recordings = {json.dumps(str(self.folder / "recordings"))}
            state = {json.dumps(str(self.folder / "state"))}
            reserve_gb = 0
            [production]
            enabled = false
            follow = false
            [server]
            port = {self.port}
            [recording]
            width = 320
            height = 180
            fps = 10
            live = {json.dumps(self._live)}
            [[sources]]
            id = "front"
            role = "presenter"
            url = "test:presenter?size=320x180&fps=10"
            [auth]
            users = [{{ name = "Teacher", role = "instructor", secret = "file:{pin}" }}]
            {self._more}
        """)

    def child(self, module: str) -> str | None:
        """The process of the daemon's child `module`."""
        assert self.process is not None
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        for pid in children.read_text().split():
            with contextlib.suppress(OSError):  # it ended meanwhile
                if module.encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
                    return pid
        return None

    async def kill_child(self, module: str) -> str:
        """Kills the daemon's child `module`; which process it was."""
        pid = self.child(module)
        assert pid is not None, f"there is no {module}"
        process = await asyncio.create_subprocess_exec("kill", "-9", pid)
        await process.wait()
        return pid

    async def finished(self, http: httpx.AsyncClient) -> Path:
        """The folder of the class, once it is ready."""
        async with asyncio.timeout(90):
            while True:
                found: list[dict[str, Any]] = (await http.get("/api/v1/recordings")).json()
                if found and found[0]["life"] == "ready":
                    return Path(self.folder / "recordings" / found[0]["folder"])
                await asyncio.sleep(0.2)


@contextlib.asynccontextmanager
async def sockets(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Path]:
    """Where a daemon's sockets lie: their paths are short, pytest's folders may be too deep."""
    with tempfile.TemporaryDirectory(prefix="room-") as folder:
        monkeypatch.setenv("CLASSROOMD_RUN_DIR", folder)
        yield Path(folder)


@contextlib.asynccontextmanager
async def running(hall: Hall) -> AsyncIterator[Hall]:
    """The daemon, for as long as a test needs it; its recorders end with it."""
    await hall.start()
    yield hall
    await hall.end()
    await end_recorders(hall.folder)


@contextlib.asynccontextmanager
async def chromium_with(*arguments: str) -> AsyncIterator[Browser]:
    """A Chromium that is started with more `arguments` than the others."""
    assert CHROMIUM
    async with async_playwright() as playwright:
        made = await playwright.chromium.launch(
            executable_path=CHROMIUM, args=[*ARGUMENTS, *arguments]
        )
        yield made
        await made.close()
