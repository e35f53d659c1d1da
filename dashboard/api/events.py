"""The event stream: the whole room first, then every change as it happens."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime

from fastapi import APIRouter, WebSocket, WebSocketDisconnect

from controller.events import SlowSubscriber
from controller.state import Event
from dashboard.auth import authenticator
from dashboard.room import Instructor, Room
from dashboard.sockets import until_left, until_one_ends

router = APIRouter(tags=["events"])

TICK_S = 5.0
SEND_S = 10.0
SIGNED_OUT, TOO_SLOW = 4401, 4408


@router.websocket("/events")
async def events(socket: WebSocket, room: Room, _: Instructor) -> None:
    """JSON texts `{"kind", "data"}`: `snapshot` (RoomView), then Events, and a `tick` when quiet.

    Nothing is expected from the client. Closed with 4401 when its sign-in ends, 4408 when it does
    not keep up; it connects again and begins with a snapshot.
    """
    await socket.accept()
    async with room.events.subscribe() as stream:
        await _send(socket, "snapshot", room.view().model_dump_json())
        await until_one_ends(_talk(socket, stream), until_left(socket))


async def _talk(socket: WebSocket, stream: AsyncIterator[Event]) -> None:
    code = 1001
    clock = asyncio.get_running_loop().time
    checked = clock()
    pending = asyncio.ensure_future(anext(stream))
    try:
        while True:
            done, _ = await asyncio.wait({pending}, timeout=TICK_S)
            if clock() - checked >= TICK_S:
                checked = clock()
                if authenticator(socket).identify(socket) is None:
                    code = SIGNED_OUT
                    return
            if not done:
                await _send(socket, "tick", f'{{"now":"{datetime.now(UTC).isoformat()}"}}')
                continue
            event = pending.result()
            pending = asyncio.ensure_future(anext(stream))
            async with asyncio.timeout(SEND_S):
                await socket.send_text(event.model_dump_json())
    except StopAsyncIteration:
        pass
    except (SlowSubscriber, TimeoutError):
        code = TOO_SLOW
    except (WebSocketDisconnect, RuntimeError):
        return
    finally:
        pending.cancel()
        with contextlib.suppress(Exception):
            async with asyncio.timeout(1.0):
                await socket.close(code)


async def _send(socket: WebSocket, kind: str, data: str) -> None:
    async with asyncio.timeout(SEND_S):
        await socket.send_text(f'{{"kind":"{kind}","data":{data}}}')
