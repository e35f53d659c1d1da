"""A timetable and a call for help in memory, to hold pages and API in any state at will."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from controller.errors import ClassroomError
from controller.state import Actor, HelpView, SlotView, TimetableView


class PretendTimetable:
    """No timetable until a test plans one."""

    def __init__(self, tell: Callable[[str, Any], None]) -> None:
        self._tell = tell
        self.shown: TimetableView | None = None

    def view(self) -> TimetableView | None:
        return self.shown

    def plan(
        self,
        *slots: tuple[str, float, float],
        start: Literal["ask", "start", "never"] = "ask",
        current: str | None = None,
        **more: Any,
    ) -> TimetableView:
        """Classes as (title, begins in minutes, ends in minutes)."""
        now = datetime.now(UTC)
        today = [_slot(now, *slot, current) for slot in slots]
        upcoming = next((one for one in today if one.state in {"due", "now", "later"}), None)
        on = next((one for one in today if one.title == current), None)
        self.shown = TimetableView(
            start=start,
            stop="ask",
            extend="shorten",
            today=today,
            next=upcoming,
            current=on,
            updated=now,
            **more,
        )
        self._tell("timetable", self.shown)
        return self.shown

    async def refresh(self) -> TimetableView | None:
        return self._need()

    async def skip(self, actor: Actor, slot: str) -> TimetableView | None:
        shown = self._need()
        found = next((one for one in shown.today if one.id == slot), None)
        if found is None:
            raise ClassroomError("unknown_slot", "There is no such class.", "", 404)
        found.state = "skipped"
        shown.next = next((one for one in shown.today if one.state in {"due", "now"}), None)
        self._tell("timetable", shown)
        return shown

    def _need(self) -> TimetableView:
        if self.shown is None:
            raise ClassroomError("no_timetable", "This room has no timetable.", "", 404)
        return self.shown


class PretendHelp:
    """Calls and answers at once."""

    def __init__(self, tell: Callable[[str, Any], None]) -> None:
        self._tell = tell
        self._view = HelpView(phone="+47 22 85 50 50")

    def view(self) -> HelpView:
        return self._view

    async def call(self, actor: Actor, note: str = "") -> HelpView:
        return self._say(state="called", at=datetime.now(UTC), by=actor.name, note=note)

    async def answer(self, actor: Actor) -> HelpView:
        return self._say(state="answered", by=actor.name)

    async def close(self, actor: Actor) -> HelpView:
        return self._say(state="none", at=None, by="", note="")

    def _say(self, **changes: Any) -> HelpView:
        self._view = self._view.model_copy(update=changes)
        self._tell("help", self._view)
        return self._view


def _slot(now: datetime, title: str, begins: float, ends: float, current: str | None) -> SlotView:
    state: Any = "over" if ends <= 0 else "now" if begins <= 0 else "later"
    if state == "later" and begins <= 15:
        state = "due"
    if title == current:
        state = "started"
    return SlotView(
        id=f"{title}/1",
        title=title,
        course=title.split()[0],
        lecturer="M. Curie",
        starts=now + timedelta(minutes=begins),
        ends=now + timedelta(minutes=ends),
        state=state,
    )
