"""The short way to what players of HLS ask for all the time: playlists and newest segments.

Two hundred viewers ask two hundred times a second. What is in memory is answered here, before
routes and models are looked up, by the same decision on who may watch; who may not, and everything
else, is left to the routes of `api/hls.py`. Of the application's headers an answer has those that
mean something for media.
"""

from __future__ import annotations

import contextlib
import re

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from controller.errors import ClassroomError
from dashboard.api.hls import FOREVER, MEDIA, PLAYLIST, SKIPS, until
from dashboard.auth import LOCAL, authenticator
from dashboard.problems import ProblemError, respond
from dashboard.watching import allowed, keys_of, live_room
from recorder.recording import RecordingError
from streaming.access import Visibility
from streaming.hls import HlsError
from streaming.live import LiveClass, LiveRoom

PREFIX = "/api/v1/live/"
_PATH = re.compile(
    re.escape(PREFIX) + r"([\w.-]{1,100})/hls/(program|sound)/(?:(index\.m3u8)|(\d{1,7})\.m4s)"
)
_VIEWER = re.compile(r"[A-Za-z0-9_-]{1,32}")
_NUMBER = re.compile(r"\d{1,7}")
_QUERY = re.compile(r"(?:[\w-]+=[\w-]*(?:&[\w-]+=[\w-]*){0,5})?")

CREDENTIALS = {b"authorization", b"cookie"}

Raw = list[tuple[bytes, bytes]]
ALWAYS: Raw = [
    (b"x-content-type-options", b"nosniff"),
    (b"cross-origin-resource-policy", b"same-origin"),
]
PLAIN: Raw = [
    *ALWAYS,
    (b"content-type", PLAYLIST.encode()),
    (b"cache-control", b"no-cache"),
    (b"vary", b"Accept-Encoding"),
]
PACKED: Raw = [*PLAIN, (b"content-encoding", b"gzip")]
SEGMENT: dict[tuple[bool, str], Raw] = {
    (public, rendition): [
        *ALWAYS,
        (b"content-type", kind.encode()),
        (b"cache-control", f"{'public' if public else 'private'}, {FOREVER}".encode()),
    ]
    for public in (True, False)
    for rendition, kind in MEDIA.items()
}


class HlsDoor:
    """ASGI middleware around `app`."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        quick = (
            scope["type"] == "http"
            and scope["method"] == "GET"
            and scope["path"].startswith(PREFIX)
            and (found := _PATH.fullmatch(scope["path"]))
        )
        if not quick or not found:
            await self._app(scope, receive, send)
            return
        try:
            answer = await _answer(HTTPConnection(scope), found)
        except ProblemError as error:
            told = respond(error.status, error.code, str(error), error.remedy, error.headers)
            told.raw_headers.extend([*ALWAYS, (b"cache-control", b"no-store")])
            await told(scope, receive, send)
            return
        if answer is None:
            await self._app(scope, receive, send)
            return
        headers, body = answer
        length = (b"content-length", str(len(body)).encode())
        await send({"type": "http.response.start", "status": 200, "headers": [*headers, length]})
        await send({"type": "http.response.body", "body": body})


async def _answer(connection: HTTPConnection, found: re.Match[str]) -> tuple[Raw, bytes] | None:
    """Headers and body; None when the routes must see to it. Raises ProblemError."""
    recording, rendition, is_playlist, number = found.groups()
    live = live_room(connection)
    try:
        one = await live.find(recording, connection.app.state.classroom.recording_folder)
    except (RecordingError, ClassroomError):
        return None
    if not _may_watch(connection, live, one):
        return None
    if is_playlist:
        return await _playlist(connection, live, one, rendition)
    if live.running(one.folder) is None:
        return None
    try:
        data = await live.segment(one.folder, rendition, int(number))
    except HlsError:
        return None
    return SEGMENT[one.visibility is Visibility.PUBLIC, rendition], data


async def _playlist(
    connection: HTTPConnection, live: LiveRoom, one: LiveClass, rendition: str
) -> tuple[Raw, bytes] | None:
    text = connection.scope["query_string"].decode("latin-1")
    if not _QUERY.fullmatch(text):
        return None
    query = dict(one.split("=") for one in text.split("&")) if text else {}
    viewer, asked = query.pop("viewer", "?"), query.pop("_HLS_msn", None)
    skip = query.pop("_HLS_skip", "") in SKIPS
    stream = live.running(one.folder)
    unusual = query or (asked is not None and not _NUMBER.fullmatch(asked))
    if stream is None or unusual or not (viewer == "?" or _VIEWER.fullmatch(viewer)):
        return None
    await stream.refresh()
    if not stream.timeline.segments:
        return None
    live.audience.saw(one.folder.name, viewer)
    if asked is not None:
        await until(stream, int(asked))
        live.audience.saw(one.folder.name, viewer)
    listed = live.playlist(one.folder, rendition)
    if b"gzip" in _header(connection, b"accept-encoding"):
        return PACKED, listed.packed(skip=skip)
    return PLAIN, listed.text(skip=skip).encode()


def _header(connection: HTTPConnection, name: bytes) -> bytes:
    return next((value for one, value in connection.scope["headers"] if one == name), b"")


def _may_watch(connection: HTTPConnection, live: LiveRoom, one: LiveClass) -> bool:
    if LOCAL not in connection.scope and not any(
        name in CREDENTIALS for name, _ in connection.scope["headers"]
    ):
        return allowed(live, one, None)
    caller = None
    with contextlib.suppress(ProblemError):
        caller = authenticator(connection).identify(connection)
    return allowed(live, one, caller, *keys_of(connection))
