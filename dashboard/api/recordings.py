"""Recordings: what classes left, and their files to play or download."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import FileResponse

from controller.errors import ClassroomError
from controller.state import RecordingView
from dashboard.review import FOR_STAFF, RecordingDetail, detail
from dashboard.room import Room, Student
from dashboard.viewing import RECORDING_COOKIE, Key, Viewer, listed
from recorder.products import find
from streaming.access import LINK_S

router = APIRouter(prefix="/recordings", tags=["recordings"])

ProductName = Annotated[
    str,
    Path(
        max_length=160,
        description="A name in the recording's `products`, or a slide's picture.",
        examples=["lecture.mp4", "slides/001.jpg"],
    ),
]


@router.get("")
async def recordings(room: Room, caller: Student) -> list[RecordingView]:
    """Every recording on this machine that the caller may see, newest first."""

    def read() -> list[RecordingView]:
        return listed(room.recordings(), caller, room.recording_folder)

    return await asyncio.to_thread(read)


@router.get("/{recording_id}")
async def recording(
    request: Request, response: Response, room: Room, seen: Viewer, key: Key = None
) -> RecordingDetail:
    """One recording with its chapters, streams and files.

    With the `key` of a signed link this browser may see it from now on.
    """
    if key and seen.invited:
        response.set_cookie(
            RECORDING_COOKIE,
            key,
            LINK_S,
            httponly=True,
            samesite="lax",
            secure=request.url.scheme == "https",
            path=f"/api/v1/recordings/{seen.id}",
        )
    return await asyncio.to_thread(lambda: detail(room.recording(seen.id), seen))


@router.get(
    "/{recording_id}/products/{name:path}",
    response_class=FileResponse,
    responses={
        200: {"content": {"application/octet-stream": {}}, "description": "The whole file"},
        206: {"content": {"application/octet-stream": {}}, "description": "The range asked for"},
    },
)
async def product(
    seen: Viewer, name: ProductName, download: Annotated[bool, Query()] = False
) -> FileResponse:
    """A finished file; ranges are answered, so that a player can seek."""
    file = await asyncio.to_thread(find, seen.folder, seen.manifest, name)
    if file is None or (file.kind in FOR_STAFF and not seen.staff):
        raise ClassroomError(
            "unknown_product",
            f"This recording has no file {name!r}.",
            "The recording's `products` lists what is ready.",
            404,
        )
    taken = f"{seen.folder.name}-{name.replace('/', '-')}"
    return FileResponse(
        file.path,
        media_type=file.media_type,
        filename=taken if download else None,
        headers={"Cache-Control": "private, no-cache"},
    )
