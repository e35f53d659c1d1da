"""Logins that course platforms begin: what is sent along, and what must come back.

IMS Security Framework 1.0, section 5.1.1 (OpenID Connect, begun by the platform). Nothing is
remembered of a login but its nonce, once that was used: what must come back is signed.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from itsdangerous import BadData, SignatureExpired, URLSafeTimedSerializer

from controller.course_platforms import LtiPlatform
from dashboard.problems import ProblemError

LOGIN_S = 600
MAX_USED = 200_000
AGAIN = "Open it again from the course."


@dataclass(frozen=True)
class Login:
    """A login that came back. `bound`: to the browser that began it."""

    issuer: str
    client_id: str
    nonce: str
    bound: bool


class Logins:
    """Begins logins and recognises them when they come back, each once."""

    def __init__(self, secret_key: bytes) -> None:
        self._signer = URLSafeTimedSerializer(secret_key, salt="classroomd.lti.login")
        self._used: dict[str, float] = {}

    def begin(
        self, platform: LtiPlatform, asked: Mapping[str, str], redirect_uri: str, browser: str
    ) -> str:
        """The platform's address to send the browser to.

        `asked` is what the platform sent; `browser` is what this browser keeps in its cookie.
        """
        nonce = secrets.token_urlsafe(24)
        state = self._signer.dumps(
            {"i": platform.issuer, "c": platform.client_id, "n": nonce, "b": _hash(browser)}
        )
        query = {
            "scope": "openid",
            "response_type": "id_token",
            "response_mode": "form_post",
            "prompt": "none",
            "client_id": platform.client_id,
            "redirect_uri": redirect_uri,
            "login_hint": asked["login_hint"],
            "state": state if isinstance(state, str) else state.decode(),
            "nonce": nonce,
        }
        if asked.get("lti_message_hint"):
            query["lti_message_hint"] = asked["lti_message_hint"]
        joint = "&" if "?" in platform.auth_url else "?"
        return f"{platform.auth_url}{joint}{urlencode(query)}"

    def returned(self, state: str, browser: str | None) -> Login:
        """The login that `state` belongs to. `browser`: the cookie's value, None without one.

        Raises ProblemError when it was not begun here, too long ago, or in another browser.
        """
        try:
            told = self._signer.loads(state, max_age=LOGIN_S)
            issuer, client_id, nonce, hashed = (str(told[name]) for name in "icnb")
        except SignatureExpired:
            raise ProblemError(
                400, "lti_late", "This launch was begun more than ten minutes ago.", AGAIN
            ) from None
        except (BadData, KeyError, TypeError):
            raise ProblemError(
                400, "lti_not_begun", "This launch was not begun at this room.", AGAIN
            ) from None
        if browser is not None and not hmac.compare_digest(_hash(browser), hashed):
            raise ProblemError(
                403, "lti_other_browser", "This launch was begun in another browser.", AGAIN
            )
        return Login(issuer, client_id, nonce, browser is not None)

    def use(self, nonce: str) -> None:
        """Mark a nonce as used. Raises ProblemError when it has been used before."""
        now = time.monotonic()
        if nonce in self._used:
            raise ProblemError(403, "lti_replayed", "This launch has been used already.", AGAIN)
        for one, until in list(self._used.items()):
            if until > now and len(self._used) < MAX_USED:
                break  # they lie in the order in which they end
            del self._used[one]
        self._used[nonce] = now + LOGIN_S


def _hash(browser: str) -> str:
    return hashlib.sha256(browser.encode()).hexdigest()[:32]
