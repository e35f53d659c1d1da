"""The tablets' store: what devices/tablets asks for, in SQLite.

A file of its own beside the journal, so that a class writing ink never waits for the room's
journal or makes it wait. WAL with `synchronous=FULL` on a writer thread that commits whatever has
queued up together: 300 answers in one second cost a handful of commits, and none is acknowledged
before its own.
"""

from __future__ import annotations

import asyncio
import json
import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

from devices.tablets.log import Answer, Body, Draft, Entry, Receipt, Signal, Stay
from devices.tablets.pairing import Tablet

_T = TypeVar("_T")
_Work = Callable[[sqlite3.Connection], Any]
_Job = tuple[_Work, "asyncio.Future[Any]", asyncio.AbstractEventLoop]

BATCH = 512


class TabletStoreError(Exception):
    """The store cannot be opened or written; says why and what to do."""


class TabletStore:
    """One file per room; implements `SessionLog` and `devices.tablets.pairing.TabletStore`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    async def open(self) -> None:
        """Opens or makes the file. Raises TabletStoreError."""
        if self._thread is not None:
            return
        ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._thread = threading.Thread(
            target=self._work, args=(ready, asyncio.get_running_loop()), name="tablet-store"
        )
        self._thread.start()
        try:
            await ready
        except BaseException:
            self._thread = None
            raise

    async def close(self) -> None:
        """Commits what waits and closes the file."""
        if self._thread is not None:
            self._jobs.put(None)
            await asyncio.to_thread(self._thread.join)
            self._thread = None

    # --- the log -------------------------------------------------------------------------------

    async def append(self, session: str, drafts: Sequence[Draft]) -> list[Entry]:
        def work(database: sqlite3.Connection) -> list[Entry]:
            (last,) = database.execute(
                "SELECT coalesce(max(seq), 0) FROM log WHERE session = ?", (session,)
            ).fetchone()
            entries = []
            for draft in drafts:
                known = database.execute(
                    "SELECT seq, id, kind, author, body, at FROM log WHERE session = ? AND id = ?",
                    (session, draft.id),
                ).fetchone()
                if known:
                    entries.append(_entry(known))
                    continue
                last += 1
                database.execute(
                    "INSERT INTO log (session, seq, id, at, kind, author, body)"
                    " VALUES (?, ?, ?, ?, ?, ?, ?)",
                    (
                        *(session, last, draft.id, draft.at, draft.kind, draft.author),
                        json.dumps(draft.body, ensure_ascii=False),
                    ),
                )
                entries.append(
                    Entry(last, draft.id, draft.kind, draft.author, draft.body, draft.at)
                )
            return entries

        return await self._run(work)

    async def read(self, session: str, after: int = 0) -> list[Entry]:
        rows = await self._select(
            "SELECT seq, id, kind, author, body, at FROM log WHERE session = ? AND seq > ?"
            " ORDER BY seq",
            (session, after),
        )
        return [_entry(row) for row in rows]

    async def answer(self, session: str, answer: Answer, *, change: bool) -> Receipt:
        def work(database: sqlite3.Connection) -> Receipt:
            key = (session, answer.question, answer.seat)
            row = database.execute(f"{_ANSWERS} AND question = ? AND seat = ?", key).fetchone()
            standing = _answer(row) if row else None
            seen = database.execute(
                "SELECT question FROM answer_ids WHERE session = ? AND seat = ? AND id = ?",
                (session, answer.seat, answer.id),
            ).fetchone()
            if seen and standing and seen[0] == answer.question:
                return Receipt(standing, fresh=False)
            if seen:
                # The id was used for another question: not an answer to this one.
                return Receipt(_with(answer, "refused", 0), fresh=False)
            database.execute(
                "INSERT INTO answer_ids (session, seat, id, question) VALUES (?, ?, ?, ?)",
                (session, answer.seat, answer.id, answer.question),
            )
            if standing is None:
                kept = _with(answer, answer.state, 1)
            elif not change or (standing.state == "counted" and answer.state != "counted"):
                return Receipt(standing, fresh=False)
            else:
                kept = _with(answer, answer.state, standing.revision + 1)
            database.execute(
                "INSERT OR REPLACE INTO answers (session, question, seat, id, tablet, value,"
                " device_at, received_at, state, revision) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    *(*key, kept.id, kept.tablet, json.dumps(kept.value, ensure_ascii=False)),
                    *(kept.device_at, kept.received_at, kept.state, kept.revision),
                ),
            )
            return Receipt(kept, fresh=True)

        return await self._run(work)

    async def answers(self, session: str) -> list[Answer]:
        rows = await self._select(f"{_ANSWERS} ORDER BY received_at, seat", (session,))
        return [_answer(row) for row in rows]

    async def keep_question(self, session: str, question: str, private: Body) -> None:
        await self._execute(
            "INSERT OR IGNORE INTO questions (session, question, body) VALUES (?, ?, ?)",
            (session, question, json.dumps(private, ensure_ascii=False)),
        )

    async def questions(self, session: str) -> dict[str, Body]:
        rows = await self._select(
            "SELECT question, body FROM questions WHERE session = ?", (session,)
        )
        return {question: json.loads(body) for question, body in rows}

    # --- attendance ----------------------------------------------------------------------------

    async def attend(self, session: str, stay: Stay) -> None:
        await self._execute(
            "INSERT OR REPLACE INTO attendance (session, seat, joined, gone, label)"
            " VALUES (?, ?, ?, ?, ?)",
            (session, stay.seat, stay.joined, stay.left, stay.label),
        )

    async def attendance(self, session: str) -> list[Stay]:
        rows = await self._select(
            "SELECT seat, label, joined, gone FROM attendance WHERE session = ?"
            " ORDER BY joined, seat",
            (session,),
        )
        return [Stay(*row) for row in rows]

    async def signal(self, session: str, signal: Signal) -> None:
        await self._execute(
            "INSERT INTO signals (session, at, seat, kind, up) VALUES (?, ?, ?, ?, ?)",
            (session, signal.at, signal.seat, signal.kind, int(signal.on)),
        )

    async def signals(self, session: str) -> list[Signal]:
        rows = await self._select(
            "SELECT seat, kind, up, at FROM signals WHERE session = ? ORDER BY at, rowid",
            (session,),
        )
        return [Signal(seat, kind, bool(up), at) for seat, kind, up, at in rows]

    async def forget_names(self, before: int) -> None:
        """Takes the names out of attendance and inquiries from before that time (ms)."""
        await self._execute(
            "UPDATE attendance SET label = seat WHERE joined < ? AND label != seat", (before,)
        )
        await self._execute(
            "UPDATE log SET body = json_set(body, '$.name', '') WHERE at < ?"
            " AND kind IN ('inquiry', 'inquiry_shown') AND json_extract(body, '$.name') != ''",
            (before,),
        )

    # --- tablets -------------------------------------------------------------------------------

    async def load_tablets(self) -> list[tuple[Tablet, str]]:
        rows = await self._select("SELECT body, credential FROM tablets", ())
        loaded = [(Tablet.model_validate_json(body), digest) for body, digest in rows]
        return sorted(loaded, key=lambda pair: pair[0].created)

    async def keep_tablet(self, tablet: Tablet, credential_hash: str) -> None:
        await self._execute(
            "INSERT OR REPLACE INTO tablets (id, credential, body) VALUES (?, ?, ?)",
            (tablet.id, credential_hash, tablet.model_dump_json()),
        )

    async def drop_tablets(self, tablets: Sequence[str]) -> None:
        def work(database: sqlite3.Connection) -> None:
            database.executemany("DELETE FROM tablets WHERE id = ?", [(t,) for t in tablets])

        await self._run(work)

    # --- the writer thread ---------------------------------------------------------------------

    async def _select(self, query: str, values: tuple[Any, ...]) -> list[Any]:
        return await self._run(lambda database: database.execute(query, values).fetchall())

    async def _execute(self, statement: str, values: tuple[Any, ...]) -> None:
        await self._run(lambda database: database.execute(statement, values) and None)

    async def _run(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        if self._thread is None:
            raise TabletStoreError(f"the tablets' store {self.path} is not open.")
        loop = asyncio.get_running_loop()
        done: asyncio.Future[_T] = loop.create_future()
        self._jobs.put((work, done, loop))
        return await done

    def _work(self, ready: asyncio.Future[None], loop: asyncio.AbstractEventLoop) -> None:
        try:
            database = _connect(self.path)
        except (sqlite3.Error, OSError, TabletStoreError) as error:
            problem = TabletStoreError(
                f"the tablets' store {self.path} cannot be opened ({error})."
                " Check the folder's owner, free space and the disk."
            )
            loop.call_soon_threadsafe(ready.set_exception, problem)
            return
        loop.call_soon_threadsafe(ready.set_result, None)
        with closing(database):
            while (batch := self._gather()) is not None:
                self._commit(database, batch)

    def _gather(self) -> list[_Job] | None:
        job = self._jobs.get()
        batch: list[_Job] = []
        while job is not None:
            batch.append(job)
            if len(batch) >= BATCH:
                return batch
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                return batch
        if batch:
            self._jobs.put(None)
            return batch
        return None

    def _commit(self, database: sqlite3.Connection, batch: list[_Job]) -> None:
        results: list[tuple[Any, Exception | None]] = []
        try:
            database.execute("BEGIN IMMEDIATE")
            for work, _, _ in batch:
                database.execute("SAVEPOINT job")
                try:
                    results.append((work(database), None))
                except Exception as error:
                    database.execute("ROLLBACK TO job")
                    results.append((None, error))
                database.execute("RELEASE job")
            database.execute("COMMIT")
        except sqlite3.Error as error:
            if database.in_transaction:
                database.execute("ROLLBACK")
            results = [(None, error)] * len(batch)
        for (_, done, loop), (result, failure) in zip(batch, results, strict=True):
            loop.call_soon_threadsafe(_resolve, done, result, self._worded(failure))

    def _worded(self, failure: Exception | None) -> Exception | None:
        if not isinstance(failure, sqlite3.Error):
            return failure
        return TabletStoreError(
            f"the tablets' store {self.path} cannot be written ({failure})."
            " Free disk space or check the disk."
        )


_ANSWERS = (
    "SELECT id, question, seat, tablet, value, device_at, received_at, state, revision"
    " FROM answers WHERE session = ?"
)


def _resolve(done: asyncio.Future[Any], result: Any, failure: Exception | None) -> None:
    if done.done():
        return
    if failure is not None:
        done.set_exception(failure)
    else:
        done.set_result(result)


def _entry(row: Any) -> Entry:
    seq, ident, kind, author, body, at = row
    return Entry(seq, ident, kind, author, json.loads(body), at)


def _answer(row: Any) -> Answer:
    ident, question, seat, tablet, value, device_at, received_at, state, revision = row
    return Answer(
        *(ident, question, seat, tablet, json.loads(value)),
        *(device_at, received_at, state, revision),
    )


def _with(answer: Answer, state: Any, revision: int) -> Answer:
    return Answer(
        *(answer.id, answer.question, answer.seat, answer.tablet, answer.value),
        *(answer.device_at, answer.received_at, state, revision),
    )


def _connect(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    database = sqlite3.connect(path, isolation_level=None, timeout=10)
    try:
        path.chmod(0o600)
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        _migrate(database, _migrations())
    except BaseException:
        database.close()
        raise
    return database


def _migrate(database: sqlite3.Connection, scripts: list[str]) -> None:
    (version,) = database.execute("PRAGMA user_version").fetchone()
    if version > len(scripts):
        raise TabletStoreError(
            f"it was written by a newer classroomd (schema {version}, this one knows"
            f" {len(scripts)})"
        )
    for number, script in enumerate(scripts[version:], start=version + 1):
        database.executescript(
            f"BEGIN IMMEDIATE;\n{script}\nPRAGMA user_version = {number};\nCOMMIT;"
        )


def _migrations() -> list[str]:
    folder = resources.files("controller")
    scripts: list[str] = []
    while (script := folder / f"tablets_v{len(scripts) + 1}.sql").is_file():
        scripts.append(script.read_text("utf-8"))
    return scripts
