"""LTI 1.3 launches from a platform that is not ours: what they open, and what is refused."""

from __future__ import annotations

import hashlib
import hmac
import html
import json
import logging
import re
import stat
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from pretend_platform import CLAIM, DEEP, MEMBER, Key, Platform, b64, token

from controller.course_platforms import LtiSection
from controller.settings import AuthSettings
from dashboard.lti import keys as lti_keys
from dashboard.lti import login as lti_login
from dashboard.lti.keys import OwnKey
from recorder.recording import Recording, create
from streaming.access import Links, Visibility

HTML = {"accept": "text/html"}


@pytest.fixture
def platform() -> Any:
    made = Platform()
    yield made
    made.stop()


@pytest.fixture
async def school(tmp_path: Path, platform: Platform) -> AsyncIterator[Any]:
    """A room that knows the platform; a class of PHY1 is on, for its course."""
    from conftest import Hall

    section = LtiSection.model_validate({"platforms": [platform.settings()]})
    hall = Hall(tmp_path, AuthSettings(), section)
    hall.recording = hall.begin()
    hall.live.set_visibility(hall.recording.folder, Visibility.COURSE)
    platform.tool = f"http://{await hall.serve()}"
    yield hall
    await hall.stop()


def browser(hall: Any) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=f"http://{hall.address}")


async def logged_in(client: httpx.AsyncClient, platform: Platform) -> dict[str, str]:
    """Goes to the tool's login as the platform sends it, and to the platform: gives its form."""
    answer = await client.post("/lti/login", data=platform.begins())
    assert answer.status_code == 302, answer.text
    asked = urlsplit(answer.headers["location"])
    assert answer.headers["location"].startswith(f"{platform.url}/auth?")
    return platform.answer({name: one[0] for name, one in parse_qs(asked.query).items()})


async def launched(client: httpx.AsyncClient, platform: Platform) -> httpx.Response:
    return await client.post("/lti/launch", data=await logged_in(client, platform))


def another(hall: Any, course: str) -> Recording:
    made = create(
        hall.room.root, session="s2", room="lab-2", title=course, course=course, sources=[]
    )
    hall.live.set_visibility(made.folder, Visibility.COURSE)
    return made


async def test_a_launch_opens_the_course_and_nothing_more(school: Any, platform: Platform) -> None:
    theirs, other = another(school, "PHY1"), another(school, "CHEM")
    async with browser(school) as student:
        assert (await student.get("/api/v1/live")).json()["state"] == "off"
        answer = await launched(student, platform)
        assert (answer.status_code, answer.headers["location"]) == (303, "/live")
        view = (await student.get("/api/v1/live")).json()
        assert (view["state"], view["title"]) == ("live", "Optics")
        assert (await student.get(f"/api/v1/recordings/{theirs.id}")).status_code == 200
        assert (await student.get(f"/api/v1/recordings/{other.id}")).status_code == 401
        school.live.set_visibility(theirs.folder, Visibility.NOBODY)
        assert (await student.get(f"/api/v1/recordings/{theirs.id}")).status_code == 401
        # Also a teacher of the course runs nothing here.
        platform.role = "Instructor"
        await launched(student, platform)
        assert (await student.get("/api/v1/me")).json()["role"] is None
        for address in ("/api/v1/room", "/api/v1/recordings", f"/api/v1/recordings/{theirs.id}"):
            assert (await student.get(address)).status_code == 401, address
        stop = await student.post("/api/v1/session/end", json={})
        assert stop.status_code == 401


async def test_notes_are_a_persons_wherever_they_come_from(school: Any, platform: Platform) -> None:
    seen = another(school, "PHY1")
    address = f"/api/v1/recordings/{seen.id}/notes"
    async with browser(school) as one, browser(school) as two, browser(school) as stranger:
        await launched(one, platform)
        made = await one.post(address, json={"at_s": 3, "text": "Snell"})
        assert made.status_code == 201
        await launched(two, platform)
        told = (await two.get(address)).json()
        assert [note["text"] for note in told["notes"]] == ["Snell"] and told["own"]
        platform.person = "student-2"
        await launched(stranger, platform)
        assert (await stranger.get(address)).json()["notes"] == []


