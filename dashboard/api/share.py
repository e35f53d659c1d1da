"""Sharing a screen or camera to the board: from a page, a tablet, or a program by WHIP."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import time
from typing import Annotated, cast

from fastapi import APIRouter, Depends, Request, Response, WebSocket
from pydantic import BaseModel, Field
from starlette.requests import HTTPConnection

from controller.state import AccessRole
from dashboard.auth import COOKIE, authenticator, declares, guard_write
from dashboard.problems import ProblemError
from dashboard.room import Instructor
from dashboard.sdp import MAX_SDP, SDP, offer_of
from dashboard.sockets import close, until_left, until_not_allowed, until_one_ends
from dashboard.tablets import tablet_of
from streaming.share import Kind, Person, ShareError, Sharer, ShareRoom

router = APIRouter(prefix="/share", tags=["share"])

REPEAT_S = 20.0
BOARD = "board-"
_STATUS = {"not_chosen": 403, "not_there": 404, "nothing_shown": 409, "too_many": 429}


class SharerView(BaseModel):
    """One who shares. `mine`: the caller does."""

    id: str
    name: str
    kind: Kind
    state: str
    mine: bool = False


class Asking(BaseModel):
    """One who would like to share, or (`allowed`) has been chosen to."""

    key: str
    name: str
    allowed: bool


class ShareView(BaseModel):
    """What is shared in the room. `asking` is told to those who decide only.

    `ended`: what was ended lately on purpose; a page does not share it again by itself.
    """

    available: bool
    reason: str = ""
    remedy: str = ""
    name: str
    may: bool
    leads: bool
    shown: str | None = None
    sharers: list[SharerView] = []
    ended: list[str] = []
    asking: list[Asking] = []


class Offer(BaseModel):
    """A connection offered by a browser, with all its candidates (RFC 8829)."""

    sdp: str = Field(min_length=10, max_length=MAX_SDP)


class ShareOffer(Offer):
    """A screen or camera that is offered."""

    kind: Kind = "screen"


class Accepted(BaseModel):
    """The answer to an offer; `id` ends it (DELETE)."""

    id: str
    sdp: str


class Choice(BaseModel):
    """Who is shown; null: nothing."""

    id: str | None = None


class Permission(BaseModel):
    """Lets one who asks share, or takes that back."""

    key: str = Field(max_length=100)
    allowed: bool = True


async def _room(connection: HTTPConnection) -> ShareRoom:
    return cast(ShareRoom, connection.app.state.share)


Room = Annotated[ShareRoom, Depends(_room)]


@declares("tablet")
async def _person(connection: HTTPConnection) -> Person:
    """Someone who is signed in to teach, or a paired tablet."""
    guard_write(connection)
    identity = None
    with contextlib.suppress(ProblemError):
        identity = authenticator(connection).identify(connection)
    if identity is not None and identity.may(AccessRole.INSTRUCTOR):
        given = connection.cookies.get(COOKIE) or connection.headers.get("authorization", "local")
        digest = hashlib.sha256(given.encode()).hexdigest()[:16]
        return Person(key=f"user-{digest}", name=identity.name, leads=True)
    if getattr(connection.app.state, "tablets", None) is None:
        raise ProblemError(401, "not_signed_in", "Sign in first.", "Use the room's PIN.")
    tablet = tablet_of(connection)
    kind = BOARD if tablet.role == "board" else "tablet-"
    return Person(key=f"{kind}{tablet.id}", name=tablet.name, leads=tablet.role == "lecturer")


Someone = Annotated[Person, Depends(_person)]


@declares(AccessRole.INSTRUCTOR)
async def _program(connection: HTTPConnection) -> Person:
    """A program with a token of someone who teaches (WHIP is no JSON, so no cookie will do)."""
    identity = authenticator(connection).identify(connection)
    if identity is None or identity.by == "cookie":
        raise ProblemError(
            401, "not_signed_in", "WHIP needs a token.", "Send 'Authorization: Bearer …'."
        )
    if not identity.may(AccessRole.INSTRUCTOR):
        raise ProblemError(403, "role_too_low", "Only those who teach share by WHIP.")
    return Person(key=f"token-{identity.name}", name=identity.name, leads=True)


Program = Annotated[Person, Depends(_program)]


def _problem(error: ShareError) -> ProblemError:
    return ProblemError(_STATUS.get(error.code, 503), error.code, str(error), error.remedy)


def _view(room: ShareRoom, person: Person) -> ShareView:
    missing = room.missing()
    asking = {key: (name, False) for key, name in room.asking().items()}
    asking |= {key: (name, True) for key, name in room.allowed.items()}
    return ShareView(
        available=missing is None,
        reason="" if missing is None else str(missing),
        remedy="" if missing is None else missing.remedy,
        name=person.name,
        may=room.may(person),
        leads=person.leads,
        shown=room.shown,
        sharers=[_sharer(one, person) for one in room.sharers.values()],
        ended=list(room.ended),
        asking=[
            Asking(key=key, name=name, allowed=allowed) for key, (name, allowed) in asking.items()
        ]
        if person.leads
        else [],
    )


def _sharer(one: Sharer, person: Person) -> SharerView:
    mine = one.person.key == person.key
    return SharerView(id=one.id, name=one.person.name, kind=one.kind, state=one.state, mine=mine)


@router.get("")
async def shared(room: Room, person: Someone) -> ShareView:
    """What is shared now, and whether the caller may share."""
    return _view(room, person)


@router.websocket("/events")
async def events(socket: WebSocket, room: Room, person: Someone, asks: bool = False) -> None:
    """The same at once, after each change, and every 20 s, for as long as it is listened to.

    With `asks` a tablet says that it would like to share. Closed with 4401 when the sign-in ends
    or the tablet's pairing does.
    """
    await socket.accept()

    async def tell() -> int:
        told, at = "", 0.0
        async for _ in room.turns.follow():
            now = time.monotonic()
            if asks:
                room.ask(person)
            view = _view(room, person).model_dump_json()
            if view != told or now - at >= REPEAT_S:
                told, at = view, now
                await socket.send_text(view)
        return 1000

    async def allowed() -> bool:
        with contextlib.suppress(ProblemError):
            return str((await _person(socket)).key) == person.key
        return False

    ended: list[asyncio.Task[int]] = []
    try:
        ended = await until_one_ends(tell(), until_left(socket), until_not_allowed(allowed))
    finally:
        await close(socket, ended)


@router.post("")
async def share(room: Room, person: Someone, offer: ShareOffer) -> Accepted:
    """Shares a screen or camera: it is shown at once. Sharing again replaces what one shared."""
    try:
        id_, sdp = await room.publish(person, offer.kind, offer.sdp)
    except ShareError as error:
        raise _problem(error) from error
    return Accepted(id=id_, sdp=sdp)


@router.post("/show")
async def show(room: Room, person: Instructor, choice: Choice) -> ShareView:
    """Chooses who is shown on the board and recorded."""
    try:
        await room.show(choice.id)
    except ShareError as error:
        raise _problem(error) from error
    return _view(room, Person(key="", name=person.name, leads=True))


@router.post("/allow")
async def allow(room: Room, person: Instructor, permission: Permission) -> ShareView:
    """Chooses a tablet that may share, or takes that back and ends what it shares."""
    try:
        if permission.allowed:
            room.allow(permission.key)
        else:
            await room.disallow(permission.key)
    except ShareError as error:
        raise _problem(error) from error
    return _view(room, Person(key="", name=person.name, leads=True))


@router.post("/watch")
async def watch(room: Room, person: Someone, offer: Offer) -> Accepted:
    """The board's connection to what is shown (as WHEP, in JSON)."""
    if not person.leads and not person.key.startswith(BOARD):
        raise ProblemError(403, "no_board", "Only the board shows this.", "Open /board.")
    try:
        id_, sdp = await room.watch(offer.sdp)
    except ShareError as error:
        raise _problem(error) from error
    return Accepted(id=id_, sdp=sdp)


