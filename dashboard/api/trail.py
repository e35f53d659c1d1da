"""What happened: the journal and the daemon's log, searched and taken away without secrets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from itertools import islice
from typing import Annotated

from fastapi import APIRouter, Query, Response

from controller.journal import JournalEntry
from controller.logbook import LINES, LOGBOOK, LogLine
from controller.redaction import Redaction, configured_secrets
from dashboard.room import Room, Technician
from devices.tablets.attendance import csv_text

router = APIRouter(tags=["console"])
JSON_LINES = "application/jsonl"
Count = Annotated[int, Query(ge=1, le=5000)]
Words = Annotated[str, Query(max_length=100)]


def _file(kind: str, example: str) -> dict[int | str, dict[str, object]]:
    return {200: {"content": {kind: {"example": example}}}}


@router.get("/journal")
async def journal(
    room: Room, _: Technician, n: Count = 200, kind: Words = "", text: Words = ""
) -> list[JournalEntry]:
    """Who did what, the newest first; `kind` begins the entries' kind, `text` is looked for."""
    return await _entries(room, n, kind, text)


@router.get(
    "/journal.csv",
    response_class=Response,
    responses=_file("text/csv", "seq,at,kind,session,actor,role,door,data\r\n"),
)
async def journal_table(
    room: Room, _: Technician, n: Count = 5000, kind: Words = "", text: Words = ""
) -> Response:
    """The same as a table."""
    head = ["seq", "at", "kind", "session", "actor", "role", "door", "data"]
    rows = (
        [getattr(one, name) if name != "at" else one.at.isoformat() for name in head]
        for one in await _entries(room, n, kind, text)
    )
    return _download(csv_text(head, rows), "journal.csv", "text/csv; charset=utf-8")


@router.get(
    "/journal.jsonl",
    response_class=Response,
    responses=_file(JSON_LINES, '{"seq":1,"kind":"start","actor":"Teacher","door":"panel"}\n'),
)
async def journal_lines(
    room: Room, _: Technician, n: Count = 5000, kind: Words = "", text: Words = ""
) -> Response:
    """The same, an entry a line, the newest first."""
    return _download(_lines(await _entries(room, n, kind, text)), "journal.jsonl", JSON_LINES)


@router.get("/logs")
async def logs(
    room: Room, _: Technician, n: Count = 200, level: Words = "info", text: Words = ""
) -> list[LogLine]:
    """The daemon's newest log lines, the newest first."""
    return await _logged(room, n, level, text)


@router.get(
    "/logs.txt",
    response_class=Response,
    responses=_file("text/plain", "2026-09-01T08:15:00+00:00 info room.capture: started\n"),
)
async def log_text(
    room: Room, _: Technician, n: Count = LINES, level: Words = "debug", text: Words = ""
) -> Response:
    """The log that the daemon still remembers, the oldest line first, without secrets."""
    told = "".join(
        f"{one.at.isoformat()} {one.level} {one.name}: {one.text}\n"
        for one in reversed(await _logged(room, n, level, text))
    )
    return _download(told, "classroomd.log", "text/plain; charset=utf-8")


@router.get(
    "/logs.jsonl",
    response_class=Response,
    responses=_file(
        JSON_LINES, '{"seq":1,"level":"info","name":"room.capture","text":"started"}\n'
    ),
)
async def log_lines(
    room: Room, _: Technician, n: Count = LINES, level: Words = "debug", text: Words = ""
) -> Response:
    """The same for programs, one JSON object a line."""
    told = _lines(reversed(await _logged(room, n, level, text)))
    return _download(told, "classroomd.jsonl", JSON_LINES)


async def _entries(room: Room, n: int, kind: str, text: str) -> list[JournalEntry]:
    found = await room.journal.tail(10_000 if kind or text else n)
    hide = await _redaction(room)
    shown = (
        one.model_copy(update={"data": hide.value(one.data)})
        for one in found
        if one.kind.startswith(kind)
    )
    # Looked for in what is shown, so that nobody can try out secrets.
    wanted = text.casefold()
    kept = (
        one
        for one in shown
        if wanted in f"{one.kind} {one.actor} {one.session} {one.data}".casefold()
    )
    return list(islice(kept, n))


async def _logged(room: Room, n: int, level: str, text: str) -> list[LogLine]:
    hide = await _redaction(room)
    lines = LOGBOOK.tail(LINES, level=level)
    wanted = text.casefold()
    shown = (one.model_copy(update={"text": hide.text(one.text)}) for one in lines)
    kept = (one for one in shown if wanted in f"{one.name} {one.text}".casefold())
    return list(islice(kept, n))


async def _redaction(room: Room) -> Redaction:
    return Redaction(await asyncio.to_thread(configured_secrets, room.config))


def _lines(found: Iterable[JournalEntry | LogLine]) -> str:
    return "".join(
        json.dumps(one.model_dump(mode="json"), ensure_ascii=False) + "\n" for one in found
    )


def _download(text: str, name: str, kind: str) -> Response:
    headers = {"content-disposition": f'attachment; filename="{name}"'}
    return Response(text, media_type=kind, headers=headers)
