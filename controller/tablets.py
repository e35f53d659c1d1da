"""The tablets of the room as the daemon runs them: store, lesson, broker, decks, in one life.

The lesson follows the class: it begins when a session does, goes on after a restart, and ends
with it. Page turns and questions become markers of the recording.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
from collections.abc import Awaitable, Callable
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Protocol

import structlog

from controller.config import resolve_secret
from controller.course_files import CourseFiles
from controller.events import EventBus, SlowSubscriber
from controller.lessons_told import LessonsTold
from controller.settings import TabletsSection
from controller.state import Event, RoomView, SessionState, SessionView
from controller.tablet_store import TabletStore
from devices.tablets.access import BrokerAccess
from devices.tablets.clock import room_ms
from devices.tablets.decks import DeckShelf
from devices.tablets.handouts import Handouts
from devices.tablets.mqtt import Link, MqttTablets
from devices.tablets.pairing import Paired
from devices.tablets.room import TabletRoom
from devices.tablets.sticks import Sticks

DAY_MS = 24 * 3600 * 1000
MARKED_TEXT = 4000
"""So much of a page's text goes into the recording's marker, in characters."""

_OVER = {SessionState.ENDED, SessionState.PLANNED}
_log = structlog.get_logger(__name__)

Mark = Callable[[str, dict[str, Any]], Awaitable[None]]


class Followed(Protocol):
    """The part of `Classroom` that the tablets follow."""

    events: EventBus

    def view(self) -> RoomView: ...


class Tablets:
    """What the daemon starts after the classroom, and the dashboard serves.

    `managed`: the broker is the room's own, so tablets get logins there.
    """

    def __init__(
        self,
        room: str,
        state: Path,
        *,
        mqtt: Link | None = None,
        managed: bool = False,
        mark: Mark | None = None,
        settings: TabletsSection | None = None,
    ) -> None:
        self.settings = settings or TabletsSection()
        self.store = TabletStore(state / "tablets.db")
        self.decks = DeckShelf(state / "decks")
        self.handouts = Handouts(state / "handouts")
        self.sticks = Sticks(self.settings.media)
        self.course = ""
        """The course of the class that is on; "" for none."""
        self.course_files: CourseFiles | None = None
        if self.settings.moodle:
            token = self.settings.moodle_secret
            self.course_files = CourseFiles(
                self.settings.moodle, lambda: resolve_secret(token) if token else ""
            )
        self.room = TabletRoom(
            room, self.store, on_marker=self._marker, on_summary=self._tell_lesson
        )
        self.events: EventBus | None = None
        """Where the panels are told the lesson in numbers."""
        self.door: MqttTablets | None = None
        self._mqtt = mqtt
        if mqtt is not None:
            access = BrokerAccess(mqtt, room) if managed else None
            self.door = MqttTablets(self.room, mqtt, access)
        self.pseudonym_key = _secret(state / "pseudonyms.key")
        self._mark = mark
        self._told: LessonsTold | None = None
        if self.settings.lrs:
            secret = self.settings.lrs_secret
            self._told = LessonsTold(
                state / "lrs",
                self.store,
                endpoint=self.settings.lrs,
                user=self.settings.lrs_user,
                secret=lambda: resolve_secret(secret) if secret else "",
                home=self.settings.address or f"https://{room}.invalid",
                names=self.settings.names,
                key=self.pseudonym_key,
            )
        self._tasks: set[asyncio.Task[Any]] = set()

    def broker_for(self, address: str) -> int | None:
        """The broker's port for a native app at `address`; None where it cannot reach it."""
        if self._mqtt is None or (_on_loopback(self._mqtt.host) and not _on_loopback(address)):
            return None
        return self._mqtt.port

    async def start(self, classroom: Followed | None = None) -> None:
        """Opens the store and begins to follow `classroom`. Raises TabletStoreError."""
        await self.store.open()
        await self.store.forget_names(room_ms() - self.settings.keep_names_days * DAY_MS)
        await self.room.start()
        if self._told:
            self._later(self._told.run())
        if self.door:
            await self.door.start()
        if classroom is not None:
            self.events = classroom.events
            self._later(self._follow(classroom))

    async def stop(self) -> None:
        """Ends connections; a lesson that is on continues at the next start."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.room.stop()
        if self.door:
            await self.door.stop()
        await self.store.close()

    async def redeem(
        self, code: str, address: str, *, name: str = "", version: str = "", native: bool = False
    ) -> Paired:
        """Turns a code into a tablet; a native app gets a login at the broker as well."""
        paired = await self.room.pairing.redeem(code, address, name=name, version=version)
        if native:
            await self.admit(paired.tablet.id, paired.credential)
        return paired

    async def admit(self, tablet: str, credential: str) -> bool:
        """Gives a tablet its login at the broker (again); False when there is none to give."""
        if self.door is None:
            return False
        with contextlib.suppress(Exception):
            await self.door.grant(tablet, credential)
            return True
        return False

    async def _follow(self, classroom: Followed) -> None:
        while True:
            try:
                async with classroom.events.subscribe() as events:
                    await self._be_at(classroom.view().session)
                    async for event in events:
                        if event.kind == "session":
                            await self._be_at(SessionView.model_validate(event.data))
                    return
            except SlowSubscriber:
                continue
            except Exception as error:
                _log.error("tablets_follow", error=str(error))
                await asyncio.sleep(1.0)

    async def _be_at(self, session: SessionView | None) -> None:
        lesson = self.room.lesson
        self.course = (session.course or "") if session else ""
        if session is None or session.state in _OVER:
            if lesson is not None and (session is None or session.id == lesson.session):
                await self.room.end()
                self._tell_lesson(None)
                if self._told:
                    await asyncio.to_thread(self._told.add, lesson.session)
        elif lesson is None or lesson.session != session.id:
            await self.room.open(session.id, session.title)

    def _tell_lesson(self, summary: dict[str, Any] | None) -> None:
        """Tells the panels the lesson in numbers (`{"lesson": …}`); None: it is over."""
        if self.events is not None:
            self.events.publish(Event(kind="lesson", data={"lesson": summary}))

    def _marker(self, kind: str, body: dict[str, Any]) -> None:
        lesson = self.room.lesson
        if self._mark is None or lesson is None:
            return
        if kind in ("page", "deck"):
            page = body["page"] if kind == "page" else lesson.state["page"]
            titles = {page["id"]: page["title"] for page in lesson.state["pages"]}
            self._later(self._mark_page(page, titles.get(page, "")))
            return
        if kind == "inquiry_shown":
            label = "remote" if body["remote"] else "room"
            self._later(self._mark("question", {"label": label, "text": body["text"]}))
            return
        asked = body.get("questions", [])
        data = {"label": kind, "questions": [q["id"] if isinstance(q, dict) else q for q in asked]}
        self._later(self._mark("question", data))

    async def _mark_page(self, page: str | None, title: str) -> None:
        """A page turn with the page's own text, so that the lecture's slides need no OCR."""
        if self._mark is None or page is None:
            return
        text = await asyncio.to_thread(self.decks.text, page)
        data: dict[str, Any] = {"page": page, "title": title}
        if text:
            data["text"] = text[:MARKED_TEXT]
        await self._mark("page", data)

    def _later(self, job: Any) -> None:
        task: asyncio.Task[Any] = asyncio.ensure_future(job)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            _log.warning("tablets_job", error=str(error))


def _secret(file: Path) -> bytes:
    """32 random bytes that outlive a restart, readable by their owner alone."""
    with contextlib.suppress(OSError):
        if len(kept := file.read_bytes()) == 32:
            return kept
    fresh = secrets.token_bytes(32)
    file.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as kept_file:
        kept_file.write(fresh)
        os.fsync(kept_file.fileno())
    return fresh


def _on_loopback(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"
