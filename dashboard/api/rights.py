"""Decisions about a recording: hold, release, correct, trim, replace, withdraw, erase.

Any instructor may hold a recording back. Everything else is for the class's own lecturer and for
those who look after the room.
"""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from controller.rights import RightsView, Seen
from controller.state import AccessRole
from dashboard.auth import Identity
from dashboard.problems import ProblemError
from dashboard.room import Instructor, Room
from dashboard.visibility import follow
from dashboard.watching import Live
from recorder.recording import RecordingError, read_manifest

router = APIRouter(prefix="/recordings/{recording_id}", tags=["rights"])

DAY_S = 24 * 3600.0
Seconds = Annotated[float, Field(ge=0, le=DAY_S, allow_inf_nan=False)]


class Hold(BaseModel):
    """Why it is held back, for those who ask."""

    why: str = Field("", max_length=500, examples=["A guest has not agreed yet"])


class Trim(BaseModel):
    """What is kept, in seconds of the lecture as it is shown now."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"start": 12.5, "end": 5380, "cuts": [[1800, 1925.5]]}]}
    )

    start: Seconds | None = None
    end: Seconds | None = None
    cuts: list[tuple[Seconds, Seconds]] = Field(default_factory=list, max_length=200)


class Erase(BaseModel):
    """Spans of the lecture as it is shown now that are destroyed, also in the original tracks."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"spans": [[1800, 1925.5]]}]})

    spans: list[tuple[Seconds, Seconds]] = Field(min_length=1, max_length=200)


class Withdraw(BaseModel):
    """From which target; from all without one. `last_copy` confirms that no copy will be left."""

    target: str | None = Field(None, max_length=64, examples=["campus"])
    last_copy: bool = False


class Correction(BaseModel):
    """What is told about the recording; what is left out stays, null takes a correction back."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"visibility": "course", "consent": True}]}
    )

    title: str | None = Field(None, min_length=1, max_length=200)
    course: str | None = Field(None, max_length=120)
    lecturer: str | None = Field(None, max_length=120)
    language: str | None = Field(None, pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*$")
    licence: str | None = Field(None, max_length=120)
    description: str | None = Field(None, max_length=10_000)
    visibility: Seen | None = None
    consent: bool | None = None
    publish: bool | None = None


async def may_decide(room: Room, caller: Identity, recording_id: str) -> None:
    """Raise 403 unless the caller is the class's lecturer, or looks after the room.

    Where nobody knows who held the class, and while it is on, any instructor counts as its
    lecturer: the one who stands in the room must be able to act.
    """
    if caller.may(AccessRole.TECHNICIAN):
        return
    folder = room.recording_folder(recording_id)
    try:
        manifest = await asyncio.to_thread(read_manifest, folder)
    except RecordingError:
        return
    now = room.view().session
    here = now is not None and now.recording == manifest.id and now.state != "ended"
    known = (manifest.lecturer or "").casefold()
    if here or not known or known == caller.name.casefold():
        return
    raise ProblemError(
        403,
        "not_your_class",
        f"This class was held by {manifest.lecturer}.",
        "Ask them, or a technician; you may hold the recording back.",
    )


@router.get("/rights")
async def rights(room: Room, _: Instructor, recording_id: str) -> RightsView:
    """Who may get this recording, and what was decided about it."""
    return await room.rights.show(recording_id)


@router.patch("/rights")
async def correct(
    room: Room, live: Live, caller: Instructor, recording_id: str, body: Correction
) -> RightsView:
    """Correct its words, its visibility, its consent; what was published follows."""
    await may_decide(room, caller, recording_id)
    words = body.model_dump(mode="json", exclude_unset=True)
    told = await room.rights.correct(caller.actor, recording_id, words)
    if "visibility" in words:
        folder = await asyncio.to_thread(room.recording_folder, recording_id)
        await follow(live, folder, told)
    return told


@router.post("/hold", status_code=202)
async def hold(room: Room, caller: Instructor, recording_id: str, body: Hold) -> RightsView:
    """Let nothing of it out; deliveries under way are recalled."""
    return await room.rights.hold(caller.actor, recording_id, body.why)


@router.post("/release", status_code=202)
async def release(room: Room, caller: Instructor, recording_id: str) -> RightsView:
    """Let it go to where it is published."""
    await may_decide(room, caller, recording_id)
    return await room.rights.release(caller.actor, recording_id)


@router.post("/trim", status_code=202)
async def trim(room: Room, caller: Instructor, recording_id: str, body: Trim) -> RightsView:
    """Cut its start, its end, or out of its middle; the original tracks stay."""
    await may_decide(room, caller, recording_id)
    return await room.rights.trim(
        caller.actor, recording_id, start=body.start, end=body.end, cuts=body.cuts
    )


@router.post("/restore", status_code=202)
async def restore(room: Room, caller: Instructor, recording_id: str) -> RightsView:
    """Take all cuts back."""
    await may_decide(room, caller, recording_id)
    return await room.rights.restore(caller.actor, recording_id)


@router.post("/erase", status_code=202)
async def erase(room: Room, caller: Instructor, recording_id: str, body: Erase) -> RightsView:
    """Destroy spans of it for good, in the lecture and in the original tracks."""
    await may_decide(room, caller, recording_id)
    return await room.rights.trim(caller.actor, recording_id, cuts=body.spans, erase=True)


@router.post("/replace", status_code=202)
async def replace(room: Room, caller: Instructor, recording_id: str) -> RightsView:
    """Deliver it as it is now, in place of what its targets have."""
    await may_decide(room, caller, recording_id)
    return await room.rights.replace(caller.actor, recording_id)


@router.post("/withdraw", status_code=202)
async def withdraw(room: Room, caller: Instructor, recording_id: str, body: Withdraw) -> RightsView:
    """Take it back from one target, or from all of them."""
    await may_decide(room, caller, recording_id)
    return await room.rights.withdraw(
        caller.actor, recording_id, body.target, last_copy=body.last_copy
    )
