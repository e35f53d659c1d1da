"""Questions from those who watch live, moderated by those who teach."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field
from starlette.requests import HTTPConnection

from controller.classroom import Classroom
from dashboard.auth import Identity, authenticator, declares, guard_write
from dashboard.lockout import caller_of
from dashboard.problems import ProblemError
from dashboard.room import Instructor, Room
from dashboard.watching import LINK_COOKIE, Live, state, watched
from streaming.questions import MAX_NAME, MAX_TEXT, QuestionError, QuestionState, RemoteQuestion

router = APIRouter(prefix="/live", tags=["live"])

_STATUS = {"too_soon": 429, "too_many": 429, "unknown": 404}


class Asked(BaseModel):
    """A question; `name` is whatever its writer wants to be called."""

    text: Annotated[str, Field(min_length=1, max_length=MAX_TEXT)]
    name: Annotated[str, Field(max_length=MAX_NAME)] = ""


class Taken(BaseModel):
    """The question waits for those who teach."""

    id: str


class Settled(BaseModel):
    """`shown`: the class sees it; `done`: put aside or answered."""

    state: QuestionState


@declares("viewer")
async def _viewer(connection: HTTPConnection) -> Identity | None:
    """Someone who is signed in, or came by a link (which the route looks at)."""
    guard_write(connection)
    identity = authenticator(connection).identify(connection)
    if identity is None and LINK_COOKIE not in connection.cookies:
        raise _stranger()
    return identity


Viewer = Annotated[Identity | None, Depends(_viewer)]


def _stranger() -> ProblemError:
    return ProblemError(
        401, "not_signed_in", "Sign in to ask.", "Open the link that your teacher gave you."
    )


@router.post("/{recording}/questions", status_code=201)
async def ask(
    request: Request, room: Room, live: Live, caller: Viewer, recording: str, asked: Asked
) -> Taken:
    """Asks the lecturer; needs a sign-in or a link, also where everybody may watch."""
    one = await watched(request, recording, caller)
    key = request.cookies.get(LINK_COOKIE)
    invited = key is not None and live.links.opens(
        key, recording=one.manifest.id, course=one.manifest.course
    )
    if caller is None and not invited:
        raise _stranger()
    if state(room, recording) == "ended":
        raise ProblemError(409, "no_session", "The class is over.", "")
    viewer = caller_of(request.client.host if request.client else None)
    if caller is not None:
        viewer += caller.name
    try:
        taken = live.questions.ask(recording, viewer, asked.name, asked.text)
    except QuestionError as error:
        raise _problem(error) from error
    return Taken(id=taken.id)


@router.get("/questions")
async def questions(room: Room, live: Live, _: Instructor) -> list[RemoteQuestion]:
    """What was asked in the class that is on and is not done with."""
    recording = _recording(room)
    return [] if recording is None else live.questions.all(recording)


@router.post("/questions/{question}")
async def settle(
    room: Room, live: Live, _: Instructor, question: str, wanted: Settled
) -> RemoteQuestion:
    """Lets a question through, or is done with it."""
    recording = _recording(room) or ""
    try:
        found = live.questions.settle(recording, question, wanted.state)
    except QuestionError as error:
        raise _problem(error) from error
    if wanted.state == "shown":
        await room.mark("question", {"label": "remote", "text": found.text})
    return found


def _recording(room: Classroom) -> str | None:
    session = room.view().session
    return None if session is None else session.recording


def _problem(error: QuestionError) -> ProblemError:
    return ProblemError(_STATUS.get(error.code, 422), error.code, str(error))
