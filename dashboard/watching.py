"""The class that a caller may watch, looked up for every live route."""

from __future__ import annotations

import contextlib
from typing import Annotated, Literal

from fastapi import Depends
from starlette.requests import HTTPConnection

from controller.classroom import Classroom
from controller.errors import ClassroomError
from controller.state import AccessRole, SessionState
from dashboard.auth import Identity, anyone, authenticator
from dashboard.lockout import caller_of
from dashboard.problems import ProblemError
from devices.tablets.lesson import Lesson
from recorder.recording import RecordingError
from streaming.access import may_watch
from streaming.live import LiveClass, LiveRoom

LINK_COOKIE = "classroomd_live"
MEMBER_COOKIE = "classroomd_member"

Caller = Annotated[Identity | None, anyone]
State = Literal["off", "live", "paused", "ended"]


def live_room(connection: HTTPConnection) -> LiveRoom:
    """The app's live streams."""
    found = connection.app.state.live
    assert isinstance(found, LiveRoom)
    return found


async def _live_room(connection: HTTPConnection) -> LiveRoom:
    return live_room(connection)  # not async, every request would go through a thread


Live = Annotated[LiveRoom, Depends(_live_room)]


def keys_of(connection: HTTPConnection, key: str | None = None) -> tuple[str, ...]:
    """What the caller holds: the `key` just given, a link's, a course member's."""
    held = (key, *(connection.cookies.get(name) for name in (LINK_COOKIE, MEMBER_COOKIE)))
    return tuple(one for one in held if one)


def allowed(live: LiveRoom, one: LiveClass, caller: Identity | None, *keys: str) -> bool:
    """Whether `caller`, or someone with one of these `keys`, may watch."""
    return not one.withheld and may_watch(
        one.visibility,
        staff=caller is not None and caller.may(AccessRole.INSTRUCTOR),
        signed_in=caller is not None,
        invited=invited(live, one, *keys),
    )


def invited(live: LiveRoom, one: LiveClass, *keys: str) -> bool:
    """Whether one of the `keys` is that of a link to this class or its course, or of a member."""
    return any(
        live.links.opens(key, recording=one.manifest.id, course=one.manifest.course) for key in keys
    )


async def watched(
    connection: HTTPConnection, recording: str, caller: Identity | None, key: str | None = None
) -> LiveClass:
    """The class with this id. Raises ProblemError 404 when there is none for this caller."""
    live = live_room(connection)
    room: Classroom = connection.app.state.classroom
    try:
        found = await live.find(recording, room.recording_folder)
    except (RecordingError, ClassroomError):
        found = None
    if found is not None and found.withheld:
        live.drop(found.folder)
    if found is None or not allowed(live, found, caller, *keys_of(connection, key)):
        raise ProblemError(
            404,
            "not_live",
            "There is nothing to watch at this address.",
            "Open the link that your teacher gave you, or sign in.",
        )
    return found


async def watched_by_known(
    connection: HTTPConnection, recording: str, caller: Identity | None
) -> LiveClass:
    """The same for those only who are signed in or came by a link; others: ProblemError 401.

    That holds where everybody may watch, too.
    """
    found = await watched(connection, recording, caller)
    if caller is None and not invited(live_room(connection), found, *keys_of(connection)):
        raise stranger()
    return found


def asker_of(connection: HTTPConnection, caller: Identity | None) -> str:
    """Who asks, for the time between two questions: their network's address, and their name."""
    asker = caller_of(connection.client.host if connection.client else None)
    return asker if caller is None else asker + caller.name


def stranger() -> ProblemError:
    """What somebody is told who neither is signed in nor came by a link."""
    return ProblemError(
        401,
        "not_signed_in",
        "Sign in first.",
        "Sign in, or open the link that your teacher gave you.",
    )


async def still_watched(connection: HTTPConnection, recording: str) -> bool:
    """Whether the class is on and this caller may still watch it."""
    room: Classroom = connection.app.state.classroom
    return state(room, recording) != "ended" and await still_allowed(connection, recording)


async def still_allowed(connection: HTTPConnection, recording: str) -> bool:
    """Whether this caller may still watch the class, on or not."""
    caller = None
    with contextlib.suppress(ProblemError):
        caller = authenticator(connection).identify(connection)
    try:
        await watched(connection, recording, caller)
    except ProblemError:
        return False
    return True


def state(room: Classroom, recording: str) -> State:
    """Whether this class is on; between End and the time it can be taken back it is `paused`."""
    session = room.view().session
    if session is None or session.recording != recording or session.state is SessionState.ENDED:
        return "ended"
    paused = session.state in {SessionState.PAUSED, SessionState.ENDING}
    return "paused" if paused else "live"


def lesson_of(connection: HTTPConnection, room: Classroom) -> Lesson | None:
    """The lesson of the class that is on: the channel of its questions."""
    tablets = getattr(connection.app.state, "tablets", None)
    session = room.view().session
    lesson: Lesson | None = None if tablets is None else tablets.room.lesson
    if lesson is None or session is None or lesson.session != session.id:
        return None
    return lesson
