"""Signing in and out: PINs, passwords, tokens, cookies, lock-out, other sites' pages."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from argon2 import PasswordHasher
from fastapi import FastAPI

from controller.config import SecretError
from controller.settings import AuthSettings, TokenSpec, UserSpec
from controller.state import AccessRole
from dashboard.app import create_app
from dashboard.auth import COOKIE, KNOWN_COOKIE, Authenticator
from dashboard.lockout import FIRST_WAIT_S, FREE_TRIES, LONGEST_WAIT_S, Lockout, caller_of

Connect = Callable[..., httpx.AsyncClient]


async def test_a_pin_signs_in_and_the_cookie_is_closed_to_scripts(connect: Connect) -> None:
    client = connect()
    before = (await client.get("/api/v1/me")).json()
    assert before["name"] is None
    assert before["ways"] == ["pin", "password"]
    answer = await client.post("/api/v1/login", json={"pin": "2222"})
    assert answer.json()["name"] == "instructor"
    for cookie in answer.headers.get_list("set-cookie"):
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie
    assert (await client.get("/api/v1/me")).json()["role"] == "instructor"
    assert (await client.get("/api/v1/room")).status_code == 200


async def test_name_and_password_sign_in(connect: Connect) -> None:
    client = connect()
    secret = "correct horse battery staple"
    answer = await client.post("/api/v1/login", json={"name": "admin", "password": secret})
    assert answer.json()["role"] == "admin"


async def test_a_hash_in_the_settings_is_as_good_as_the_secret(
    room: Any, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = PasswordHasher(time_cost=1, memory_cost=64)
    monkeypatch.setenv("HASHED", quick.hash("246810"))
    settings = AuthSettings(
        users=[UserSpec(name="kim", role=AccessRole.INSTRUCTOR, secret="env:HASHED")]
    )
    app = create_app(room, auth=settings, secret_key=b"k" * 32)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://room.test"
    ) as client:
        assert (await client.post("/api/v1/login", json={"pin": "135791"})).status_code == 401
        assert (await client.post("/api/v1/login", json={"pin": "246810"})).json()["name"] == "kim"


async def test_an_unknown_name_is_told_the_same_as_a_wrong_password(connect: Connect) -> None:
    client = connect()
    wrong = await client.post("/api/v1/login", json={"name": "admin", "password": "x"})
    unknown = await client.post("/api/v1/login", json={"name": "nobody", "password": "x"})
    assert wrong.status_code == unknown.status_code == 401
    assert wrong.json() == unknown.json()


@pytest.mark.parametrize("body", [{}, {"pin": "1", "name": "x"}, {"name": "x"}, {"pin": 5}, []])
async def test_half_a_login_is_not_understood(connect: Connect, body: object) -> None:
    answer = await connect().post("/api/v1/login", json=body)
    assert answer.status_code == 422
    assert answer.json()["detail"]


async def test_the_copy_of_a_cookie_is_worth_nothing_after_sign_out(connect: Connect) -> None:
    client = connect()
    await client.post("/api/v1/login", json={"pin": "2222"})
    copy = {"Cookie": f"{COOKIE}={client.cookies[COOKIE]}"}
    assert (await connect().get("/api/v1/room", headers=copy)).status_code == 200
    assert (await client.post("/api/v1/logout", json={})).status_code == 204
    assert (await client.get("/api/v1/room")).status_code == 401
    assert (await connect().get("/api/v1/room", headers=copy)).status_code == 401


async def test_a_changed_pin_ends_the_sessions_it_opened(
    room: Any, auth: AuthSettings, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = b"k" * 32

    async def look(cookies: dict[str, str] | None = None) -> tuple[int, dict[str, str]]:
        transport = httpx.ASGITransport(create_app(room, auth=auth, secret_key=key))
        async with httpx.AsyncClient(
            transport=transport, base_url="http://room.test", cookies=cookies
        ) as client:
            if cookies is None:
                await client.post("/api/v1/login", json={"pin": "2222"})
            status = (await client.get("/api/v1/room")).status_code
            return status, dict(client.cookies)

    status, cookies = await look()
    assert status == 200
    assert (await look(cookies))[0] == 200, "a restart of the daemon signs nobody out"
    monkeypatch.setenv("TEST_SECRET_INSTRUCTOR", "9999")
    assert (await look(cookies))[0] == 401


@pytest.mark.parametrize("cookie", ["", "x", "eyJ1IjoiYWRtaW4ifQ.x.y", "\x00" * 9])
async def test_a_forged_cookie_is_nobody(connect: Connect, cookie: str) -> None:
    headers = {"Cookie": f"{COOKIE}={cookie}; {KNOWN_COOKIE}={cookie}"}
    answer = await connect().get("/api/v1/me", headers=headers)
    assert answer.json()["name"] is None


async def test_a_wrong_token_is_an_error_and_not_an_anonymous_call(connect: Connect) -> None:
    for header in ("Bearer nonsense", "Bearer ", "Basic dG9rZW4tYWRtaW4=", "token-admin"):
        answer = await connect().get("/api/v1/room", headers={"Authorization": header})
        assert answer.status_code == 401
        assert answer.json()["code"] == "wrong_token"
        assert answer.headers["www-authenticate"] == "Bearer"


async def test_who_pressed_is_told_to_the_room(connect: Connect, room: Any) -> None:
    panel = connect()
    await panel.post("/api/v1/login", json={"pin": "2222"})
    await panel.post("/api/v1/session", json={"title": "Optics"})
    await connect(AccessRole.INSTRUCTOR).post("/api/v1/session/pause", json={})
    pressed = [(call, actor.name, actor.door) for call, actor, _ in room.calls]
    assert pressed == [("start", "instructor", "panel"), ("pause", "instructor-bot", "api")]


# --- other sites' pages --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Origin": "http://room.test", "Sec-Fetch-Site": "same-origin"}, 200),
        ({"Origin": "http://evil.test"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
    ],
)
async def test_what_another_site_could_send_is_refused(
    connect: Connect, room: Any, headers: dict[str, str], status: int
) -> None:
    client = connect()
    await client.post("/api/v1/login", json={"pin": "2222"})
    sent = {"Content-Type": "application/json", **headers}
    answer = await client.post("/api/v1/session", content="{}", headers=sent)
    assert answer.status_code == status
    assert len(room.calls) == (1 if status == 200 else 0)


async def test_another_site_cannot_sign_a_browser_in(connect: Connect) -> None:
    headers = {"Origin": "http://evil.test"}
    answer = await connect().post("/api/v1/login", json={"pin": "2222"}, headers=headers)
    assert answer.status_code == 403


async def test_a_program_with_a_token_needs_no_origin_and_no_body(
    connect: Connect, room: Any
) -> None:
    answer = await connect(AccessRole.INSTRUCTOR).post("/api/v1/session")
    assert answer.status_code == 200


# --- lock-out ------------------------------------------------------------------------------------


async def test_wrong_pins_lock_out_and_name_the_wait(connect: Connect) -> None:
    client = connect()
    for _ in range(FREE_TRIES - 1):
        assert (await client.post("/api/v1/login", json={"pin": "0000"})).status_code == 401
    locked = await client.post("/api/v1/login", json={"pin": "0000"})
    assert locked.status_code == 429
    assert 0 < int(locked.headers["retry-after"]) <= FIRST_WAIT_S
    assert locked.headers["retry-after"] in locked.json()["detail"]
    right = await client.post("/api/v1/login", json={"pin": "2222"})
    assert right.status_code == 429, "the right PIN does not open a locked door"
    elsewhere = await connect(address="10.0.0.2").post("/api/v1/login", json={"pin": "2222"})
    assert elsewhere.status_code == 200


async def test_guesses_sent_at_once_do_not_slip_through(connect: Connect) -> None:
    client = connect()
    answers = await asyncio.gather(
        *(client.post("/api/v1/login", json={"pin": f"{n:04}"}) for n in range(40))
    )
    assert sum(answer.status_code == 401 for answer in answers) < FREE_TRIES


async def test_strangers_do_not_lock_the_panel_on_the_wall_out(connect: Connect) -> None:
    panel = connect()
    await panel.post("/api/v1/login", json={"pin": "2222"})
    await panel.post("/api/v1/logout", json={})
    for host in range(40):
        await connect(address=f"10.1.0.{host}").post("/api/v1/login", json={"pin": "0000"})
    stranger = await connect(address="10.2.0.1").post("/api/v1/login", json={"pin": "2222"})
    assert stranger.status_code == 429, "many addresses guess no faster than one"
    assert (await panel.post("/api/v1/login", json={"pin": "2222"})).status_code == 200


def test_the_wait_doubles_and_is_forgotten() -> None:
    now = 1000.0
    lockout = Lockout(lambda: now)
    waits = []
    for _ in range(FREE_TRIES + 8):
        lockout.failed("a", known=True)
        waits.append(lockout.wait_s("a", known=True))
        now += waits[-1]
    assert waits[: FREE_TRIES - 1] == [0.0] * (FREE_TRIES - 1)
    assert waits[FREE_TRIES - 1 : FREE_TRIES + 1] == [FIRST_WAIT_S, 2 * FIRST_WAIT_S]
    assert waits[-1] == LONGEST_WAIT_S
    now += 2 * 3600
    lockout.failed("a", known=True)
    assert lockout.wait_s("a", known=True) == 0.0
    lockout.failed("b", known=True)
    lockout.succeeded("b")
    assert lockout.wait_s("b", known=True) == 0.0


@pytest.mark.parametrize(
    ("address", "caller"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:0db8:0001:0002"),
        (None, "local"),
        ("testclient", "testclient"),
    ],
)
def test_an_ipv6_host_is_counted_with_its_network(address: str | None, caller: str) -> None:
    assert caller_of(address) == caller


def test_a_secret_that_is_not_there_stops_the_start_with_its_name() -> None:
    settings = AuthSettings(
        tokens=[TokenSpec(name="bot", role=AccessRole.ADMIN, secret="env:NOT_SET_ANYWHERE")]
    )
    with pytest.raises(SecretError, match="NOT_SET_ANYWHERE"):
        Authenticator(settings, b"k" * 32)


def test_no_secret_is_kept_where_a_traceback_or_a_log_shows_it(
    app: FastAPI, caplog: pytest.LogCaptureFixture
) -> None:
    shown = repr(app.state.authenticator) + repr(app.state.__dict__) + caplog.text
    assert "correct horse" not in shown
    assert "2222" not in shown


async def test_the_daemons_own_socket_is_the_administrator(app: FastAPI) -> None:
    async def local(scope: Any, receive: Any, send: Any) -> None:
        await app({**scope, "classroomd.local": True}, receive, send)

    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(local), base_url="http://localhost"
    ) as client:
        shown = (await client.get("/api/v1/me")).json()
        assert (shown["name"], shown["role"]) == ("local", "admin")
        assert (await client.post("/api/v1/session")).is_success
    assert app.state.classroom.calls[0][1].door == "cli"
