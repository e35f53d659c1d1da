"""Devices and scenes: what is in the room, and telling it what to do."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body
from pydantic import BaseModel, StrictBool, StrictFloat, StrictInt, StrictStr

from controller.errors import ClassroomError
from controller.state import StepResult
from dashboard.room import Instructor, Room
from devices.model import CommandResult, DeviceState

router = APIRouter(tags=["devices"])


class Ask(BaseModel):
    """What a command takes, if it takes something: see the device's `commands`."""

    value: StrictBool | StrictInt | StrictFloat | StrictStr | None = None


@router.get("/devices")
async def devices(room: Room, _: Instructor) -> list[DeviceState]:
    """Every device as it last confirmed itself."""
    return room.view().devices


@router.get("/devices/{device_id}")
async def device(room: Room, _: Instructor, device_id: str) -> DeviceState:
    """One device."""
    for state in room.view().devices:
        if state.id == device_id:
            return state
    raise ClassroomError(
        "unknown_device",
        f"There is no device {device_id!r} in this room.",
        "GET /api/v1/devices lists them.",
        404,
    )


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
