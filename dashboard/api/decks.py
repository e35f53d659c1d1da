"""Decks: what the lecturer brings, page by page."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.responses import FileResponse

from controller.course_files import CourseFiles
from controller.state import AccessRole
from dashboard.auth import Identity, authenticator, declares, same_origin
from dashboard.problems import ProblemError
from dashboard.room import Instructor
from dashboard.room import Room as Classroom
from dashboard.tablets import Reader, Room, Service
from devices.tablets.decks import MAX_BYTES, Deck, DeckError
from devices.tablets.sticks import FoundFile

router = APIRouter(prefix="/tablets")

IMAGES = "/api/v1/tablets/pages"
UPLOADS = "/api/v1/tablets/decks"
LARGEST = MAX_BYTES + 1
TYPES = {
    "application/pdf",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "application/vnd.oasis.opendocument.presentation",
    "application/octet-stream",
}


@router.get("/decks")
async def decks(_: Instructor, tablets: Service) -> list[Deck]:
    """The decks that are here."""
    return await asyncio.to_thread(tablets.decks.decks)


@declares(AccessRole.INSTRUCTOR)
async def uploader(request: Request) -> Identity:
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
    _: Annotated[Identity, Depends(uploader)],
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


@router.get("/decks/stick")
async def on_sticks(_: Instructor, tablets: Service) -> list[FoundFile]:
    """Presentations on the removable media of the room's machine."""
    return await tablets.sticks.files()


@router.post("/decks/stick/{file}")
async def from_stick(_: Instructor, tablets: Service, file: str) -> Deck:
    """Makes a deck of a file on a stick. Answers when its pages are ready."""
    try:
        return await tablets.decks.add(*await tablets.sticks.open(file))
    except DeckError as error:
        raise ProblemError(422, "bad_deck", str(error)) from error


@router.get("/decks/course")
async def in_course(_: Instructor, tablets: Service) -> list[FoundFile]:
    """Presentations in the Moodle page of the class's course."""
    try:
        return await _files(tablets).files(tablets.course)
    except DeckError as error:
        raise ProblemError(502, "moodle", str(error)) from error


@router.post("/decks/course/{file}")
async def from_course(_: Instructor, tablets: Service, file: str) -> Deck:
    """Makes a deck of a file in the course. Answers when its pages are ready."""
    try:
        return await tablets.decks.add(*await _files(tablets).open(tablets.course, file))
    except DeckError as error:
        raise ProblemError(422, "bad_deck", str(error)) from error


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


def _files(tablets: Any) -> CourseFiles:
    found: CourseFiles | None = tablets.course_files
    if found is None:
        raise ProblemError(
            409,
            "no_moodle",
            "This room knows no Moodle.",
            "A technician sets [tablets] moodle and moodle_secret.",
        )
    if not tablets.course:
        raise ProblemError(
            409, "no_course", "This class belongs to no course.", "Bring the file from a stick."
        )
    return found


def _deck(tablets: Any, deck: str) -> Deck:
    try:
        found: Deck = tablets.decks.deck(deck)
    except DeckError as error:
        raise ProblemError(404, "unknown_deck", str(error)) from error
    return found
