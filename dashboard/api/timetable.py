"""The timetable: what is on today and next; asked anew, or a class of it skipped."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel, Field

from controller.state import TimetableView
from dashboard.room import Instructor, Room, Technician

router = APIRouter(prefix="/timetable", tags=["timetable"])


class Skip(BaseModel):
    """The class that does not take place in this room."""

    slot: str = Field(min_length=1, max_length=300, examples=["2f1a@campus/20261124T0900Z"])


@router.get("")
async def timetable(room: Room, _: Instructor) -> TimetableView | None:
    """Today and next, with the room's policy; null where a room has no timetable."""
    return room.timetable.view()


@router.post("/refresh")
async def refresh(room: Room, _: Technician) -> TimetableView | None:
    """Ask for the calendar now; `error` says why it did not come."""
    return await room.timetable.refresh()


@router.post("/skip")
async def skip(room: Room, identity: Instructor, body: Skip) -> TimetableView | None:
    """Neither offer this class nor begin it by itself."""
    return await room.timetable.skip(identity.actor, body.slot)
