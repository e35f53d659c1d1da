"""The timetable: what is on next, what begins and ends by itself, and what an extension meets.

Looked at once a second against the wall clock (`now`, given by tests). What was started or skipped
is remembered in the journal, so that a class that was ended early does not begin a second time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import structlog

from controller import timetable_words as words
from controller.errors import ClassroomError
from controller.journal import JournalError
from controller.lesson import Lesson
from controller.session import Session, new_session, now_utc
from controller.settings import RoomConfig
from controller.slot import Slot
from controller.state import AccessRole, Actor, SessionState, SlotView, TimetableView
from controller.timetable_feed import Feed, FeedError
from recorder.recording import boot_id

_log = structlog.get_logger(__name__)

TIMETABLE = Actor(name="timetable", role=AccessRole.INSTRUCTOR, door="timetable")
TICK_S = 1.0
AHEAD = timedelta(days=8)
BEHIND = timedelta(days=1)
EXPAND = timedelta(hours=1)
KEPT = timedelta(days=3)
SOON = timedelta(minutes=5)
TOO_LATE = timedelta(minutes=1)
"""A class with less than this to go is not begun by itself."""
_DONE = "timetable.done"


class Timetable:
    """One room's timetable; without `[timetable]` it knows of nothing and does nothing."""

    def __init__(
        self,
        config: RoomConfig,
        lesson: Lesson,
        publish: Callable[[Any, Any], None],
        *,
        now: Callable[[], datetime] = now_utc,
    ) -> None:
        self._config = config
        self._section = config.timetable
        self._lesson = lesson
        self._register = lesson.register
        self._publish = publish
        self._now = now
        self._zone = ZoneInfo(config.room.timezone)
        self._feed: Feed | None = None
        if self._section is not None:
            folder = config.storage.state / "timetable"
            self._feed = Feed(self._section, folder, self._zone)
        self._slots: list[Slot] = []
        self._expanded: datetime | None = None
        self._asked: datetime | None = None
        self._error: FeedError | None = None
        self._done: dict[str, list[str]] = {}
        self._told: TimetableView | None = None
        self._asking: asyncio.Task[None] | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Take the kept copy, so that the room knows its day before the network does."""
        if self._feed is None:
            return
        with suppress(JournalError):
            self._done = dict(await self._register.journal.get(_DONE) or {})
        await self._feed.load()
        await self._expand(self._now())
        self._task = asyncio.create_task(self._run(), name="timetable")

    async def stop(self) -> None:
        """Stop looking at the clock."""
        for task in (self._task, self._asking):
            if task is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    # Reading

    def view(self) -> TimetableView | None:
        """What the pages show; None without a timetable."""
        section, feed = self._section, self._feed
        if section is None or feed is None:
            return None
        now = self._now()
        begins, ends = words.day_of(now, self._zone)
        today = [slot for slot in self._slots if slot.ends > begins and slot.starts < ends]
        current, upcoming = self._current(), self.following(now)
        return TimetableView(
            start=section.start,
            stop=section.stop,
            extend=section.extend,
            gap_minutes=section.gap_minutes,
            current=self._show(current, now) if current else None,
            next=self._show(upcoming, now) if upcoming else None,
            today=[self._show(slot, now) for slot in today],
            updated=feed.updated,
            error=self._error.message if self._error else "",
            remedy=self._error.remedy if self._error else "",
        )

    def following(self, now: datetime) -> Slot | None:
        """The first class that is not over, not begun and not skipped."""
        own = self._current()
        return next(
            (
                slot
                for slot in self._slots
                if slot.ends > now
                and slot.id not in self._done
                and (own is None or slot.id != own.id)
            ),
            None,
        )

    # What doors ask

    async def refresh(self) -> TimetableView | None:
        """Ask for the calendar now."""
        if self._feed is None:
            raise _no_timetable()
        self._asked = self._now()
        if self._asking is not None:  # that one may have read before what is to be seen was there
            await asyncio.shield(self._asking)
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._refresh(), name="timetable refresh")
        await asyncio.shield(self._asking)
        return self.view()

    async def skip(self, actor: Actor, slot: str) -> TimetableView | None:
        """This class does not take place here: it is neither offered nor begun by itself."""
        found = self._find(slot)
        await self._remember(found.id, "skipped")
        data = {"slot": found.id, "title": found.title}
        await self._register.note(actor, "skip", data)
        self._tell()
        return self.view()

    def planned(
        self,
        slot: str | None,
        *,
        title: str | None,
        course: str | None,
        lecturer: str | None,
        minutes: float | None,
    ) -> Session:
        """The class that begins now, with what the timetable knows of it.

        `slot` names one of the timetable, "" none of it. Without it the class that is due is
        taken, unless something else was said about the class. Raises ClassroomError.
        """
        now, found = self._now(), None
        if slot:
            found = self._find(slot)
        elif slot is None and not (title or course or lecturer or minutes is not None):
            found = self._due(now)
        begun = new_session(
            title=title or (found.title if found else None) or course or self._config.room.name,
            course=course or (found.course if found else None),
            lecturer=lecturer or (found.lecturer if found else None),
            minutes=self._config.session.minutes if minutes is None else minutes,
            layout=self._config.recording.layout,
            boot_id=boot_id(),
            now=now,
        )
        if found is None:
            return self._before_next(begun, now) if minutes is None else begun
        changes: dict[str, Any] = {"slot": found}
        if minutes is None:
            changes["planned_end"] = found.ends
        return begun.model_copy(update=changes)

    def extended(self, session: Session, minutes: float, *, force: bool) -> Session:
        """`minutes` more, or as many as the next class leaves; `next_class` (409) when none."""
        asked = session.extended(minutes, self._now())
        section, upcoming = self._section, self._after(session)
        if section is None or upcoming is None or force or section.extend == "allow":
            return asked
        free = upcoming.starts - timedelta(minutes=section.gap_minutes)
        if asked.planned_end is None or asked.planned_end <= free:
            return asked
        if section.extend == "shorten" and free > max(self._now(), session.planned_end or free):
            return asked.model_copy(update={"planned_end": free})
        raise words.next_class(upcoming, self._zone)

    # The clock

    async def tick(self) -> None:
        """One look at the clock."""
        section, now = self._section, self._now()
        if section is None or self._feed is None:
            return
        every = timedelta(minutes=section.refresh_minutes)
        if self._asked is None or abs(now - self._asked) >= every:
            self._asked = now
            if self._asking is None or self._asking.done():
                self._asking = asyncio.create_task(self._refresh(), name="timetable refresh")
        if self._expanded is None or abs(now - self._expanded) >= EXPAND:
            await self._expand(now)
        current = self._current()
        if current is not None and current.id not in self._done:
            await self._remember(current.id, "started")
        await self._end(now)
        await self._begin(now)
        self._warn(now)
        self._tell()

    async def _run(self) -> None:
        while True:
            try:
                await self.tick()
            except Exception:
                _log.exception("timetable")
            await asyncio.sleep(TICK_S)

    async def _begin(self, now: datetime) -> None:
        """By itself, where the policy says so and the room is free."""
        slot = self._due(now, early=timedelta(0))
        if slot is None or self._section is None or self._section.start != "start":
            return
        session = self._register.current
        if session is not None and session.active and session.state is not SessionState.ENDING:
            return  # never cut off a class that goes on; `_warn` tells it who waits
        if slot.ends - now < TOO_LATE:
            return
        begun = self.planned(slot.id, title=None, course=None, lecturer=None, minutes=None)
        await self._lesson.begin(TIMETABLE, begun, "start")
        await self._remember(slot.id, "started")

    async def _end(self, now: datetime) -> None:
        """By itself at the planned end; it can be taken back like every end, and then it stays."""
        session, section = self._register.current, self._section
        if section is None or section.stop != "stop" or session is None or session.slot is None:
            return
        if session.planned_end is None or now < session.planned_end:
            return
        if session.state not in {SessionState.LIVE, SessionState.PAUSED}:
            return
        once = f"end:{session.id}:{session.planned_end:%Y%m%dT%H%M%S}"
        if once not in self._done:
            await self._remember(once, "ended")
            await self._lesson.end(TIMETABLE, self._config.session.undo_s)

    def _warn(self, now: datetime) -> None:
        alarms, session, section = self._register.alarms, self._register.current, self._section
        if section is None or session is None or not session.active:
            return  # the end of a class clears its alarms
        upcoming, end = self._after(session), session.planned_end
        meets = upcoming is not None and (end is None or end > upcoming.starts or now >= end)
        near = upcoming is not None and meets and now >= upcoming.starts - SOON
        alarms.set(
            "class.next",
            words.next_waits(upcoming, now, self._zone) if upcoming and near else None,
        )
        by_itself = section.stop == "stop" and session.slot is not None and end is not None
        soon = end is not None and by_itself and end - SOON <= now < end
        alarms.set("class.ending", words.ends_itself(end, now) if end and soon else None)

    # Within

    async def _refresh(self) -> None:
        feed = self._feed
        assert feed is not None
        try:
            changed = await feed.refresh(self._now())
        except FeedError as error:
            if self._error is None or self._error.message != error.message:
                await self._register.note(TIMETABLE, "timetable_error", {"error": error.message})
            self._error = error
            self._register.alarms.set("timetable.feed", words.feed_trouble(error, feed, self._zone))
        else:
            self._error = None
            unreadable = feed.calendar.unreadable if feed.calendar else 0
            self._register.alarms.set("timetable.feed", words.unreadable(unreadable))
            if changed:
                await self._expand(self._now())
                data = {"classes": len(self._slots), "unreadable": unreadable}
                await self._register.note(TIMETABLE, "timetable", data)
        self._tell()

    async def _expand(self, now: datetime) -> None:
        calendar = self._feed.calendar if self._feed else None
        self._expanded = now
        if calendar is None:
            return
        try:
            found = await asyncio.to_thread(calendar.between, now - BEHIND, now + AHEAD)
        except ValueError as error:
            _log.warning("timetable_expand", error=str(error))
            return
        self._slots = found
        oldest = (now - KEPT).isoformat()
        self._done = {key: kept for key, kept in self._done.items() if kept[1] >= oldest}

    def _current(self) -> Slot | None:
        session = self._register.current
        return session.slot if session is not None and session.active else None

    def _due(self, now: datetime, early: timedelta | None = None) -> Slot | None:
        """The class that Start means now."""
        section, slot = self._section, self.following(now)
        if section is None or section.start == "never" or slot is None:
            return None
        lead = timedelta(minutes=section.early_minutes) if early is None else early
        return slot if slot.starts - lead <= now else None

    def _after(self, session: Session) -> Slot | None:
        """The class that wants the room after this one."""
        own, now = session.slot, self._now()
        for slot in self._slots:
            waits = slot.ends > now and slot.id not in self._done
            if waits and (own is None or (slot.id != own.id and slot.starts >= own.starts)):
                return slot
        return None

    def _before_next(self, begun: Session, now: datetime) -> Session:
        """A length that nobody chose ends where the next class begins."""
        section, upcoming = self._section, self.following(now)
        if section is None or upcoming is None or begun.planned_end is None:
            return begun
        free = upcoming.starts - timedelta(minutes=section.gap_minutes)
        length = begun.planned_end - begun.started
        if section.extend == "shorten" and now < free < now + length:
            return begun.model_copy(update={"planned_end": free})
        return begun

    def _find(self, slot: str) -> Slot:
        if self._feed is None:
            raise _no_timetable()
        found = next((one for one in self._slots if one.id == slot), None)
        if found is None:
            raise ClassroomError(
                "unknown_slot",
                "There is no such class in the timetable.",
                "It may have been moved; GET /api/v1/timetable lists what there is.",
                404,
            )
        if found.ends <= self._now():
            raise ClassroomError(
                "not_allowed_now", f"{found.title} is over.", "Start a class without the timetable."
            )
        return found

    async def _remember(self, key: str, what: str) -> None:
        self._done[key] = [what, self._now().isoformat()]
        try:
            await self._register.journal.set(_DONE, self._done)
        except JournalError as error:
            _log.error("timetable_done", error=str(error))

    def _show(self, slot: Slot, now: datetime) -> SlotView:
        done = self._done.get(slot.id, [""])[0]
        session = self._register.current
        on = session is not None and session.slot is not None and session.slot.id == slot.id
        return SlotView(
            id=slot.id,
            title=slot.title,
            course=slot.course,
            lecturer=slot.lecturer,
            starts=slot.starts,
            ends=slot.ends,
            state=words.slot_state(slot, now, "started" if on else done, self._lead()),
        )

    def _lead(self) -> timedelta:
        return timedelta(minutes=self._section.early_minutes if self._section else 0)

    def _tell(self) -> None:
        view = self.view()
        quiet = {"updated"}
        if view is None:
            return
        if self._told is None or view.model_dump(exclude=quiet) != self._told.model_dump(
            exclude=quiet
        ):
            self._told = view
            self._publish("timetable", view)


def _no_timetable() -> ClassroomError:
    return ClassroomError(
        "no_timetable", "This room has no timetable.", "Name one: [timetable] url.", 404
    )