async def test_two_courses_stay_open_for_one_person_only(school: Any, platform: Platform) -> None:
    first, second = another(school, "PHY1"), another(school, "CHEM")
    async with browser(school) as shared:
        await launched(shared, platform)
        platform.idnumber = "CHEM"
        await launched(shared, platform)
        for one in (first, second):
            assert (await shared.get(f"/api/v1/recordings/{one.id}")).status_code == 200
        platform.person = "student-2"  # at the same computer, only in the second course
        await launched(shared, platform)
        assert (await shared.get(f"/api/v1/recordings/{first.id}")).status_code == 401
        assert (await shared.get(f"/api/v1/recordings/{second.id}")).status_code == 200


def test_a_members_key_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    links = Links(b"k" * 32)
    key = links.make_member("someone", "PHY1")
    assert links.opens(key, recording="any", course="PHY1")
    assert not links.opens(key, recording="any", course="PHY2")
    assert not links.opens(key, recording="any", course=None)
    assert not Links(b"x" * 32).opens(key, recording="any", course="PHY1")
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 13 * 3600)
    assert not links.opens(key, recording="any", course="PHY1")


# --- what is refused -----------------------------------------------------------------------------

FOREIGN = Key("one")  # has the name of the platform's key


def _says(name: str, value: Any) -> Callable[[Platform], None]:
    def change(platform: Platform) -> None:
        def tamper(claims: dict[str, Any], header: dict[str, Any]) -> None:
            place = header if name in header else claims
            place[name] = value() if callable(value) else value

        platform.tamper = tamper

    return change


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
    "another client": (_says("aud", "room-102"), "lti_audience", "for the client 'room-102'"),
    "several clients": (_says("aud", ["room-101", "x"]), "lti_presenter", "issued to nobody"),
    "another presenter": (_says("azp", "x"), "lti_presenter", "issued to 'x'"),
    "another platform": (_says("iss", "https://evil.example"), "lti_issuer", "evil.example"),
    "expired": (_says("exp", _now(-90)), "lti_expired", "has expired"),
    "without end": (_says("exp", None), "lti_times", "from when to when"),
    "from the future": (_says("iat", _now(300)), "lti_clock", "in the future"),
    "old": (_says("iat", _now(-3600)), "lti_clock", "ago"),
    "another nonce": (_says("nonce", "x"), "lti_nonce", "another login"),
    "not signed": (_unsigned, "lti_algorithm", "signed by 'none'"),
    "HMAC by public key": (_by_the_public_key, "lti_algorithm", "signed by 'HS256'"),
    "another RSA": (_says("alg", "RS384"), "lti_algorithm", "signed by 'RS384'"),
    "another key": (_by_another_key, "lti_signature", "signature is wrong"),
    "a key it brings": (_own_key_inside, "lti_unknown_key", "not among those at"),
    "an unknown key": (_says("kid", "two"), "lti_unknown_key", "not among those at"),
    "no key's name": (_says("kid", None), "lti_no_kid", "does not name the key"),
    "changed": (_changed_afterwards, "lti_signature", "signature is wrong"),
    "another deployment": (_says(f"{CLAIM}deployment_id", "8"), "lti_deployment", "'8'"),
    "LTI 1.1": (_says(f"{CLAIM}version", "LTI-1p0"), "lti_version", "LTI 'LTI-1p0'"),
    "another message": (_says(MESSAGE, "LtiSubmissionReviewRequest"), "lti_message", "Submission"),
    "another host": (_says(TARGET, "https://evil.example/live"), "lti_target", "evil.example"),
    "no target": (_says(TARGET, None), "lti_target", "leads to nobody"),
    "no course": (_says(f"{CLAIM}lis", {}), "lti_no_course", "course ID number"),
    "no link": (_says(f"{CLAIM}resource_link", {}), "lti_resource", "which link"),
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
        told = _told(answer)
        assert told["kind"] == "window" and told["plain"]
        path, _, key = told["path"].partition("#key=")
        assert path == "/live"
        assert (await window.post("/api/v1/lti/enter", json={"key": "x"})).status_code == 403
        assert (await window.post("/api/v1/lti/enter", json={"key": key})).status_code == 204
        assert (await window.get("/api/v1/live")).json()["state"] == "live"


