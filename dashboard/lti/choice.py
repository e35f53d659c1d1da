"""Deep Linking 2.0: a lecturer chooses in the course platform what its students open here."""

from __future__ import annotations

import secrets
import time
from typing import Any

from itsdangerous import BadData, URLSafeTimedSerializer
from joserfc import jwt
from joserfc.jwk import RSAKey
from pydantic import BaseModel, ConfigDict, ValidationError

from dashboard.lti.keys import ALGORITHM
from dashboard.lti.launch import CLAIM, DEEP, VERSION, Launch
from dashboard.lti.login import AGAIN
from dashboard.problems import ProblemError

CHOICE_S = 3600
ANSWER_S = 300


class Choice(BaseModel):
    """Where a choice goes: it is begun by a launch, and ends with an answer to the platform."""

    model_config = ConfigDict(extra="forbid")

    issuer: str
    client_id: str
    deployment: str
    course: str
    return_url: str
    data: str | None


class Choices:
    """Signs what is going on while a lecturer chooses: this room remembers nothing of it."""

    def __init__(self, secret_key: bytes) -> None:
        self._signer = URLSafeTimedSerializer(secret_key, salt="classroomd.lti.choice")

    def begin(self, launch: Launch) -> str:
        """A ticket for the page that chooses."""
        settings = launch.settings or {}
        data = settings.get("data")
        choice = Choice(
            issuer=launch.platform.issuer,
            client_id=launch.platform.client_id,
            deployment=launch.deployment,
            course=launch.course,
            return_url=str(settings["deep_link_return_url"]),
            data=data if isinstance(data, str) else None,
        )
        ticket = self._signer.dumps(choice.model_dump())
        return ticket if isinstance(ticket, str) else ticket.decode()

    def read(self, ticket: str) -> Choice:
        """What a ticket stands for. Raises ProblemError."""
        try:
            return Choice.model_validate(self._signer.loads(ticket, max_age=CHOICE_S))
        except (BadData, ValidationError):
            raise ProblemError(
                400, "lti_late", "This choice was begun too long ago, or not here.", AGAIN
            ) from None


def answer(choice: Choice, key: RSAKey, title: str, url: str) -> str:
    """The signed answer (LtiDeepLinkingResponse) that puts a link to `url` into the course."""
    now = int(time.time())
    claims: dict[str, Any] = {
        "iss": choice.client_id,
        "aud": choice.issuer,
        "iat": now,
        "exp": now + ANSWER_S,
        "nonce": secrets.token_urlsafe(24),
        f"{CLAIM}message_type": "LtiDeepLinkingResponse",
        f"{CLAIM}version": VERSION,
        f"{CLAIM}deployment_id": choice.deployment,
        f"{DEEP}content_items": [{"type": "ltiResourceLink", "title": title, "url": url}],
    }
    if choice.data is not None:
        claims[f"{DEEP}data"] = choice.data
    return jwt.encode({"alg": ALGORITHM, "kid": key.kid}, claims, key, algorithms=[ALGORITHM])
