"""The class: start, pause, resume, extend, layout, end, undo."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body
from pydantic import BaseModel, Field

from controller.state import SessionView
from dashboard.room import Instructor, Room

router = APIRouter(prefix="/session", tags=["session"])

Text = Annotated[str, Field(max_length=200)]


class Start(BaseModel):
    """How a class begins. Nothing is needed; `minutes` sets the planned end.

    `slot` names a class of the timetable, "" says that this is none of it. Without it, and when
    nothing else is said, the class that the timetable has now is taken.
    """

    title: Text | None = Field(None, examples=["Optics, lecture 3"])
    course: Text | None = Field(None, examples=["PHY-101"])
    lecturer: Text | None = None
    minutes: int | None = Field(None, ge=1, le=24 * 60)
    slot: str | None = Field(None, max_length=300, examples=[""])


class Extend(BaseModel):
    """How much later the class ends; `force` goes into the next class of the timetable."""

    minutes: int = Field(ge=1, le=240, examples=[5])
    force: bool = False


class SetLayout(BaseModel):
    """What the lecture shows from now on: one of the room's `layouts`."""

    layout: str = Field(max_length=40, examples=["side-by-side"])


class End(BaseModel):
    """With `undo` the end can be taken back for ten seconds; recording goes on meanwhile."""

    undo: bool = False


class Bookmark(BaseModel):
    """A word that finds this moment again."""

    label: str = Field("", max_length=200)


@router.get("")
async def session(room: Room, _: Instructor) -> SessionView | None:
    """The class that is on, or the last one, or null."""
    return room.view().session


@router.post("")
async def start(
    room: Room, identity: Instructor, body: Annotated[Start | None, Body()] = None
) -> SessionView:
    """Start a class. When one is on already, this gives that one."""
    asked = body or Start.model_validate({})
    return await room.start_class(
        identity.actor,
        title=(asked.title or "").strip() or None,
        course=asked.course,
        lecturer=asked.lecturer,
        minutes=asked.minutes,
        slot=asked.slot,
    )


@router.post("/pause")
async def pause(room: Room, identity: Instructor) -> SessionView:
    """Keep nothing until resumed."""
    return await room.pause(identity.actor)


@router.post("/resume")
async def resume(room: Room, identity: Instructor) -> SessionView:
    """Record again after a pause."""
    return await room.resume(identity.actor)


@router.post("/extend")
async def extend(room: Room, identity: Instructor, body: Extend) -> SessionView:
    """Move the planned end."""
    return await room.extend(identity.actor, body.minutes, force=body.force)


@router.post("/layout")
async def layout(room: Room, identity: Instructor, body: SetLayout) -> SessionView:
    """Change what the lecture shows."""
    return await room.set_layout(identity.actor, body.layout)


@router.post("/end")
async def end(
    room: Room, identity: Instructor, body: Annotated[End | None, Body()] = None
) -> SessionView:
    """End the class, at once or so that it can be undone."""
    return await room.end_class(identity.actor, undo=bool(body and body.undo))


@router.post("/undo")
async def undo(room: Room, identity: Instructor) -> SessionView:
    """Take the end back while `undo_until` stands."""
    return await room.undo_end(identity.actor)


@router.post("/retry")
async def retry(room: Room, identity: Instructor) -> SessionView:
    """Try again to record what could not be opened."""
    return await room.retry_recording(identity.actor)


@router.post("/bookmark")
async def bookmark(room: Room, identity: Instructor, body: Bookmark) -> SessionView:
    """Mark this moment in the recording."""
    return await room.bookmark(identity.actor, body.label)