def _told(answer: httpx.Response) -> dict[str, Any]:
    found = re.search(r'<meta name="lti" content="([^"]*)"', answer.text)
    assert found
    told: dict[str, Any] = json.loads(html.unescape(found[1]))
    return told


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
        assert page.status_code == 400 and _told(page)["code"] == "lti_missing"
        assert "iss" in _told(page)["detail"]


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
        _says("kid", "two")(platform)
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


# --- Deep Linking --------------------------------------------------------------------------------


def _verified(answer: str, published: dict[str, Any]) -> dict[str, Any]:
    """Checks a JWS by hand, with the key that the room publishes."""
    from base64 import urlsafe_b64decode

    def read(text: str) -> bytes:
        return urlsafe_b64decode(text + "=" * (-len(text) % 4))

    head, body, signature = answer.split(".")
    header = json.loads(read(head))
    (jwk,) = [one for one in published["keys"] if one["kid"] == header["kid"]]
    assert header["alg"] == "RS256"
    n, e = (int.from_bytes(read(jwk[name]), "big") for name in ("n", "e"))
    rsa.RSAPublicNumbers(e, n).public_key().verify(
        read(signature), f"{head}.{body}".encode(), padding.PKCS1v15(), hashes.SHA256()
    )
    claims: dict[str, Any] = json.loads(read(body))
    return claims


async def test_a_lecturer_puts_a_recording_into_the_course(school: Any, platform: Platform) -> None:
    theirs, other = another(school, "PHY1"), another(school, "CHEM")
    platform.deep, platform.role = True, "Instructor"
    async with browser(school) as lecturer:
        page = await lecturer.post(
            "/lti/launch", data=await logged_in(lecturer, platform), headers=HTML
        )
        told = _told(page)
        assert told["kind"] == "choose"
        places = [one["place"] for one in told["recordings"]]
        assert theirs.id in places and other.id not in places
        assert f"form-action 'self' {platform.url};" in page.headers["content-security-policy"]
        body = {"ticket": told["ticket"], "place": theirs.id, "title": "Optics 4"}
        chosen = await lecturer.post("/api/v1/lti/choice", json=body)
        assert chosen.json()["return_url"] == f"{platform.url}/return"
        claims = _verified(chosen.json()["jwt"], (await lecturer.get("/lti/jwks")).json())
        assert (claims["iss"], claims["aud"]) == (platform.CLIENT, platform.url)
        assert claims["exp"] > time.time() and claims["nonce"]
        assert claims[f"{CLAIM}message_type"] == "LtiDeepLinkingResponse"
        assert claims[f"{CLAIM}deployment_id"] == platform.DEPLOYMENT
        assert claims[f"{CLAIM}version"] == "1.3.0" and claims[f"{DEEP}data"] == "keep me"
        url = f"{platform.tool}/review/{theirs.id}"
        item = {"type": "ltiResourceLink", "title": "Optics 4", "url": url}
        assert claims[f"{DEEP}content_items"] == [item]
        # What was put there opens.
        platform.deep, platform.role, platform.target = False, "Learner", urlsplit(url).path
        assert (await launched(lecturer, platform)).headers["location"] == urlsplit(url).path
        for wrong in (body | {"place": other.id}, body | {"ticket": "x"}):
            assert (await lecturer.post("/api/v1/lti/choice", json=wrong)).status_code >= 400


async def test_only_those_who_teach_the_course_choose(school: Any, platform: Platform) -> None:
    platform.deep = True
    elsewhere = "http://purl.imsglobal.org/vocab/lis/v2/institution/person#Instructor"
    async with browser(school) as student:
        for roles in ([f"{MEMBER}Learner"], [f"{MEMBER}Mentor"], [elsewhere], [], None):
            _says(f"{CLAIM}roles", roles)(platform)
            told = (await launched(student, platform)).json()
            assert told["code"] == "lti_not_teacher", roles


async def test_pages_may_be_framed_by_the_platform_only(school: Any, platform: Platform) -> None:
    async with browser(school) as client:
        for path, framed in (("/live", True), ("/review/x", True), ("/console", False)):
            headers = (await client.get(path)).headers
            policy = headers["content-security-policy"]
            assert (f"frame-ancestors 'self' {platform.url};" in f"{policy};") is framed, path
            assert ("x-frame-options" in headers) is not framed, path
