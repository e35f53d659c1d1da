"""Talk-back: viewers ask to speak, those who teach admit them, and their voice comes in."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request, Response, WebSocket, WebSocketDisconnect
from pydantic import BaseModel, Field, ValidationError

from controller.classroom import Classroom
from controller.journal import JournalError
from dashboard.api.whep import Player
from dashboard.problems import ProblemError
from dashboard.room import Instructor, Room
from dashboard.sdp import SDP, offer_of
from dashboard.sockets import close, until_left, until_one_ends
from dashboard.talking import Talk, recorded
from dashboard.watching import asker_of, state, still_watched, watched_by_known
from streaming.live import LiveClass
from streaming.talk import MAX_NAME, Hand, Raised, State, TalkError, TalkRoom, Why

router = APIRouter(prefix="/live", tags=["live"])

ASK_S = 15.0
REPEAT_S = 20.0
CHECK_S = 2.0
_STATUS = {"not_admitted": 403, "not_there": 404, "one_speaks": 409}


class Asks(BaseModel):
    """What a page says first: a name, or the place of the hand that it has raised before."""

    name: Annotated[str, Field(max_length=MAX_NAME)] = ""
    place: Annotated[str, Field(max_length=100)] = ""


class HandState(BaseModel):
    """A raised hand, as its owner sees it. `why` it is over; `place` takes the sound."""

    state: State
    muted: bool = False
    why: Why = ""
    heard: bool
    recorded: bool
    place: str


class TalkView(BaseModel):
    """Who asks to speak and who speaks. `heard`: there is an output, and it plays."""

    available: bool
    heard: bool
    trouble: str = ""
    hands: list[Hand] = []


class Decision(BaseModel):
    """What becomes of a hand; `end` declines one that still asks."""

    do: Literal["admit", "mute", "unmute", "end"]


def _problem(error: TalkError) -> ProblemError:
    return ProblemError(_STATUS.get(error.code, 503), error.code, str(error), error.remedy)


def _view(talk: TalkRoom) -> TalkView:
    return TalkView(
        available=talk.missing() is None,
        heard=talk.heard,
        trouble=talk.trouble,
        hands=talk.hands(),
    )


@router.websocket("/{recording}/talk")
async def raise_hand(
    socket: WebSocket, room: Room, talk: Talk, caller: Player, recording: str
) -> None:
    """Asks to speak for as long as it is open, a few seconds of a broken line included.

    The page says `{"name": …}` first, or `{"place": …}` to go on. It is told `HandState` at once
    and after each change, or `{"state": "refused", "code", "detail", "remedy"}`. Closed with 1000
    when the hand is down.
    """
    one = await watched_by_known(socket, recording, caller)
    await socket.accept()
    ended: list[asyncio.Task[int]] = []
    try:
        raised = talk.at((asks := await _asks(socket)).place)
        if raised is None and asks.place:
            raise TalkError("not_there", "Your hand is down.", "Ask again.")  # noqa: TRY301
        if state(room, one.id) == "ended":
            raise TalkError("no_session", "The class is over.", "")  # noqa: TRY301
        raised = raised or talk.raise_hand(one.id, asker_of(socket, caller), asks.name)
        with talk.shown(raised):
            ended = await until_one_ends(
                _tell(socket, room, talk, one, raised),
                until_left(socket),
                _until_over(socket, talk, raised),
            )
    except TalkError as error:
        told = {"state": "refused", "code": error.code, "detail": str(error)}
        with contextlib.suppress(WebSocketDisconnect, RuntimeError):
            await socket.send_json(told | {"remedy": error.remedy})
            await socket.close(1000)
    except (WebSocketDisconnect, TimeoutError):
        pass
    finally:
        await close(socket, ended)


async def _asks(socket: WebSocket) -> Asks:
    try:
        async with asyncio.timeout(ASK_S):
            said = await socket.receive_text()
        return Asks.model_validate_json(said)
    except (KeyError, ValidationError):  # no text; no such text
        raise TalkError("not_understood", "Say a name of at most 60 letters.", "") from None


async def _tell(
    socket: WebSocket, room: Classroom, talk: TalkRoom, one: LiveClass, raised: Raised
) -> int:
    told, at = "", 0.0
    async for _ in talk.turns.follow():
        now = time.monotonic()
        view: Any = HandState(
            state=raised.hand.state,
            muted=raised.hand.muted,
            why=raised.why,
            heard=talk.heard,
            recorded=recorded(one, state(room, one.id)),
            place=f"/api/v1/live/{one.id}/talk/{raised.place}",
        ).model_dump()
        text = json.dumps(view)
        if text != told or now - at >= REPEAT_S:
            told, at = text, now
            await socket.send_text(text)
        if raised.hand.state == "over":
            break
    return 1000


async def _until_over(socket: WebSocket, talk: TalkRoom, raised: Raised) -> int:
    """Takes the hand down with the class, and from those who may no longer watch."""
    while raised.hand.state != "over":
        await asyncio.sleep(CHECK_S)
        if not await still_watched(socket, raised.recording):
            room: Classroom = socket.app.state.classroom
            over = state(room, raised.recording) == "ended"
            await talk.lower(raised, "class_over" if over else "not_allowed")
    await asyncio.sleep(CHECK_S)  # it is told why
    return 1000


@router.post("/{recording}/talk/{place}", status_code=201, response_class=Response)
async def speak(
    request: Request, talk: Talk, caller: Player, recording: str, place: str
) -> Response:
    """Speaks, once admitted: a microphone's offer as the body, the answer comes back.

    As WHIP (RFC 9725), without trickling. `place` is told to whoever raised the hand. Speaking
    again replaces the connection; `DELETE` ends it.
    """
    await watched_by_known(request, recording, caller)
    offer = await offer_of(request)
    raised = _at(talk, recording, place)
    try:
        answer = await talk.speak(raised, offer)
    except TalkError as error:
        raise _problem(error) from error
    return Response(answer, 201, {"Location": f"/api/v1/live/{recording}/talk/{place}"}, SDP)


@router.delete("/{recording}/talk/{place}", response_class=Response)
async def lower(talk: Talk, _: Player, recording: str, place: str) -> Response:
    """Takes the hand down, and ends what is said. Only its owner knows the address."""
    await talk.lower(_at(talk, recording, place))
    return Response()


def _at(talk: TalkRoom, recording: str, place: str) -> Raised:
    raised = talk.at(place)
    if raised is None or raised.recording != recording:
        raise ProblemError(404, "not_there", "This hand is down.", "Ask again.")
    return raised


@router.get("/talk")
async def hands(talk: Talk, _: Instructor) -> TalkView:
    """Who asks to speak, who speaks, and whether the room hears it."""
    return _view(talk)


@router.post("/talk/{hand}")
async def decide(
    room: Room, talk: Talk, person: Instructor, hand: str, decision: Decision
) -> TalkView:
    """Admits one who asks, mutes, or ends it. One speaks at a time. The journal keeps it."""
    try:
        if decision.do == "admit":
            found = talk.admit(hand)
        elif decision.do == "end":
            found = await talk.end(hand)
        else:
            found = await talk.mute(hand, decision.do == "mute")
    except TalkError as error:
        raise _problem(error) from error
    with contextlib.suppress(JournalError):
        data = {"do": decision.do, "name": found.name}
        await room.journal.enter(person.actor, "talk", data=data)
    return _view(talk)
