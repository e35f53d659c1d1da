"""Tablets: pairing, codes, decks, what a lesson left; the lesson itself runs on the socket."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal

import segno
from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.responses import FileResponse
from pydantic import BaseModel, Field

from controller.state import AccessRole
from dashboard.auth import Identity, anyone, authenticator, declares, same_origin
from dashboard.lockout import caller_of
from dashboard.problems import ProblemError
from dashboard.room import Instructor, Technician
from dashboard.room import Room as Classroom
from dashboard.tablets import COOKIE, Own, Reader, Room, Service, given_credential, keep_cookie
from devices.tablets import attendance, views
from devices.tablets.clock import room_ms
from devices.tablets.decks import Deck, DeckError
from devices.tablets.pairing import CODE_LENGTH, Code, PairingError, Tablet
from devices.tablets.question import Question

router = APIRouter(prefix="/tablets", tags=["tablets"])

IMAGES = "/api/v1/tablets/pages"
UPLOADS = "/api/v1/tablets/decks"
TYPES = {
    "application/pdf",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "application/vnd.oasis.opendocument.presentation",
    "application/octet-stream",
}
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


class NewCodes(BaseModel):
    """Names of the tablets to pair. `each`: a code per tablet, else one code for the set."""

    names: list[Annotated[str, Field(min_length=1, max_length=60)]] = Field(
        min_length=1, max_length=200
    )
    role: Literal["student", "board", "lecturer"] = "student"
    each: bool = False
    minutes: int = Field(default=30, ge=1, le=480)


class CodeView(BaseModel):
    """A code as it is shown: to type at `url`, or to scan."""

    code: str
    url: str
    qr: str
    names: list[str]
    expires: int


class Change(BaseModel):
    """A new name, or another seat."""

    name: str | None = Field(default=None, min_length=1, max_length=60)
    seat: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_-]{1,40}$")


class TabletView(Tablet):
    """A tablet as the technician sees it; `connected`: it is here now."""

    connected: bool


def _problem(error: PairingError) -> ProblemError:
    status = {"too_many_guesses": 429, "unknown_tablet": 404}.get(error.code, 403)
    return ProblemError(status, error.code, str(error))


def qr(text: str) -> str:
    """A QR code as SVG, with its quiet zone."""
    out = io.BytesIO()
    segno.make(text, error="m", micro=False).save(
        out, kind="svg", border=4, xmldecl=False, omitsize=True, light="#ffffff", dark="#000000"
    )
    return out.getvalue().decode().strip()


def _view(request: Request, code: Code) -> CodeView:
    address = request.app.state.tablets.settings.address or str(request.base_url)
    url = f"{address.rstrip('/')}/tablet#{code.text}"
    return CodeView(
        code=code.text, url=url, qr=qr(url), names=list(code.names), expires=code.expires
    )


# --- becoming a tablet ----------------------------------------------------------------------


@router.post("/redeem")
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
        raise _problem(error) from error
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
        broker=tablets.broker_port if asked.native else None,
    )


@router.get("/me")
async def me(own: Own) -> Tablet:
    """What this device is paired as."""
    return own


@router.post("/broker")
async def broker(request: Request, own: Own, tablets: Service) -> dict[str, bool]:
    """A native app that its broker refuses gets its login again."""
    credential = given_credential(request)
    return {"broker": bool(credential) and await tablets.admit(own.id, credential or "")}


@router.post("/forget")
async def forget(response: Response, own: Own, tablets: Service) -> None:
    """This device stops being a tablet of the room."""
    await tablets.room.pairing.revoke(own.id)
    response.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")


# --- the technician's -----------------------------------------------------------------------


@router.get("")
async def tablets_list(_: Technician, tablets: Room) -> list[TabletView]:
    """Every tablet: version, battery, last contact."""
    here = {member.tablet.id for member in tablets.members if member.greeted}
    return [
        TabletView(**tablet.model_dump(), connected=tablet.id in here)
        for tablet in tablets.pairing.tablets()
    ]


@router.post("/codes")
async def codes(request: Request, _: Technician, tablets: Room, wanted: NewCodes) -> list[CodeView]:
    """Codes to pair tablets with: one per tablet, or one for a class set."""
    pairing = tablets.pairing
    if wanted.each:
        made = pairing.pair_each(wanted.names, wanted.role, wanted.minutes)
    else:
        made = [pairing.pair_set(wanted.names, wanted.role, wanted.minutes)]
    return [_view(request, code) for code in made]


@router.delete("/codes/{code}")
async def cancel(_: Technician, tablets: Room, code: str) -> None:
    """Takes a code back."""
    tablets.pairing.cancel(code)


@router.patch("/{tablet}")
async def change(_: Technician, tablets: Room, tablet: str, wanted: Change) -> Tablet:
    """Renames a tablet or moves it to another seat."""
    try:
        known = tablets.pairing.tablet(tablet)
        if wanted.name is not None:
            known = await tablets.pairing.rename(tablet, wanted.name)
        if wanted.seat is not None:
            known = await tablets.pairing.move(tablet, wanted.seat)
    except PairingError as error:
        raise _problem(error) from error
    return known


@router.post("/{tablet}/revoke")
async def revoke(_: Technician, tablets: Room, tablet: str) -> Tablet:
    """Takes the pairing back: the tablet is cut off at once."""
    try:
        return await tablets.pairing.revoke(tablet)
    except PairingError as error:
        raise _problem(error) from error


# --- the lesson -----------------------------------------------------------------------------


@router.get("/join")
async def join(request: Request, _: Reader, tablets: Room) -> CodeView:
    """The code by which students' own devices join now; the board shows it."""
    if tablets.lesson is None:
        raise ProblemError(409, "no_lesson", "No class is on.", "Start one first.")
    return _view(request, tablets.pairing.join_code(tablets.lesson.session))


