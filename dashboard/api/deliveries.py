"""Deliveries: recordings on their way to where they are published."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel, Field

from controller.state import DeliveryView
from dashboard.room import Instructor, Room, Technician

router = APIRouter(prefix="/deliveries", tags=["deliveries"])


class Publish(BaseModel):
    """Which recording goes to which target of room.toml."""

    recording: str = Field(max_length=200)
    target: str = Field(max_length=64)


@router.get("")
async def deliveries(room: Room, _: Instructor) -> list[DeliveryView]:
    """Every delivery that is known, with what it waits for."""
    return room.deliveries()


@router.post("", status_code=202)
async def publish(room: Room, identity: Technician, body: Publish) -> DeliveryView:
    """Send a recording to a target; sent already, it is not sent twice."""
    return await room.publish(identity.actor, body.recording, body.target)


@router.post("/{delivery_id}/retry", status_code=202)
async def retry(room: Room, identity: Technician, delivery_id: str) -> DeliveryView:
    """Try again now, instead of when its back-off says."""
    return await room.retry_delivery(identity.actor, delivery_id)
