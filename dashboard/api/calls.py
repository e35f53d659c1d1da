"""A call for help: made on the panel, answered by a technician."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body
from pydantic import BaseModel, Field

from controller.state import HelpView
from dashboard.room import Instructor, Room, Technician

router = APIRouter(prefix="/help", tags=["help"])


class Call(BaseModel):
    """What the technician should know; nothing is needed."""

    note: str = Field("", max_length=500, examples=["The projector shows no picture"])


@router.get("")
async def help_call(room: Room, _: Instructor) -> HelpView:
    """Where the room's call for help stands, and the number to ring."""
    return room.help.view()


@router.post("")
async def call(
    room: Room, identity: Instructor, body: Annotated[Call | None, Body()] = None
) -> HelpView:
    """Call the technician: an alarm, and whatever `[help]` names."""
    return await room.help.call(identity.actor, body.note if body else "")


@router.post("/answer")
async def answer(room: Room, identity: Technician) -> HelpView:
    """Tell the room that someone is on it."""
    return await room.help.answer(identity.actor)


@router.post("/close")
async def close(room: Room, identity: Instructor) -> HelpView:
    """The call is over, or was a mistake."""
    return await room.help.close(identity.actor)
