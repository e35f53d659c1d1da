"""Who is calling: people by PIN or password, programs by token, pages by signed cookie."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import secrets
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal
from urllib.parse import urlsplit

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from fastapi import Depends, Response
from itsdangerous import BadData, URLSafeTimedSerializer
from pydantic import BaseModel
from starlette.requests import HTTPConnection

from controller.config import AuthSettings, resolve_secret
from controller.state import AccessRole, Actor
from dashboard.lockout import Lockout, caller_of
from dashboard.problems import ProblemError
from dashboard.revocations import Revocations

log = logging.getLogger(__name__)

COOKIE = "classroomd"
LOCAL = "classroomd.local"  # set by the daemon for its own socket, which only its user can open
KNOWN_COOKIE = "classroomd_known"
KNOWN_S = 400 * 24 * 3600
CHECKS_AT_ONCE = 2
SHORTEST_CARD = 6
CHECKS_WAITING = 32
RANK = {role: rank for rank, role in enumerate(AccessRole)}
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class Identity(BaseModel):
    """Someone who has shown who they are, and how. `own`: by a name and password of their own."""

    name: str
    role: AccessRole
    by: Literal["cookie", "token", "local"]
    own: bool = False

    @property
    def actor(self) -> Actor:
        """The same as the journal writes it down."""
        door: Literal["panel", "api", "cli"] = "api"
        if self.by != "token":
            door = "panel" if self.by == "cookie" else "cli"
        return Actor(name=self.name, role=self.role, door=door)

    def may(self, role: AccessRole) -> bool:
        """Roles are ordered: each may do what the ones below it may."""
        return RANK[self.role] >= RANK[role]


def is_pin(secret: str) -> bool:
    """True when a plain secret can be typed on the panel's number pad."""
    return secret.isascii() and secret.isdigit() and 4 <= len(secret) <= 12


def _card(number: str) -> bytes:
    """A card's number as it is compared: readers differ in letters' case."""
    return hashlib.sha256(number.strip().upper().encode()).digest()


