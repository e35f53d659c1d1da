"""HTTP to a target: every failure comes out as a TargetError that says what to do.

One request is one request: nothing is repeated here, because only the delivery knows whether
asking comes before repeating.
"""

from __future__ import annotations

import asyncio
import email.utils
import functools
import hashlib
import re
import ssl
import time
from collections.abc import AsyncIterable, Collection, Mapping
from typing import Annotated, Any, Self
from urllib.parse import urlsplit

import httpx
from pydantic import AfterValidator

from publishing.errors import ErrorKind, TargetError

_BODY_SHOWN = 200


def base_url(value: str) -> str:
    """A configured address without its last slash. Raises ValueError."""
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("is an address that begins with http:// or https://")
    if parts.username or parts.password:
        raise ValueError("must not hold a user or password; use `user` and `secret`")
    return value.rstrip("/")


Url = Annotated[str, AfterValidator(base_url)]


@functools.cache
def _trust(ca_file: str | None) -> ssl.SSLContext:
    """The system's certificate authorities, where a campus installs its own, and `ca_file`."""
    context = ssl.create_default_context()
    try:
        if ca_file:
            context.load_verify_locations(cafile=ca_file)
    except OSError as error:
        raise TargetError(
            ErrorKind.BLOCKED, f"{ca_file} cannot be read as certificates.", "Correct `ca_file`."
        ) from error
    return context


