"""Live: the class for those who are not in the room, as fragments by WebSocket."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response, WebSocket, WebSocketDisconnect
from pydantic import BaseModel

from controller.classroom import Classroom
from dashboard.api.pairing import qr
from dashboard.problems import ProblemError
from dashboard.room import Instructor, Room
from dashboard.sockets import until_left, until_one_ends
from dashboard.talking import Talk, recorded
from dashboard.visibility import show_to
from dashboard.watching import (
    LINK_COOKIE,
    Caller,
    Live,
    State,
    keys_of,
    lesson_of,
    state,
    still_allowed,
    watched,
)
from streaming.access import Visibility
from streaming.captions import languages
from streaming.hub import Message, Viewer
from streaming.live import PROGRAM, LiveClass, LiveRoom, open_manifest, views
from streaming.talk import TalkRoom

router = APIRouter(prefix="/live", tags=["live"])

TICK_S = 5.0
SEND_S = 20.0
NOT_YOURS, TOO_SLOW, OVER = 4403, 4408, 4410


class LiveSource(BaseModel):
    """One picture to watch; `id` goes into the WebSocket's address."""

    id: str
    role: str


class ShownQuestion(BaseModel):
    """What a student asked and the lecturer has let through."""

    id: str
    name: str
    text: str
    remote: bool


class TalkOffer(BaseModel):
    """Where a viewer asks to speak; whether the room would hear it, and whether it is recorded."""

    socket: str
    heard: bool
    recorded: bool


class LiveView(BaseModel):
    """What is live in the room, for someone who may watch it.

    `state`: `off` when there is nothing for this caller; `paused`: nothing is shown or saved.
    `socket`, `hls` and `whep` are addresses on this server (`{view}` stands for a source's id);
    `captions` are languages, to be had at `captions/<language>.vtt` beside `hls`;
    `asks`: the caller may send questions; `question` is the one that the class sees now;
    `whep` and `talk` are for callers who are signed in or came by a link.
    """

    state: State
    room: str
    recording: str | None = None
    title: str | None = None
    visibility: Visibility | None = None
    views: list[LiveSource] = []
    viewers: int = 0
    socket: str | None = None
    hls: str | None = None
    whep: str | None = None
    slides: str | None = None
    captions: list[str] = []
    asks: bool = False
    talk: TalkOffer | None = None
    question: ShownQuestion | None = None


class VisibilityChange(BaseModel):
    """Who may watch this class from now on."""

    visibility: Visibility


class LinkRequest(BaseModel):
    """Whether the link opens this class only, or every class of its course."""

    whole_course: bool = False


class LinkView(BaseModel):
    """A signed link: `path` opens the live page on this server, `qr` (SVG) shows it to a phone."""

    path: str
    qr: str


@router.get("")
async def live_now(
    request: Request,
    response: Response,
    room: Room,
    live: Live,
    talk: Talk,
    caller: Caller,
    key: Annotated[str | None, Query(max_length=400)] = None,
) -> LiveView:
    """What is live now. `key` is that of a signed link; this browser keeps it."""
    name = room.view().name
    session = room.view().session
    if session is None or session.recording is None:
        return LiveView(state="off", room=name)
    try:
        one = await watched(request, session.recording, caller, key)
    except ProblemError:
        return LiveView(state="off", room=name)
    if key:
        response.set_cookie(
            LINK_COOKIE,
            key,
            httponly=True,
            samesite="lax",
            secure=request.url.scheme == "https",
            path="/api/v1",  # the recording of that class is watched by the same link
        )
    base = f"/api/v1/live/{one.id}"
    pictures = views(one.manifest)
    lesson = lesson_of(request, room)
    known = caller is not None or bool(keys_of(request, key))
    shown = None if lesson is None else lesson.state["inquiry"]
    program = any(view.id == PROGRAM for view in pictures)
    return LiveView(
        state=state(room, one.id),
        room=name,
        recording=one.id,
        title=session.title,
        visibility=one.visibility,
        views=[LiveSource(id=view.id, role=view.role) for view in pictures],
        viewers=live.viewers(one.folder),
        socket=f"{base}/watch/{{view}}",
        hls=f"{base}/hls/index.m3u8" if program else None,
        whep=f"{base}/whep" if program and known and live.whep.offered else None,
        slides=f"{base}/slides.jpg" if any(v.role == "slides" for v in pictures) else None,
        asks=lesson is not None and known,
        talk=_offer(talk, state(room, one.id), one) if known else None,
        question=shown and ShownQuestion.model_validate(shown),
        captions=await asyncio.to_thread(languages, one.folder),
    )


