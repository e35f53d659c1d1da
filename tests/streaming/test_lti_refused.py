"""LTI 1.3 launches that are refused, each in its own words; and the keys that decide it."""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from launching import another, browser, launched, logged_in, says, told_by_page
from pretend_platform import CLAIM, Key, Platform, b64, token

from dashboard.lti import keys as lti_keys
from dashboard.lti import login as lti_login
from dashboard.lti import window as lti_window
from dashboard.lti.keys import OwnKey
from streaming.access import Visibility

HTML = {"accept": "text/html"}


# --- what is refused -----------------------------------------------------------------------------

FOREIGN = Key("one")  # has the name of the platform's key


def _unsigned(platform: Platform) -> None:
    def signed(claims: dict[str, Any], header: dict[str, Any]) -> str:
        return token(claims, header | {"alg": "none"}, lambda _: b"")

    platform.signed = signed


def _by_the_public_key(platform: Platform) -> None:
    """The classic: the public key, which everyone has, as the secret of an HMAC."""
    public = platform.key.private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )

    def signed(claims: dict[str, Any], header: dict[str, Any]) -> str:
        made = lambda data: hmac.digest(public, data, hashlib.sha256)  # noqa: E731
        return token(claims, header | {"alg": "HS256"}, made)

    platform.signed = signed


def _by_another_key(platform: Platform) -> None:
    platform.signed = lambda claims, header: token(claims, header, FOREIGN.sign)


def _own_key_inside(platform: Platform) -> None:
    platform.signed = lambda claims, header: token(
        claims, header | {"jwk": FOREIGN.jwk(), "kid": "mine"}, FOREIGN.sign
    )


def _changed_afterwards(platform: Platform) -> None:
    def signed(claims: dict[str, Any], header: dict[str, Any]) -> str:
        first, _, last = token(claims, header, platform.key.sign).split(".")
        return f"{first}.{b64(json.dumps(claims | {'sub': 'teacher'}).encode())}.{last}"

    platform.signed = signed


def _now(seconds: float) -> Callable[[], int]:
    return lambda: int(time.time() + seconds)


CONTEXT, MESSAGE = f"{CLAIM}context", f"{CLAIM}message_type"
TARGET = f"{CLAIM}target_link_uri"
FORGERIES: dict[str, tuple[Callable[[Platform], None], str, str]] = {
    "another client": (says("aud", "room-102"), "lti_audience", "for the client 'room-102'"),
    "several clients": (says("aud", ["room-101", "x"]), "lti_presenter", "issued to nobody"),
    "another presenter": (says("azp", "x"), "lti_presenter", "issued to 'x'"),
    "another platform": (says("iss", "https://evil.example"), "lti_issuer", "evil.example"),
    "expired": (says("exp", _now(-90)), "lti_expired", "has expired"),
    "without end": (says("exp", None), "lti_times", "from when to when"),
    "from the future": (says("iat", _now(300)), "lti_clock", "in the future"),
    "old": (says("iat", _now(-3600)), "lti_clock", "ago"),
    "another nonce": (says("nonce", "x"), "lti_nonce", "another login"),
    "not signed": (_unsigned, "lti_algorithm", "signed by 'none'"),
    "HMAC by public key": (_by_the_public_key, "lti_algorithm", "signed by 'HS256'"),
    "another RSA": (says("alg", "RS384"), "lti_algorithm", "signed by 'RS384'"),
    "another key": (_by_another_key, "lti_signature", "signature is wrong"),
    "a key it brings": (_own_key_inside, "lti_unknown_key", "not among those at"),
    "an unknown key": (says("kid", "two"), "lti_unknown_key", "not among those at"),
    "no key's name": (says("kid", None), "lti_no_kid", "does not name the key"),
    "changed": (_changed_afterwards, "lti_signature", "signature is wrong"),
    "another deployment": (says(f"{CLAIM}deployment_id", "8"), "lti_deployment", "'8'"),
    "LTI 1.1": (says(f"{CLAIM}version", "LTI-1p0"), "lti_version", "LTI 'LTI-1p0'"),
    "another message": (says(MESSAGE, "LtiSubmissionReviewRequest"), "lti_message", "Submission"),
    "another host": (says(TARGET, "https://evil.example/live"), "lti_target", "evil.example"),
    "no target": (says(TARGET, None), "lti_target", "leads to nobody"),
    "no course": (says(f"{CLAIM}lis", {}), "lti_no_course", "course ID number"),
    "no link": (says(f"{CLAIM}resource_link", {}), "lti_resource", "which link"),
}


