"""What only a technician looks at: machine, journal, log, wire, and the room's sheet."""

from __future__ import annotations

import asyncio
import os
import platform
import shutil
import time
from contextlib import suppress
from pathlib import Path
from typing import Annotated, NoReturn

import segno
from fastapi import APIRouter, Query, Request, Response, WebSocket
from pydantic import BaseModel

from controller.errors import ClassroomError
from controller.journal import JournalEntry
from controller.logbook import LOGBOOK, LogLine
from dashboard.auth import authenticator
from dashboard.room import Room, Technician
from dashboard.sockets import close, until_left, until_not_allowed, until_one_ends
from devices.tablets.attendance import csv_text
from devices.traffic import Traffic

router = APIRouter(tags=["console"])
_BEGAN = time.monotonic()
WAITING = 512
Count = Annotated[int, Query(ge=1, le=5000)]
Words = Annotated[str, Query(max_length=100)]


class HealthView(BaseModel):
    """The machine that the room runs on. Sizes are bytes, times seconds."""

    version: str
    python: str
    machine: str
    up_s: float
    load: float
    cores: int
    memory_bytes: int
    disk_free_bytes: int
    disk_total_bytes: int
    reserve_bytes: int
    clock_synchronised: bool | None
    trouble: str


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


@router.get("/health")
async def health(request: Request, room: Room, _: Technician) -> HealthView:
    """Disk, memory, load, clock and versions."""
    folder = room.config.storage.recordings
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    disk = await asyncio.to_thread(shutil.disk_usage, folder)
    file = request.app.state.room_file
    return HealthView(
        version=request.app.version,
        python=platform.python_version(),
        machine=f"{platform.system()} {platform.release()} {platform.machine()}",
        up_s=time.monotonic() - _BEGAN,
        load=os.getloadavg()[0],
        cores=os.cpu_count() or 1,
        memory_bytes=_memory(),
        disk_free_bytes=disk.free,
        disk_total_bytes=disk.total,
        reserve_bytes=int(room.config.storage.reserve_gb * 1e9),
        clock_synchronised=_synchronised(),
        trouble=file.trouble if file is not None else "",
    )


@router.get("/journal")
async def journal(
    room: Room, _: Technician, n: Count = 200, kind: Words = "", text: Words = ""
) -> list[JournalEntry]:
    """Who did what, the newest first; `kind` begins the entries' kind, `text` is looked for."""
    return await _entries(room, n, kind, text)


@router.get("/journal.csv", response_class=Response, responses={200: {"content": {"text/csv": {}}}})
async def journal_file(
    room: Room, _: Technician, n: Count = 5000, kind: Words = "", text: Words = ""
) -> Response:
    """The same as a table."""
    head = ["seq", "at", "kind", "session", "actor", "role", "door", "data"]
    rows = (
        [
            one.seq,
            one.at.isoformat(),
            one.kind,
            one.session,
            one.actor,
            one.role,
            one.door,
            one.data,
        ]
        for one in await _entries(room, n, kind, text)
    )
    headers = {"content-disposition": 'attachment; filename="journal.csv"'}
    return Response(csv_text(head, rows), media_type="text/csv; charset=utf-8", headers=headers)


@router.get("/logs")
async def logs(
    _: Technician, n: Count = 200, level: Words = "info", text: Words = ""
) -> list[LogLine]:
    """The daemon's newest log lines, the newest first."""
    return LOGBOOK.tail(n, level=level, text=text)


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


async def _entries(room: Room, n: int, kind: str, text: str) -> list[JournalEntry]:
    found = await room.journal.tail(10_000 if kind or text else n)
    wanted = text.casefold()
    kept = [
        one
        for one in found
        if one.kind.startswith(kind)
        and wanted in f"{one.kind} {one.actor} {one.session} {one.data}".casefold()
    ]
    return kept[:n]


def _address(url: str) -> Address:
    code = segno.make(url, error="m", micro=False)
    rows = [list(row) for row in code.matrix]
    path = "".join(
        f"M{x} {y}h1v1h-1z" for y, row in enumerate(rows) for x, dark in enumerate(row) if dark
    )
    return Address(url=url, size=len(rows), path=path)


def _memory() -> int:
    with suppress(OSError, ValueError, IndexError):
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return 0


def _synchronised() -> bool | None:
    """As systemd-timesyncd or chrony say it; None where neither does."""
    folder = Path("/run/systemd/timesync")
    if folder.is_dir():
        return (folder / "synchronized").exists()
    return None
