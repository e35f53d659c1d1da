"""How a simulated device asks for a user name and password over HTTP: digest or basic.

Digest with SHA-256 and counted nonces is RFC 7616, basic RFC 7617.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
from typing import Literal
from urllib.request import parse_http_list, parse_keqv_list


class HttpDoor:
    """Lets in who proves to know `password`; `realm` is what the device calls itself."""

    def __init__(
        self, scheme: Literal["digest", "basic"], realm: str, username: str, password: str
    ) -> None:
        self._scheme, self._realm = scheme, realm
        self._username, self._password = username, password
        self._nonce, self._counted = "", 0

    def challenge(self) -> str:
        """The value of WWW-Authenticate, with a fresh nonce where there is one."""
        if self._scheme == "basic":
            return f'Basic realm="{self._realm}"'
        self._nonce, self._counted = os.urandom(8).hex(), 0
        return f'Digest qop="auth", realm="{self._realm}", nonce="{self._nonce}", algorithm=SHA-256'

    def trusts(self, method: str, given: str) -> bool:
        """Is `given` (the value of Authorization) right, and not seen before?"""
        scheme, _, rest = given.partition(" ")
        if scheme.lower() != self._scheme:
            return False
        if self._scheme == "basic":
            right = base64.b64encode(f"{self._username}:{self._password}".encode())
            return hmac.compare_digest(rest.strip().encode(), right)
        try:
            said = parse_keqv_list(parse_http_list(rest))
            count = int(said["nc"], 16)
            whole = (said["nonce"], said["nc"], said["cnonce"], said["qop"])
            asked = _hash(f"{method}:{said['uri']}")
            response = said["response"]
        except (KeyError, ValueError, IndexError):
            return False
        if not self._nonce or said["nonce"] != self._nonce or count <= self._counted:
            return False
        who = _hash(f"{self._username}:{self._realm}:{self._password}")
        if not hmac.compare_digest(
            response.encode(), _hash(":".join((who, *whole, asked))).encode()
        ):
            return False
        self._counted = count
        return said.get("username") == self._username


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
