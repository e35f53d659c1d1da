"""What this room knows of course platforms, and what it answers them with."""

from __future__ import annotations

import hashlib
import hmac
from pathlib import Path

from controller.course_platforms import LtiPlatform, LtiSection
from dashboard.lti.choice import Choices
from dashboard.lti.keys import OwnKey, PlatformKeys
from dashboard.lti.launch import CONFIGURE
from dashboard.lti.login import Logins
from dashboard.lti.window import Windows
from dashboard.problems import ProblemError


class LtiRoom:
    """The room as an external tool of the platforms in `settings`."""

    def __init__(self, settings: LtiSection, secret_key: bytes, state: Path) -> None:
        self.address = settings.address
        self.platforms = settings.platforms
        self.logins = Logins(secret_key)
        self.choices = Choices(secret_key)
        self.windows = Windows(secret_key)
        self.key = OwnKey(state)
        self._secret = secret_key
        self._keys = {one.jwks_url: PlatformKeys(one.jwks_url) for one in settings.platforms}

    @property
    def frames(self) -> list[str]:
        """The origins whose pages may show this room's in a frame."""
        return sorted(set().union(*(one.origins for one in self.platforms)))

    def keys(self, platform: LtiPlatform) -> PlatformKeys:
        """The platform's keys."""
        return self._keys[platform.jwks_url]

    def platform(
        self, issuer: str, client_id: str | None, deployment: str | None = None
    ) -> LtiPlatform:
        """The platform that calls itself `issuer`. Raises ProblemError when it is not known."""
        if not self.platforms:
            raise ProblemError(
                404,
                "lti_off",
                "This room knows no course platform.",
                "Add yours as [[lti.platforms]] to room.toml (docs/administrators.md).",
            )
        found = [one for one in self.platforms if one.issuer == issuer]
        if not found:
            raise ProblemError(
                400,
                "lti_platform",
                f"This room does not know the course platform {issuer[:200]!r}.",
                "Its name must be `issuer` of one of [[lti.platforms]] in room.toml, to the letter "
                "(Moodle calls it Platform ID).",
            )
        if client_id:
            found = [one for one in found if one.client_id == client_id]
        elif deployment:
            found = [one for one in found if deployment in one.deployment_ids] or found
        if not found:
            raise ProblemError(
                400,
                "lti_client",
                f"{issuer[:200]} knows this room as the client {client_id!r:.200}; this room does "
                "not know that name.",
                CONFIGURE,
            )
        return found[0]

    def pseudonym(self, platform: LtiPlatform, subject: str) -> str:
        """How someone of a platform is called here: the same each time, and nobody's name."""
        told = f"{platform.issuer}\n{subject}".encode()
        return hmac.digest(self._secret, told, hashlib.sha256).hex()[:32]
