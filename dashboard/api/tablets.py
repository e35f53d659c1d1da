"""Tablets: becoming one, the lesson now, what a lesson left; it runs on the socket itself."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field

from controller.analytics import Analytics, NotTheirsError, UnknownSessionError
from dashboard.api import decks, handouts, leading, pairing
from dashboard.api.analytics import class_problem, lecturer_of
from dashboard.api.pairing import CodeView, code_view, pairing_problem
from dashboard.auth import anyone
from dashboard.lockout import caller_of
from dashboard.problems import ProblemError
from dashboard.room import Instructor
from dashboard.room import Room as Classroom
from dashboard.tablets import COOKIE, Own, Reader, Room, Service, given_credential, keep_cookie
from devices.tablets import attendance, views
from devices.tablets.clock import room_ms
from devices.tablets.pairing import CODE_LENGTH, PairingError, Tablet
from devices.tablets.question import Question

own = APIRouter(prefix="/tablets")

LARGE = {decks.UPLOADS: decks.LARGEST, handouts.UPLOADS: handouts.LARGEST}
"""Where bodies may be larger than elsewhere, and how large."""
Anyone = Annotated[Any, anyone]


class Redeem(BaseModel):
    """A code that was typed or scanned. `native`: give the credential, and a broker login."""

    code: str = Field(min_length=CODE_LENGTH, max_length=20)
    name: str = Field(default="", max_length=60)
    version: str = Field(default="", max_length=60)
    native: bool = False


class Redeemed(BaseModel):
    """What this device is now. `credential` and `broker` (a port) are for native apps only."""

    tablet: str
    seat: str
    name: str
    role: str
    room: str
    session: str | None
    credential: str | None = None
    broker: int | None = None


# --- becoming a tablet ----------------------------------------------------------------------


@own.post("/redeem")
async def redeem(
    request: Request, response: Response, tablets: Service, _: Anyone, asked: Redeem
) -> Redeemed:
    """Makes this device a tablet of the room. Wrong codes are limited by address."""
    address = caller_of(request.client.host if request.client else None)
    try:
        paired = await tablets.redeem(
            asked.code, address, name=asked.name, version=asked.version, native=asked.native
        )
    except PairingError as error:
        raise pairing_problem(error) from error
    if not asked.native:
        keep_cookie(request, response, paired)
    tablet = paired.tablet
    return Redeemed(
        tablet=tablet.id,
        seat=tablet.seat,
        name=tablet.name,
        role=tablet.role,
        room=tablets.room.room,
        session=tablet.session,
        credential=paired.credential if asked.native else None,
        broker=tablets.broker_for(_from(request)) if asked.native else None,
    )


def _from(request: Request) -> str:
    return request.client.host if request.client else "localhost"


@own.get("/me")
async def me(device: Own) -> Tablet:
    """What this device is paired as."""
    return device


@own.post("/broker")
async def broker(request: Request, device: Own, tablets: Service) -> dict[str, bool]:
    """A native app that its broker refuses gets its login again."""
    credential = given_credential(request)
    return {"broker": bool(credential) and await tablets.admit(device.id, credential or "")}


@own.post("/forget")
async def forget(response: Response, device: Own, tablets: Service) -> None:
    """This device stops being a tablet of the room."""
    await tablets.room.pairing.revoke(device.id)
    response.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")


# --- the lesson -----------------------------------------------------------------------------


@own.get("/join")
async def join(request: Request, _: Reader, tablets: Room) -> CodeView:
    """The code by which students' own devices join now; the board shows it."""
    if tablets.lesson is None:
        raise ProblemError(409, "no_lesson", "No class is on.", "Start one first.")
    return code_view(request, tablets.pairing.join_code(tablets.lesson.session))


@own.get("/lesson")
async def lesson(_: Instructor, tablets: Room) -> dict[str, Any]:
    """The lesson now: its state, results and seats."""
    if tablets.lesson is None:
        return {"state": None}
    return {
        "state": tablets.lesson.state,
        **views.view("results", tablets.lesson),
        "presence": views.view("seats", tablets.lesson),
    }


@own.get("/sessions/{session}/{report}", response_class=Response)
async def report(
    request: Request,
    caller: Instructor,
    classroom: Classroom,
    tablets: Service,
    session: str,
    report: Literal["attendance.csv", "answers.csv", "xapi.json", "confusion.json"],
    names: Annotated[bool, Query()] = False,
) -> Response:
    """What a lesson left, for who held it. xAPI statements carry pseudonyms unless `names` is
    asked for."""
    store = tablets.store
    lesson = tablets.room.lesson
    if lesson is None or lesson.session != session:
        figures = Analytics(classroom.journal, store, classroom.recording_folder)
        try:
            await figures.held(session, of=lecturer_of(caller))
        except (UnknownSessionError, NotTheirsError) as error:
            raise class_problem(error) from error
    stays = await store.attendance(session)
    if report == "attendance.csv":
        return _csv(attendance.attendance_csv(stays, room_ms()), f"{session}-attendance")
    if report == "confusion.json":
        start = stays[0].joined if stays else 0
        return _json(attendance.confusion(await store.signals(session), start))
    answers = await store.answers(session)
    asked = await store.questions(session)
    questions = {ident: Question.model_validate(body) for ident, body in asked.items()}
    if report == "answers.csv":
        labels = {stay.seat: stay.label for stay in stays}
        return _csv(attendance.answers_csv(answers, questions, labels), f"{session}-answers")
    home = str(request.base_url).rstrip("/")
    told = attendance.statements(
        *(session, home, stays, answers, questions), names=names, secret=tablets.pseudonym_key
    )
    return _json(told)


def _csv(text: str, name: str) -> Response:
    disposition = f'attachment; filename="{name}.csv"'
    return Response(
        "\ufeff" + text,
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": disposition},
    )


def _json(value: Any) -> Response:
    return Response(json.dumps(value, ensure_ascii=False), media_type="application/json")


router = APIRouter(tags=["tablets"])
for part in (own, pairing.router, leading.router, decks.router, handouts.router):
    router.include_router(part)
