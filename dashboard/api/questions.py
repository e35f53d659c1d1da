"""Questions of those who watch live: in the lesson's own channel, moderated by the lecturer."""

from __future__ import annotations

import secrets
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field
from starlette.requests import HTTPConnection

from controller.classroom import Classroom
from dashboard.auth import Identity, authenticator, declares, guard_write
from dashboard.problems import ProblemError
from dashboard.room import Instructor, Room
from dashboard.watching import (
    asker_of,
    keys_of,
    lesson_of,
    state,
    stranger,
    watched_by_known,
)
from devices.tablets.inquiries import MAX_NAME, MAX_TEXT, Inquiry
from devices.tablets.lesson import Lesson
from devices.tablets.teaching import NotNowError

router = APIRouter(prefix="/live", tags=["live"])

_STATUS = {"too_soon": 429, "too_many": 429, "unknown": 404, "empty": 422}


class Asked(BaseModel):
    """A question; `name` is whatever its writer wants to be called."""

    text: Annotated[str, Field(min_length=1, max_length=MAX_TEXT)]
    name: Annotated[str, Field(max_length=MAX_NAME)] = ""


class Taken(BaseModel):
    """The question waits for those who teach."""

    id: str


class Settled(BaseModel):
    """`shown`: board and tablets show it; `done`: put aside or answered."""

    state: Literal["shown", "done"]


@declares("viewer")
async def _viewer(connection: HTTPConnection) -> Identity | None:
    """Someone who is signed in, or came by a link (which the route looks at)."""
    guard_write(connection)
    identity = authenticator(connection).identify(connection)
    if identity is None and not keys_of(connection):
        raise stranger()
    return identity


Viewer = Annotated[Identity | None, Depends(_viewer)]


@router.post("/{recording}/questions", status_code=201)
async def ask(request: Request, room: Room, caller: Viewer, recording: str, asked: Asked) -> Taken:
    """Asks the lecturer; needs a sign-in or a link, also where everybody may watch."""
    await watched_by_known(request, recording, caller)
    if state(room, recording) == "ended":
        raise ProblemError(409, "no_session", "The class is over.", "")
    asker = asker_of(request, caller)
    ident = secrets.token_hex(8)
    try:
        await _lesson(request, room).inquire(ident, asker, asked.name, asked.text, remote=True)
    except NotNowError as error:
        raise _problem(error) from error
    return Taken(id=ident)


@router.get("/questions")
async def questions(request: Request, room: Room, _: Instructor) -> list[Inquiry]:
    """What students ask, in the room and from elsewhere, and is not done with; oldest first."""
    lesson = lesson_of(request, room)
    return [] if lesson is None else lesson.inquiries.open()


@router.post("/questions/{question}")
async def settle(
    request: Request, room: Room, _: Instructor, question: str, wanted: Settled
) -> Inquiry:
    """Lets a question through to the class, or is done with it."""
    try:
        return await _lesson(request, room).settle(question, wanted.state)
    except NotNowError as error:
        raise _problem(error) from error


def _lesson(connection: HTTPConnection, room: Classroom) -> Lesson:
    found = lesson_of(connection, room)
    if found is None:
        raise ProblemError(
            409, "no_lesson", "Nobody takes questions now.", "Wait for the class to begin."
        )
    return found


def _problem(error: NotNowError) -> ProblemError:
    return ProblemError(_STATUS.get(error.code, 503), error.code, str(error))
