"""What people do at a recording: notes of their own, where they left off, who may see it."""

from __future__ import annotations

import asyncio
import math
from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter, Path, Response
from pydantic import BaseModel, ConfigDict, Field

from controller.errors import ClassroomError
from controller.notes import BUCKET_S, MAX_TEXT, Note
from dashboard.api.rights import may_decide
from dashboard.notebook import Notebook, Reader
from dashboard.problems import ProblemError
from dashboard.room import Instructor, Room
from dashboard.viewing import DEFAULT
from dashboard.visibility import show_to
from dashboard.watching import Live
from recorder.recording import read_manifest
from streaming.access import Visibility, read_visibility

router = APIRouter(prefix="/recordings/{recording_id}", tags=["review"])

LONGEST_S = 24 * 3600.0
LEAST_VIEWS = 5
MAX_BUCKETS = 60

At = Annotated[float, Field(ge=0, le=LONGEST_S, allow_inf_nan=False, examples=[754.5])]
Text = Annotated[str, Field(max_length=MAX_TEXT, examples=["Snell's law: asked in the exam"])]
NoteId = Annotated[str, Path(pattern=r"^[0-9a-f]{16}$", examples=["0123456789abcdef"])]


class NewNote(BaseModel):
    """A note at a second of the lecture; without text it is a bookmark."""

    at_s: At
    text: Text = ""


class NoteText(BaseModel):
    """Another text for a note."""

    text: Text


class ReviewNotes(BaseModel):
    """The caller's own notes. `own`: kept for the person, and not for this browser only.

    `place_s` is where the caller left off, in seconds of the lecture.
    """

    notes: list[Note]
    place_s: float | None = None
    own: bool = False


class Place(BaseModel):
    """Where someone is now."""

    at_s: At


class ViewedBuckets(BaseModel):
    """Which ten seconds of the lecture were played since the last call: 0 for 0–10 s, and so on."""

    buckets: list[Annotated[int, Field(ge=0, le=int(LONGEST_S / BUCKET_S))]] = Field(
        max_length=MAX_BUCKETS, examples=[[12, 13, 14]]
    )


class Heat(BaseModel):
    """How often each `bucket_s` seconds were watched; a count below `least` shows as 0."""

    bucket_s: int
    least: int
    counts: list[int]


class RecordingVisibility(BaseModel):
    """Who may see the recording besides those who run the room."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"visibility": "course"}]})

    visibility: Visibility


class ReviewLinkRequest(BaseModel):
    """Whether the link opens this recording only, or every one of its course."""

    whole_course: bool = False


class ReviewLink(BaseModel):
    """A signed link: `path` opens the review page on this server."""

    path: str


class NotesFormat(StrEnum):
    """As text for reading, as a table, or as WebVTT for a player."""

    TEXT = "txt"
    TABLE = "csv"
    VTT = "vtt"


# --- notes ---------------------------------------------------------------------------------------


@router.get("/notes")
async def notes(room: Room, reader: Reader) -> ReviewNotes:
    """The caller's notes here, and where the caller left off."""
    owner = reader.known()
    if owner is None:
        return ReviewNotes(notes=[], own=reader.own)
    return ReviewNotes(
        notes=await room.notes.of(owner, reader.seen.id),
        place_s=await room.notes.place(owner, reader.seen.id),
        own=reader.own,
    )


@router.post("/notes", status_code=201)
async def add_note(room: Room, reader: Reader, body: NewNote) -> Note:
    """Keep a note. Nobody else sees it."""
    return await room.notes.add(reader.owner(), reader.seen.id, body.at_s, body.text.strip())


@router.put("/notes/{note_id}")
async def change_note(room: Room, reader: Reader, note_id: NoteId, body: NoteText) -> Note:
    """Another text for a note of one's own."""
    owner = _known(reader, note_id)
    return await room.notes.change(owner, reader.seen.id, note_id, body.text.strip())


@router.delete("/notes/{note_id}", status_code=204)
async def delete_note(room: Room, reader: Reader, note_id: NoteId) -> None:
    """Delete a note of one's own."""
    await room.notes.delete(_known(reader, note_id), reader.seen.id, note_id)