def _offer(talk: TalkRoom, now: State, one: LiveClass) -> TalkOffer | None:
    if now == "ended" or talk.missing() is not None:
        return None
    return TalkOffer(
        socket=f"/api/v1/live/{one.id}/talk", heard=talk.heard, recorded=recorded(one, now)
    )


@router.post("/visibility")
async def visibility(
    room: Room, live: Live, caller: Instructor, change: VisibilityChange
) -> LiveView:
    """Who may watch the class that is on; those who may no longer are cut off in seconds.

    What is published of it follows, as after class.
    """
    recording, folder = await _now(room)
    await show_to(room, live, caller.actor, recording, change.visibility)
    view = room.view()
    return LiveView(
        state=state(room, recording),
        room=view.name,
        recording=recording,
        visibility=change.visibility,
        viewers=live.viewers(folder),
    )


@router.post("/link")
async def link(
    request: Request, room: Room, live: Live, _: Instructor, asked: LinkRequest
) -> LinkView:
    """A link for the class that is on, or for its whole course, to be put where students look."""
    recording, folder = await _now(room)
    manifest = await asyncio.to_thread(open_manifest, folder)
    if asked.whole_course and manifest.course is None:
        raise ProblemError(
            409, "no_course", "This class belongs to no course.", "Ask for a link to this class."
        )
    course = manifest.course if asked.whole_course else None
    path = f"/live?key={live.links.make(recording=recording, course=course)}"
    return LinkView(path=path, qr=qr(f"{str(request.base_url).rstrip('/')}{path}"))


async def _now(room: Classroom) -> tuple[str, Path]:
    session = room.view().session
    if session is None or session.recording is None:
        raise ProblemError(409, "no_session", "No class is on.", "Start one first.")
    recording = session.recording
    return recording, await asyncio.to_thread(room.recording_folder, recording)


# --- fragments by WebSocket ----------------------------------------------------------------------


@router.websocket("/{recording}/watch/{view}")
async def watch(
    socket: WebSocket, room: Room, live: Live, caller: Caller, recording: str, view: str
) -> None:
    """fMP4 as it is recorded: a text `{"kind":"init","mime"}`, then the init segment, then
    fragments, all binary; a new `init` text when the stream begins anew. Texts
    `{"kind":"state","state","viewers"}` come in between.

    Begins at the latest key frame. A viewer that does not keep up is set forward to a later one.
    Closed with 4403 when the caller may no longer watch, 4408 when nothing gets through, 4410 when
    the class is over.
    """
    one = await watched(socket, recording, caller)
    if all(known.id != view for known in views(one.manifest)):
        raise ProblemError(404, "unknown_view", f"There is no picture {view!r}.", "See /live.")
    await socket.accept()
    channel, viewer = live.join(one.folder, view)
    code, sending = OVER, _Sending()
    try:
        ended = await until_one_ends(
            _send_fragments(socket, viewer, sending),
            until_left(socket),
            _send_state(socket, room, live, one, sending),
        )
        code = next((task.result() for task in ended if not task.exception()), TOO_SLOW)
    finally:
        channel.leave(viewer)
        with contextlib.suppress(Exception):
            async with asyncio.timeout(1.0):
                await socket.close(code)


@dataclass(slots=True)
class _Sending:
    """Since when a message has been on its way, by the loop's clock; None: none is.

    A timer for each message would be the most that a viewer costs.
    """

    since: float | None = None


async def _send_fragments(socket: WebSocket, viewer: Viewer, sending: _Sending) -> int:
    loop = asyncio.get_running_loop()
    async for message in viewer:
        sending.since = loop.time()
        try:
            await _send(socket, message)
            sending.since = None
        except (WebSocketDisconnect, RuntimeError):
            return 1000
    return OVER


async def _send(socket: WebSocket, message: Message) -> None:
    if message.init is not None:
        await socket.send_json({"kind": "init", "mime": message.init.mime})
    await socket.send_bytes(message.data)


async def _send_state(
    socket: WebSocket, room: Classroom, live: LiveRoom, one: LiveClass, sending: _Sending
) -> int:
    told: tuple[str, int] | None = None
    checked = asyncio.get_running_loop().time()
    while True:
        since = sending.since
        if since is not None and asyncio.get_running_loop().time() - since > SEND_S:
            return TOO_SLOW
        now = (state(room, one.id), live.viewers(one.folder))
        if now != told:
            told = now
            with contextlib.suppress(WebSocketDisconnect, RuntimeError):
                async with asyncio.timeout(SEND_S):
                    await socket.send_json({"kind": "state", "state": now[0], "viewers": now[1]})
        if now[0] == "ended":
            return OVER
        await asyncio.sleep(1.0)
        if asyncio.get_running_loop().time() - checked > TICK_S:
            checked = asyncio.get_running_loop().time()
            if not await still_allowed(socket, one.id):
                return NOT_YOURS
