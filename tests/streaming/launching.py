"""Going through an LTI launch as a browser does, against the room of a test."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
from pretend_platform import Platform

from recorder.recording import Recording, create
from streaming.access import Visibility


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


def told_by_page(answer: httpx.Response) -> dict[str, Any]:
    found = re.search(r'<meta name="lti" content="([^"]*)"', answer.text)
    assert found
    told: dict[str, Any] = json.loads(html.unescape(found[1]))
    return told


def says(name: str, value: Any) -> Callable[[Platform], None]:
    def change(platform: Platform) -> None:
        def tamper(claims: dict[str, Any], header: dict[str, Any]) -> None:
            place = header if name in header else claims
            place[name] = value() if callable(value) else value

        platform.tamper = tamper

    return change
