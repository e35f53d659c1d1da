"""The room in one file, and back from it; devices played by their simulators."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, StrictBool

from controller import backup
from controller.errors import ClassroomError
from controller.standins import StandIns
from dashboard.api.admin import File
from dashboard.room import Admin, Room, Technician

router = APIRouter(tags=["backup"])
RESTORE = "/api/v1/restore"
LARGEST = backup.LARGEST


class Restored(BaseModel):
    """What was put back. The daemon begins anew with it."""

    files: list[str]
    restarting: bool


class Play(BaseModel):
    """Whether the simulator stands in for the real device."""

    on: StrictBool


class Played(BaseModel):
    """The devices that are played by their simulators from the next start on."""

    devices: list[str]


@router.get(
    "/backup",
    response_class=Response,
    responses={200: {"content": {"application/zip": {}}}},
)
async def take(identity: Admin, room: Room, file: File) -> Response:
    """room.toml, profiles, presets and tablets as a zip file; no secrets, no recordings."""
    text = await asyncio.to_thread(file.read)
    packed = await asyncio.to_thread(backup.make, room.config, text.text)
    await room.journal.enter(identity.actor, "backup", data={"bytes": len(packed)})
    name = f"{room.config.room.id}-backup.zip"
    headers = {"content-disposition": f'attachment; filename="{name}"'}
    return Response(packed, media_type="application/zip", headers=headers)


@router.post(
    "/restore",
    openapi_extra={
        "requestBody": {
            "content": {"application/zip": {"schema": {"type": "string", "format": "binary"}}}
        }
    },
)
async def restore(request: Request, identity: Admin, room: Room, file: File) -> Restored:
    """Put a backup back, and begin anew with it; the room.toml of now stays in the history."""
    session = room.view().session
    if session is not None and session.state != "ended":
        raise ClassroomError("not_allowed_now", "A class is on.", "Wait until it has ended.")
    text, files = await asyncio.to_thread(backup.read, await request.body())
    now = await asyncio.to_thread(file.read)
    profiles = {name: body for name, body in files.items() if name.startswith("profiles/")}
    done = await asyncio.to_thread(backup.restore, room.config, profiles)
    await file.save(text, now.version)  # checked with the profiles in their places
    others = {name: body for name, body in files.items() if name not in profiles}
    done += await asyncio.to_thread(backup.restore, room.config, others)
    await room.journal.enter(identity.actor, "restore", data={"files": len(done)})
    asyncio.get_running_loop().call_later(0.3, file.restart)
    return Restored(files=["room.toml", *done], restarting=True)


@router.get("/standins")
async def standins(room: Room, _: Technician) -> Played:
    """The devices that are played by their simulators."""
    return Played(devices=await asyncio.to_thread(StandIns(room.state_folder).names))


@router.post("/standins/{device_id}")
async def play(room: Room, identity: Technician, file: File, device_id: str, body: Play) -> Played:
    """Let a simulator stand in for a device, or take the real one back; the daemon begins anew."""
    if all(state.id != device_id for state in room.view().devices):
        raise ClassroomError("unknown_device", f"There is no device {device_id!r}.", "", 404)
    keeper = StandIns(room.state_folder)
    names = await asyncio.to_thread(keeper.put, device_id, body.on)
    await room.journal.enter(
        identity.actor, "standin", data={"device": device_id, "simulator": body.on}
    )
    asyncio.get_running_loop().call_later(0.3, file.restart)
    return Played(devices=names)