class Authenticator:
    """Checks credentials, and signs and reads the cookies that stand for them.

    Nothing is stored but what was signed out: a cookie names a user, its role is read from the
    settings each time, and a changed PIN or password ends every session that was opened with the
    old one.
    """

    def __init__(
        self,
        settings: AuthSettings,
        secret_key: bytes,
        *,
        resolve: Callable[[str], str] = resolve_secret,
        lockout: Lockout | None = None,
        revoked: Revocations | None = None,
    ) -> None:
        self._users = {user.name: (user.role, resolve(user.secret)) for user in settings.users}
        self._cards = {
            _card(number): user.name
            for user in settings.users
            if user.cards is not None
            for number in resolve(user.cards).splitlines()
            if len(number.strip()) >= SHORTEST_CARD
        }
        self._tokens = [
            (token.name, token.role, hashlib.sha256(resolve(token.secret).encode()).digest())
            for token in settings.tokens
        ]
        self._sessions = URLSafeTimedSerializer(secret_key, salt="classroomd.session")
        self._known = URLSafeTimedSerializer(secret_key, salt="classroomd.known")
        self._key = secret_key
        self._session_s = int(settings.session_hours * 3600)
        self._revoked = revoked or Revocations()
        self._hasher = PasswordHasher()
        self._nobody: str | None = None
        self._checks = ThreadPoolExecutor(CHECKS_AT_ONCE, thread_name_prefix="password")
        self._waiting = 0
        self.lockout = lockout or Lockout()

    # --- logging in ----------------------------------------------------------------------------

    async def login(self, connection: HTTPConnection, *, name: str | None, secret: str) -> Identity:
        """The identity that `secret` (with `name`: a password, without: a PIN) proves.

        Raises ProblemError 401 when it proves none and 429, naming the wait, when locked out.
        """
        caller, known = self._caller(connection)
        wait = self.lockout.wait_s(caller, known=known)
        if wait > 0:
            raise _locked(wait)
        if self._waiting >= CHECKS_WAITING:
            raise _locked(5.0)
        # Counted before it is checked: guesses sent all at once must not all slip through.
        self.lockout.failed(caller, known=known)
        self._waiting += 1
        try:
            loop = asyncio.get_running_loop()
            found = await loop.run_in_executor(self._checks, self._find, name, secret)
        finally:
            self._waiting -= 1
        if found is None:
            log.warning("failed login from %s", caller)
            wait = self.lockout.wait_s(caller, known=known)
            if wait > 0:
                raise _locked(wait)
            raise ProblemError(
                401,
                "wrong_secret",
                "This PIN is not known." if name is None else "Name and password do not match.",
                "Try again, or ask the technician for a new one.",
            )
        self.lockout.succeeded(caller)
        own = name is not None
        return Identity(name=found, role=self._users[found][0], by="cookie", own=own)

    def _find(self, name: str | None, secret: str) -> str | None:
        if name is not None and name not in self._users:
            # As slow as a known name, so that the time does not tell which names are known.
            self._nobody = self._nobody or self._hasher.hash(secrets.token_hex(8))
            self._matches(self._nobody, secret)
            return None
        if name is not None:
            return name if self._matches(self._users[name][1], secret) else None
        found = self._cards.get(_card(secret))
        for user, (_, stored) in self._users.items():
            pin = is_pin(stored) or stored.startswith("$argon2")
            if pin and is_pin(secret) and self._matches(stored, secret):
                found = found or user
        return found

    def _matches(self, stored: str, given: str) -> bool:
        if stored.startswith("$argon2"):
            try:
                return self._hasher.verify(stored, given)
            except (VerificationError, InvalidHashError):
                return False
        return hmac.compare_digest(stored.encode(), given.encode())

    # --- cookies -------------------------------------------------------------------------------

    def open_session(
        self, connection: HTTPConnection, response: Response, identity: Identity
    ) -> None:
        """Set the cookies that make this browser `identity` from now on."""
        payload = {
            "user": identity.name,
            "id": secrets.token_urlsafe(12),
            "proof": self._proof(identity.name),
            "own": "yes" if identity.own else "",
        }
        flags: dict[str, Any] = {
            "httponly": True,
            "samesite": "strict",
            "secure": connection.url.scheme in {"https", "wss"},
            "path": "/",
        }
        response.set_cookie(COOKIE, _text(self._sessions.dumps(payload)), self._session_s, **flags)
        if not self._caller(connection)[1]:
            token = _text(self._known.dumps(secrets.token_urlsafe(12)))
            response.set_cookie(KNOWN_COOKIE, token, KNOWN_S, **flags)

    async def close_session(self, connection: HTTPConnection, response: Response) -> None:
        """End this browser's session; a copy of its cookie is worth nothing from now on."""
        payload = self._payload(connection)
        if payload:
            until = time.time() + self._session_s
            await asyncio.to_thread(self._revoked.add, payload["id"], until)
        response.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")

    def identify(self, connection: HTTPConnection) -> Identity | None:
        """Who is calling, or None. A wrong token is an error, not an anonymous call."""
        if connection.scope.get(LOCAL) is True:
            return Identity(name="local", role=AccessRole.ADMIN, by="local")
        header = connection.headers.get("authorization")
        if header is not None:
            scheme, _, token = header.partition(" ")
            given = hashlib.sha256(token.strip().encode()).digest()
            for name, role, stored in self._tokens:
                if scheme.lower() == "bearer" and hmac.compare_digest(stored, given):
                    return Identity(name=name, role=role, by="token")
            raise ProblemError(
                401,
                "wrong_token",
                "This token is not known.",
                "Send a token of [[auth.tokens]] as 'Authorization: Bearer …'.",
                {"WWW-Authenticate": "Bearer"},
            )
        payload = self._payload(connection)
        if payload is None:
            return None
        name = payload["user"]
        own = bool(payload["own"])
        return Identity(name=name, role=self._users[name][0], by="cookie", own=own)

    def _payload(self, connection: HTTPConnection) -> dict[str, str] | None:
        cookie = connection.cookies.get(COOKIE)
        if not cookie:
            return None
        try:
            payload = self._sessions.loads(cookie, max_age=self._session_s)
            known = payload["user"] in self._users and payload["id"] not in self._revoked
            if known and hmac.compare_digest(payload["proof"], self._proof(payload["user"])):
                own = str(payload.get("own", ""))
                return {"user": payload["user"], "id": payload["id"], "own": own}
        except (BadData, KeyError, TypeError):
            pass
        return None

    def _proof(self, name: str) -> str:
        return hmac.digest(self._key, self._users[name][1].encode(), "sha256").hex()[:16]

    def _caller(self, connection: HTTPConnection) -> tuple[str, bool]:
        cookie = connection.cookies.get(KNOWN_COOKIE)
        if cookie:
            try:
                return f"browser {self._known.loads(cookie, max_age=KNOWN_S)}", True
            except BadData:
                pass
        return caller_of(connection.client.host if connection.client else None), False

    @property
    def ways(self) -> list[Literal["pin", "password"]]:
        """How people can log in here."""
        stored = [secret for _, secret in self._users.values()]
        ways: list[Literal["pin", "password"]] = []
        if self._cards or any(is_pin(one) or one.startswith("$argon2") for one in stored):
            ways.append("pin")
        if any(not is_pin(secret) for secret in stored):
            ways.append("password")
        return ways


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _locked(wait: float) -> ProblemError:
    seconds = max(1, round(wait))
    return ProblemError(
        429,
        "locked_out",
        f"Too many wrong attempts: wait {seconds} s.",
        "Wait, then try again; a technician can set a new PIN in room.toml.",
        {"Retry-After": str(seconds)},
    )


