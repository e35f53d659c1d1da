"""LTI 1.3 launches from a platform that is not ours: what they open."""

from __future__ import annotations

import json
import secrets
import time
from typing import Any
from urllib.parse import urlsplit

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from launching import another, browser, launched, logged_in, says, told_by_page
from pretend_platform import CLAIM, DEEP, MEMBER, Platform

from streaming.access import Links, Visibility

HTML = {"accept": "text/html"}


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
        told = told_by_page(page)
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


async def test_what_the_platform_wants_back_may_be_long(school: Any, platform: Platform) -> None:
    data = secrets.token_urlsafe(12_000)
    settings = f"{DEEP}deep_linking_settings"
    platform.deep, platform.role = True, "Instructor"
    platform.tamper = lambda claims, header: claims[settings].update(data=data)
    async with browser(school) as lecturer:
        form = await logged_in(lecturer, platform)
        page = await lecturer.post("/lti/launch", data=form, headers=HTML)
        body = {"ticket": told_by_page(page)["ticket"], "place": "live", "title": "Optics"}
        chosen = await lecturer.post("/api/v1/lti/choice", json=body)
        assert chosen.status_code == 200, chosen.text
        claims = _verified(chosen.json()["jwt"], (await lecturer.get("/lti/jwks")).json())
        assert claims[f"{DEEP}data"] == data


async def test_only_those_who_teach_the_course_choose(school: Any, platform: Platform) -> None:
    platform.deep = True
    elsewhere = "http://purl.imsglobal.org/vocab/lis/v2/institution/person#Instructor"
    async with browser(school) as student:
        for roles in ([f"{MEMBER}Learner"], [f"{MEMBER}Mentor"], [elsewhere], [], None):
            says(f"{CLAIM}roles", roles)(platform)
            told = (await launched(student, platform)).json()
            assert told["code"] == "lti_not_teacher", roles


async def test_behind_a_proxy_with_https_cookies_are_for_frames(
    school: Any, platform: Platform
) -> None:
    """The proxy speaks http with the room; what browsers call it stands in room.toml."""
    for address, kept in ((None, False), ("https://room.example", True)):
        school.app.state.lti.address = address
        platform.tool = address or platform.tool
        async with browser(school) as client:
            cookie = (await client.post("/lti/login", data=platform.begins())).headers["set-cookie"]
            assert ("; Secure; SameSite=None; Partitioned" in cookie) is kept


async def test_pages_may_be_framed_by_the_platform_only(school: Any, platform: Platform) -> None:
    async with browser(school) as client:
        for path, framed in (("/live", True), ("/review/x", True), ("/console", False)):
            headers = (await client.get(path)).headers
            policy = headers["content-security-policy"]
            assert (f"frame-ancestors 'self' {platform.url};" in f"{policy};") is framed, path
            assert ("x-frame-options" in headers) is not framed, path