@router.get(
    "/notes.{form}",
    response_class=Response,
    responses={200: {"content": {"text/plain": {}, "text/csv": {}, "text/vtt": {}}}},
)
async def export_notes(room: Room, reader: Reader, form: NotesFormat) -> Response:
    """The caller's notes as a file to keep."""
    owner = reader.known()
    found = await room.notes.of(owner, reader.seen.id) if owner else []
    types = {"txt": "text/plain", "csv": "text/csv", "vtt": "text/vtt"}
    name = f"{reader.seen.folder.name}-notes.{form}"
    return Response(
        written(found, form, reader.seen.manifest.title),
        media_type=f"{types[form]}; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def _known(reader: Notebook, note: str) -> str:
    owner = reader.known()
    if owner is None:
        raise ClassroomError(
            "unknown_note", f"There is no note {note!r} of yours at this recording.", "", 404
        )
    return owner


def _clock(seconds: float, *, whole: bool = True) -> str:
    hours, minutes = int(seconds // 3600), int(seconds // 60) % 60
    tail = f"{int(seconds) % 60:02d}" if whole else f"{seconds % 60:06.3f}"
    return f"{hours:02d}:{minutes:02d}:{tail}"


def written(notes: list[Note], form: NotesFormat, title: str) -> str:
    """Notes as a file's text."""
    match form:
        case NotesFormat.TEXT:
            lines = [title, ""] + [f"{_clock(n.at_s)}  {n.text or '*'}" for n in notes]
            return "\n".join(lines) + "\n"
        case NotesFormat.TABLE:
            rows = [f"{n.at_s:.1f},{_clock(n.at_s)},{_cell(n.text)}" for n in notes]
            return "\r\n".join(["seconds,time,note", *rows]) + "\r\n"
        case NotesFormat.VTT:
            cues = []
            for n in notes:
                said = " ".join((n.text or "*").replace("-->", "→").split())
                said = said.replace("&", "&amp;").replace("<", "&lt;")
                end = _clock(n.at_s + 5, whole=False)
                cues.append(f"{_clock(n.at_s, whole=False)} --> {end}\n{said}\n")
            return "\n".join(["WEBVTT", "", *cues])


def _cell(text: str) -> str:
    # A cell that begins like a formula would be run by a spreadsheet.
    safe = f"'{text}" if text[:1] in {"=", "+", "-", "@", "\t", "\r"} else text
    return '"' + safe.replace('"', '""') + '"'


# --- where one left off, what was seen -----------------------------------------------------------


@router.put("/place", status_code=204)
async def keep_place(room: Room, reader: Reader, body: Place) -> None:
    """Keep where the caller is, to go on from there."""
    await room.notes.keep_place(reader.owner(), reader.seen.id, body.at_s)


@router.post("/views", status_code=204)
async def viewed(room: Room, reader: Reader, body: ViewedBuckets) -> None:
    """Count what was played. Nothing is kept of who played it."""
    reader.owner()
    length = reader.seen.manifest.duration_s or 0.0
    last = math.ceil(length / BUCKET_S)
    await room.notes.count_views(reader.seen.id, [b for b in body.buckets if b < last])


@router.get("/heat")
async def heat(room: Room, _: Instructor, recording_id: str) -> Heat:
    """Where the lecture is watched most, for those who teach."""
    found = await asyncio.to_thread(room.recording, recording_id)
    counts = await room.notes.views(recording_id)
    buckets = math.ceil((found.duration_s or 0.0) / BUCKET_S)
    shown = [counts.get(bucket, 0) for bucket in range(buckets)]
    return Heat(
        bucket_s=BUCKET_S,
        least=LEAST_VIEWS,
        counts=[count if count >= LEAST_VIEWS else 0 for count in shown],
    )


# --- who may see it ------------------------------------------------------------------------------


@router.get("/visibility")
async def visibility(room: Room, _: Instructor, recording_id: str) -> RecordingVisibility:
    """Who may see this recording besides those who run the room."""
    folder = await asyncio.to_thread(room.recording_folder, recording_id)
    return RecordingVisibility(visibility=await asyncio.to_thread(read_visibility, folder, DEFAULT))


@router.put("/visibility")
async def set_visibility(
    room: Room, live: Live, caller: Instructor, recording_id: str, body: RecordingVisibility
) -> RecordingVisibility:
    """Change who may see this recording; links keep working while it is open to its course.

    The same decision as `visibility` of `PATCH …/rights`, in the words of the room's own pages:
    where it is published, the nearest that shows it to nobody more.
    """
    await may_decide(room, caller, recording_id)
    await show_to(room, live, caller.actor, recording_id, body.visibility)
    return body


@router.post("/link")
async def link(
    room: Room, live: Live, _: Instructor, recording_id: str, body: ReviewLinkRequest
) -> ReviewLink:
    """A link for students, to be put where they look. Whoever has it may see the recording."""
    folder = await asyncio.to_thread(room.recording_folder, recording_id)
    manifest = await asyncio.to_thread(read_manifest, folder)
    if body.whole_course and manifest.course is None:
        raise ProblemError(
            409,
            "no_course",
            "This recording belongs to no course.",
            "Ask for a link to this recording.",
        )
    course = manifest.course if body.whole_course else None
    key = live.links.make(recording=recording_id, course=course)
    return ReviewLink(path=f"/review/{recording_id}?key={key}")
