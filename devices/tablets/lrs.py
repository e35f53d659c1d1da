"""Sends xAPI statements to a learning record store (xAPI 1.0.3, part 3, section 2.1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import httpx

BATCH = 50


class LrsError(Exception):
    """The store did not take the statements. `again`: trying later makes sense."""

    def __init__(self, message: str, *, again: bool) -> None:
        super().__init__(message)
        self.again = again


async def send(endpoint: str, user: str, secret: str, statements: Sequence[dict[str, Any]]) -> None:
    """Posts `statements` to `<endpoint>/statements`. Raises LrsError.

    Repeating is harmless: a statement's id is made from what it says, and a store answers 409 for
    one that it has only when its content differs; otherwise 200.
    """
    headers = {"X-Experience-API-Version": "1.0.3"}
    url = f"{endpoint.rstrip('/')}/statements"
    async with httpx.AsyncClient(auth=(user, secret), headers=headers, timeout=30) as client:
        for at in range(0, len(statements), BATCH):
            try:
                answer = await client.post(url, json=list(statements[at : at + BATCH]))
            except httpx.HTTPError as error:
                raise LrsError(f"{endpoint} does not answer ({error}).", again=True) from error
            if answer.status_code == 409:
                continue
            if answer.is_error:
                raise LrsError(
                    f"{endpoint} answered {answer.status_code}: {answer.text[:200]}",
                    again=answer.status_code >= 500 or answer.status_code in (401, 403, 408, 429),
                )
