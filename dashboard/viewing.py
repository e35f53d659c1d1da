"""The recording that a caller may see, looked up for every route that shows one.

Who runs the room sees all. Others see what is not held back and is open to them: to everyone who
is signed in unless its own visibility says otherwise, or by a signed link (`streaming.access`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from fastapi import Depends, Query
from starlette.requests import HTTPConnection

from controller.classroom import Classroom
from controller.errors import ClassroomError
from controller.state import AccessRole, RecordingView
from dashboard.auth import Identity, authenticator, declares, guard_write
from dashboard.problems import ProblemError
from dashboard.watching import LINK_COOKIE, MEMBER_COOKIE, live_room
from recorder.recording import Life, Manifest, RecordingError, read_manifest
from streaming.access import Visibility, may_watch, read_visibility

RECORDING_COOKIE = "classroomd_link"
DEFAULT = Visibility.CAMPUS
"""A recording that says nothing is open to those who are signed in."""

Key = Annotated[
    str | None, Query(max_length=400, description="The key of a signed link (`/review/…?key=`).")
]


@dataclass(frozen=True)
class Seen:
    """A recording, and who looks at it: `staff` run the room, `invited` came with a link.

    `member`: whom a course platform sent here for this recording's course, by pseudonym.
    """

    id: str
    folder: Path
    manifest: Manifest
    visibility: Visibility
    caller: Identity | None
    staff: bool
    invited: bool
    member: str | None = None

    @property
    def by(self) -> Literal["staff", "account", "link", "anyone"]:
        """What lets the caller in."""
        if self.staff:
            return "staff"
        if self.caller is not None:
            return "account"
        return "link" if self.invited else "anyone"


def staff(caller: Identity | None) -> bool:
    """Whether the caller runs the room."""
    return caller is not None and caller.may(AccessRole.INSTRUCTOR)


def invited(connection: HTTPConnection, manifest: Manifest, key: str | None) -> bool:
    """Whether the caller came by a signed link for this recording or its course."""
    links = live_room(connection).links
    names = (RECORDING_COOKIE, LINK_COOKIE, MEMBER_COOKIE)
    cookies = (connection.cookies.get(name) for name in names)
    return any(
        one is not None and links.opens(one, recording=manifest.id, course=manifest.course)
        for one in (key, *cookies)
    )


def _member(connection: HTTPConnection, manifest: Manifest) -> str | None:
    found = live_room(connection).links.member(connection.cookies.get(MEMBER_COOKIE, ""))
    return found.who if found is not None and manifest.course in found.courses else None


def open_to(folder: Path, life: str, *, is_staff: bool, signed_in: bool, is_invited: bool) -> bool:
    """Whether someone may see the recording in `folder`. Reads the disk."""
    if is_staff:
        return True
    if life in (Life.HELD, Life.FAILED):
        return False
    visibility = read_visibility(folder, DEFAULT)
    return may_watch(visibility, staff=False, signed_in=signed_in, invited=is_invited)


def listed(
    views: list[RecordingView], caller: Identity, folder_of: Callable[[str], Path]
) -> list[RecordingView]:
    """Those of the recordings that the caller may see. Reads the disk."""
    if not views or staff(caller):
        return views
    root = folder_of(views[0].id).parent
    return [
        view
        for view in views
        if open_to(root / view.folder, view.life, is_staff=False, signed_in=True, is_invited=False)
    ]


@declares("viewer")
async def _viewer(connection: HTTPConnection, recording_id: str, key: Key = None) -> Seen:
    caller = authenticator(connection).identify(connection)
    if caller is None or caller.by == "cookie":
        guard_write(connection)
    room: Classroom = connection.app.state.classroom

    def look() -> Seen | None:
        try:
            folder = room.recording_folder(recording_id)
            manifest = read_manifest(folder)
        except (ClassroomError, RecordingError):
            return None
        came = invited(connection, manifest, key)
        seen = Seen(
            recording_id,
            folder,
            manifest,
            read_visibility(folder, DEFAULT),
            caller,
            staff(caller),
            came,
            _member(connection, manifest),
        )
        allowed = open_to(
            folder,
            manifest.life,
            is_staff=seen.staff,
            signed_in=caller is not None,
            is_invited=came,
        )
        return seen if allowed else None

    found = await asyncio.to_thread(look)
    if found is not None:
        return found
    if caller is None:
        raise ProblemError(
            401,
            "not_signed_in",
            "Sign in first.",
            "Sign in, or open the link that your teacher gave you.",
        )
    raise ProblemError(
        404,
        "unknown_recording",
        f"There is no recording {recording_id!r} here for you.",
        "The list of recordings has those that you may see.",
    )


Viewer = Annotated[Seen, Depends(_viewer)]
"""The dependency of routes for whoever may see the recording `recording_id`."""
