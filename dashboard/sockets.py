"""What the WebSockets of pages have in common: one side talks until the other has left."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

from fastapi import WebSocket, WebSocketDisconnect

Result = TypeVar("Result")
TICK_S = 5.0
SIGNED_OUT = 4401


async def until_left(socket: WebSocket) -> int:
    """Return when the other side has left, with the code of a regular end; nothing is read."""
    with suppress(WebSocketDisconnect, RuntimeError):
        while (await socket.receive())["type"] != "websocket.disconnect":
            pass
    return 1000


async def until_not_allowed(allowed: Callable[[], Awaitable[bool]]) -> int:
    """Return, with the code that says so, when the sign-in that opened the socket has ended."""
    while await allowed():  # noqa: ASYNC110 - time ends a sign-in too
        await asyncio.sleep(TICK_S)
    return SIGNED_OUT


async def close(socket: WebSocket, ended: list[asyncio.Task[int]]) -> None:
    """Close with the code of the job that ended, 1001 where it failed; never raises."""
    codes = [task.result() for task in ended if not task.cancelled() and not task.exception()]
    with suppress(Exception):
        async with asyncio.timeout(1.0):
            await socket.close(codes[0] if codes else 1001)


async def until_one_ends(*jobs: Coroutine[Any, Any, Result]) -> list[asyncio.Task[Result]]:
    """Run side by side until one ends; the others are cancelled. Gives those that had ended."""
    tasks = [asyncio.create_task(job) for job in jobs]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        return [task for task in tasks if task in done]
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
