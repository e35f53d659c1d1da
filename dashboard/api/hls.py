"""The class as HLS, from its beginning on, and its slides as pictures for thin links."""

from __future__ import annotations

import asyncio
import re
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from dashboard.problems import ProblemError
from dashboard.room import Room
from dashboard.watching import Caller, Live, state, watched
from streaming.access import Audience, Visibility
from streaming.captions import Captions, path_of
from streaming.hls import HlsError, HlsStream
from streaming.live import PROGRAM, SOUND, LiveClass, LiveRoom, views
from streaming.renditions import HEIGHTS

router = APIRouter(prefix="/live", tags=["live"])

FOREVER = "max-age=31536000, immutable"
PLAYLIST = "application/vnd.apple.mpegurl"
MEDIA = {PROGRAM: "video/mp4", SOUND: "audio/mp4"}
SKIPS = {"YES", "v2"}
VTT = "text/vtt; charset=utf-8"
CAPTIONS = "captions-"
_CUES = re.compile(r"(\d{1,7})\.vtt")
_SEGMENT = re.compile(r"(\d{1,7})\.m4s")
_INIT = re.compile(r"init-(\d{1,4})\.mp4")

ViewerName = Annotated[str | None, Query(max_length=32, pattern=r"^[A-Za-z0-9_-]+$")]


@router.get("/{recording}/hls/index.m3u8", response_class=Response)
async def master(
    request: Request, live: Live, caller: Caller, recording: str, key: str | None = None
) -> Response:
    """The renditions: the program, and its sound alone for thin links."""
    one = await watched(request, recording, caller, key)
    stream = await live.opened(one.folder)
    await stream.until(0)
    try:
        text = live.master(one.folder, Audience.name())
    except HlsError as error:
        raise _not_there(str(error)) from None
    return _playlist(text.encode())


@router.get("/{recording}/hls/{rendition}/index.m3u8", response_class=Response)
async def playlist(
    request: Request,
    live: Live,
    caller: Caller,
    recording: str,
    rendition: str,
    viewer: ViewerName = None,
    msn: Annotated[int | None, Query(alias="_HLS_msn", ge=0)] = None,
    skip: Annotated[str | None, Query(alias="_HLS_skip", max_length=8)] = None,
) -> Response:
    """A media playlist from the beginning of class on; answers `_HLS_msn` and `_HLS_skip`."""
    one = await watched(request, recording, caller)
    _known_rendition(rendition)
    stream = await live.opened(one.folder)
    live.audience.saw(one.folder.name, viewer or "?")
    await stream.refresh()
    if msn is not None:
        await until(stream, msn)
        live.audience.saw(one.folder.name, viewer or "?")
    if not stream.timeline.segments:
        raise _not_there("nothing has been recorded yet")
    if rendition.startswith(CAPTIONS):
        return _playlist((await _captions(live, one, rendition)).playlist(stream.timeline).encode())
    found = live.playlist(one.folder, rendition)
    delta = skip in SKIPS
    if _takes_gzip(request):
        return _playlist(found.packed(skip=delta), packed=True)
    return _playlist(found.text(skip=delta).encode())


