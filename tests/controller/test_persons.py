"""A person's data: found everywhere they lie, erased everywhere, and nobody else's."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

from controller.journal import Journal
from controller.persons import Persons
from controller.state import AccessRole, Actor
from controller.tablet_store import TabletStore
from recorder.recording import Life, Role, SourceSpec, create

VTT = (
    "WEBVTT\n\n1\n00:00:01.000 --> 00:00:03.000\nGood morning.\n\n"
    "2\n00:01:05.500 --> 00:01:08.000\nAda Byron, please.\n"
)


async def test_found_and_erased_everywhere(tmp_path: Path) -> None:
    state, root = tmp_path / "state", tmp_path / "recordings"
    journal = Journal(state / "journal.db")
    await journal.open()
    ada = Actor(name="ada byron", role=AccessRole.INSTRUCTOR, door="panel")
    bob = Actor(name="Bob", role=AccessRole.INSTRUCTOR, door="panel")
    await journal.enter(ada, "start", data={"title": "Sums"})
    await journal.enter(bob, "note", data={"about": "a word with Ada Byron"})
    store = TabletStore(state / "tablets.db")
    await store.open()
    await store.close()
    with sqlite3.connect(state / "tablets.db") as database:
        for seat, label in (("7", "Ada Byron"), ("8", "Adam Byrons")):
            database.execute(
                "INSERT INTO attendance (session, seat, joined, label) VALUES ('s', ?, 1, ?)",
                (seat, label),
            )
            database.execute(
                "INSERT INTO answers VALUES ('s', 'q', ?, ?, 't', '\"B\"', 1, 1, 'counted', 1)",
                (seat, f"id{seat}"),
            )
    camera = SourceSpec(id="front", role=Role.PRESENTER, url="test:presenter")
    recording = create(
        root, session="s", room="r", title="Sums", sources=[camera], lecturer="Ada Byron"
    )
    recording.mark("page", 3.0, title="By Ada Byron")
    recording.mark("page", 4.0, title="Of others")
    (recording.products / "captions.en.vtt").write_text(VTT)
    kept = {
        "products/parts/transcript-0a.json": {"stretches": [{"cues": [[65, 68, "Ada Byron"]]}]},
        "products/parts/texts-0a.json": {"b1": {"title": "Ada Byron", "text": "on sums"}},
        "products/summary.en.json": {"approved": True, "summary": "Ada Byron spoke."},
        "live/slides.json": {"slides": [{"title": "by Ada Byron"}]},
    }
    for name, data in kept.items():
        (recording.folder / name).parent.mkdir(exist_ok=True)
        (recording.folder / name).write_text(json.dumps(data))
    recording.update(life=Life.READY)
    persons = Persons(root, state)
    found = {(one.where, one.what): one for one in persons.find("Ada  Byron")}
    assert {key: one.count for key, one in found.items()} == {
        ("tablets", "answers"): 1,
        ("tablets", "attendance"): 1,
        ("journal", "journal entries"): 2,
        ("recording", "manifest: lecturer"): 1,
        ("recording", "markers.jsonl"): 1,
        ("recording", ".recording.first.json"): 1,
        ("recording", "products/captions.en.vtt"): 1,
        **{("recording", name): 1 for name in kept},
    }
    assert found["recording", "products/captions.en.vtt"].at_s == [65.5]
    assert persons.find("Nobody Else") == []

    _, changed = persons.erase("Ada Byron")
    assert changed == [recording.folder]
    assert persons.find("Ada Byron") == []
    everything = "".join(
        path.read_text(errors="replace")
        for path in tmp_path.rglob("*")
        if path.is_file() and path.suffix in (".json", ".jsonl", ".vtt")
    )
    assert "Byron" not in everything
    assert [m.data["title"] for m in recording.markers()] == ["By —", "Of others"]
    assert recording.manifest.lecturer == "—"
    with sqlite3.connect(state / "tablets.db") as database:
        assert database.execute("SELECT seat FROM answers").fetchall() == [("8",)]
        assert [row[0] for row in database.execute("SELECT label FROM attendance")] == [
            "—", "Adam Byrons",
        ]  # fmt: skip
    entries = await journal.tail()
    assert [entry.actor for entry in entries] == ["Bob", "—"]
    assert json.dumps(entries[0].data) == json.dumps({"about": "a word with —"})
    await journal.close()
