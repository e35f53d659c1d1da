"""Keys: a course platform's, fetched from where it publishes them, and this room's own."""

from __future__ import annotations

import asyncio
import os
import time
import warnings
from pathlib import Path
from typing import Any

import httpx
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

from dashboard.problems import ProblemError

KEEP_S = 3600.0
AGAIN_S = 10.0
FETCH_S = 8.0
MAX_BYTES = 256 * 1024
MIN_BITS = 2048
OWN = "lti.key"
ALGORITHM = "RS256"


class PlatformKeys:
    """The public keys of one platform (a JWK Set, RFC 7517), as it publishes them at `url`.

    Kept for an hour. A key that is not known is looked for at once, but not more often than every
    ten seconds: strangers must not make this room call the platform.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._known: dict[str, RSAKey] = {}
        self._asked = self._answered = float("-inf")
        self._trouble = ""
        self._lock = asyncio.Lock()

    async def find(self, kid: str) -> RSAKey:
        """The key `kid`. Raises ProblemError: 403 when the platform has none, 502 when it does
        not answer."""
        async with self._lock:
            now = time.monotonic()
            old = kid not in self._known or now - self._answered > KEEP_S
            if old and now - self._asked > AGAIN_S:
                self._asked = now
                try:
                    self._known = await self._fetch()
                    self._answered, self._trouble = now, ""
                except (httpx.HTTPError, ValueError) as error:
                    self._trouble = str(error) or type(error).__name__
            found, trouble = self._known.get(kid), self._trouble
        if found is None and trouble:
            raise ProblemError(
                502,
                "lti_keys",
                f"The keys of the course platform could not be fetched from {self._url} "
                f"({trouble}).",
                "Check jwks_url under [[lti.platforms]] in room.toml, and whether this room "
                "reaches it.",
            )
        if found is None:
            raise ProblemError(
                403,
                "lti_unknown_key",
                f"The launch is signed with a key that is not among those at {self._url}.",
                "Check jwks_url under [[lti.platforms]] in room.toml. Where the platform has just "
                "changed its keys, open it again from the course.",
            )
        return found

    async def _fetch(self) -> dict[str, RSAKey]:
        async with (
            httpx.AsyncClient(timeout=FETCH_S, follow_redirects=False) as client,
            client.stream("GET", self._url, headers={"Accept": "application/json"}) as answer,
        ):
            answer.raise_for_status()
            body = b""
            async for chunk in answer.aiter_bytes():
                body += chunk
                if len(body) > MAX_BYTES:
                    raise ValueError("the answer is too large")
        return read_keys(httpx.Response(200, content=body).json())


def read_keys(told: Any) -> dict[str, RSAKey]:
    """The RSA signing keys of a JWK Set by their ids; others are left out.

    Raises ValueError when it is no JWK Set.
    """
    listed = told.get("keys") if isinstance(told, dict) else None
    if not isinstance(listed, list):
        raise ValueError("the answer is no JWK Set")  # noqa: TRY004
    found: dict[str, RSAKey] = {}
    for one in listed:
        if not isinstance(one, dict) or not isinstance(one.get("kid"), str):
            continue
        if one.get("kty") != "RSA" or one.get("use", "sig") != "sig":
            continue
        if one.get("alg", ALGORITHM) != ALGORITHM:
            continue
        try:
            with warnings.catch_warnings(action="ignore"):
                key = RSAKey.import_key({name: one[name] for name in ("kty", "n", "e", "kid")})
            if key.public_key.key_size >= MIN_BITS:
                found[one["kid"]] = key
        except (JoseError, KeyError, TypeError, ValueError):
            continue
    return found


class OwnKey:
    """This room's key, made when it is first needed; only the daemon can read it."""

    def __init__(self, state: Path) -> None:
        self._path = state / OWN
        self._key: RSAKey | None = None
        self._lock = asyncio.Lock()

    async def get(self) -> RSAKey:
        """The key, with its private part and its id."""
        async with self._lock:
            if self._key is None:
                self._key = await asyncio.to_thread(self._read)
            return self._key

    async def published(self) -> dict[str, Any]:
        """What platforms may know of it, as a JWK Set."""
        key = await self.get()
        told = {**key.as_dict(private=False), "use": "sig", "alg": ALGORITHM}
        return {"keys": [told]}

    def _read(self) -> RSAKey:
        try:
            pem = self._path.read_bytes()
        except FileNotFoundError:
            pem = RSAKey.generate_key(MIN_BITS).as_pem(private=True)
            self._path.parent.mkdir(parents=True, exist_ok=True)
            fresh = self._path.with_suffix(".new")
            fresh.unlink(missing_ok=True)
            handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(pem)
                file.flush()
                os.fsync(file.fileno())
            fresh.rename(self._path)
        key = RSAKey.import_key(pem)
        key.ensure_kid()
        return key