async def test_each_forgery_is_refused_in_its_own_words(school: Any, platform: Platform) -> None:
    honest = platform.tamper
    for name, (change, code, words) in FORGERIES.items():
        platform.tamper, platform.signed = honest, None
        change(platform)
        async with browser(school) as liar:
            answer = await launched(liar, platform)
            told = answer.json()
            assert (answer.status_code, told["code"]) == (403, code), (name, told)
            assert words in told["detail"] and told["remedy"], (name, told)
            assert not [one for one in liar.cookies if "member" in one], name
            assert (await liar.get("/api/v1/live")).json()["state"] == "off", name


async def test_only_pages_for_courses_are_opened(school: Any, platform: Platform) -> None:
    async with browser(school) as client:
        for path in ("/console", "/api/v1/room", "/review/a/b", "//evil.example", "@evil.example"):
            platform.target = path
            answer = await client.post("/lti/login", data=platform.begins())
            assert answer.json()["code"] == "lti_target", path
        platform.target = "/"  # the room's address without a page: the live one
        answer = await launched(client, platform)
        assert answer.headers["location"] == "/live"


async def test_a_launch_is_used_once(school: Any, platform: Platform) -> None:
    async with browser(school) as client, browser(school) as thief:
        form = await logged_in(client, platform)
        assert (await client.post("/lti/launch", data=form)).status_code == 303
        for again in (client, thief):
            told = (await again.post("/lti/launch", data=form)).json()
            assert told["code"] == "lti_replayed"
        # The token of one login does not answer another.
        other = await logged_in(client, platform)
        told = (
            await client.post("/lti/launch", data=other | {"id_token": form["id_token"]})
        ).json()
        assert told["code"] == "lti_nonce"


