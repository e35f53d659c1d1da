"""The built pages: which address shows which; compressed at build time, cached rightly."""

from __future__ import annotations

import hashlib
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import FileResponse, PlainTextResponse

from dashboard.auth import anyone
from dashboard.first_frame import FirstFrames
from dashboard.problems import ProblemError

PAGES = {
    "/": "panel.html",
    "/recordings": "recordings.html",
    "/recordings/{_id}": "review.html",
    "/review/{_id}": "review.html",
    "/tablet": "tablet.html",
    "/board": "board.html",
    "/live": "live.html",
    "/share": "share.html",
    "/tablets": "tablets.html",
    "/console": "console.html",
    "/analytics": "analytics.html",
    "/lti": "lti.html",
}
FRAMED = ("/live", "/review/{_id}", "/recordings/{_id}")
"""Pages that course platforms may show inside their own."""
LOOSE = ("icon.svg", "tablet.webmanifest", "tablet-sw.js")
"""Files that keep their name from build to build, at the top."""
FOREVER = "public, max-age=31536000, immutable"
ASK_AGAIN = "no-cache"
TYPES = {
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
    ".json": "application/json",
    ".woff2": "font/woff2",
    ".png": "image/png",
    ".webmanifest": "application/manifest+json",
}
NOT_BUILT = (
    "The pages are not built. Run `python build_web.py` in the source tree, "
    "or install the wheel, which carries them.\n"
)


def built() -> Path:
    """Where the built pages lie in this installation."""
    return Path(str(files("dashboard"))) / "web" / "dist"


def version(pages: Path) -> str:
    """A name for this build: pages that see it change know that they are old."""
    digest = hashlib.sha256()
    for page in sorted(set(PAGES.values())):
        file = pages / page
        digest.update(file.read_bytes() if file.is_file() else b"")
    return digest.hexdigest()[:12]


def install(app: FastAPI, pages: Path, frames: FirstFrames, policy: str, framed: str) -> None:
    """Serve the pages of the folder `pages`, begun by `frames`.

    `policy` is the Content-Security-Policy, `framed` that of pages that others may show in a
    frame; each page's own styles are added to it.
    """
    router = APIRouter(include_in_schema=False)

    def add(address: str, page: str) -> None:
        async def show(request: Request, _: Annotated[Any, anyone]) -> Response:
            strict = framed if address in FRAMED else policy
            return _page(request, pages / page, frames, strict)

        router.add_api_route(address, show, methods=["GET"], name=f"page {address}")

    def add_loose(name: str) -> None:
        async def show(request: Request, _: Annotated[Any, anyone]) -> Response:
            return _file(request, pages / name, TYPES[Path(name).suffix], ASK_AGAIN)

        router.add_api_route(f"/{name}", show, methods=["GET"], name=f"file {name}")

    for address, page in PAGES.items():
        add(address, page)

    @router.get("/assets/{name}")
    async def asset(request: Request, name: str, _: Annotated[Any, anyone]) -> Response:
        kind = TYPES.get(Path(name).suffix)
        if kind is None or name.startswith("."):
            raise ProblemError(404, "not_found", "There is nothing at this address.")
        return _file(request, pages / "assets" / name, kind, FOREVER)

    for name in LOOSE:
        add_loose(name)

    app.include_router(router)


def _page(request: Request, path: Path, frames: FirstFrames, policy: str) -> Response:
    try:
        frame = frames.of(path)
    except OSError:
        return PlainTextResponse(NOT_BUILT, status_code=503)
    headers = {
        "Cache-Control": ASK_AGAIN,
        "Vary": "Accept-Encoding",
        "ETag": frame.etag,
        # Also beside a 304: what the browser kept takes its headers (RFC 9111, section 3.2).
        "Content-Security-Policy": frame.policy(policy),
    }
    if request.headers.get("if-none-match") == frame.etag:
        return Response(status_code=304, headers=headers)
    packed = "gzip" in request.headers.get("accept-encoding", "")
    if packed:
        headers["Content-Encoding"] = "gzip"
    body = frame.packed if packed else frame.body
    return Response(body, media_type="text/html; charset=utf-8", headers=headers)


def _file(request: Request, path: Path, kind: str, caching: str) -> Response:
    if not path.is_file():
        raise ProblemError(404, "not_found", "There is nothing at this address.")
    headers = {"Cache-Control": caching, "Vary": "Accept-Encoding"}
    packed = path.with_name(path.name + ".gz")
    if packed.is_file() and "gzip" in request.headers.get("accept-encoding", ""):
        headers["Content-Encoding"] = "gzip"
        path = packed
    response = FileResponse(path, media_type=kind, headers=headers)
    etag = response.headers.get("etag") or f'"{path.stat().st_mtime_ns:x}"'
    response.headers["etag"] = etag
    if request.headers.get("if-none-match") == etag:
        return Response(status_code=304, headers={"etag": etag, **headers})
    return response
