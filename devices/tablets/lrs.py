"""Sends xAPI statements to a learning record store (xAPI 1.0.3, part 3, section 2.1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import httpx

BATCH = 50
CONFLICT = 409


class LrsError(Exception):
    """The store did not take the statements. `again`: trying later makes sense."""

    def __init__(self, message: str, *, again: bool) -> None:
        super().__init__(message)
        self.again = again


async def send(endpoint: str, user: str, secret: str, statements: Sequence[dict[str, Any]]) -> None:
    """Posts `statements` to `<endpoint>/statements`. Raises LrsError.

    Repeating is harmless: a statement's id is made from what it says. A store that has one of them
    with another content (the room's address has changed since) answers 409 for the whole batch and
    keeps none of it; then each is sent alone, and the one that is there stays as it is.
    """
    headers = {"X-Experience-API-Version": "1.0.3"}
    url = f"{endpoint.rstrip('/')}/statements"
    async with httpx.AsyncClient(auth=(user, secret), headers=headers, timeout=30) as client:
        for at in range(0, len(statements), BATCH):
            batch = list(statements[at : at + BATCH])
            if await _post(client, url, batch) == CONFLICT:
                for one in batch:
                    await _post(client, url, [one])


async def _post(client: httpx.AsyncClient, url: str, batch: list[dict[str, Any]]) -> int:
    try:
        answer = await client.post(url, json=batch)
    except httpx.HTTPError as error:
        raise LrsError(f"{url} does not answer ({error}).", again=True) from error
    status = answer.status_code
    if answer.is_error and status != CONFLICT:
        raise LrsError(
            f"{url} answered {status}: {answer.text[:200]}",
            again=status >= 500 or status in (401, 403, 408, 429),
        )
    return status
