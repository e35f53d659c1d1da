"""What goes out of the room follows the class: pushes begin and end with it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from controller import broadcast as module
from controller.broadcast import Broadcast
from controller.errors import ClassroomError
from controller.events import EventBus
from controller.health import AlarmBoard
from controller.live_settings import StreamingSection
from controller.register import DAEMON
from controller.state import Event, SessionState, SessionView
from streaming.access import Visibility
from streaming.push import PushSpec, PushStatus
from streaming.share import Person, Sharer


class Book:
    """In place of the journal."""

    def __init__(self) -> None:
        self.entries: list[tuple[str, dict[str, Any]]] = []

    async def enter(self, actor: Any, kind: str, *, session: Any = None, data: Any = None) -> None:
        self.entries.append((kind, data))


class Room:
    """The part of a classroom that a broadcast follows."""

    def __init__(self, folder: Path) -> None:
        self.events, self.alarms, self.journal = EventBus(), AlarmBoard(lambda _: None), Book()
        self.folder = folder
        self.session: SessionView | None = None
        self.marks: list[tuple[str, dict[str, Any]]] = []

    def view(self) -> Any:
        return self

    def recording_folder(self, recording: str) -> Path:
        return self.folder

    async def mark(self, kind: str, data: dict[str, Any]) -> None:
        self.marks.append((kind, data))

    def be(self, state: SessionState) -> None:
        now = datetime.now(UTC)
        self.session = SessionView(
            id="s1", state=state, title="Optics", started=now, now=now, recording="r1"
        )
        self.events.publish(Event(kind="session", data=self.session.model_dump(mode="json")))


async def until(condition: Any) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


SETTINGS = StreamingSection(
    visibility=Visibility.COURSE,
    courses={"OPEN-1": Visibility.PUBLIC},
    push=[
        PushSpec(id="campus", url="rtmp://127.0.0.1:9/live/x"),
        PushSpec(id="later", url="srt://127.0.0.1:9", auto=False),
    ],
)


@pytest.fixture
async def made(tmp_path: Path) -> AsyncIterator[tuple[Broadcast, Room]]:
    (tmp_path / "live").mkdir()
    room: Any = Room(tmp_path)
    found = Broadcast(room, SETTINGS, tmp_path / "run", b"k" * 32)
    await found.start()
    yield found, room
    await found.stop()


def states(found: Broadcast) -> dict[str, str]:
    return {one.id: one.state for one in found.pushes.statuses()}


async def test_pushes_begin_and_end_with_the_class(made: tuple[Broadcast, Room]) -> None:
    found, room = made
    assert states(found) == {"campus": "off", "later": "off"}
    with pytest.raises(ClassroomError, match="No class"):
        await found.push(DAEMON, "later", True)
    room.be(SessionState.LIVE)
    await until(lambda: states(found)["campus"] != "off")
    assert states(found)["later"] == "off"
    room.be(SessionState.PAUSED)
    await found.push(DAEMON, "later", True)
    await until(lambda: states(found)["later"] != "off")
    assert (await found.push(DAEMON, "campus", False)).state == "off"
    with pytest.raises(ClassroomError, match="no push"):
        await found.push(DAEMON, "nowhere", True)
    room.be(SessionState.ENDED)
    await until(lambda: set(states(found).values()) == {"off"})
    assert ("push", {"push": "later", "on": True}) in room.journal.entries


async def test_trouble_is_an_alarm_and_stands_in_the_journal(
    made: tuple[Broadcast, Room],
) -> None:
    found, room = made
    told = PushStatus(id="campus", since=datetime.now(UTC), state="retrying", attempts=1)
    found._pushed(told)
    assert not room.alarms.alarms()
    found._pushed(told.model_copy(update={"attempts": 3, "detail": "refused"}))
    assert "refused" in room.alarms.alarms()[0].text
    found._pushed(told.model_copy(update={"state": "live", "attempts": 3}))
    assert not room.alarms.alarms()
    await until(lambda: ("push", {"push": "campus", "state": "live"}) in room.journal.entries)


async def test_a_shared_screen_is_marked_and_courses_differ(
    made: tuple[Broadcast, Room],
) -> None:
    found, room = made
    person = Person(key="k", name="Ada", leads=True)
    found._shown(Sharer(id="a", person=person, kind="screen", since=0.0))
    found._shown(None)
    await until(lambda: len(room.marks) == 2)
    assert room.marks == [
        ("share", {"shown": True, "label": "screen"}),
        ("share", {"shown": False, "label": ""}),
    ]
    assert ("share", {"name": "Ada", "kind": "screen"}) in room.journal.entries
    assert found.live.default_for("OPEN-1") is Visibility.PUBLIC
    assert found.live.default_for(None) is Visibility.COURSE
    with pytest.raises(RuntimeError, match="NOT_SET"):
        module._secret("env:NOT_SET")
