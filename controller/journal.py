"""The journal: what the room must still know after a power cut, and who did what.

SQLite with WAL and `synchronous=FULL` on a thread of its own: when a call returns, it is on disk.
Every schema version stays as `schema_v<N>.sql`; a file is brought up to the newest one step by
step, each in its own transaction.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import datetime
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

import structlog
from pydantic import BaseModel

from controller.session import Session, now_utc
from controller.state import Actor, DeliveryView, StepResult

_T = TypeVar("_T")
_log = structlog.get_logger(__name__)


class JournalError(Exception):
    """The journal cannot be written or opened; says why and what to do."""


class JournalEntry(BaseModel):
    """One line of the audit trail: what happened, when (UTC), by whom, through which door."""

    seq: int
    at: datetime
    kind: str
    session: str | None
    actor: str
    role: str
    door: str
    data: dict[str, Any]


def migrations() -> list[str]:
    """The schema scripts, version 1 first."""
    folder = resources.files("controller")
    scripts: list[str] = []
    while (script := folder / f"schema_v{len(scripts) + 1}.sql").is_file():
        scripts.append(script.read_text("utf-8"))
    return scripts


class Journal:
    """One file per room. `damaged` names the file that was set aside when it was unreadable."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.damaged: Path | None = None
        self._database: sqlite3.Connection | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="journal")

    async def open(self) -> None:
        """Open or make the file and bring its schema up to date. Opening twice is opening once."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._open)

    async def close(self) -> None:
        """Close the file; everything is on disk already."""

        def close() -> None:
            if self._database is not None:
                self._database.close()
                self._database = None

        await asyncio.get_running_loop().run_in_executor(self._thread, close)

    async def save(
        self,
        session: Session,
        *,
        actor: Actor,
        kind: str,
        data: dict[str, Any] | None = None,
    ) -> None:
        """A session's new state and the entry that says who brought it about, in one commit."""

        def write(database: sqlite3.Connection) -> None:
            database.execute(
                "INSERT INTO sessions (id, started, state, recording, open, body)"
                " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET state = excluded.state,"
                " recording = excluded.recording, open = excluded.open, body = excluded.body",
                (
                    session.id,
                    session.started.isoformat(),
                    session.state.value,
                    session.recording,
                    int(session.open),
                    session.model_dump_json(),
                ),
            )
            _enter(database, actor, kind, session.id, data)

        await self.write(write)

    async def enter(
        self,
        actor: Actor,
        kind: str,
        *,
        session: str | None = None,
        data: dict[str, Any] | None = None,
    ) -> None:
        """An entry that changes no session: a device command, a sign-in, a retry."""
        await self.write(lambda database: _enter(database, actor, kind, session, data))

    async def save_steps(self, session: str, scene: str, steps: dict[int, StepResult]) -> None:
        """Where steps of a scene stand, by their position in the scene."""
        at = now_utc().isoformat()
        rows = [(session, scene, n, at, step.model_dump_json()) for n, step in steps.items()]
        await self.write(
            lambda database: database.executemany(
                "INSERT OR REPLACE INTO steps (session, scene, position, at, body)"
                " VALUES (?, ?, ?, ?, ?)",
                rows,
            )
        )

    async def steps(self, session: str, scene: str) -> list[StepResult]:
        """The steps of a scene as they were last saved."""
        rows = await self.read(
            "SELECT body FROM steps WHERE session = ? AND scene = ? ORDER BY position",
            (session, scene),
        )
        return [StepResult.model_validate_json(row[0]) for row in rows]

    async def open_sessions(self) -> list[Session]:
        """Sessions that are on or whose lecture is not finished yet, oldest first."""
        rows = await self.read("SELECT body FROM sessions WHERE open = 1 ORDER BY started", ())
        return [Session.model_validate_json(row[0]) for row in rows]

    async def last_session(self) -> Session | None:
        """The session that started last."""
        rows = await self.read("SELECT body FROM sessions ORDER BY started DESC LIMIT 1", ())
        return Session.model_validate_json(rows[0][0]) if rows else None

    async def save_delivery(self, delivery: DeliveryView) -> None:
        """Index one delivery; the truth about it lies in its recording's folder."""
        await self.write(
            lambda database: database.execute(
                "INSERT OR REPLACE INTO deliveries (id, recording, target, state, at, body)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (
                    delivery.id,
                    delivery.recording,
                    delivery.target,
                    delivery.state,
                    now_utc().isoformat(),
                    delivery.model_dump_json(),
                ),
            )
        )

    async def tail(self, n: int = 100) -> list[JournalEntry]:
        """The last `n` entries, newest first."""
        rows = await self.read(
            "SELECT seq, at, kind, session, actor, role, door, data FROM events"
            " ORDER BY seq DESC LIMIT ?",
            (max(1, min(n, 10_000)),),
        )
        names = ("seq", "at", "kind", "session", "actor", "role", "door")
        return [
            JournalEntry(**dict(zip(names, row[:7], strict=True)), data=json.loads(row[7]))
            for row in rows
        ]

    async def get(self, key: str) -> Any:
        """A small value kept across restarts, or None."""
        rows = await self.read("SELECT value FROM kv WHERE key = ?", (key,))
        return json.loads(rows[0][0]) if rows else None

    async def set(self, key: str, value: Any) -> None:
        """Keep a small value (JSON) across restarts."""
        text = json.dumps(value)
        await self.write(
            lambda database: database.execute(
                "INSERT OR REPLACE INTO kv (key, value) VALUES (?, ?)", (key, text)
            )
        )

    async def write(self, change: Callable[[sqlite3.Connection], _T]) -> _T:
        """Run `change` in a transaction of its own; what it returns, once it is on disk."""

        def commit(database: sqlite3.Connection) -> _T:
            with database:
                database.execute("BEGIN IMMEDIATE")
                return change(database)

        return await self._run(commit)

    async def read(self, query: str, values: tuple[Any, ...]) -> list[Any]:
        """The rows of a query."""
        return await self._run(lambda database: database.execute(query, values).fetchall())

    async def _run(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        def run() -> _T:
            if self._database is None:
                raise JournalError(f"the journal {self.path} is not open.")
            return work(self._database)

        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, run)
        except sqlite3.Error as error:
            raise JournalError(
                f"the journal {self.path} cannot be written ({error})."
                " Free disk space or check the disk; the class goes on."
            ) from error

    def _open(self) -> None:
        if self._database is not None:
            return
        try:
            self.path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
            self._database = _connect(self.path)
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):
                raise JournalError(
                    f"the journal {self.path} cannot be opened ({error})."
                    " Check the folder's owner, free space and the disk."
                ) from error
            self.damaged = _set_aside(self.path)
            _log.exception("journal_damaged", kept_as=str(self.damaged))
            self._database = _connect(self.path)
        except OSError as error:
            raise JournalError(
                f"the journal's folder {self.path.parent} cannot be made ({error.strerror})."
                " Choose another [storage] state."
            ) from error


