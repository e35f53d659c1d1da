"""An application over a room in memory, with a user for every role."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import secrets
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from controller.settings import AuthSettings, TokenSpec, UserSpec
from controller.state import AccessRole
from dashboard.app import create_app
from dashboard.pages import LOOSE, PAGES

sys.path.insert(0, str(Path(__file__).parent))

from pretend_room import PretendRoom

PINS = {
    AccessRole.STUDENT: "1111",
    AccessRole.INSTRUCTOR: "2222",
    AccessRole.TECHNICIAN: "3333",
    AccessRole.ADMIN: "correct horse battery staple",
}


@pytest.fixture
def auth(monkeypatch: pytest.MonkeyPatch) -> AuthSettings:
    users, tokens = [], []
    for role, secret in PINS.items():
        monkeypatch.setenv(f"TEST_SECRET_{role.name}", secret)
        monkeypatch.setenv(f"TEST_TOKEN_{role.name}", f"token-{role.value}")
        users.append(UserSpec(name=role.value, role=role, secret=f"env:TEST_SECRET_{role.name}"))
        tokens.append(
            TokenSpec(name=f"{role.value}-bot", role=role, secret=f"env:TEST_TOKEN_{role.name}")
        )
    return AuthSettings(users=users, tokens=tokens)


@pytest.fixture
def room(tmp_path: Path) -> Any:
    return PretendRoom(tmp_path / "recordings")


@pytest.fixture
def built_pages(tmp_path: Path) -> Path:
    pages = tmp_path / "pages"
    (pages / "assets").mkdir(parents=True)
    for name in {*PAGES.values(), *LOOSE}:
        title = name.removesuffix(".html")
        (pages / name).write_text(f"<!doctype html><title>{title}</title>")
    (pages / "icon.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    script = "let a=1;" * 300
    (pages / "assets" / "panel-abc.js").write_text(script)
    (pages / "assets" / "panel-abc.js.gz").write_bytes(gzip.compress(script.encode()))
    return pages


@pytest.fixture
def app(room: Any, auth: AuthSettings, built_pages: Path) -> Any:
    return create_app(room, auth=auth, secret_key=secrets.token_bytes(32), pages=built_pages)


@pytest.fixture
async def connect(app: Any) -> AsyncIterator[Callable[..., httpx.AsyncClient]]:
    """Clients of the application, in this process; `token=` sends a role's token."""
    async with contextlib.AsyncExitStack() as stack:

        def make(role: AccessRole | None = None, address: str = "10.0.0.1") -> httpx.AsyncClient:
            transport = httpx.ASGITransport(app, raise_app_exceptions=False, client=(address, 5))
            headers = {"Authorization": f"Bearer token-{role.value}"} if role else {}
            client = httpx.AsyncClient(
                transport=transport, base_url="http://room.test", headers=headers
            )
            stack.push_async_callback(client.aclose)
            return client

        yield make


@pytest.fixture
async def served(app: Any) -> AsyncIterator[str]:
    """The application on a real socket, served as the daemon serves it: `host:port`."""
    config = uvicorn.Config(
        app,
        host="127.0.0.1",
        port=0,
        log_level="warning",
        lifespan="off",
        ws="websockets-sansio",
        ws_per_message_deflate=False,
        timeout_graceful_shutdown=2,
    )
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    task = asyncio.create_task(server._serve())
    while not server.started:
        await asyncio.sleep(0.01)
        assert not task.done(), "the server did not start"
    host, port = server.servers[0].sockets[0].getsockname()[:2]
    yield f"{host}:{port}"
    server.should_exit = True
    await asyncio.wait_for(task, 20)
