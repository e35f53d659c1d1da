"""The journal: durable, ordered, migrated, and forgiving to a damaged file."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from controller import journal as module
from controller.journal import Journal, JournalError
from controller.session import Session, new_session, now_utc
from controller.state import AccessRole, Actor, SessionState, StepResult
from recorder.recording import Layout

ACTOR = Actor(name="Ada", role=AccessRole.INSTRUCTOR, door="panel")


def a_session(title: str = "Optics") -> Session:
    return new_session(
        title=title,
        course=None,
        lecturer=None,
        minutes=45,
        layout=Layout.SLIDES,
        boot_id="boot",
    )


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[Journal]:
    journal = Journal(tmp_path / "state" / "journal.sqlite")
    await journal.open()
    yield journal
    await journal.close()


async def test_sessions_come_back_as_they_were(journal: Journal) -> None:
    session = a_session()
    await journal.save(session, actor=ACTOR, kind="start")
    paused = session.prepared().paused()
    await journal.save(paused, actor=ACTOR, kind="pause", data={"why": "question"})
    again = Journal(journal.path)
    await again.open()
    assert await again.open_sessions() == [paused]
    assert await again.last_session() == paused
    entries = await again.tail(10)
    assert [(e.kind, e.actor, e.door, e.session) for e in entries] == [
        ("pause", "Ada", "panel", session.id),
        ("start", "Ada", "panel", session.id),
    ]
    assert entries[0].data == {"why": "question"}
    await again.close()


async def test_opened_twice_at_once_it_is_opened_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[sqlite3.Connection] = []
    connect = module._connect

    def counted(path: Path) -> sqlite3.Connection:
        opened.append(connect(path))
        return opened[-1]

    monkeypatch.setattr(module, "_connect", counted)
    journal = Journal(tmp_path / "journal.db")
    await asyncio.gather(journal.open(), journal.open())
    await journal.open()
    await journal.close()
    assert len(opened) == 1


async def test_finished_sessions_are_no_longer_open(journal: Journal) -> None:
    session = a_session()
    await journal.save(session, actor=ACTOR, kind="start")
    over = session.over(now_utc()).model_copy(update={"open": False})
    await journal.save(over, actor=ACTOR, kind="end")
    assert await journal.open_sessions() == []
    assert (await journal.last_session()) == over


async def test_steps_and_values(journal: Journal) -> None:
    step = StepResult(device="p", command="power", value=True, state="running")
    await journal.save_steps("s", "start", {1: step, 0: step})
    done = step.model_copy(update={"state": "confirmed"})
    await journal.save_steps("s", "start", {0: done})
    assert await journal.steps("s", "start") == [done, step]
    assert await journal.steps("s", "end") == []
    assert await journal.get("seen") is None
    await journal.set("seen", {"version": 3})
    assert await journal.get("seen") == {"version": 3}


WRITER = """
import asyncio, sys
from pathlib import Path
from controller.journal import Journal
from controller.state import Actor
async def main():
    journal = Journal(Path(sys.argv[1]))
    await journal.open()
    for n in range(100000):
        await journal.enter(Actor(name="x", role="admin", door="cli"), "n", data={"n": n})
        print(n, flush=True)
asyncio.run(main())
"""


async def test_what_was_committed_survives_kill(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(module.__file__).parents[1],
    ) as child:
        assert child.stdout is not None
        told = -1
        for line in child.stdout:
            told = int(line)
            if told >= 25:
                os.kill(child.pid, signal.SIGKILL)
                break
    journal = Journal(path)
    await journal.open()
    assert (await journal.tail(1))[0].data["n"] >= told
    await journal.close()


async def test_old_file_is_brought_up_to_date(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that version 1 wrote is read by a version that has two more schemas."""
    path = tmp_path / "journal.sqlite"
    first = (resources.files("controller") / "schema_v1.sql").read_text("utf-8")
    session = a_session("from version 1")
    old = sqlite3.connect(path)
    old.executescript(first + "PRAGMA user_version = 1;")
    old.execute(
        "INSERT INTO sessions VALUES (?, ?, ?, ?, ?, ?)",
        (session.id, session.started.isoformat(), "live", None, 1, session.model_dump_json()),
    )
    old.commit()
    old.close()
    newer = [
        *module.migrations(),
        "ALTER TABLE sessions ADD COLUMN room TEXT;\nCREATE TABLE extra (x TEXT) STRICT;",
        "CREATE INDEX events_session ON events (session);",
    ]
    monkeypatch.setattr(module, "migrations", lambda: newer)
    journal = Journal(path)
    await journal.open()
    assert await journal.open_sessions() == [session]
    await journal.close()
    check = sqlite3.connect(path)
    assert check.execute("PRAGMA user_version").fetchone() == (len(newer),)
    assert check.execute("SELECT room FROM sessions").fetchall() == [(None,)]
    check.close()


async def test_migration_that_fails_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "journal.sqlite"
    journal = Journal(path)
    await journal.open()
    await journal.set("kept", 1)
    await journal.close()
    known = module.migrations()
    broken = [*known, "CREATE TABLE made (x TEXT) STRICT;\nALTER TABLE nowhere ADD COLUMN y TEXT;"]
    monkeypatch.setattr(module, "migrations", lambda: broken)
    with pytest.raises(JournalError):
        await Journal(path).open()
    monkeypatch.setattr(module, "migrations", lambda: known)
    await journal.open()
    assert await journal.get("kept") == 1
    await journal.close()


async def test_file_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    newer = sqlite3.connect(path)
    newer.execute("PRAGMA user_version = 99")
    newer.commit()
    newer.close()
    with pytest.raises(JournalError, match="newer classroomd"):
        await Journal(path).open()


async def test_damaged_file_is_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    path.write_bytes(b"this was a journal once" * 100)
    journal = Journal(path)
    await journal.open()
    assert journal.damaged is not None
    assert journal.damaged.read_bytes().startswith(b"this was")
    await journal.save(a_session(), actor=ACTOR, kind="start")
    assert len(await journal.open_sessions()) == 1
    await journal.close()


async def test_closed_journal_says_so(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="not open"):
        await Journal(tmp_path / "journal.sqlite").tail()


async def test_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(JournalError, match="state"):
        await Journal(tmp_path / "file" / "state" / "journal.sqlite").open()


async def test_damaged_journal_is_an_alarm(
    open_room: Callable[..., Awaitable[Any]], tmp_path: Path
) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "journal.sqlite").write_bytes(b"no journal" * 500)
    room = await open_room(sources=[])
    assert room.alarm("journal.damaged").who == "technician"


def test_states_are_told_apart() -> None:
    assert a_session().state is SessionState.PREPARING
