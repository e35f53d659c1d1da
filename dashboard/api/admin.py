"""room.toml from a page: read, checked, replaced, taken back; the daemon begun anew with it."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field
from starlette.requests import HTTPConnection

from controller.errors import ClassroomError
from controller.roomfile import Fault, OldText, RoomFile, RoomText, add_device
from dashboard.room import Admin, Room

router = APIRouter(prefix="/config", tags=["config"])
LARGEST = 200_000


class Draft(BaseModel):
    """A whole room.toml."""

    text: str = Field(max_length=LARGEST)


class NewText(Draft):
    """A whole room.toml, made from the one that `version` names."""

    version: str = Field(max_length=64)


class NewDevice(BaseModel):
    """A device to be added: as in `[[devices]]`. `scenes`: switched on by start, off by end."""

    text: str = Field(max_length=LARGEST)
    id: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,40}$")
    name: str = Field("", max_length=60)
    profile: str = Field(max_length=100)
    transport: str = Field(max_length=300)
    options: dict[str, str | int | float | bool] = Field(default_factory=dict)
    scenes: bool = False


class Checked(BaseModel):
    """What is wrong in a text; nothing when the room can be run with it."""

    text: str
    faults: list[Fault]


class Applied(BaseModel):
    """The daemon begins anew; pages connect again by themselves."""

    restarting: bool


def _room_file(connection: HTTPConnection) -> RoomFile:
    found: RoomFile | None = connection.app.state.room_file
    if found is None:
        raise ClassroomError(
            "no_file", "This room was not started from a room.toml.", "Use classroomd run.", 404
        )
    return found


File = Annotated[RoomFile, Depends(_room_file)]


@router.get("")
async def config(_: Admin, file: File) -> RoomText:
    """The room's file as it stands. Secrets are references, never values."""
    return await asyncio.to_thread(file.read)


@router.post("/check")
async def check(_: Admin, file: File, body: Draft) -> Checked:
    """What is wrong in a text, with lines and remedies; nothing is kept."""
    return Checked(text=body.text, faults=await asyncio.to_thread(file.check, body.text))


@router.post("/device")
async def with_device(_: Admin, file: File, body: NewDevice) -> Checked:
    """The text with one more device, checked; nothing is kept until it is saved."""
    spec = body.model_dump(include={"id", "name", "profile", "transport", "options"})
    text = add_device(body.text, spec, scenes=("start", "end") if body.scenes else ())
    return Checked(text=text, faults=await asyncio.to_thread(file.check, text))


@router.put("")
async def save(identity: Admin, file: File, room: Room, body: NewText) -> RoomText:
    """Replace the file, if nobody else did since `version`; the older one is kept."""
    saved = await file.save(body.text, body.version)
    await room.journal.enter(identity.actor, "config", data={"version": saved.version[:8]})
    return saved


@router.get("/history")
async def history(_: Admin, file: File) -> list[OldText]:
    """Texts that were replaced, the newest first."""
    return await asyncio.to_thread(file.history)


@router.get("/history/{name}")
async def old(_: Admin, file: File, name: str) -> Draft:
    """An older text; save it to go back to it."""
    return Draft(text=await asyncio.to_thread(file.old, name))


@router.post("/apply")
async def apply(identity: Admin, file: File, room: Room) -> Applied:
    """Begin the daemon anew with the file as it stands; recorders go on meanwhile."""
    text = await asyncio.to_thread(file.read)
    if faults := await asyncio.to_thread(file.check, text.text):
        first = faults[0]
        raise ClassroomError(
            "bad_config", f"Line {first.line or '?'}: {first.message}.", first.remedy, 422
        )
    await room.journal.enter(identity.actor, "restart", data={"version": text.version[:8]})
    asyncio.get_running_loop().call_later(0.3, file.restart)  # the answer goes out first
    return Applied(restarting=True)
