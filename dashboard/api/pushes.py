"""Pushes: the program on its way to other servers, as the panel shows and switches them."""

from __future__ import annotations

from typing import Annotated, cast

from fastapi import APIRouter, Depends
from pydantic import BaseModel
from starlette.requests import HTTPConnection

from controller.broadcast import Broadcast
from dashboard.problems import ProblemError
from dashboard.room import Instructor
from streaming.push import PushStatus

router = APIRouter(prefix="/live/pushes", tags=["live"])


class Switch(BaseModel):
    """Whether the program is sent there from now on, in this class."""

    on: bool


async def _broadcast(connection: HTTPConnection) -> Broadcast | None:
    return cast(Broadcast | None, connection.app.state.broadcast)


OnAir = Annotated[Broadcast | None, Depends(_broadcast)]


@router.get("")
async def pushes(on_air: OnAir, _: Instructor) -> list[PushStatus]:
    """Every destination of the room and how it is doing."""
    return [] if on_air is None else on_air.pushes.statuses()


@router.post("/{push}")
async def switch(on_air: OnAir, person: Instructor, push: str, wanted: Switch) -> PushStatus:
    """Begins or ends one destination, for the class that is on."""
    if on_air is None:
        raise ProblemError(404, "unknown_push", "This room pushes nowhere.", "See room.toml.")
    return await on_air.push(person.actor, push, wanted.on)
