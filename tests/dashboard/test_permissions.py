"""Every route declares a role, and every role is let in exactly where it may go."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest
import websockets
from fastapi import FastAPI

from controller.state import AccessRole
from dashboard.app import DeclaredRoute, create_app, declared_routes
from dashboard.auth import RANK

# Who may do what, written down a second time: a changed or a new route fails here until someone
# has decided who may use it.
MATRIX: dict[tuple[str, str], AccessRole | str] = {
    ("GET", "/"): "everyone",
    ("GET", "/recordings"): "everyone",
    ("GET", "/recordings/{_id}"): "everyone",
    ("GET", "/review/{_id}"): "everyone",
    ("GET", "/assets/{name}"): "everyone",
    ("GET", "/icon.svg"): "everyone",
    ("GET", "/tablet"): "everyone",
    ("GET", "/board"): "everyone",
    ("GET", "/tablets"): "everyone",
    ("GET", "/analytics"): "everyone",
    ("GET", "/lti"): "everyone",
    ("GET", "/lti/login"): "everyone",
    ("POST", "/lti/login"): "everyone",
    ("POST", "/lti/launch"): "everyone",
    ("GET", "/lti/jwks"): "everyone",
    ("POST", "/api/v1/lti/enter"): "everyone",
    ("POST", "/api/v1/lti/choice"): "everyone",
    ("GET", "/live"): "everyone",
    ("GET", "/share"): "everyone",
    ("GET", "/tablet-sw.js"): "everyone",
    ("GET", "/tablet.webmanifest"): "everyone",
    ("GET", "/healthz"): "everyone",
    ("GET", "/api/openapi.json"): "everyone",
    ("GET", "/api/v1/me"): "everyone",
    ("POST", "/api/v1/login"): "everyone",
    ("POST", "/api/v1/logout"): AccessRole.STUDENT,
    ("GET", "/api/v1/recordings"): AccessRole.STUDENT,
    ("GET", "/api/v1/recordings/{recording_id}"): "viewer",
    ("GET", "/api/v1/recordings/{recording_id}/products/{name:path}"): "viewer",
    ("GET", "/api/v1/recordings/{recording_id}/notes"): "viewer",
    ("POST", "/api/v1/recordings/{recording_id}/notes"): "viewer",
    ("PUT", "/api/v1/recordings/{recording_id}/notes/{note_id}"): "viewer",
    ("DELETE", "/api/v1/recordings/{recording_id}/notes/{note_id}"): "viewer",
    ("GET", "/api/v1/recordings/{recording_id}/notes.{form}"): "viewer",
    ("PUT", "/api/v1/recordings/{recording_id}/place"): "viewer",
    ("POST", "/api/v1/recordings/{recording_id}/views"): "viewer",
    ("GET", "/api/v1/recordings/{recording_id}/heat"): AccessRole.INSTRUCTOR,
    ("POST", "/api/v1/persons/find"): AccessRole.ADMIN,
    ("POST", "/api/v1/persons/erase"): AccessRole.ADMIN,
    ("GET", "/api/v1/recordings/{recording_id}/rights"): AccessRole.INSTRUCTOR,
    ("PATCH", "/api/v1/recordings/{recording_id}/rights"): AccessRole.INSTRUCTOR,
    ("POST", "/api/v1/recordings/{recording_id}/hold"): AccessRole.INSTRUCTOR,
    ("POST", "/api/v1/recordings/{recording_id}/release"): AccessRole.INSTRUCTOR,
    ("POST", "/api/v1/recordings/{recording_id}/trim"): AccessRole.INSTRUCTOR,
    ("POST", "/api/v1/recordings/{recording_id}/restore"): AccessRole.INSTRUCTOR,
    ("POST", "/api/v1/recordings/{recording_id}/erase"): AccessRole.INSTRUCTOR,
    ("POST", "/api/v1/recordings/{recording_id}/replace"): AccessRole.INSTRUCTOR,
    ("POST", "/api/v1/recordings/{recording_id}/withdraw"): AccessRole.INSTRUCTOR,
    ("GET", "/api/v1/recordings/{recording_id}/visibility"): AccessRole.INSTRUCTOR,
    ("PUT", "/api/v1/recordings/{recording_id}/visibility"): AccessRole.INSTRUCTOR,
    ("POST", "/api/v1/recordings/{recording_id}/link"): AccessRole.INSTRUCTOR,
    ("GET", "/api/v1/room"): AccessRole.INSTRUCTOR,
    ("GET", "/api/v1/sources"): AccessRole.INSTRUCTOR,
    ("GET", "/api/v1/sources/{source_id}/picture"): AccessRole.INSTRUCTOR,
    ("GET", "/api/v1/alarms"): AccessRole.INSTRUCTOR,
    ("GET", "/api/v1/session"): AccessRole.INSTRUCTOR,
    ("POST", "/api/v1/session"): AccessRole.INSTRUCTOR,
    ("POST", "/api/v1/session/pause"): AccessRole.INSTRUCTOR,
    ("POST", "/api/v1/session/resume"): AccessRole.INSTRUCTOR,
    ("POST", "/api/v1/session/extend"): AccessRole.INSTRUCTOR,
    ("POST", "/api/v1/session/layout"): AccessRole.INSTRUCTOR,
    ("POST", "/api/v1/session/end"): AccessRole.INSTRUCTOR,
    ("POST", "/api/v1/session/undo"): AccessRole.INSTRUCTOR,
    ("POST", "/api/v1/session/retry"): AccessRole.INSTRUCTOR,
    ("POST", "/api/v1/session/bookmark"): AccessRole.INSTRUCTOR,
    ("GET", "/console"): "everyone",
    ("GET", "/api/v1/backup"): AccessRole.ADMIN,
    ("POST", "/api/v1/restore"): AccessRole.ADMIN,
    ("GET", "/api/v1/standins"): AccessRole.TECHNICIAN,
    ("POST", "/api/v1/standins/{device_id}"): AccessRole.TECHNICIAN,
    ("GET", "/api/v1/health"): AccessRole.TECHNICIAN,
    ("GET", "/api/v1/journal"): AccessRole.TECHNICIAN,
    ("GET", "/api/v1/journal.csv"): AccessRole.TECHNICIAN,
    ("GET", "/api/v1/journal.jsonl"): AccessRole.TECHNICIAN,
    ("GET", "/api/v1/logs"): AccessRole.TECHNICIAN,
    ("GET", "/api/v1/logs.jsonl"): AccessRole.TECHNICIAN,
    ("GET", "/api/v1/logs.txt"): AccessRole.TECHNICIAN,
    ("GET", "/api/v1/recorder"): AccessRole.TECHNICIAN,
    ("GET", "/api/v1/sheet"): AccessRole.TECHNICIAN,
    ("WS", "/api/v1/devices/{device_id}/traffic/live"): AccessRole.TECHNICIAN,
    ("GET", "/api/v1/profiles"): AccessRole.TECHNICIAN,
    ("GET", "/api/v1/discovery"): AccessRole.TECHNICIAN,
    ("POST", "/api/v1/discovery"): AccessRole.TECHNICIAN,
    ("POST", "/api/v1/discovery/stop"): AccessRole.TECHNICIAN,
    ("POST", "/api/v1/discovery/trial"): AccessRole.TECHNICIAN,
    ("GET", "/api/v1/config"): AccessRole.ADMIN,
    ("PUT", "/api/v1/config"): AccessRole.ADMIN,
    ("POST", "/api/v1/config/check"): AccessRole.ADMIN,
    ("POST", "/api/v1/config/device"): AccessRole.ADMIN,
    ("GET", "/api/v1/config/history"): AccessRole.ADMIN,
    ("GET", "/api/v1/config/history/{name}"): AccessRole.ADMIN,
    ("POST", "/api/v1/config/apply"): AccessRole.ADMIN,
    ("GET", "/api/v1/timetable"): AccessRole.INSTRUCTOR,
    ("POST", "/api/v1/timetable/refresh"): AccessRole.TECHNICIAN,
    ("POST", "/api/v1/timetable/skip"): AccessRole.INSTRUCTOR,
    ("GET", "/api/v1/help"): AccessRole.INSTRUCTOR,
    ("POST", "/api/v1/help"): AccessRole.INSTRUCTOR,
    ("POST", "/api/v1/help/answer"): AccessRole.TECHNICIAN,
    ("POST", "/api/v1/help/close"): AccessRole.INSTRUCTOR,
    ("GET", "/api/v1/devices"): AccessRole.INSTRUCTOR,
    ("GET", "/api/v1/devices/{device_id}"): AccessRole.INSTRUCTOR,
    ("POST", "/api/v1/devices/{device_id}/{command}"): AccessRole.INSTRUCTOR,
    ("GET", "/api/v1/devices/{device_id}/traffic"): AccessRole.TECHNICIAN,
    ("GET", "/api/v1/devices/{device_id}/presets"): AccessRole.INSTRUCTOR,
    ("GET", "/api/v1/devices/{device_id}/presets/{number}/picture"): AccessRole.INSTRUCTOR,
    ("POST", "/api/v1/devices/{device_id}/presets/{number}/picture"): AccessRole.INSTRUCTOR,
    ("GET", "/api/v1/scenes"): AccessRole.INSTRUCTOR,
    ("POST", "/api/v1/scenes/{scene}"): AccessRole.INSTRUCTOR,
    ("GET", "/api/v1/deliveries"): AccessRole.INSTRUCTOR,
    ("POST", "/api/v1/deliveries"): AccessRole.TECHNICIAN,
    ("POST", "/api/v1/deliveries/{delivery_id}/retry"): AccessRole.TECHNICIAN,
    ("WS", "/api/v1/events"): AccessRole.INSTRUCTOR,
    ("GET", "/api/v1/live"): "everyone",
    ("POST", "/api/v1/live/visibility"): AccessRole.INSTRUCTOR,
    ("POST", "/api/v1/live/link"): AccessRole.INSTRUCTOR,
    ("GET", "/api/v1/live/pushes"): AccessRole.INSTRUCTOR,
    ("POST", "/api/v1/live/{recording}/questions"): "viewer",
    ("GET", "/api/v1/live/questions"): AccessRole.INSTRUCTOR,
    ("POST", "/api/v1/live/questions/{question}"): AccessRole.INSTRUCTOR,
    ("POST", "/api/v1/live/pushes/{push}"): AccessRole.INSTRUCTOR,
    ("WS", "/api/v1/live/{recording}/watch/{view}"): "everyone",
    ("POST", "/api/v1/live/{recording}/whep"): "viewer",
    ("DELETE", "/api/v1/live/{recording}/whep/{viewer}"): "viewer",
    ("WS", "/api/v1/live/{recording}/talk"): "viewer",
    ("POST", "/api/v1/live/{recording}/talk/{place}"): "viewer",
    ("DELETE", "/api/v1/live/{recording}/talk/{place}"): "viewer",
    ("GET", "/api/v1/live/talk"): AccessRole.INSTRUCTOR,
    ("POST", "/api/v1/live/talk/{hand}"): AccessRole.INSTRUCTOR,
    ("GET", "/api/v1/live/{recording}/hls/index.m3u8"): "everyone",
    ("GET", "/api/v1/live/{recording}/hls/{rendition}/index.m3u8"): "everyone",
    ("GET", "/api/v1/live/{recording}/hls/{rendition}/{name}"): "everyone",
    ("GET", "/api/v1/live/{recording}/slides.jpg"): "everyone",
    ("GET", "/api/v1/live/{recording}/captions/{language}.vtt"): "everyone",
    ("GET", "/api/v1/share"): "tablet",
    ("WS", "/api/v1/share/events"): "tablet",
    ("POST", "/api/v1/share"): "tablet",
    ("POST", "/api/v1/share/watch"): "tablet",
    ("DELETE", "/api/v1/share/watch/{viewer}"): "tablet",
    ("DELETE", "/api/v1/share/{sharer}"): "tablet",
    ("POST", "/api/v1/share/show"): AccessRole.INSTRUCTOR,
    ("POST", "/api/v1/share/allow"): AccessRole.INSTRUCTOR,
    ("POST", "/api/v1/share/whip"): AccessRole.INSTRUCTOR,
    ("DELETE", "/api/v1/share/whip/{sharer}"): AccessRole.INSTRUCTOR,
    ("WS", "/api/v1/tablets/socket"): "everyone",
    ("POST", "/api/v1/tablets/redeem"): "everyone",
    ("GET", "/api/v1/tablets/me"): "tablet",
    ("POST", "/api/v1/tablets/broker"): "tablet",
    ("POST", "/api/v1/tablets/forget"): "tablet",
    ("GET", "/api/v1/tablets/join"): "tablet",
    ("GET", "/api/v1/tablets/live.jpg"): "tablet",
    ("GET", "/api/v1/tablets/pages/{page}.webp"): "tablet",
    ("GET", "/api/v1/tablets"): AccessRole.TECHNICIAN,
    ("POST", "/api/v1/tablets/codes"): AccessRole.TECHNICIAN,
    ("GET", "/api/v1/tablets/codes"): AccessRole.TECHNICIAN,
    ("DELETE", "/api/v1/tablets/codes/{code}"): AccessRole.TECHNICIAN,
    ("DELETE", "/api/v1/tablets/{tablet}"): AccessRole.TECHNICIAN,
    ("PATCH", "/api/v1/tablets/{tablet}"): AccessRole.TECHNICIAN,
    ("POST", "/api/v1/tablets/{tablet}/revoke"): AccessRole.TECHNICIAN,
    ("GET", "/api/v1/tablets/lesson"): AccessRole.INSTRUCTOR,
    ("GET", "/api/v1/tablets/lesson/summary"): AccessRole.INSTRUCTOR,
    ("POST", "/api/v1/tablets/lesson/attention"): AccessRole.INSTRUCTOR,
    ("POST", "/api/v1/tablets/lesson/hands/lower"): AccessRole.INSTRUCTOR,
    ("POST", "/api/v1/tablets/lesson/polls"): AccessRole.INSTRUCTOR,
    ("POST", "/api/v1/tablets/lesson/polls/{question}/close"): AccessRole.INSTRUCTOR,
    ("POST", "/api/v1/tablets/lesson/polls/{question}/reveal"): AccessRole.INSTRUCTOR,
    ("GET", "/api/v1/tablets/sessions/{session}/{report}"): AccessRole.INSTRUCTOR,
    ("POST", "/api/v1/tablets/files"): AccessRole.INSTRUCTOR,
    ("GET", "/api/v1/tablets/files/{file}"): "tablet",
    ("GET", "/api/v1/tablets/decks"): AccessRole.INSTRUCTOR,
    ("POST", "/api/v1/tablets/decks"): AccessRole.INSTRUCTOR,
    ("POST", "/api/v1/tablets/decks/{deck}/open"): AccessRole.INSTRUCTOR,
    ("GET", "/api/v1/tablets/decks/stick"): AccessRole.INSTRUCTOR,
    ("POST", "/api/v1/tablets/decks/stick/{file}"): AccessRole.INSTRUCTOR,
    ("GET", "/api/v1/tablets/decks/course"): AccessRole.INSTRUCTOR,
    ("POST", "/api/v1/tablets/decks/course/{file}"): AccessRole.INSTRUCTOR,
    ("DELETE", "/api/v1/tablets/decks/{deck}"): AccessRole.INSTRUCTOR,
    ("GET", "/api/v1/analytics"): AccessRole.INSTRUCTOR,
    ("GET", "/api/v1/analytics/rules"): AccessRole.INSTRUCTOR,
    ("GET", "/api/v1/analytics/sessions.csv"): AccessRole.INSTRUCTOR,
    ("GET", "/api/v1/analytics/sessions/{session}"): AccessRole.INSTRUCTOR,
    ("GET", "/api/v1/analytics/sessions/{session}/{table}.csv"): AccessRole.INSTRUCTOR,
    ("GET", "/api/v1/analytics/devices"): AccessRole.TECHNICIAN,
    ("GET", "/api/v1/analytics/devices.csv"): AccessRole.TECHNICIAN,
    ("GET", "/metrics"): AccessRole.TECHNICIAN,
}
CALLERS = [None, *AccessRole]
ANONYMOUS_WRITES = {
    "/api/v1/login",
    "/api/v1/tablets/redeem",
    "/lti/login",
    "/lti/launch",
    "/api/v1/lti/enter",
    "/api/v1/lti/choice",
}


def _address(route: DeclaredRoute) -> str:
    named = {"{device_id}": "display", "{command}": "power", "{source_id}": "front"}
    address = route.path
    for name, value in named.items():
        address = address.replace(name, value)
    while "{" in address:
        address = address[: address.index("{")] + "x" + address[address.index("}") + 1 :]
    return address


def test_every_route_is_in_the_matrix(app: FastAPI) -> None:
    assert {(route.method, route.path): route.role for route in declared_routes(app)} == MATRIX


def test_a_route_without_a_role_stops_the_application(
    room: Any, auth: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dashboard.api import view

    before = list(view.router.routes)
    view.router.add_api_route("/forgotten", lambda: None)
    try:
        with pytest.raises(RuntimeError, match="/api/v1/forgotten"):
            create_app(room, auth=auth, secret_key=b"k" * 32)
    finally:
        view.router.routes[:] = before


def test_nothing_is_written_anonymously() -> None:
    open_writes = {
        path
        for (method, path), role in MATRIX.items()
        if role == "everyone" and method not in {"GET", "WS"}
    }
    assert open_writes == ANONYMOUS_WRITES


@pytest.mark.parametrize("caller", CALLERS, ids=lambda role: role.value if role else "anonymous")
async def test_http_lets_in_whom_it_should(
    app: FastAPI, connect: Callable[..., httpx.AsyncClient], caller: AccessRole | None
) -> None:
    client = connect(caller)
    for route in declared_routes(app):
        if route.method == "WS":
            continue
        answer = await client.request(route.method, _address(route), json={})
        place = f"{caller} {route.method} {route.path}: {answer.status_code} {answer.text[:200]}"
        if route.role == "everyone":
            assert answer.status_code not in {401, 403}, place
        elif caller is None:
            assert answer.status_code == 401, place
        elif route.role == "viewer":  # test_review.py shows whom it lets in
            assert answer.status_code not in {401, 403}, place
        elif route.role == "tablet":  # by its own credential; tests/tablets shows whom it lets in
            assert answer.status_code < 500, place
        elif RANK[caller] < RANK[AccessRole(route.role or "")]:
            assert answer.status_code == 403, place
        else:
            assert answer.status_code not in {401, 403}, place
        assert answer.status_code < 500, place
        if answer.status_code >= 400:
            assert answer.headers["content-type"] == "application/problem+json", place


@pytest.mark.parametrize("caller", CALLERS, ids=lambda role: role.value if role else "anonymous")
async def test_the_event_stream_lets_in_whom_it_should(
    served: str, caller: AccessRole | None
) -> None:
    headers = {"Authorization": f"Bearer token-{caller.value}"} if caller else {}
    address = f"ws://{served}/api/v1/events"
    if caller and RANK[caller] >= RANK[AccessRole.INSTRUCTOR]:
        async with websockets.connect(address, additional_headers=headers) as socket:
            assert '"snapshot"' in str(await socket.recv())[:20]
        return
    with pytest.raises(websockets.InvalidStatus) as refused:
        await websockets.connect(address, additional_headers=headers)
    assert refused.value.response.status_code == (403 if caller else 401)