async def test_a_login_ends_in_its_own_browser_and_in_time(
    school: Any, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with browser(school) as victim, browser(school) as attacker:
        form = await logged_in(attacker, platform)
        await logged_in(victim, platform)
        told = (await victim.post("/lti/launch", data=form)).json()
        assert told["code"] == "lti_other_browser"
        forged = (await victim.post("/lti/launch", data=form | {"state": "x.y.z"})).json()
        assert forged["code"] == "lti_not_begun"
        for forged_token in ("x", "a.b.c", f"{b64(b'[' * 40_000)}.b.c"):
            answer = await attacker.post("/lti/launch", data=form | {"id_token": forged_token})
            assert (answer.status_code, answer.json()["code"]) == (400, "lti_token")
        monkeypatch.setattr(lti_login, "LOGIN_S", -1)
        told = (await attacker.post("/lti/launch", data=form)).json()
        assert told["code"] == "lti_late"


async def test_a_browser_without_cookies_gets_a_window_of_its_own(
    school: Any, platform: Platform
) -> None:
    async with browser(school) as framed, browser(school) as window:
        form = await logged_in(framed, platform)
        framed.cookies.clear()
        answer = await framed.post("/lti/launch", data=form, headers=HTML)
        assert answer.status_code == 200 and "set-cookie" not in answer.headers
        told = told_by_page(answer)
        assert told["kind"] == "window" and told["plain"]
        path, _, key = told["path"].partition("#key=")
        assert path == "/live"
        assert (await window.post("/api/v1/lti/enter", json={"key": "x"})).status_code == 403
        assert (await window.post("/api/v1/lti/enter", json={"key": key})).status_code == 204
        assert (await window.get("/api/v1/live")).json()["state"] == "live"


async def test_the_key_of_a_window_lets_in_once_and_soon(
    school: Any, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stands in an address, which a history keeps; and a cookie is no key to a longer one."""
    enter = "/api/v1/lti/enter"
    async with browser(school) as framed, browser(school) as window, browser(school) as next_one:

        async def key() -> str:
            form = await logged_in(framed, platform)
            framed.cookies.clear()
            page = await framed.post("/lti/launch", data=form, headers=HTML)
            found: str = told_by_page(page)["path"].partition("#key=")[2]
            return found

        first = await key()
        assert (await next_one.get("/api/v1/live", params={"key": first})).json()["state"] == "off"
        assert (await window.post(enter, json={"key": first})).status_code == 204
        (member,) = [value for name, value in window.cookies.items() if "member" in name]
        for again, code in ((first, "lti_replayed"), (member, "lti_late")):
            told = (await next_one.post(enter, json={"key": again})).json()
            assert told["code"] == code
        late = await key()
        monkeypatch.setattr(lti_window, "LOGIN_S", -1)
        assert (await next_one.post(enter, json={"key": late})).json()["code"] == "lti_late"
        assert (await next_one.get("/api/v1/live")).json()["state"] == "off"


async def test_the_platform_may_refuse_or_be_unknown(school: Any, platform: Platform) -> None:
    async with browser(school) as client:
        form = {"error": "login_required", "state": "x", "error_description": "Sign in"}
        told = (await client.post("/lti/launch", data=form)).json()
        assert told["code"] == "lti_refused" and "login_required" in told["detail"]
        asked = platform.begins()
        for change, code in (
            ({"iss": "https://other.example"}, "lti_platform"),
            ({"client_id": "room-102"}, "lti_client"),
            ({"login_hint": ""}, "lti_missing"),
            ({"target_link_uri": "https://evil.example/live"}, "lti_target"),
        ):
            answer = await client.get("/lti/login", params=asked | change)
            assert answer.json()["code"] == code
        page = await client.get("/lti/login", headers=HTML)
        assert page.status_code == 400 and told_by_page(page)["code"] == "lti_missing"
        assert "iss" in told_by_page(page)["detail"]


async def test_a_recording_must_be_the_courses_own_and_open(
    school: Any, platform: Platform
) -> None:
    theirs, other = another(school, "PHY1"), another(school, "CHEM")
    async with browser(school) as student:
        platform.target = f"/review/{theirs.id}?t=12&key=x"
        answer = await launched(student, platform)
        assert answer.headers["location"] == f"/review/{theirs.id}?t=12"
        school.live.set_visibility(theirs.folder, Visibility.NOBODY)
        assert (await launched(student, platform)).json()["code"] == "lti_closed"
        platform.target = f"/review/{other.id}"
        assert (await launched(student, platform)).json()["code"] == "lti_other_course"
        platform.target = "/review/00000000"
        assert (await launched(student, platform)).json()["code"] == "lti_no_recording"


# --- keys ----------------------------------------------------------------------------------------


async def test_a_new_key_is_fetched_and_strangers_make_no_traffic(
    school: Any, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with browser(school) as client:
        assert (await launched(client, platform)).status_code == 303
        assert platform.fetched == 1
        says("kid", "two")(platform)
        for _ in range(20):
            assert (await launched(client, platform)).json()["code"] == "lti_unknown_key"
        assert platform.fetched == 1
        monkeypatch.setattr(lti_keys, "AGAIN_S", -1.0)
        platform.tamper = lambda claims, header: None
        platform.key = Key("two")
        platform.keys.append(platform.key)
        assert (await launched(client, platform)).status_code == 303
        assert platform.fetched == 2


async def test_keys_that_cannot_be_fetched_are_said(school: Any, platform: Platform) -> None:
    async with browser(school) as client:
        form = await logged_in(client, platform)
        platform.stop()
        for _ in range(2):  # also while it is not asked again
            answer = await client.post("/lti/launch", data=form)
            assert (answer.status_code, answer.json()["code"]) == (502, "lti_keys")
            assert "/jwks" in answer.json()["detail"]


def test_of_a_key_set_only_strong_rsa_keys_are_taken() -> None:
    weak = rsa.generate_private_key(65537, 1024).public_key().public_numbers()
    good = Key("good").jwk()
    told = {
        "keys": [
            good,
            good | {"kid": "weak", "n": b64(weak.n.to_bytes(128, "big"))},
            good | {"kid": "secret", "kty": "oct", "k": "c2VjcmV0"},
            good | {"kid": "cipher", "use": "enc"},
            good | {"kid": "other", "alg": "PS256"},
            {"kid": "torn", "kty": "RSA"},
            "nonsense",
        ]
    }
    assert set(lti_keys.read_keys(told)) == {"good"}
    with pytest.raises(ValueError, match="no JWK Set"):
        lti_keys.read_keys([])


async def test_the_rooms_own_key_is_made_once_and_kept_private(tmp_path: Path) -> None:
    first = await OwnKey(tmp_path).published()
    assert stat.S_IMODE((tmp_path / "lti.key").stat().st_mode) == 0o600
    assert await OwnKey(tmp_path).published() == first
    assert set(first["keys"][0]) == {"kty", "n", "e", "kid", "use", "alg"}


async def test_no_log_holds_a_token(
    school: Any, platform: Platform, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with browser(school) as client:
        form = await logged_in(client, platform)
        await client.post("/lti/launch", data=form)
        await client.post("/lti/launch", data=form)
    ours = [one for one in caplog.records if not one.name.startswith(("httpx", "httpcore"))]
    said = "\n".join(one.getMessage() for one in ours)
    assert form["id_token"] not in said and form["state"] not in said
