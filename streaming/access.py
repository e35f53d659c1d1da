"""Who may watch a class: its visibility, signed links, and how many are watching.

The visibility of a class lies in its recording folder (`access.json`), so that it outlives the
daemon; a class that says nothing has the room's default.
"""

from __future__ import annotations

import json
import secrets
import time
from enum import StrEnum
from pathlib import Path

from itsdangerous import BadData, URLSafeTimedSerializer
from pydantic import BaseModel, ConfigDict, ValidationError

from recorder.recording import write_durably

ACCESS = "access.json"
LINK_S = 200 * 24 * 3600
MEMBER_S = 12 * 3600
MAX_COURSES = 40
VIEWER_S = 15.0
MAX_VIEWERS = 20_000


class Visibility(StrEnum):
    """Who may watch besides the room's own staff."""

    NOBODY = "nobody"
    COURSE = "course"
    CAMPUS = "campus"
    PUBLIC = "public"


def read_visibility(folder: Path, default: Visibility) -> Visibility:
    """The visibility of the class in `folder`; `default` when it has none of its own."""
    try:
        return Visibility(json.loads((folder / ACCESS).read_bytes())["visibility"])
    except FileNotFoundError:
        return default
    except (OSError, ValueError, KeyError, TypeError):
        return Visibility.NOBODY  # damaged: nobody sees what was meant for a few


def write_visibility(folder: Path, visibility: Visibility) -> None:
    """Sets the visibility of the class in `folder`, durably."""
    write_durably(folder / ACCESS, json.dumps({"visibility": visibility}).encode() + b"\n")


class Member(BaseModel):
    """Someone whom a course platform sent. `who` is a pseudonym; `courses`: until when (Unix)."""

    model_config = ConfigDict(extra="forbid")

    who: str
    courses: dict[str, float]


class Links:
    """Signed links: whoever has one may watch that class, or every class of that course.

    A member's key is the same for the courses that a platform says someone is in, for some hours.
    """

    def __init__(self, secret_key: bytes) -> None:
        self._signer = URLSafeTimedSerializer(secret_key, salt="classroomd.live")
        self._members = URLSafeTimedSerializer(secret_key, salt="classroomd.member")

    def make(self, *, recording: str | None = None, course: str | None = None) -> str:
        """A link's key for one recording or for a course. It is valid for 200 days."""
        key = self._signer.dumps({"course": course} if course else {"recording": recording})
        return key.decode() if isinstance(key, bytes) else key

    def opens(self, key: str, *, recording: str, course: str | None) -> bool:
        """True when the key was made here and for this recording or its course."""
        try:
            given = self._signer.loads(key, max_age=LINK_S)
        except BadData:
            member = self.member(key)
            return member is not None and course in member.courses
        if not isinstance(given, dict):
            return False
        if given.get("recording") is not None:
            return bool(given["recording"] == recording)
        return course is not None and given.get("course") == course

    def make_member(self, who: str, course: str, known: str | None = None) -> str:
        """A key for `who`, now in `course`, and in those of their `known` key that still hold."""
        before = None if known is None else self.member(known)
        courses = before.courses if before is not None and before.who == who else {}
        courses.pop(course, None)
        kept = dict(list(courses.items())[-MAX_COURSES:]) | {course: time.time() + MEMBER_S}
        key = self._members.dumps(Member(who=who, courses=kept).model_dump())
        return key.decode() if isinstance(key, bytes) else key

    def member(self, key: str) -> Member | None:
        """Whose key this is and which courses it still opens; None when it is no member's."""
        try:
            found = Member.model_validate(self._members.loads(key, max_age=MEMBER_S))
        except (BadData, ValidationError):
            return None
        now = time.time()
        found.courses = {course: until for course, until in found.courses.items() if until > now}
        return found


def may_watch(visibility: Visibility, *, staff: bool, signed_in: bool, invited: bool) -> bool:
    """Whether someone may watch. `invited`: came with a signed link; `staff`: runs the room."""
    match visibility:
        case Visibility.PUBLIC:
            return True
        case Visibility.CAMPUS:
            return staff or signed_in or invited
        case Visibility.COURSE:
            return staff or invited
        case Visibility.NOBODY:
            return staff


class Audience:
    """Counts those who fetch playlists: each has a name and was here in the last seconds."""

    def __init__(self) -> None:
        self._seen: dict[str, dict[str, float]] = {}

    @staticmethod
    def name() -> str:
        """A name for a new viewer."""
        return secrets.token_urlsafe(6)

    def saw(self, recording: str, viewer: str) -> None:
        """A viewer asked for something now."""
        seen = self._seen.setdefault(recording, {})
        if len(seen) < MAX_VIEWERS or viewer in seen:
            seen[viewer] = time.monotonic()

    def count(self, recording: str) -> int:
        """How many are watching now."""
        seen = self._seen.get(recording, {})
        oldest = time.monotonic() - VIEWER_S
        for viewer in [name for name, at in seen.items() if at < oldest]:
            del seen[viewer]
        return len(seen)
