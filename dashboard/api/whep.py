"""The class by WebRTC: WHEP (draft-ietf-wish-whep), for players and for the live page."""

from __future__ import annotations

import contextlib
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from starlette.requests import HTTPConnection

from dashboard.auth import Identity, authenticator, declares, same_origin
from dashboard.problems import ProblemError
from dashboard.room import Room
from dashboard.sdp import SDP, must_be_sdp, offer_of
from dashboard.watching import Live, keys_of, state, still_watched, stranger, watched_by_known
from recorder.recording import LIVE
from streaming.live import PROGRAM, PROGRAM_FILE, views
from streaming.whep import WhepError

router = APIRouter(prefix="/live", tags=["live"])

_STATUS = {"no_h264": 406, "too_many": 429}


@declares("viewer")
async def _player(connection: HTTPConnection) -> Identity | None:
    """Someone who is signed in, or came by a link (which the route looks at).

    Another site's page cannot send SDP, nor DELETE, without asking first (CORS).
    """
    if not same_origin(connection):
        raise ProblemError(
            403, "other_site", "This request came from another site's page.", "Use the room's own."
        )
    identity = None
    with contextlib.suppress(ProblemError):
        identity = authenticator(connection).identify(connection)
    if identity is None and not keys_of(connection):
        raise stranger()
    return identity


Player = Annotated[Identity | None, Depends(_player)]


@router.post("/{recording}/whep", status_code=201, response_class=Response)
async def watch(
    request: Request, room: Room, live: Live, caller: Player, recording: str
) -> Response:
    """Watches the program by WHEP: the offer as the body, the answer comes back.

    Needs a sign-in or a link, also where everybody may watch: places are few. The offer holds
    all its candidates (there is no trickling). `Location` ends it (DELETE); it
    ends by itself with the class, and when the caller may no longer watch.
    """
    one = await watched_by_known(request, recording, caller)
    must_be_sdp(request)
    if all(view.id != PROGRAM for view in views(one.manifest)) or state(room, one.id) == "ended":
        raise ProblemError(409, "no_session", "The program is not live.", "Wait for the class.")
    offer = await offer_of(request)
    try:
        id_, answer = await live.whep.watch(
            one.folder / LIVE / PROGRAM_FILE,
            offer,
            lambda: still_watched(request, one.id),
        )
    except WhepError as error:
        status = _STATUS.get(error.code, 503)
        raise ProblemError(status, error.code, str(error), error.remedy) from error
    return Response(answer, 201, {"Location": f"/api/v1/live/{one.id}/whep/{id_}"}, SDP)


@router.delete("/{recording}/whep/{viewer}", response_class=Response)
async def leave(live: Live, _: Player, recording: str, viewer: str) -> Response:
    """Ends it. Whoever knows the address may: nobody else was told."""
    await live.whep.end(viewer)
    return Response()
