"""A window of its own: for a browser that keeps no cookies inside a platform's page."""

from __future__ import annotations

import secrets

from itsdangerous import BadData, URLSafeTimedSerializer
from pydantic import BaseModel, ConfigDict, ValidationError

from dashboard.lti.login import AGAIN, LOGIN_S
from dashboard.problems import ProblemError


class Ticket(BaseModel):
    """Lets `who` (a pseudonym) into `course`, in one window; `nonce` makes that one."""

    model_config = ConfigDict(extra="forbid")

    who: str
    course: str
    nonce: str


class Windows:
    """Signs tickets that stand in the address of a new window.

    A browser's history may keep that address, and people send addresses on: what opens a course
    for hours does not belong there.
    """

    def __init__(self, secret_key: bytes) -> None:
        self._signer = URLSafeTimedSerializer(secret_key, salt="classroomd.lti.window")

    def begin(self, who: str, course: str) -> str:
        """A ticket for whoever a launch has just vouched for."""
        ticket = Ticket(who=who, course=course, nonce=secrets.token_urlsafe(24))
        signed = self._signer.dumps(ticket.model_dump())
        return signed if isinstance(signed, str) else signed.decode()

    def read(self, ticket: str) -> Ticket:
        """What a ticket stands for. Raises ProblemError."""
        try:
            return Ticket.model_validate(self._signer.loads(ticket, max_age=LOGIN_S))
        except (BadData, ValidationError):
            raise ProblemError(
                403, "lti_late", "This launch was made too long ago, or not here.", AGAIN
            ) from None