@router.delete("/watch/{viewer}", status_code=204)
async def unwatch(room: Room, _: Someone, viewer: str) -> None:
    """The board no longer shows it."""
    await room.unwatch(viewer)


@router.post("/whip", status_code=201, response_class=Response)
async def whip(request: Request, room: Room, person: Program) -> Response:
    """Shares by WHIP (RFC 9725): the offer as the body, the answer comes back."""
    offer = await offer_of(request)
    try:
        id_, sdp = await room.publish(person, "screen", offer)
    except ShareError as error:
        raise _problem(error) from error
    return Response(sdp, 201, {"Location": f"/api/v1/share/whip/{id_}"}, SDP)


@router.delete("/whip/{sharer}", status_code=200)
async def end_whip(room: Room, person: Program, sharer: str) -> None:
    """Ends what was shared by WHIP."""
    await _end(room, person, sharer)


@router.delete("/{sharer}", status_code=204)
async def end(room: Room, person: Someone, sharer: str) -> None:
    """Ends what is shared: one's own, or anybody's by those who teach."""
    await _end(room, person, sharer)


async def _end(room: ShareRoom, person: Person, sharer: str) -> None:
    known = room.sharers.get(sharer)
    if known is None:
        return
    if known.person.key != person.key and not person.leads:
        raise ProblemError(403, "not_yours", "Somebody else shares this.")
    await room.close(sharer)
