"""What browser tests drive: a page that is watched, an application, a whole daemon."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import shutil
import signal
import socket
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import uvicorn
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page

from classroomd.places import run_dir
from controller.config import load
from recorder.control import kill_and_confirm, running

CHROMIUM = os.environ.get("CLASSROOMD_CHROMIUM") or shutil.which("chromium")
ARGUMENTS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
]
PIN = "246810"
ADMIN = "an administrator's password"
PANEL = (1280, 800)
PHONE = (390, 844)
PATIENCE_MS = 30_000
# A daemon imports all of itself, and ends every part of itself: with others at work that takes.
DAEMON_PATIENCE_S = 60


Open = Callable[..., Awaitable["Watched"]]


def free_port() -> int:
    """A port below the range from which the system itself takes ports for connections."""
    while True:
        port = 20_000 + secrets.randbelow(10_000)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


@dataclass
class Watched:
    """A page, with everything that it asked for and complained about."""

    page: Page
    asked: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def watch(self) -> None:
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", self._heard)

    def elsewhere(self, home: str) -> list[str]:
        """What was asked of others than `home`."""
        return [url for url in self.asked if not url.startswith((home, "blob:", "data:"))]

    def _heard(self, message: Any) -> None:
        # The network's own lines (a room that does not answer, a wrong PIN) are no complaints.
        network = ("Failed to load resource", "WebSocket connection")
        if message.type == "error" and not any(one in message.text for one in network):
            self.complaints.append(message.text)


async def barriers(page: Page) -> list[str]:
    """What axe finds wrong with the page, and whether it scrolls sideways."""
    found = (await Axe().run(page)).response["violations"]
    wrong = [f"{one['id']}: {[node['html'][:120] for node in one['nodes']]}" for one in found]
    root = "document.documentElement"
    over = await page.evaluate(f"{root}.scrollWidth - {root}.clientWidth")
    return [*wrong, f"scrolls sideways by {over}"] if over > 0 else wrong


class Served:
    """An application on a port of its own, that can go away and come back."""

    def __init__(self, make_app: Callable[[], Any]) -> None:
        self._make_app = make_app
        self.port = free_port()
        self._server: uvicorn.Server | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        config = uvicorn.Config(
            self._make_app(),
            host="127.0.0.1",
            port=self.port,
            log_level="warning",
            lifespan="off",
            ws="websockets-sansio",
            ws_per_message_deflate=False,
            timeout_graceful_shutdown=1,
        )
        self._server = uvicorn.Server(config)
        self._task = asyncio.create_task(self._server._serve())
        while not self._server.started:
            assert not self._task.done(), "the server did not start"
            await asyncio.sleep(0.01)

    async def stop(self) -> None:
        if self._server and self._task:
            self._server.should_exit = True
            await asyncio.wait_for(self._task, 20)
        self._server = self._task = None


async def until(page: Page, expression: str) -> None:
    """Waits until the expression holds. (Playwright's own wait evaluates in the page, which the
    pages' content security policy forbids.)"""
    async with asyncio.timeout(2 * PATIENCE_MS / 1000):
        while not await page.evaluate(expression):  # noqa: ASYNC110
            await asyncio.sleep(0.1)


async def keep_picture(page: Page, name: str) -> None:
    """Keeps a picture of the page where CLASSROOMD_SCREENSHOTS says, for eyes to look at."""
    folder = os.environ.get("CLASSROOMD_SCREENSHOTS")
    if folder:
        await page.screenshot(path=Path(folder) / f"{name}.png")


async def sign_in(page: Page, pin: str = PIN) -> None:
    await page.wait_for_selector(".pin-pad")
    await page.keyboard.type(pin)
    await page.keyboard.press("Enter")
    await page.wait_for_selector(".pin-pad", state="detached")


class Daemon:
    """`classroomd run` as a process, with simulated devices and generated sources."""

    def __init__(self, folder: Path, projector: str) -> None:
        self.folder = folder
        self.port = free_port()
        self.process: asyncio.subprocess.Process | None = None
        self._write(projector)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def _write(self, projector: str) -> None:
        secret = self.folder / "pin"
        secret.write_text(PIN)
        secret.chmod(0o600)
        password = self.folder / "projector"
        password.write_text("JBMIAProjectorLink")
        password.chmod(0o600)
        (self.folder / "admin").write_text(ADMIN)
        admin = json.dumps(f"file:{self.folder / 'admin'}")
        self.plan()
        pin, projector_secret = json.dumps(f"file:{secret}"), json.dumps(f"file:{password}")
        text = f"""
            [room]
            id = "hall"
            name = "Lecture hall"
            languages = ["en", "ar"]
            [production]
            enabled = false
            follow = false

            [storage]
            recordings = {json.dumps(str(self.folder / "recordings"))}
            state = {json.dumps(str(self.folder / "state"))}
            reserve_gb = 0
            [server]
            port = {self.port}
            [recording]
            width = 640
            height = 360
            fps = 10
            [[devices]]
            id = "projector"
            name = "Projector"
            profile = "pjlink/class1"
            transport = {json.dumps(projector)}
            options = {{ password = {projector_secret} }}
            [[sources]]
            id = "front"
            role = "presenter"
            url = "test:presenter?size=320x180&fps=10"
            [[sources]]
            id = "slides"
            role = "slides"
            url = "test:slides?size=640x360"
            [[sources]]
            id = "lectern"
            role = "microphone"
            url = "test:speech"
            [[scenes]]
            id = "start"
            steps = [{{ device = "projector", command = "power", value = true }}]
            [[scenes]]
            id = "end"
            steps = [{{ device = "projector", command = "power", value = false }}]
            [auth]
            users = [
              {{ name = "Teacher", role = "instructor", secret = {pin} }},
              {{ name = "Root", role = "admin", secret = {admin} }},
            ]
            [timetable]
            url = "room.ics"
            [profiles]
            paths = ["profiles"]
        """
        lines = (line.strip() for line in text.splitlines())
        (self.folder / "room.toml").write_text("\n".join(lines))

    def plan(self, *classes: tuple[str, datetime, datetime]) -> None:
        """Write the room's timetable."""
        lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:test"]
        for title, starts, ends in classes:
            lines += ["BEGIN:VEVENT", f"UID:{title}", f"SUMMARY:{title}"]
            lines += [f"DTSTART:{starts:%Y%m%dT%H%M%SZ}", f"DTEND:{ends:%Y%m%dT%H%M%SZ}"]
            lines.append("END:VEVENT")
        text = "\r\n".join([*lines, "END:VCALENDAR", ""])
        (self.folder / "room.ics").write_text(text)

    async def start(self) -> None:
        with (self.folder / "daemon.log").open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "classroomd",
                "run",
                "--config",
                str(self.folder / "room.toml"),
                stdout=log,
                stderr=log,
            )
        async with asyncio.timeout(DAEMON_PATIENCE_S):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                except OSError:
                    assert self.process.returncode is None, (self.folder / "daemon.log").read_text()
                    await asyncio.sleep(0.025)
                else:
                    writer.close()
                    return

    async def end(self, number: signal.Signals = signal.SIGTERM) -> None:
        if self.process is not None and self.process.returncode is None:
            self.process.send_signal(number)
            await asyncio.wait_for(self.process.wait(), DAEMON_PATIENCE_S)


async def end_process(process: asyncio.subprocess.Process) -> None:
    process.terminate()
    await process.wait()


async def end_recorders(folder: Path) -> None:
    for one in running(run_dir(load(folder / "room.toml"))):
        await kill_and_confirm(one.pid)
