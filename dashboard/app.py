"""The web application of one room: API, event stream, metrics, pages."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from fastapi import FastAPI, Response
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, APIWebSocketRoute, iter_route_contexts
from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from controller.broadcast import Broadcast
from controller.classroom import Classroom
from controller.discovery import Discovery
from controller.disk_health import DiskProbe
from controller.roomfile import RoomFile
from controller.settings import AuthSettings
from controller.state import AccessRole
from controller.tablets import Tablets
from dashboard import metrics, problems
from dashboard import pages as built_pages
from dashboard.api import (
    admin,
    analytics,
    backup,
    calls,
    console,
    deliveries,
    devices,
    discovery,
    events,
    hls,
    live,
    login,
    lti,
    machine,
    persons,
    pushes,
    questions,
    recordings,
    review,
    rights,
    session,
    share,
    tablet_socket,
    tablets,
    talk,
    timetable,
    trail,
    view,
    whep,
)
from dashboard.auth import Authenticator, anyone
from dashboard.description import describe
from dashboard.first_frame import FirstFrames
from dashboard.hls_door import HlsDoor
from dashboard.lti.page import NO_FRAME, LtiPage, framed_by
from dashboard.lti.room import LtiRoom
from dashboard.presets import PresetPictures
from dashboard.revocations import Revocations
from dashboard.room import Technician
from firmware_profiles.catalog import Catalog
from streaming.live import LiveRoom
from streaming.share import ShareRoom
from streaming.talk import TalkRoom

API = "/api/v1"
MAY_CAPTURE = {
    "/share": (
        b"camera=(self), microphone=(self), display-capture=(self), "
        b"geolocation=(), payment=(), usb=()"
    ),
    "/live": b"camera=(), microphone=(self), geolocation=(), payment=(), usb=()",
}
OPENAPI = "/api/openapi.json"
MAX_BODY = 256 * 1024
LARGE = {**tablets.LARGE, backup.RESTORE: backup.LARGEST}
SECURITY_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
        "font-src 'self'; media-src 'self' blob:; connect-src 'self'; manifest-src 'self'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


class _Shield:
    """Security headers on every answer, and no body larger than any route here needs."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._headers = [(k.encode(), v.encode()) for k, v in SECURITY_HEADERS.items()]
        self._capturing = {
            page: [(k, may if k == b"permissions-policy" else v) for k, v in self._headers]
            for page, may in MAY_CAPTURE.items()
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        api = scope["path"].startswith("/api/")
        limit = LARGE.get(scope["path"], MAX_BODY)
        taken = 0

        async def count() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > limit:
                raise HTTPException(413, f"The body is larger than {limit} bytes.")
            return message

        async def shielded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = message.setdefault("headers", [])
                ours = self._capturing.get(scope["path"], self._headers)
                said = {name.lower() for name, _ in headers}  # a page names its own styles
                if _may_be_framed(headers):
                    said.add(b"x-frame-options")  # which can name no other site
                headers.extend(one for one in ours if one[0] not in said)
                if api and all(name.lower() != b"cache-control" for name, _ in headers):
                    headers.append((b"cache-control", b"no-store"))
            await send(message)

        await self._app(scope, count, shielded)


def _may_be_framed(headers: list[tuple[bytes, bytes]]) -> bool:
    return any(
        name.lower() == b"content-security-policy" and NO_FRAME.encode() not in value
        for name, value in headers
    )


def create_app(
    classroom: Classroom,
    *,
    auth: AuthSettings,
    secret_key: bytes,
    pages: Path | None = None,
    authenticator: Authenticator | None = None,
    students: Tablets | None = None,
    broadcast: Broadcast | None = None,
    room_file: RoomFile | None = None,
) -> FastAPI:
    """The application of `classroom`.

    `secret_key` (32 random bytes that outlive a restart) signs cookies; `pages` is where
    the built pages lie (the installed ones by default); `students` are the room's
    tablets, if it has any, and `broadcast` its live streams. Raises SecretError when a secret that
    `auth` refers to cannot be read, RuntimeError when a route declares no role.
    """
    app = FastAPI(
        title="classroomd",
        summary="One teaching room: its class, devices, recordings and deliveries.",
        version=_version(),
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        responses={
            "4XX": {
                "description": "What is wrong, and what to do",
                "model": problems.Problem,
            },
        },
    )
    folder = pages or built_pages.built()
    app.state.classroom = classroom
    app.state.tablets = students
    signed_out = Revocations(classroom.state_folder / "signed-out.json")
    app.state.authenticator = authenticator or Authenticator(auth, secret_key, revoked=signed_out)
    app.state.room_file = room_file
    app.state.discovery = Discovery(
        Catalog(classroom.config.profiles.paths), classroom.config.devices, classroom.mqtt
    )
    app.state.disk = DiskProbe(classroom.config.storage.recordings)
    app.state.presets = PresetPictures(classroom.state_folder / "presets")
    app.state.broadcast = broadcast
    app.state.live = broadcast.live if broadcast else LiveRoom(secret_key)
    app.state.share = broadcast.share if broadcast else ShareRoom(classroom.state_folder)
    app.state.talk = broadcast.talk if broadcast else TalkRoom(classroom.state_folder)
    app.state.lti = LtiRoom(classroom.config.lti, secret_key, classroom.state_folder)
    app.state.pages_version = built_pages.version(folder)
    app.add_middleware(_Shield)
    app.add_middleware(HlsDoor)
    problems.install(app)
    for part in (
        analytics,
        login,
        view,
        session,
        devices,
        recordings,
        review,
        rights,
        persons,
        timetable,
        calls,
        console,
        machine,
        trail,
        discovery,
        admin,
        backup,
        deliveries,
        events,
        tablets,
        tablet_socket,
        questions,
        live,
        hls,
        whep,
        talk,
        share,
        pushes,
    ):
        app.include_router(part.router, prefix=API)
    app.include_router(lti.api, prefix=API)
    app.include_router(lti.router)
    _install_probes(app, classroom)
    room = classroom.config.room
    strict = SECURITY_HEADERS["content-security-policy"]
    framed = framed_by(strict, app.state.lti.frames)
    frames = FirstFrames(room.name, room.languages[0])
    built_pages.install(app, folder, frames, strict, framed if app.state.lti.frames else strict)
    app.state.lti_page = LtiPage(folder / built_pages.PAGES["/lti"], frames, framed)
    undeclared = [route.path for route in declared_routes(app) if route.role is None]
    roles = {(route.method, route.path): str(route.role) for route in declared_routes(app)}
    app.openapi = lambda: describe(app, roles)  # type: ignore[method-assign]
    if undeclared:
        raise RuntimeError(f"These routes declare no role: {', '.join(undeclared)}")
    return app


def _install_probes(app: FastAPI, classroom: Classroom) -> None:
    figures = metrics.registry(classroom)

    @app.get("/healthz", tags=["probes"])
    async def healthz(_: Annotated[Any, anyone]) -> dict[str, str]:
        """Answers while the daemon's event loop runs."""
        return {"status": "ok"}

    @app.get("/metrics", tags=["probes"], response_class=Response)
    async def prometheus(_: Technician) -> Response:
        """Figures for Prometheus; give the scraper a technician's token."""
        return Response(generate_latest(figures), media_type=CONTENT_TYPE_PLAIN_0_0_4)

    @app.get(OPENAPI, include_in_schema=False)
    async def openapi(_: Annotated[Any, anyone]) -> dict[str, Any]:
        """The API's description."""
        return app.openapi()


class DeclaredRoute(NamedTuple):
    """A route and the least role that it lets in; None when it declares none: a mistake."""

    path: str
    method: str
    role: AccessRole | Literal["everyone", "tablet", "viewer"] | None


def declared_routes(app: FastAPI) -> Iterator[DeclaredRoute]:
    """Every route of the app; the method of a WebSocket is "WS"."""
    for context in iter_route_contexts(app.routes):
        route, path = context.original_route, context.path or "?"
        if isinstance(route, APIWebSocketRoute):
            yield DeclaredRoute(path, "WS", _least(context.dependant))
        elif isinstance(route, APIRoute):
            for method in sorted(context.methods or ()):
                yield DeclaredRoute(path, method, _least(context.dependant))
        else:
            yield DeclaredRoute(path, "ANY", None)


def _least(dependant: Dependant) -> AccessRole | Literal["everyone", "tablet", "viewer"] | None:
    for one in dependant.dependencies:
        role = getattr(one.call, "least_role", None)
        if isinstance(role, AccessRole) or role in ("everyone", "tablet", "viewer"):
            return role
        deeper = _least(one)
        if deeper is not None:
            return deeper
    return None


def _version() -> str:
    try:
        return version("classroomd")
    except PackageNotFoundError:
        return "0"
