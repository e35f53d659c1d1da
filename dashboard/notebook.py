"""Whose notes these are.

A person who signed in by name and password, or came from a course platform, has a notebook of their
own, on every machine. A PIN is what many share, and a link has no name: there the browser has the
notebook, by a cookie that says nothing of the person.
"""

from __future__ import annotations

import hashlib
import secrets
from typing import Annotated

from fastapi import Depends, Response
from starlette.requests import HTTPConnection

from dashboard.problems import ProblemError
from dashboard.viewing import Seen, Viewer

READER_COOKIE = "classroomd_reader"
READER_S = 400 * 24 * 3600


class Notebook:
    """The notes of whoever is calling. `owner` names it in the journal."""

    def __init__(self, connection: HTTPConnection, response: Response, seen: Seen) -> None:
        self.seen = seen
        self._connection, self._response = connection, response

    @property
    def allowed(self) -> bool:
        """Someone who is neither signed in nor invited keeps no notes here."""
        return self.seen.by != "anyone"

    @property
    def own(self) -> bool:
        """It is a person's, and not this browser's."""
        caller = self.seen.caller
        if caller is None:
            return self.seen.member is not None
        return caller.own or caller.by != "cookie"

    def known(self) -> str | None:
        """The owner, None for a browser that has no notebook yet."""
        caller = self.seen.caller
        if caller is not None and self.own:
            return f"{caller.by}:{caller.name}"
        if caller is None and self.seen.member is not None:
            return f"member:{self.seen.member}"
        cookie = self._connection.cookies.get(READER_COOKIE, "")
        if not self.allowed or not 20 <= len(cookie) <= 64:
            return None
        return f"browser:{hashlib.sha256(cookie.encode()).hexdigest()[:32]}"

    def owner(self) -> str:
        """The owner; a browser without a notebook is given one. Raises ProblemError 401."""
        if not self.allowed:
            raise ProblemError(
                401, "not_signed_in", "Sign in to keep notes.", "Sign in, or open your link again."
            )
        known = self.known()
        if known is not None:
            return known
        value = secrets.token_urlsafe(24)
        self._response.set_cookie(
            READER_COOKIE,
            value,
            READER_S,
            httponly=True,
            samesite="strict",
            secure=self._connection.url.scheme == "https",
            path="/api/v1/recordings",
        )
        return f"browser:{hashlib.sha256(value.encode()).hexdigest()[:32]}"


async def _notebook(connection: HTTPConnection, response: Response, seen: Viewer) -> Notebook:
    return Notebook(connection, response, seen)


Reader = Annotated[Notebook, Depends(_notebook)]
