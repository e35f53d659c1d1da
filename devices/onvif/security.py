"""WS-Security UsernameToken with a digest, as ONVIF wants it (OASIS UsernameToken Profile 1.0).

The digest holds the time by the camera's clock, so that a camera whose clock is wrong can be
spoken to all the same: its time is asked for first.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
from datetime import UTC, datetime, timedelta
from xml.sax.saxutils import escape

from devices.onvif.soap import Element

_PROFILE = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0"
_BASE64 = (
    "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-soap-message-security-1.0#Base64Binary"
)
WINDOW_S = 60.0


def digest(nonce: bytes, created: str, password: str) -> str:
    """Base64(SHA-1(nonce + created + password))."""
    raw = hashlib.sha1(nonce + created.encode() + password.encode(), usedforsecurity=False)
    return base64.b64encode(raw.digest()).decode()


def token(username: str, password: str, offset: timedelta) -> str:
    """The header that says who asks. `offset`: the camera's clock minus ours."""
    nonce = os.urandom(16)
    created = (datetime.now(UTC) + offset).strftime("%Y-%m-%dT%H:%M:%SZ")
    return (
        '<wsse:Security s:mustUnderstand="1"><wsse:UsernameToken>'
        f"<wsse:Username>{escape(username)}</wsse:Username>"
        f'<wsse:Password Type="{_PROFILE}#PasswordDigest">{digest(nonce, created, password)}'
        "</wsse:Password>"
        f'<wsse:Nonce EncodingType="{_BASE64}">{base64.b64encode(nonce).decode()}</wsse:Nonce>'
        f"<wsu:Created>{created}</wsu:Created>"
        "</wsse:UsernameToken></wsse:Security>"
    )


def trusted(envelope: Element, username: str, password: str, now: datetime) -> bool:
    """Does the header carry the right digest, made within a minute of `now`?"""
    given = envelope.find("s:Header", "wsse:Security", "wsse:UsernameToken")
    if given is None:
        return False
    created = given.said("wsu:Created")
    try:
        nonce = base64.b64decode(given.said("wsse:Nonce"), validate=True)
        at = datetime.fromisoformat(created)
    except ValueError:
        return False
    if at.tzinfo is None or abs((at - now).total_seconds()) > WINDOW_S:
        return False
    right = digest(nonce, created, password)
    same = hmac.compare_digest(given.said("wsse:Password").encode(), right.encode())
    return same and given.said("wsse:Username") == username
