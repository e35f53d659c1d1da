"""A real Chromium, on a room held in memory or on a whole daemon."""

from __future__ import annotations

import asyncio
import json
import secrets
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright, expect

from controller.settings import AuthSettings, UserSpec
from controller.state import AccessRole
from dashboard import pages
from dashboard.app import create_app

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "dashboard")]

from browsing import (  # noqa: E402
    ARGUMENTS,
    CHROMIUM,
    PANEL,
    PATIENCE_MS,
    PIN,
    Daemon,
    Open,
    Served,
    Watched,
    end_process,
    end_recorders,
    sign_in,
)
from pretend_room import PretendRoom  # noqa: E402

expect.set_options(timeout=PATIENCE_MS)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.browser)
            # One browser for all tests, so one event loop too.
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest.fixture(scope="session", autouse=True)
def _built() -> None:
    if not CHROMIUM:
        pytest.skip("Chromium is not installed: apt-get install chromium")
    if not (pages.built() / "panel.html").is_file():
        pytest.fail("the pages are not built: python build_web.py")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def chromium() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="session")
async def open_page(chromium: Browser) -> AsyncIterator[Open]:
    """Opens an address as a panel or a phone; fails at the end when a page complained."""
    opened: list[Watched] = []

    async def make(
        address: str, *, size: tuple[int, int] = PANEL, look: str = "light", **more: Any
    ) -> Watched:
        context = await chromium.new_context(
            viewport={"width": size[0], "height": size[1]},
            color_scheme=look,  # type: ignore[arg-type]
            **more,
        )
        context.set_default_timeout(PATIENCE_MS)
        watched = Watched(await context.new_page())
        watched.watch()
        opened.append(watched)
        await watched.page.goto(address)
        return watched

    yield make
    for watched in opened:
        assert not watched.complaints
        await watched.page.context.close()


@pytest.fixture
def room(tmp_path: Path) -> Any:
    return PretendRoom(tmp_path / "recordings")


@pytest_asyncio.fixture(loop_scope="session")
async def served(room: Any, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Served]:
    """The pages over the room in memory; the PIN is PIN."""
    monkeypatch.setenv("PANEL_PIN", PIN)
    monkeypatch.setenv("STUDENT_PIN", "1357")
    monkeypatch.setenv("TECHNICIAN_PASSWORD", "a long password")
    monkeypatch.setenv("PANEL_CARDS", "04A1B2C3D4E5F6\n0011223344")
    users = [
        UserSpec(
            name="Teacher",
            role=AccessRole.INSTRUCTOR,
            secret="env:PANEL_PIN",
            cards="env:PANEL_CARDS",
        ),
        UserSpec(name="Student", role=AccessRole.STUDENT, secret="env:STUDENT_PIN"),
        UserSpec(name="Tech", role=AccessRole.TECHNICIAN, secret="env:TECHNICIAN_PASSWORD"),
    ]
    settings, key = AuthSettings(users=users), secrets.token_bytes(32)
    server = Served(lambda: create_app(room, auth=settings, secret_key=key))
    await server.start()
    yield server
    room.free()
    await server.stop()


@pytest_asyncio.fixture(loop_scope="session")
async def panel(served: Served, open_page: Open) -> Watched:
    """The wall panel, signed in, in a free room."""
    watched = await open_page(served.url)
    await sign_in(watched.page)
    await watched.page.wait_for_selector(".start")
    return watched


@pytest_asyncio.fixture(loop_scope="session")
async def daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Daemon]:
    """A running daemon; its simulator, and whatever it left recording, end with the test."""
    async with AsyncExitStack() as keep:
        # A Unix socket's path is short: pytest's folders are too deep for it.
        sockets = keep.enter_context(tempfile.TemporaryDirectory(prefix="room-"))
        monkeypatch.setenv("CLASSROOMD_RUN_DIR", sockets)
        simulator = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "devices.simulator", "pjlink/class1", "--port", "0", "--time-scale", "10"),
            stdout=asyncio.subprocess.PIPE,
        )
        keep.push_async_callback(end_process, simulator)
        assert simulator.stdout
        line = await asyncio.wait_for(simulator.stdout.readline(), 60)
        made = Daemon(tmp_path, json.loads(line)["address"])
        await made.start()
        keep.push_async_callback(end_recorders, tmp_path)
        keep.push_async_callback(made.end)
        yield made
