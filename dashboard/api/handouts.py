"""Files that are handed out to every tablet."""

from __future__ import annotations

from pathlib import PurePath
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import FileResponse

from dashboard.api.decks import uploader
from dashboard.auth import Identity
from dashboard.problems import ProblemError
from dashboard.tablets import Reader, Service
from devices.tablets import messages as m
from devices.tablets.handouts import MAX_BYTES, Handout, HandoutError
from devices.tablets.teaching import NotNowError

router = APIRouter(prefix="/tablets/files")

UPLOADS = "/api/v1/tablets/files"
LARGEST = MAX_BYTES + 1
SHOWN = {".pdf": "application/pdf", ".png": "image/png", ".jpg": "image/jpeg", ".txt": "text/plain"}
"""What a browser shows by itself and that runs nothing; anything else is saved."""


@router.post("")
async def hand_out(
    request: Request,
    _: Annotated[Identity, Depends(uploader)],
    tablets: Service,
    name: Annotated[str, Query(min_length=1, max_length=200, examples=["Exercise 3.pdf"])],
) -> Handout:
    """Hands out a file: the body is the file, `name` its name. Every tablet gets its link."""
    if tablets.room.lesson is None:
        raise ProblemError(409, "no_lesson", "No class is on.", "Start one first.")
    try:
        handout = await tablets.handouts.add(name, request.stream())
        address = f"{UPLOADS}/{handout.id}"
        await tablets.room.direct(
            m.Push(type="push", id=handout.id, kind="file", url=address, title=handout.name)
        )
    except HandoutError as error:
        raise ProblemError(422, "bad_file", str(error)) from error
    except NotNowError as error:
        raise ProblemError(409, error.code, str(error)) from error
    return handout


@router.get("/{file}", response_class=FileResponse)
async def handout(
    _: Reader, tablets: Service, file: Annotated[str, Path(pattern=r"^[0-9a-f]{16}$")]
) -> FileResponse:
    """A file that was handed out."""
    found = tablets.handouts.find(file)
    if found is None:
        raise ProblemError(404, "unknown_file", "This file is not here any more.")
    known, path = found
    kind = SHOWN.get(PurePath(known.name).suffix.lower())
    return FileResponse(
        path,
        filename=known.name,
        media_type=kind or "application/octet-stream",
        content_disposition_type="inline" if kind else "attachment",
        headers={"Cache-Control": "private, max-age=86400"},
    )