@router.get("/lesson")
async def lesson(_: Instructor, tablets: Room) -> dict[str, Any]:
    """The lesson now: its state, results and seats."""
    if tablets.lesson is None:
        return {"state": None}
    return {
        "state": tablets.lesson.state,
        **views.view("results", tablets.lesson),
        "presence": views.view("seats", tablets.lesson),
    }


@router.get("/sessions/{session}/{report}", response_class=Response)
async def report(
    request: Request,
    _: Instructor,
    tablets: Service,
    session: str,
    report: Literal["attendance.csv", "answers.csv", "xapi.json", "confusion.json"],
    names: Annotated[bool, Query()] = False,
) -> Response:
    """What a lesson left. xAPI statements carry pseudonyms unless `names` is asked for."""
    store = tablets.store
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
    return _json(attendance.statements(session, home, stays, answers, questions, names=names))


def _csv(text: str, name: str) -> Response:
    disposition = f'attachment; filename="{name}.csv"'
    return Response(
        "\ufeff" + text,
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": disposition},
    )


def _json(value: Any) -> Response:
    return Response(json.dumps(value, ensure_ascii=False), media_type="application/json")


# --- decks ----------------------------------------------------------------------------------


@router.get("/decks")
async def decks(_: Instructor, tablets: Service) -> list[Deck]:
    """The decks that are here."""
    return await asyncio.to_thread(tablets.decks.decks)


@declares(AccessRole.INSTRUCTOR)
async def _uploader(request: Request) -> Identity:
    """An instructor; a body that is no JSON is taken from our own pages and from programs only."""
    identity = authenticator(request).identify(request)
    if identity is None:
        raise ProblemError(401, "not_signed_in", "Sign in first.")
    if not identity.may(AccessRole.INSTRUCTOR):
        raise ProblemError(403, "role_too_low", "Only those who teach bring decks.")
    if not same_origin(request):
        raise ProblemError(403, "other_site", "This request came from another site's page.")
    if request.headers.get("content-type", "").partition(";")[0] not in TYPES:
        raise ProblemError(415, "no_deck", "Send a PDF or a presentation, with its content type.")
    return identity


@router.post("/decks")
async def add_deck(
    request: Request,
    _: Annotated[Identity, Depends(_uploader)],
    tablets: Service,
    name: Annotated[str, Query(min_length=5, max_length=200)],
) -> Deck:
    """Brings a deck: the body is the file, `name` its name. Answers when its pages are ready."""
    content: AsyncIterator[bytes] = request.stream()
    try:
        return await tablets.decks.add(name, content)
    except DeckError as error:
        raise ProblemError(422, "bad_deck", str(error)) from error


@router.post("/decks/{deck}/open")
async def open_deck(_: Instructor, tablets: Service, deck: str) -> dict[str, int]:
    """Shows a deck in the lesson that is on."""
    found = await asyncio.to_thread(_deck, tablets, deck)
    if tablets.room.lesson is None:
        raise ProblemError(409, "no_lesson", "No class is on.", "Start one first.")
    entry = await tablets.room.lesson.put("deck", found.entry(IMAGES), "lecturer")
    return {"seq": entry.seq}


@router.delete("/decks/{deck}")
async def remove_deck(_: Instructor, tablets: Service, deck: str) -> None:
    """Throws a deck away."""
    await asyncio.to_thread(lambda: tablets.decks.remove(_deck(tablets, deck).id))


@router.get("/pages/{page}.webp", response_class=FileResponse)
async def page_image(
    _: Reader, tablets: Service, page: Annotated[str, Path(pattern=r"^[0-9a-f]{16}-\d{1,4}$")]
) -> FileResponse:
    """A page's picture; it never changes."""
    file = tablets.decks.image(page)
    if file is None:
        raise ProblemError(404, "unknown_page", "There is no such page.")
    return FileResponse(
        file,
        media_type="image/webp",
        headers={"Cache-Control": "private, max-age=31536000, immutable"},
    )


@router.get("/live.jpg", response_class=Response)
async def live_picture(_: Reader, tablets: Room, classroom: Classroom) -> Response:
    """What the slides show now, small; only while the lesson is on that page."""
    lesson = tablets.lesson
    pages = lesson.state["pages"] if lesson else []
    live = any(p["id"] == lesson.state["page"] and p["kind"] == "live" for p in pages if lesson)
    sources = [source for source in classroom.view().sources if source.role == "slides"]
    picture = (
        await asyncio.to_thread(classroom.picture, sources[0].id) if live and sources else None
    )
    if picture is None:
        raise ProblemError(404, "no_picture", "There is no live picture now.")
    return Response(picture, media_type="image/jpeg")


def _deck(tablets: Any, deck: str) -> Deck:
    try:
        found: Deck = tablets.decks.deck(deck)
    except DeckError as error:
        raise ProblemError(404, "unknown_deck", str(error)) from error
    return found