class Web:
    """An HTTP client for one target, named `who` in messages (`webdav`, `Moodle`).

    `refused_hint` is what an administrator reads when the target refuses the credentials. `skew_s`
    is how far the target's clock is ahead of ours, as its last answer's Date said.
    """

    def __init__(
        self,
        who: str,
        *,
        refused_hint: str = "",
        auth: httpx.Auth | tuple[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        ca_file: str | None = None,
        timeout: float = 120.0,
    ) -> None:
        self.who = who
        self.skew_s = 0.0
        self._hint = refused_hint or "Check the user and the secret of this target."
        self._client = httpx.AsyncClient(
            auth=auth,
            headers={"user-agent": "classroomd", **(headers or {})},
            timeout=httpx.Timeout(timeout, connect=20.0),
            verify=_trust(ca_file),
            limits=httpx.Limits(max_connections=4, max_keepalive_connections=2),
            follow_redirects=False,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._client.aclose()

    async def ask(
        self,
        method: str,
        url: str,
        *,
        ok: Collection[int] = (200,),
        content: bytes | AsyncIterable[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        data: Mapping[str, Any] | None = None,
        files: Any = None,
        json: Any = None,
        auth: httpx.Auth | None = None,
        timeout: float | None = None,
    ) -> httpx.Response:
        """One request and its whole answer; a status outside `ok` raises TargetError."""
        kwargs: dict[str, Any] = {}
        if auth is not None:
            kwargs["auth"] = auth
        if timeout is not None:
            kwargs["timeout"] = timeout
        try:
            response = await self._client.request(
                method,
                url,
                content=content,
                headers=headers,
                params=params,
                data=data,
                files=files,
                json=json,
                **kwargs,
            )
        except httpx.HTTPError as error:
            raise self._broken(error) from error
        except httpx.InvalidURL as error:
            raise TargetError(
                ErrorKind.PERMANENT, f"{self.who}: the address is not valid.", "Correct its `url`."
            ) from error
        self._learn_clock(response)
        if response.status_code not in ok:
            raise self.refusal(response)
        return response

    def use(self, auth: httpx.Auth) -> None:
        """Sign every later request with this."""
        self._client.auth = auth

    async def fingerprint(
        self,
        url: str,
        algorithm: str = "sha256",
        *,
        method: str = "GET",
        data: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        ok: Collection[int] = (200,),
    ) -> tuple[int, str]:
        """Size and hex digest of what is at `url`, read as it streams."""
        state, size = hashlib.new(algorithm, usedforsecurity=False), 0
        try:
            async with self._client.stream(method, url, data=data, headers=headers) as response:
                if response.status_code not in ok:
                    await response.aread()
                    raise self.refusal(response)
                async for block in response.aiter_raw(1 << 18):
                    await asyncio.to_thread(state.update, block)
                    size += len(block)
        except httpx.HTTPError as error:
            raise self._broken(error) from error
        return size, state.hexdigest()

    def refusal(self, response: httpx.Response) -> TargetError:
        """The TargetError that a status means, whatever the method was."""
        status = response.status_code
        said = _said(response)
        what = f"{self.who} answered {status}{': ' + said if said else ''}."
        if status in (401, 403):
            return TargetError(ErrorKind.BLOCKED, what, self._hint)
        if status == 507:
            return TargetError(
                ErrorKind.BLOCKED, what, f"Free space on {self.who}, or raise the quota."
            )
        if status == 413:
            return TargetError(
                ErrorKind.PERMANENT, what, f"Raise the upload limit of {self.who}, then retry."
            )
        if status in (404, 410):
            return TargetError(ErrorKind.ABSENT, what, "Check the target's address and path.")
        if status in (408, 409, 412, 423, 425, 429) or status >= 500:
            return TargetError(ErrorKind.RETRY, what, retry_after=_retry_after(response))
        if 300 <= status < 400:
            return TargetError(
                ErrorKind.PERMANENT,
                f"{self.who} sends elsewhere ({response.headers.get('location', '?')}).",
                "Write the final address into `url`.",
            )
        return TargetError(
            ErrorKind.PERMANENT, what, f"Look at the log of {self.who} for this request."
        )

    def _broken(self, error: httpx.HTTPError) -> TargetError:
        if "CERTIFICATE_VERIFY_FAILED" in str(error):
            return TargetError(
                ErrorKind.BLOCKED,
                f"The certificate of {self.who} is not trusted.",
                "Name the campus's certificate authority in `ca_file`, or renew the certificate.",
            )
        if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
            return TargetError(ErrorKind.RETRY, f"{self.who} cannot be reached.")
        if isinstance(error, httpx.TimeoutException):
            return TargetError(ErrorKind.RETRY, f"{self.who} did not answer in time.")
        if isinstance(error, httpx.UnsupportedProtocol):
            return TargetError(
                ErrorKind.PERMANENT,
                f"{self.who}: the address has no http:// or https://.",
                "Correct its `url`.",
            )
        return TargetError(ErrorKind.RETRY, f"The connection to {self.who} broke.")

    def _learn_clock(self, response: httpx.Response) -> None:
        parsed = email.utils.parsedate_tz(response.headers.get("date", ""))
        if parsed is not None:
            self.skew_s = email.utils.mktime_tz(parsed) - time.time()


def _said(response: httpx.Response) -> str:
    """The heart of an error body: a JSON message, or an HTML or text body without its tags."""
    kind = response.headers.get("content-type", "")
    try:
        if "json" in kind:
            body = response.json()
            if isinstance(body, dict):
                for key in ("detail", "message", "error_description", "error", "title", "errors"):
                    if isinstance(body.get(key), str) and body[key]:
                        return str(body[key])[:_BODY_SHOWN]
                    if isinstance(body.get(key), dict) and "message" in body[key]:
                        return str(body[key]["message"])[:_BODY_SHOWN]
            return ""
        text = response.text
    except (ValueError, httpx.ResponseNotRead):
        return ""
    text = re.sub(r"(?s)<(style|script|head)\b.*?</\1>|<[^>]*>", " ", text)
    return " ".join(text.split())[:_BODY_SHOWN]


def _retry_after(response: httpx.Response) -> float | None:
    told = response.headers.get("retry-after", "")
    if told.isdigit():
        return float(told)
    parsed = email.utils.parsedate_tz(told)
    return max(0.0, email.utils.mktime_tz(parsed) - time.time()) if parsed else None
