"""The tablet page's way in: a WebSocket that speaks the tablet protocol.

Each connection has a bounded queue and a task that empties it, so that a tablet on a bad network
costs the others nothing: it is closed, comes back, and catches up from the log.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections import deque
from typing import Annotated, Any

from fastapi import APIRouter, Query, WebSocket, WebSocketDisconnect

from controller.state import AccessRole
from dashboard.auth import COOKIE as SIGN_IN
from dashboard.auth import anyone, authenticator
from dashboard.problems import ProblemError
from dashboard.sockets import until_not_allowed
from dashboard.tablets import COOKIE, Room
from devices.tablets.clock import room_ms
from devices.tablets.member import Member, text_of
from devices.tablets.messages import MAX_MESSAGE, Hello, MessageError, parse
from devices.tablets.pairing import Pairing, PairingError, Tablet, TabletRole

router = APIRouter(tags=["tablets"])

WAITING = 4000
WAITING_BYTES = 16 * 1024 * 1024
HELLO_S = 10.0
SEND_S = 20.0
CODES = {
    "room_away": 1012,
    "not_paired": 4401,
    "revoked": 4403,
    "wrong_version": 4406,
    "too_slow": 4408,
    "bad_message": 4400,
    "too_fast": 4429,
}


class SocketMember(Member):
    """One tablet page."""

    def __init__(self, tablet: Tablet) -> None:
        super().__init__(tablet)
        self._waiting: deque[str] = deque()
        self._bytes = 0
        self._some = asyncio.Event()
        self.ending: str | None = None

    def send(self, text: str) -> None:
        if self.ending is not None:
            return
        self._waiting.append(text)
        self._bytes += len(text)
        if len(self._waiting) > WAITING or self._bytes > WAITING_BYTES:
            self._waiting.clear()
            self.close("too_slow", "This connection does not keep up.")
        self._some.set()

    def close(self, code: str, reason: str) -> None:
        if self.ending is None:
            self._waiting.append(text_of({"type": "bye", "code": code, "message": reason}))
            self.ending = code
            self._some.set()

    async def pump(self, socket: WebSocket) -> None:
        """Sends what waits until the member is closed."""
        while True:
            await self._some.wait()
            self._some.clear()
            while self._waiting:
                text = self._waiting.popleft()
                self._bytes -= len(text)
                async with asyncio.timeout(SEND_S):
                    await socket.send_text(text)
            if self.ending is not None:
                return


@router.websocket("/tablets/socket")
async def tablets_socket(
    socket: WebSocket,
    tablets: Room,
    _: Annotated[Any, anyone],
    role: Annotated[TabletRole, Query(alias="as")] = "student",
) -> None:
    """The tablet protocol (docs/tablet-protocol.md).

    Who it is: the page's cookie, or `credential` in the first message. `?as=lecturer` and
    `?as=board` also take an instructor's sign-in. Closed with a code that says why.
    """
    await socket.accept()
    try:
        async with asyncio.timeout(HELLO_S):
            first = await socket.receive_text()
        credential = _hello(first).credential
        tablet = who(socket, tablets.pairing, credential, role)
    except MessageError as error:
        await _refuse(socket, "bad_message", str(error))
        return
    except PairingError as error:
        await _refuse(socket, error.code, str(error))
        return
    except (TimeoutError, WebSocketDisconnect, KeyError):
        with contextlib.suppress(RuntimeError, WebSocketDisconnect):
            await socket.close(CODES["bad_message"])
        return
    member = SocketMember(tablet)
    tablets.join(member)
    talking = asyncio.create_task(member.pump(socket))
    listening = asyncio.create_task(_listen(socket, tablets, member, first))

    async def allowed() -> bool:
        with contextlib.suppress(PairingError):
            return who(socket, tablets.pairing, credential, role).id == tablet.id
        member.close("not_paired", "You are signed out.")
        return False

    jobs: set[asyncio.Task[Any]] = {talking, listening}
    if role == "lecturer":  # a board shows what everybody in the room sees
        jobs.add(asyncio.create_task(until_not_allowed(allowed)))
    try:
        await asyncio.wait(jobs, return_when=asyncio.FIRST_COMPLETED)
        if member.ending and not talking.done():
            await asyncio.wait({talking}, timeout=1.0)
    finally:
        for task in jobs:
            task.cancel()
        await asyncio.gather(*jobs, return_exceptions=True)
        await tablets.leave(member)
        with contextlib.suppress(Exception):
            async with asyncio.timeout(1.0):
                await socket.close(CODES.get(member.ending or "room_away", 1000))


def _hello(text: str) -> Hello:
    message = parse(text)
    if not isinstance(message, Hello):
        raise MessageError("the first message must be a hello")
    return message


async def _listen(socket: WebSocket, tablets: Any, member: SocketMember, first: str) -> None:
    text: str | None = first
    with contextlib.suppress(WebSocketDisconnect, RuntimeError):
        while member.ending is None:
            if text is not None and len(text) <= MAX_MESSAGE:
                await tablets.receive(member, text)
            elif text is not None:
                member.close("bad_message", f"A message is at most {MAX_MESSAGE} bytes long.")
                return
            message = await socket.receive()
            if message["type"] == "websocket.disconnect":
                return
            text = message.get("text")
            if text is None:
                member.close("bad_message", "Texts only.")
                return


def who(connection: Any, pairing: Pairing, credential: str | None, role: TabletRole) -> Tablet:
    """Whose connection this is. Raises PairingError."""
    if credential is None and role != "student":
        with contextlib.suppress(ProblemError):
            identity = authenticator(connection).identify(connection)
            if identity is not None and identity.may(AccessRole.INSTRUCTOR):
                kept = connection.cookies.get(SIGN_IN) or connection.headers["authorization"]
                ident = "w" + hashlib.sha256(f"{role}:{kept}".encode()).hexdigest()[:12]
                return Tablet(
                    id=ident, seat=ident, name=identity.name, role=role, created=room_ms()
                )
    given = credential or connection.cookies.get(COOKIE)
    if not given:
        raise PairingError("not_paired", "This device is not paired with the room.")
    tablet = pairing.authenticate(given)
    if role not in ("student", tablet.role):
        raise PairingError("not_paired", f"This device is paired as {tablet.role}.")
    return tablet


async def _refuse(socket: WebSocket, code: str, reason: str) -> None:
    with contextlib.suppress(Exception):
        await socket.send_text(text_of({"type": "bye", "code": code, "message": reason}))
        await socket.close(CODES.get(code, 4400))
