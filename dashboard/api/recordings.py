"""Recordings: what classes left, and their files to play or download."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Path, Query
from fastapi.responses import FileResponse

from controller.errors import ClassroomError
from controller.state import RecordingView
from dashboard.review import RecordingDetail, detail
from dashboard.room import Room, Student
from recorder.recording import PRODUCTS

router = APIRouter(prefix="/recordings", tags=["recordings"])

TYPES = {
    ".mp4": "video/mp4",
    ".m4a": "audio/mp4",
    ".vtt": "text/vtt",
    ".jpg": "image/jpeg",
    ".json": "application/json",
    ".txt": "text/plain",
}


@router.get("")
async def recordings(room: Room, _: Student) -> list[RecordingView]:
    """Every recording on this machine, newest first."""
    return await asyncio.to_thread(room.recordings)


@router.get("/{recording_id}")
async def recording(room: Room, _: Student, recording_id: str) -> RecordingDetail:
    """One recording with its chapters and files."""

    def read() -> RecordingDetail:
        return detail(room.recording(recording_id), room.recording_folder(recording_id))

    return await asyncio.to_thread(read)


@router.get("/{recording_id}/products/{name}", response_class=FileResponse)
async def product(
    room: Room,
    _: Student,
    recording_id: str,
    name: Annotated[str, Path(pattern=r"^[A-Za-z0-9_+-][A-Za-z0-9_.+-]{0,120}$")],
    download: Annotated[bool, Query()] = False,
) -> FileResponse:
    """A finished file; ranges are answered, so that a player can seek."""
    folder = room.recording_folder(recording_id)
    path = folder / PRODUCTS / name
    if path.is_symlink() or not path.is_file():
        raise ClassroomError(
            "unknown_product",
            f"This recording has no file {name!r}.",
            "The recording's `products` lists what is ready.",
            404,
        )
    return FileResponse(
        path,
        media_type=TYPES.get(path.suffix, "application/octet-stream"),
        filename=f"{folder.name}-{name}" if download else None,
        headers={"Cache-Control": "private, no-cache"},
    )
