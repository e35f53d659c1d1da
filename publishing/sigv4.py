"""AWS Signature Version 4 for httpx.

The libraries that only sign are one-person packages without a release for years or tied to
`requests`; botocore brings 25 MB for this page of code. A test compares every header with what
botocore itself signs. Source: AWS General Reference, "Create a signed AWS API request".
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Generator
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, unquote

import httpx

UNSIGNED = "UNSIGNED-PAYLOAD"
_SIGNED = ("host", "content-md5", "content-type")


class SigV4(httpx.Auth):
    """Signs each request; `x-amz-content-sha256` must already be among its headers.

    `skew` tells how many seconds the store's clock is ahead of ours.
    """

    def __init__(
        self,
        key_id: str,
        key: str,
        region: str,
        service: str = "s3",
        *,
        skew: Callable[[], float] = lambda: 0.0,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._key_id = key_id
        self._key = key
        self._region = region
        self._service = service
        self._skew = skew
        self._now = now

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response]:
        at = self._now() + timedelta(seconds=self._skew())
        stamp, day = at.strftime("%Y%m%dT%H%M%SZ"), at.strftime("%Y%m%d")
        request.headers["x-amz-date"] = stamp
        names = sorted(
            name
            for name in {name.lower() for name in request.headers}
            if name in _SIGNED or name.startswith("x-amz-")
        )
        canonical = "\n".join(
            (
                request.method,
                quote(unquote(request.url.path), safe="/-_.~") or "/",
                _query(request.url),
                *(f"{name}:{' '.join(request.headers[name].split())}" for name in names),
                "",
                ";".join(names),
                request.headers["x-amz-content-sha256"],
            )
        )
        scope = f"{day}/{self._region}/{self._service}/aws4_request"
        hashed = hashlib.sha256(canonical.encode()).hexdigest()
        text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashed}"
        key = f"AWS4{self._key}".encode()
        for part in (day, self._region, self._service, "aws4_request"):
            key = hmac.digest(key, part.encode(), "sha256")
        signature = hmac.new(key, text.encode(), "sha256").hexdigest()
        request.headers["authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={self._key_id}/{scope}, "
            f"SignedHeaders={';'.join(names)}, Signature={signature}"
        )
        yield request


def _query(url: httpx.URL) -> str:
    pairs = sorted(
        (quote(name, safe="-_.~"), quote(value, safe="-_.~"))
        for name, value in url.params.multi_items()
    )
    return "&".join(f"{name}={value}" for name, value in pairs)
