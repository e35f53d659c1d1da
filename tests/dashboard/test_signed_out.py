"""A sign-in that has ended: its cookie after a restart, and the sockets that it had opened."""

from __future__ import annotations

import asyncio
import hashlib
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
import websockets

from controller.settings import AuthSettings
from dashboard import sockets
from dashboard.app import create_app
from dashboard.auth import COOKIE
from dashboard.revocations import Revocations

KEY = b"k" * 32


def _browser(room: Any, auth: AuthSettings, cookies: dict[str, str] | None = None) -> Any:
    """A client of a daemon that begins anew with the same key and state folder."""
    transport = httpx.ASGITransport(create_app(room, auth=auth, secret_key=KEY))
    return httpx.AsyncClient(transport=transport, base_url="http://room.test", cookies=cookies)


async def test_a_signed_out_cookie_stays_so_when_the_daemon_begins_anew(
    room: Any, auth: AuthSettings
) -> None:
    async with _browser(room, auth) as client:
        await client.post("/api/v1/login", json={"pin": "2222"})
        copy = {COOKIE: client.cookies[COOKIE]}
        assert (await client.post("/api/v1/logout", json={})).status_code == 204
    async with _browser(room, auth, copy) as client:
        assert (await client.get("/api/v1/room")).status_code == 401
    kept = next(room.state_folder.glob("signed-out*"))
    assert kept.stat().st_mode & 0o777 == 0o600
    assert copy[COOKIE].split(".")[0] not in kept.read_text()


def test_what_has_expired_is_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "state" / "signed-out.json"
    revoked, now = Revocations(file), time.time()
    revoked.add("old", now + 60)
    assert "old" in Revocations(file)
    monkeypatch.setattr(time, "time", lambda: now + 120)
    revoked.add("new", now + 180)
    assert "new" in Revocations(file) and "old" not in Revocations(file)
    assert hashlib.sha256(b"old").hexdigest() not in file.read_text()


@pytest.mark.parametrize("kept", ["", "[]", '{"a": "b"}', "{", '{"a": 1e999}', "\x00"])
def test_a_damaged_file_costs_what_it_held_and_is_written_anew(tmp_path: Path, kept: str) -> None:
    file = tmp_path / "signed-out.json"
    file.write_text(kept)
    revoked = Revocations(file)
    assert "x" not in revoked
    revoked.add("x", time.time() + 60)
    assert "x" in Revocations(file)


def test_a_full_disk_signs_out_all_the_same(tmp_path: Path) -> None:
    revoked = Revocations(tmp_path / "missing\0")
    revoked.add("x", time.time() + 60)
    assert "x" in revoked


@pytest.mark.parametrize(
    ("pin", "path"),
    [("3333", "/devices/display/traffic/live"), ("2222", "/share/events")],
)
async def test_a_socket_ends_with_the_sign_in_that_opened_it(
    served: str, monkeypatch: pytest.MonkeyPatch, pin: str, path: str
) -> None:
    monkeypatch.setattr(sockets, "TICK_S", 0.05)
    async with httpx.AsyncClient(base_url=f"http://{served}", timeout=60) as client:
        assert (await client.post("/api/v1/login", json={"pin": pin})).status_code == 200
        headers = {"Cookie": f"{COOKIE}={client.cookies[COOKIE]}"}
        address = f"ws://{served}/api/v1{path}"
        async with websockets.connect(
            address, additional_headers=headers, open_timeout=60
        ) as socket:
            assert await asyncio.wait_for(socket.recv(), 30)
            assert (await client.post("/api/v1/logout", json={})).status_code == 204
            async with asyncio.timeout(10):
                with pytest.raises(websockets.ConnectionClosed):
                    while True:
                        await socket.recv()
            assert socket.close_code == 4401
