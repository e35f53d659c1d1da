"""Notes are their owner's, places are kept, views belong to nobody."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from controller import notes as module
from controller.errors import ClassroomError
from controller.journal import Journal
from controller.notes import Notes


@pytest.fixture
async def notes(tmp_path: Path) -> AsyncIterator[Notes]:
    journal = Journal(tmp_path / "journal.sqlite")
    await journal.open()
    yield Notes(journal)
    await journal.close()


async def test_notes_are_kept_in_the_lectures_order_and_private(notes: Notes) -> None:
    later = await notes.add("ada", "r1", 70.5, "Exam")
    first = await notes.add("ada", "r1", 3.0, "")
    await notes.add("bob", "r1", 1.0, "Bob's own")
    await notes.add("ada", "r2", 1.0, "another lecture")
    assert await notes.of("ada", "r1") == [first, later]
    changed = await notes.change("ada", "r1", first.id, "Definition")
    assert (changed.text, changed.at_s, changed.made) == ("Definition", 3.0, first.made)
    for call in (
        notes.change("bob", "r1", first.id, "mine now"),
        notes.delete("bob", "r1", first.id),
        notes.delete("ada", "r2", first.id),
    ):
        with pytest.raises(ClassroomError, match="no note"):
            await call
    await notes.delete("ada", "r1", first.id)
    assert await notes.of("ada", "r1") == [later]


async def test_a_notebook_has_an_end(notes: Notes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_NOTES", 2)
    for _ in range(2):
        await notes.add("ada", "r1", 0.0, "")
    with pytest.raises(ClassroomError, match="2 notes"):
        await notes.add("ada", "r1", 0.0, "")


async def test_places_and_views(notes: Notes) -> None:
    assert await notes.place("ada", "r1") is None
    await notes.keep_place("ada", "r1", 12.5)
    await notes.keep_place("ada", "r1", 99.0)
    assert await notes.place("ada", "r1") == 99.0
    await notes.count_views("r1", [0, 1, 1])
    await notes.count_views("r1", [1, 2])
    await notes.count_views("r1", [])
    assert await notes.views("r1") == {0: 1, 1: 2, 2: 1}