@router.get("/{recording}/hls/{rendition}/{name}", response_class=Response)
async def media(
    request: Request, live: Live, caller: Caller, recording: str, rendition: str, name: str
) -> Response:
    """An init segment (`init-1.mp4`) or a segment (`17.m4s`); neither ever changes."""
    one = await watched(request, recording, caller)
    _known_rendition(rendition)
    stream = await live.opened(one.folder)
    await stream.refresh()
    data: bytes | None = None
    if found := _CUES.fullmatch(name):
        captions = await _captions(live, one, rendition)
        try:
            text = captions.segment(stream.timeline, int(found[1]))
        except HlsError as error:
            raise _not_there(str(error)) from None
        return Response(text, media_type=VTT, headers={"Cache-Control": f"private, {FOREVER}"})
    try:
        if found := _INIT.fullmatch(name):
            part = int(found[1])
            if rendition in HEIGHTS:
                data = await live.lower(one.folder, rendition, init=part)
            else:
                data = live.read_init(one.folder, rendition, part)
        elif found := _SEGMENT.fullmatch(name):
            number = int(found[1])
            if rendition in HEIGHTS:
                data = await live.lower(one.folder, rendition, number=number)
            else:
                data = await live.segment(one.folder, rendition, number)
    except HlsError as error:
        raise _not_there(str(error)) from None
    if not data:
        raise _not_there(f"{name!r} is no segment")
    public = one.visibility is Visibility.PUBLIC
    kind = MEDIA.get(rendition, "video/mp4")
    headers = {"Cache-Control": f"{'public' if public else 'private'}, {FOREVER}"}
    return Response(data, media_type=kind, headers=headers)


@router.get(
    "/{recording}/slides.jpg",
    response_class=Response,
    responses={200: {"content": {"image/jpeg": {}}}, 204: {"description": "No picture now"}},
)
async def slides(request: Request, room: Room, caller: Caller, recording: str) -> Response:
    """The slides as a picture, for links that carry no video; 204 when there is none."""
    one = await watched(request, recording, caller)
    headers = {"Cache-Control": "no-store"}
    if state(room, recording) == "live":
        for view in views(one.manifest):
            jpeg = room.picture(view.id) if view.role == "slides" else None
            if jpeg is not None:
                return Response(jpeg, media_type="image/jpeg", headers=headers)
    return Response(status_code=204, headers=headers)


@router.get("/{recording}/captions/{language}.vtt", response_class=Response)
async def captions(
    request: Request,
    live: Live,
    caller: Caller,
    recording: str,
    language: str,
    after: Annotated[int, Query(ge=0)] = 0,
) -> Response:
    """What has been captioned so far in one language (WebVTT, in seconds of the lecture).

    `after`: leaves out so many bytes, which the caller has.
    """
    one = await watched(request, recording, caller)
    try:
        path = await asyncio.to_thread(path_of, one.folder, language)
        text = await asyncio.to_thread(path.read_bytes)
    except (HlsError, OSError):
        raise _not_there(f"there are no captions in {language!r}") from None
    return Response(text[after:], media_type=VTT, headers={"Cache-Control": "no-cache"})


async def until(stream: HlsStream, number: int) -> None:
    """Wait for segment `number`. Raises ProblemError when it is far off, or does not come."""
    if number > len(stream.timeline.segments) + 2:
        raise ProblemError(400, "too_far", "This segment is too far in the future.")
    if not await stream.until(number):
        raise _not_there("No new segment came; the class may be paused.", 503)


async def _captions(live: LiveRoom, one: LiveClass, rendition: str) -> Captions:
    try:
        language = rendition.removeprefix(CAPTIONS)
        return await asyncio.to_thread(live.read_captions, one.folder, language)
    except HlsError as error:
        raise _not_there(str(error)) from None


def _known_rendition(rendition: str) -> None:
    if not rendition.startswith(CAPTIONS) and rendition not in {PROGRAM, SOUND, *HEIGHTS}:
        raise _not_there(f"there is no rendition {rendition!r}")


def _not_there(detail: str, status: int = 404) -> ProblemError:
    return ProblemError(
        status,
        "no_segment",
        f"{detail[:1].upper()}{detail[1:]}.".replace("..", "."),
        "Load the playlist again.",
        {"Retry-After": "2"} if status == 503 else None,
    )


def _takes_gzip(request: Request) -> bool:
    return "gzip" in request.headers.get("accept-encoding", "")


def _playlist(body: bytes, *, packed: bool = False) -> Response:
    headers = {"Cache-Control": "no-cache", "Vary": "Accept-Encoding"}
    if packed:
        headers["Content-Encoding"] = "gzip"
    return Response(body, media_type=PLAYLIST, headers=headers)
