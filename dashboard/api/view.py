"""The room at a glance: everything the panel needs, its sources' pictures, its alarms."""

from __future__ import annotations

from fastapi import APIRouter, Response

from controller.errors import ClassroomError
from controller.state import Alarm, RoomView, SourceView
from dashboard.room import Instructor, Room

router = APIRouter(tags=["room"])


@router.get("/room")
async def room_view(room: Room, _: Instructor) -> RoomView:
    """Everything at once; /api/v1/events sends the same and then each change."""
    return room.view()


@router.get("/sources")
async def sources(room: Room, _: Instructor) -> list[SourceView]:
    """The room's sources as the recorder sees them."""
    return room.view().sources


@router.get(
    "/sources/{source_id}/picture",
    response_class=Response,
    responses={200: {"content": {"image/jpeg": {}}}, 204: {"description": "No picture now"}},
)
async def picture(room: Room, _: Instructor, source_id: str) -> Response:
    """What a source sends now: a small JPEG about once a second; 204 when there is none."""
    if all(source.id != source_id for source in room.view().sources):
        raise ClassroomError(
            "unknown_source",
            f"There is no source {source_id!r} in this room.",
            "GET /api/v1/sources lists them.",
            404,
        )
    jpeg = room.picture(source_id)
    headers = {"Cache-Control": "no-store"}
    if jpeg is None:
        return Response(status_code=204, headers=headers)
    return Response(jpeg, media_type="image/jpeg", headers=headers)


@router.get("/alarms")
async def alarms(room: Room, _: Instructor) -> list[Alarm]:
    """What someone can act on now."""
    return room.view().alarms