def _connect(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10)
    try:
        path.chmod(0o640)
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        _migrate(database, path, migrations())
    except BaseException:
        database.close()
        raise
    return database


def _migrate(database: sqlite3.Connection, path: Path, scripts: list[str]) -> None:
    with closing(database.execute("PRAGMA user_version")) as answer:
        version = int(answer.fetchone()[0])
    if version > len(scripts):
        raise JournalError(
            f"the journal {path} was written by a newer classroomd (schema {version}, this one"
            f" knows {len(scripts)}). Install that version again, or restore a backup."
        )
    for number, script in enumerate(scripts[version:], start=version + 1):
        database.executescript(
            f"BEGIN IMMEDIATE;\n{script}\nPRAGMA user_version = {number};\nCOMMIT;"
        )


def _set_aside(path: Path) -> Path:
    """Rename an unreadable file and its companions; nothing is deleted."""
    kept = path.with_name(f"{path.name}.damaged-{int(time.time())}")
    for suffix in ("", "-wal", "-shm"):
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.rename(kept.with_name(kept.name + suffix))
    return kept


def _enter(
    database: sqlite3.Connection,
    actor: Actor,
    kind: str,
    session: str | None,
    data: dict[str, Any] | None,
) -> None:
    database.execute(
        "INSERT INTO events (at, kind, session, actor, role, door, data)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            now_utc().isoformat(),
            kind,
            session,
            actor.name,
            actor.role.value,
            actor.door,
            json.dumps(data or {}, default=str),
        ),
    )
