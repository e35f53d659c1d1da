"""What people leave at a recording: private notes, where each left off, and how often it was seen.

Notes and places belong to an owner: an opaque name that the dashboard gives (a person's account,
or a browser). Views are counts per ten seconds of the lecture and belong to nobody.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Iterable
from datetime import datetime

from pydantic import BaseModel

from controller.errors import ClassroomError
from controller.journal import Journal
from controller.session import now_utc

MAX_NOTES = 500
MAX_TEXT = 4000
BUCKET_S = 10


class Note(BaseModel):
    """A note at `at_s` (seconds of the lecture); a bookmark is a note without text."""

    id: str
    at_s: float
    text: str
    made: datetime
    changed: datetime


class Notes:
    """The notes, places and views of one room's recordings, in its journal's file."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    async def of(self, owner: str, recording: str) -> list[Note]:
        """The owner's notes at a recording, by their time in it."""
        rows = await self._journal.read(
            "SELECT id, at_s, text, made, changed FROM notes"
            " WHERE owner = ? AND recording = ? ORDER BY at_s, made",
            (owner, recording),
        )
        return [Note(id=r[0], at_s=r[1], text=r[2], made=r[3], changed=r[4]) for r in rows]

    async def add(self, owner: str, recording: str, at_s: float, text: str) -> Note:
        """A new note. Raises ClassroomError `too_many_notes` (409)."""
        now = now_utc()
        note = Note(id=secrets.token_hex(8), at_s=at_s, text=text, made=now, changed=now)

        def write(database: sqlite3.Connection) -> bool:
            held = database.execute(
                "SELECT count(*) FROM notes WHERE owner = ? AND recording = ?", (owner, recording)
            ).fetchone()[0]
            if held >= MAX_NOTES:
                return False
            database.execute(
                "INSERT INTO notes (id, owner, recording, at_s, text, made, changed)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (note.id, owner, recording, at_s, text, now.isoformat(), now.isoformat()),
            )
            return True

        if not await self._journal.write(write):
            raise ClassroomError(
                "too_many_notes",
                f"There are {MAX_NOTES} notes at this recording already.",
                "Export them, and delete some.",
                409,
            )
        return note

    async def change(self, owner: str, recording: str, note: str, text: str) -> Note:
        """Another text for the owner's note. Raises ClassroomError `unknown_note` (404)."""
        now = now_utc().isoformat()
        changed = await self._journal.write(
            lambda database: (
                database.execute(
                    "UPDATE notes SET text = ?, changed = ?"
                    " WHERE id = ? AND owner = ? AND recording = ?",
                    (text, now, note, owner, recording),
                ).rowcount
            )
        )
        found = [one for one in await self.of(owner, recording) if one.id == note]
        if not changed or not found:
            raise _unknown(note)
        return found[0]

    async def delete(self, owner: str, recording: str, note: str) -> None:
        """Raises ClassroomError `unknown_note` (404)."""
        gone = await self._journal.write(
            lambda database: (
                database.execute(
                    "DELETE FROM notes WHERE id = ? AND owner = ? AND recording = ?",
                    (note, owner, recording),
                ).rowcount
            )
        )
        if not gone:
            raise _unknown(note)

    async def place(self, owner: str, recording: str) -> float | None:
        """Where the owner left off, in seconds of the lecture."""
        rows = await self._journal.read(
            "SELECT at_s FROM places WHERE owner = ? AND recording = ?", (owner, recording)
        )
        return float(rows[0][0]) if rows else None

    async def keep_place(self, owner: str, recording: str, at_s: float) -> None:
        """Keep where the owner is now."""
        now = now_utc().isoformat()
        await self._journal.write(
            lambda database: database.execute(
                "INSERT OR REPLACE INTO places (owner, recording, at_s, changed)"
                " VALUES (?, ?, ?, ?)",
                (owner, recording, at_s, now),
            )
        )

    async def count_views(self, recording: str, buckets: Iterable[int]) -> None:
        """Someone has seen these ten-second buckets of the lecture."""
        rows = [(recording, bucket) for bucket in sorted(set(buckets))]
        await self._journal.write(
            lambda database: database.executemany(
                "INSERT INTO views (recording, bucket, count) VALUES (?, ?, 1)"
                " ON CONFLICT (recording, bucket) DO UPDATE SET count = count + 1",
                rows,
            )
        )

    async def views(self, recording: str) -> dict[int, int]:
        """How often each ten-second bucket was seen."""
        rows = await self._journal.read(
            "SELECT bucket, count FROM views WHERE recording = ? ORDER BY bucket", (recording,)
        )
        return {int(bucket): int(count) for bucket, count in rows}


def _unknown(note: str) -> ClassroomError:
    return ClassroomError(
        "unknown_note",
        f"There is no note {note!r} of yours at this recording.",
        "The list of your notes has their ids.",
        404,
    )
