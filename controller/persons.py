"""A person's data, found and erased on request: names, answers, notes, words in recordings.

What is looked through: the journal, the tablets' store, and every recording's manifest, markers
and texts. A name is found as a whole word, whatever its case. Erasing puts a dash in its place and
deletes what only that person made (answers, signals, notes). A voice is not found by a name: the
places where captions say it are told, and their time is cut out with `recordings erase`.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field

from recorder.recording import (
    FIRST_MANIFEST,
    MARKERS,
    PRODUCTS,
    Life,
    Recording,
    RecordingError,
    list_recordings,
    write_durably,
)

ERASED = "—"
_TEXTS = ("captions.*.vtt", "transcript.*.txt", "chapters.vtt", "metadata.json", "slides.json",
          "data.json", "summary.*.json", "quiz.*.json")  # fmt: skip
# Below the recording. What was understood and read is kept in `parts`: captions and slides that
# are made again would have the name again.
_PLACES = (
    (PRODUCTS, _TEXTS),
    (f"{PRODUCTS}/parts/uncut", _TEXTS),
    (f"{PRODUCTS}/parts", ("transcript-*.json", "texts-*.json")),
    ("live", ("captions.*.vtt", "slides.json")),
)
_TIMING = re.compile(r"(?:(\d+):)?(\d\d):(\d\d)\.(\d{3}) -->")


class Found(BaseModel):
    """One place that holds something of the person. `at_s`: lecture seconds where it is said."""

    where: str
    what: str
    count: int
    recording: str | None = None
    at_s: list[float] = Field(default_factory=list)


class Persons:
    """Looks through one room. Everything reads or writes the disk: call it in a thread."""

    def __init__(self, recordings: Path, state: Path) -> None:
        self._recordings = recordings
        self._state = state

    def find(self, name: str) -> list[Found]:
        """Where this person is named, and what the person made."""
        return list(self._go(_pattern(name), name, erase=False))

    def erase(self, name: str) -> tuple[list[Found], list[Path]]:
        """Erase it all; what was found, and the recordings whose files changed."""
        found = list(self._go(_pattern(name), name, erase=True))
        changed = {one.recording for one in found if one.recording}
        folders = [r.folder for r in list_recordings(self._recordings) if r.id in changed]
        return found, folders

    def _go(self, pattern: re.Pattern[str], name: str, *, erase: bool) -> Iterator[Found]:
        for file, look in (("tablets.db", _tablets), ("journal.db", _journal)):
            path = self._state / file
            if path.exists():
                with closing(sqlite3.connect(path, timeout=30)) as database, database:
                    database.execute("PRAGMA secure_delete = ON")
                    yield from look(database, pattern, name, erase)
        for recording in list_recordings(self._recordings):
            yield from _recording(recording, pattern, erase)


def _pattern(name: str) -> re.Pattern[str]:
    words = r"\s+".join(re.escape(word) for word in name.split())
    if not words:
        raise ValueError("a name has at least one letter")
    return re.compile(rf"(?<!\w){words}(?!\w)", re.IGNORECASE)


def _tablets(
    database: sqlite3.Connection, pattern: re.Pattern[str], name: str, erase: bool
) -> Iterator[Found]:
    seats = {
        (session, seat)
        for session, seat, label in database.execute("SELECT session, seat, label FROM attendance")
        if pattern.search(label) or pattern.fullmatch(seat)
    }
    for table, what in (("answers", "answers"), ("signals", "raised hands and signals")):
        count = 0
        for session, seat in seats:
            where = f"FROM {table} WHERE session = ? AND seat = ?"
            count += database.execute(f"SELECT count(*) {where}", (session, seat)).fetchone()[0]
            if erase:
                database.execute(f"DELETE {where}", (session, seat))
        if count:
            yield Found(where="tablets", what=what, count=count)
    if seats:
        yield Found(where="tablets", what="attendance", count=len(seats))
    if erase:
        for session, seat in seats:
            database.execute(
                "UPDATE attendance SET label = ? WHERE session = ? AND seat = ?",
                (ERASED, session, seat),
            )
    count = _rows(database, pattern, "log", ("session", "seq"), ("body",), erase)
    if count:
        yield Found(where="tablets", what="entries of class logs", count=count)


def _journal(
    database: sqlite3.Connection, pattern: re.Pattern[str], name: str, erase: bool
) -> Iterator[Found]:
    for table, keys, columns, what in (
        ("events", ("seq",), ("actor", "data"), "journal entries"),
        ("sessions", ("id",), ("body",), "classes"),
    ):
        if count := _rows(database, pattern, table, keys, columns, erase):
            yield Found(where="journal", what=what, count=count)
    known = {row[0] for row in database.execute("SELECT name FROM sqlite_master")}
    for table, what in (("notes", "private notes"), ("places", "places in lectures")):
        if table not in known:
            continue
        owners = [
            row[0]
            for row in database.execute(f"SELECT DISTINCT owner FROM {table}")  # noqa: S608
            if pattern.fullmatch(row[0].rpartition(":")[2])
        ]
        count = 0
        for owner in owners:
            where = f"FROM {table} WHERE owner = ?"
            count += database.execute(f"SELECT count(*) {where}", (owner,)).fetchone()[0]
            if erase:
                database.execute(f"DELETE {where}", (owner,))
        if count:
            yield Found(where="journal", what=what, count=count)


def _rows(
    database: sqlite3.Connection,
    pattern: re.Pattern[str],
    table: str,
    keys: tuple[str, ...],
    columns: tuple[str, ...],
    erase: bool,
) -> int:
    """Rows of a table whose texts name the person; `erase` puts the dash in its place."""
    chosen = ", ".join((*keys, *columns))
    count = 0
    for row in database.execute(f"SELECT {chosen} FROM {table}").fetchall():  # noqa: S608
        told = [str(value) for value in row[len(keys) :]]
        changed = [_without(pattern, text) for text in told]
        if changed == told:
            continue
        count += 1
        if erase:
            sets = ", ".join(f"{column} = ?" for column in columns)
            wheres = " AND ".join(f"{key} = ?" for key in keys)
            database.execute(
                f"UPDATE {table} SET {sets} WHERE {wheres}",  # noqa: S608
                (*changed, *row[: len(keys)]),
            )
    return count


def _recording(recording: Recording, pattern: re.Pattern[str], erase: bool) -> Iterator[Found]:
    try:
        manifest = recording.manifest.model_dump(mode="json")
    except RecordingError:
        return
    changed = _walk(manifest, pattern)
    if changed != manifest:
        fields = {key: changed[key] for key in changed if changed[key] != manifest[key]}
        if erase:
            recording.update(**fields)
        what = f"manifest: {', '.join(sorted(fields))}"
        yield Found(where="recording", what=what, count=len(fields), recording=recording.id)
    files = [recording.folder / MARKERS, recording.folder / FIRST_MANIFEST]
    # What the analysis of a class that is on has open would be written again as it was.
    for folder, names in _PLACES[:1] if manifest["life"] == Life.RECORDING else _PLACES:
        files += [path for name in names for path in sorted((recording.folder / folder).glob(name))]
    for path in files:
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            continue
        count = len(pattern.findall(text))
        new = _without(pattern, text)
        if new == text:
            continue
        if erase:
            write_durably(path, new.encode())
        yield Found(
            where="recording",
            what=str(path.relative_to(recording.folder)),
            count=count,
            recording=recording.id,
            at_s=_said(text, pattern) if path.suffix == ".vtt" else [],
        )


def _said(text: str, pattern: re.Pattern[str]) -> list[float]:
    """When cues name the person."""
    times: list[float] = []
    at = 0.0
    for line in text.splitlines():
        if found := _TIMING.match(line):
            hours, minutes, seconds, millis = (int(part or 0) for part in found.groups())
            at = hours * 3600 + minutes * 60 + seconds + millis / 1000
        elif pattern.search(line) and (not times or times[-1] != at):
            times.append(at)
    return times


def _without(pattern: re.Pattern[str], text: str) -> str:
    """The text without the name; JSON is changed by its values, so that it stays JSON."""
    if text[:1] in ("{", "["):
        try:
            data = json.loads(text)
        except ValueError:
            return pattern.sub(ERASED, text)
        changed = _walk(data, pattern)
        return text if changed == data else json.dumps(changed, ensure_ascii=False)
    return pattern.sub(ERASED, text)


def _walk(value: Any, pattern: re.Pattern[str]) -> Any:
    if isinstance(value, str):
        return pattern.sub(ERASED, value)
    if isinstance(value, list):
        return [_walk(one, pattern) for one in value]
    if isinstance(value, dict):
        return {key: _walk(one, pattern) for key, one in value.items()}
    return value
