"""HTTP to a device: each message is `GET /path NUL body`, or `/path NUL body` and is posted; each
answer comes back as `status NUL body`.

Requests go out one after another, never side by side: a stop must not overtake the move before it,
and the move's answer isn't taken for the stop's.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

import httpx

from devices.transports.link import Link, LinkError
from firmware_profiles.wire import HttpTransport

PATH_END = b"\x00"
LONGEST = 1_000_000


class HttpLink(Link):
    """Asks http://host:port. `credentials` (name, password) are given as `table.auth` says."""

    datagram = True

    def __init__(
        self, host: str, port: int, path: str, table: HttpTransport, *, timeout: float = 5.0
    ) -> None:
        super().__init__()
        self.host, self.port, self.path, self._table = host, port, path, table
        self.credentials: tuple[str, str] | None = None
        self._timeout = timeout
        self._client: httpx.AsyncClient | None = None
        self._requests: asyncio.Queue[bytes] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None

    @property
    def address(self) -> str:
        return f"http://{self.host}:{self.port}"

    async def open(self) -> None:
        host = f"[{self.host}]" if ":" in self.host else self.host
        self._client = httpx.AsyncClient(
            base_url=f"http://{host}:{self.port}",
            timeout=self._timeout,
            trust_env=False,
            headers={"Content-Type": self._table.content},
        )
        self._requests = asyncio.Queue()
        self.lost = None
        self._task = asyncio.create_task(self._work(self._client), name=self.address)

    async def write(self, data: bytes) -> None:
        if self._client is None or self.lost is not None:
            raise LinkError(self.lost or "not connected")
        self._requests.put_nowait(data)

    async def _work(self, client: httpx.AsyncClient) -> None:
        auth: httpx.Auth | None = None
        while True:
            head, _, body = (await self._requests.get()).partition(PATH_END)
            if auth is None and self.credentials is not None:
                kind = httpx.BasicAuth if self._table.auth == "basic" else httpx.DigestAuth
                auth = kind(*self.credentials)
            try:
                verb, _, path = head.decode().rpartition(" ")
                answer = await _asked(client, verb or "POST", path or self.path, body, auth)
            except (httpx.ConnectError, httpx.ConnectTimeout):
                self._gone(f"{self.address} doesn't answer (check address, cable and power)")
                return
            except httpx.TimeoutException:
                continue  # whoever waits for this answer notices
            except (httpx.HTTPError, httpx.InvalidURL, UnicodeDecodeError) as error:
                self._gone(f"{self.address}: {type(error).__name__}")
                return
            (self.on_data if self._requests.empty() else self.on_late)(answer)

    async def close(self) -> None:
        self.lost = self.lost or "closed"
        task, client = self._task, self._client
        self._task = self._client = None
        if task is not None and task is not asyncio.current_task():
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        if client is not None:
            with suppress(httpx.HTTPError, OSError):
                await client.aclose()


async def _asked(
    client: httpx.AsyncClient, verb: str, path: str, body: bytes, auth: httpx.Auth | None
) -> bytes:
    """The answer as `status NUL body`, cut where it is longer than any sensible one."""
    async with client.stream(verb, path, content=body, auth=auth) as answer:
        found = b""
        async for piece in answer.aiter_bytes():
            found += piece
            if len(found) > LONGEST:
                break
    return str(answer.status_code).encode() + PATH_END + found[:LONGEST]