# --- what routes declare ---------------------------------------------------------------------


def same_origin(connection: HTTPConnection) -> bool:
    """False when a browser says that another site's page sent this."""
    site = connection.headers.get("sec-fetch-site")
    if site is not None and site not in {"same-origin", "none"}:
        return False
    origin = connection.headers.get("origin")
    return origin is None or urlsplit(origin).netloc == connection.headers.get("host")


NO_FORM = frozenset({"application/json", "application/zip"})
"""Kinds of content that no form of another site can send without asking first."""


def guard_write(connection: HTTPConnection) -> None:
    """Refuse what another site's page could have sent in a signed-in browser's name.

    Cookies are SameSite=Strict; this is the second lock: no form content, from our own pages only.
    """
    socket = connection.scope["type"] == "websocket"
    if not socket and connection.scope["method"] in SAFE_METHODS:
        return
    if not same_origin(connection):
        raise ProblemError(
            403,
            "other_site",
            "This request came from another site's page.",
            "Use the room's own page, or a token.",
        )
    if socket:
        return
    kind = connection.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in NO_FORM:
        raise ProblemError(
            415, "not_json", "Only JSON is taken here.", "Send Content-Type: application/json."
        )


def declares(role: AccessRole | Literal["everyone", "tablet", "viewer"]) -> Callable[[Any], Any]:
    """Mark a dependency with the least role that it lets in.

    `tablet`: a paired tablet's own; `viewer`: whoever may see the recording in the address.
    """

    def mark(dependency: Any) -> Any:
        dependency.least_role = role
        return dependency

    return mark


def require(role: AccessRole) -> Any:
    """The dependency of every route that not everyone may use: gives the caller's Identity."""

    @declares(role)
    async def check(connection: HTTPConnection) -> Identity:
        identity = authenticator(connection).identify(connection)
        if identity is None:
            raise ProblemError(
                401,
                "not_signed_in",
                "Sign in first.",
                "Type the room's PIN on the panel, or send a token.",
            )
        if identity.by == "cookie":
            guard_write(connection)
        if not identity.may(role):
            raise ProblemError(
                403,
                "role_too_low",
                f"This needs the role {role.value}; {identity.name} is {identity.role.value}.",
                "Sign in as someone who may do this.",
            )
        return identity

    return Depends(check)


@declares("everyone")
async def _anyone(connection: HTTPConnection) -> Identity | None:
    guard_write(connection)
    try:
        return authenticator(connection).identify(connection)
    except ProblemError:
        return None


anyone: Any = Depends(_anyone)
"""The dependency of routes that everyone may use: gives the caller's Identity, or None."""


def authenticator(connection: HTTPConnection) -> Authenticator:
    """The app's authenticator."""
    found = connection.app.state.authenticator
    assert isinstance(found, Authenticator)
    return found
