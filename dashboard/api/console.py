"""What only a technician looks at: a device's wire, and the room's sheet."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import NoReturn

import segno
from fastapi import APIRouter, Request, WebSocket
from pydantic import BaseModel

from controller.errors import ClassroomError
from dashboard.auth import authenticator
from dashboard.room import Room, Technician
from dashboard.sockets import close, until_left, until_not_allowed, until_one_ends
from devices.traffic import Traffic

router = APIRouter(tags=["console"])
WAITING = 512


class Address(BaseModel):
    """Where a page is reached, and its QR code as an SVG's path data (`size` modules square)."""

    url: str
    size: int
    path: str


class SheetView(BaseModel):
    """What is printed and hung beside the panel."""

    room: str
    name: str
    phone: str
    panel: Address
    join: Address
    console: str


@router.get("/sheet")
async def sheet(request: Request, room: Room, _: Technician) -> SheetView:
    """Addresses with their QR codes, for the sheet beside the panel."""
    base = (room.config.tablets.address or str(request.base_url)).rstrip("/")
    view = room.view()
    return SheetView(
        room=view.room,
        name=view.name,
        phone=view.help.phone,
        panel=_address(f"{base}/"),
        join=_address(f"{base}/tablet"),
        console=f"{base}/console",
    )


@router.websocket("/devices/{device_id}/traffic/live")
async def wire(socket: WebSocket, room: Room, _: Technician, device_id: str) -> None:
    """What goes over a device's wire from now on, one JSON text each; see `Traffic`. Closed with
    4401 when the sign-in ends."""
    await socket.accept()
    waiting: asyncio.Queue[Traffic] = asyncio.Queue(WAITING)

    def heard(entry: Traffic) -> None:
        with suppress(asyncio.QueueFull):  # a page that does not keep up misses some
            waiting.put_nowait(entry)

    try:
        leave = room.watch_traffic(device_id, heard)
    except ClassroomError:
        await socket.close(4404)
        return

    async def signed_in() -> bool:
        return authenticator(socket).identify(socket) is not None

    ended: list[asyncio.Task[int]] = []
    try:
        ended = await until_one_ends(
            _talk(socket, waiting), until_left(socket), until_not_allowed(signed_in)
        )
    finally:
        leave()
        await close(socket, ended)


async def _talk(socket: WebSocket, waiting: asyncio.Queue[Traffic]) -> NoReturn:
    while True:
        entry = await waiting.get()
        async with asyncio.timeout(10):
            await socket.send_text(entry.model_dump_json())


def _address(url: str) -> Address:
    code = segno.make(url, error="m", micro=False)
    rows = [list(row) for row in code.matrix]
    path = "".join(
        f"M{x} {y}h1v1h-1z" for y, row in enumerate(rows) for x, dark in enumerate(row) if dark
    )
    return Address(url=url, size=len(rows), path=path)
