"""Devices and scenes: what is in the room, and telling it what to do."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Body, Depends, Path, Response
from pydantic import BaseModel, Field, StrictBool, StrictFloat, StrictInt, StrictStr
from starlette.requests import HTTPConnection

from controller.errors import ClassroomError
from controller.state import StepResult
from dashboard.presets import PresetPicture, PresetPictures
from dashboard.room import Instructor, Room, Technician
from devices.model import CommandResult, DeviceState
from devices.traffic import Traffic

router = APIRouter(tags=["devices"])


class Ask(BaseModel):
    """What a command takes, if it takes something: see the device's `commands`."""

    value: StrictBool | StrictInt | StrictFloat | StrictStr | None = None


class KeepPicture(BaseModel):
    """The source whose picture shows what the camera sees now."""

    source: str = Field(max_length=60)


def _pictures(connection: HTTPConnection) -> PresetPictures:
    return connection.app.state.presets  # type: ignore[no-any-return]


Pictures = Annotated[PresetPictures, Depends(_pictures)]
Number = Annotated[int, Path(ge=0, le=255)]


@router.get("/devices")
async def devices(room: Room, _: Instructor) -> list[DeviceState]:
    """Every device as it last confirmed itself."""
    return room.view().devices


@router.get("/devices/{device_id}")
async def device(room: Room, _: Instructor, device_id: str) -> DeviceState:
    """One device."""
    return _device(room, device_id)


@router.get("/devices/{device_id}/traffic")
async def traffic(room: Room, _: Technician, device_id: str) -> list[Traffic]:
    """What went over the device's wire lately, oldest first, with what it means."""
    _device(room, device_id)
    return room.traffic(device_id)


@router.get("/devices/{device_id}/presets")
async def presets(
    room: Room, _: Instructor, pictures: Pictures, device_id: str
) -> list[PresetPicture]:
    """The presets of a camera that have a picture."""
    _device(room, device_id)
    return await asyncio.to_thread(pictures.of, device_id)


@router.get(
    "/devices/{device_id}/presets/{number}/picture",
    response_class=Response,
    responses={200: {"content": {"image/jpeg": {}}}},
)
async def preset_picture(
    room: Room, _: Instructor, pictures: Pictures, device_id: str, number: Number
) -> Response:
    """What the camera saw when this preset was last used."""
    _device(room, device_id)
    jpeg = await asyncio.to_thread(pictures.read, device_id, number)
    if jpeg is None:
        raise ClassroomError(
            "no_picture", f"Preset {number} has no picture yet.", "It gets one in class.", 404
        )
    headers = {"Cache-Control": "private, max-age=86400"}
    return Response(jpeg, media_type="image/jpeg", headers=headers)


@router.post("/devices/{device_id}/presets/{number}/picture", status_code=204)
async def keep_preset_picture(
    room: Room,
    _: Instructor,
    pictures: Pictures,
    device_id: str,
    number: Number,
    body: KeepPicture,
) -> None:
    """Keep what `source` shows now as this preset's picture; nothing happens without one."""
    _device(room, device_id)
    jpeg = room.picture(body.source)
    if jpeg is not None:
        await asyncio.to_thread(pictures.keep, device_id, number, jpeg)


@router.post("/devices/{device_id}/{command}")
async def command(
    room: Room,
    identity: Instructor,
    device_id: str,
    command: str,
    body: Annotated[Ask | None, Body()] = None,
) -> CommandResult:
    """Send one command and wait for what the device says to it (see `outcome`)."""
    return await room.command(identity.actor, device_id, command, body.value if body else None)


@router.get("/scenes")
async def scenes(room: Room, _: Instructor) -> list[str]:
    """The room's scenes by name."""
    return room.view().scenes


@router.post("/scenes/{scene}")
async def run_scene(room: Room, identity: Instructor, scene: str) -> list[StepResult]:
    """Run a scene; the answer comes when its steps are done."""
    return await room.run_scene(identity.actor, scene)


def _device(room: Room, device_id: str) -> DeviceState:
    for state in room.view().devices:
        if state.id == device_id:
            return state
    raise ClassroomError(
        "unknown_device",
        f"There is no device {device_id!r} in this room.",
        "GET /api/v1/devices lists them.",
        404,
    )
