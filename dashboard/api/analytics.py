"""Analytics: classes in numbers, for those who teach; devices in hours, for technicians."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel

from controller.analytics import (
    Analytics,
    Detail,
    DeviceFigures,
    NotTheirsError,
    Overview,
    UnknownSessionError,
)
from controller.state import AccessRole
from dashboard.auth import Identity
from dashboard.problems import ProblemError
from dashboard.room import Instructor, Room, Technician
from devices.tablets.attendance import csv_text

router = APIRouter(prefix="/analytics", tags=["analytics"])

Days = Annotated[int, Query(ge=1, le=3660, description="How many days back.")]
Course = Annotated[str | None, Query(max_length=200, description="Only this course.")]


async def _analytics(request: Request, room: Room) -> Analytics:
    tablets = request.app.state.tablets
    return Analytics(room.journal, tablets.store if tablets else None, room.recording_folder)


Figures = Annotated[Analytics, Depends(_analytics)]


class Rules(BaseModel):
    """`names`: this room's courses allow names in what is downloaded. `own`: only own classes."""

    names: bool
    own: bool


def lecturer_of(caller: Identity) -> str | None:
    """Whose classes the caller may see: their own; all (None) for who looks after the room."""
    return None if caller.may(AccessRole.TECHNICIAN) else caller.name


@router.get("")
async def overview(
    caller: Instructor, figures: Figures, days: Days = 30, course: Course = None
) -> Overview:
    """The caller's classes of the last days in numbers, without names; all for a technician."""
    return await figures.overview(days, course, of=lecturer_of(caller))


@router.get("/rules")
async def rules(caller: Instructor, request: Request) -> Rules:
    """What may be seen here beyond numbers, and whose."""
    tablets = request.app.state.tablets
    names = tablets is not None and tablets.settings.names
    return Rules(names=names, own=lecturer_of(caller) is not None)


@router.get("/sessions.csv", response_class=Response)
async def overview_csv(
    caller: Instructor, figures: Figures, days: Days = 30, course: Course = None
) -> Response:
    """The same as a table."""
    found = await figures.overview(days, course, of=lecturer_of(caller))
    return _table("sessions", found.sessions)


@router.get("/devices")
async def devices(
    _: Technician, figures: Figures, room: Room, days: Days = 30
) -> list[DeviceFigures]:
    """Hours on and out of reach, and faults, of each device."""
    return await figures.devices(days, _names(room))


@router.get("/devices.csv", response_class=Response)
async def devices_csv(_: Technician, figures: Figures, room: Room, days: Days = 30) -> Response:
    """The same as a table."""
    return _table("devices", await figures.devices(days, _names(room)))


@router.get("/sessions/{session}")
async def detail(caller: Instructor, figures: Figures, session: str) -> Detail:
    """One class: seats there, polls, pages, and where its recording is watched."""
    return await _detail(figures, session, caller)


@router.get("/sessions/{session}/{table}.csv", response_class=Response)
async def detail_csv(
    caller: Instructor,
    figures: Figures,
    session: str,
    table: Literal["present", "lost", "polls", "pages", "watched"],
) -> Response:
    """A part of it as a table."""
    found = await _detail(figures, session, caller)
    return _table(f"{session}-{table}", getattr(found, table))


async def _detail(figures: Analytics, session: str, caller: Identity) -> Detail:
    try:
        return await figures.detail(session, of=lecturer_of(caller))
    except (UnknownSessionError, NotTheirsError) as error:
        raise class_problem(error) from error


def class_problem(error: UnknownSessionError | NotTheirsError) -> ProblemError:
    """What the caller is told about a class that is not there, or not theirs."""
    if isinstance(error, UnknownSessionError):
        return ProblemError(404, "unknown_session", "There was no such class in this room.", "")
    held = f"This class was held by {error}." if str(error) else "You did not hold this class."
    return ProblemError(403, "not_your_class", held, "Ask them, or a technician.")


def _names(room: Any) -> dict[str, str]:
    return {device.id: device.name for device in room.view().devices}


def _table(name: str, rows: Sequence[BaseModel]) -> Response:
    dumped = [row.model_dump(mode="json") for row in rows]
    head = list(dumped[0]) if dumped else []
    text = csv_text(head, ([_cell(one) for one in row.values()] for row in dumped))
    plain = "".join(c for c in name if c.isascii() and (c.isalnum() or c in "-_"))
    return Response(
        "\ufeff" + text,
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{plain}.csv"'},
    )


def _cell(value: Any) -> Any:
    if isinstance(value, Iterable) and not isinstance(value, str):
        return " | ".join(map(str, value))
    return "" if value is None else value
