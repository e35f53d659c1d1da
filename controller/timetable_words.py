"""What the timetable says to people: alarms, refusals, and where a class stands by the clock."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from controller.errors import ClassroomError
from controller.health import Words
from controller.slot import Slot
from controller.timetable_feed import Feed, FeedError

SlotState = Literal["later", "due", "now", "started", "skipped", "over"]


def day_of(now: datetime, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """The room's day that holds `now`, in UTC; 23 or 25 hours long when the clocks change."""
    today = now.astimezone(zone).date()
    return _midnight(today, zone), _midnight(today + timedelta(days=1), zone)


def slot_state(slot: Slot, now: datetime, done: str, early: timedelta) -> SlotState:
    """Where a class of the timetable stands."""
    if done == "started":
        return "started"
    if done == "skipped":
        return "skipped"
    if now >= slot.ends:
        return "over"
    if now >= slot.starts:
        return "now"
    return "due" if now >= slot.starts - early else "later"


def next_class(upcoming: Slot, zone: ZoneInfo) -> ClassroomError:
    """Why the class cannot be extended."""
    return ClassroomError(
        "next_class",
        f"{upcoming.title} begins in this room at {clock(upcoming.starts, zone)}.",
        "End this class in time, or extend it all the same.",
    )


def next_waits(upcoming: Slot, now: datetime, zone: ZoneInfo) -> Words:
    """The next class wants the room."""
    at = clock(upcoming.starts, zone)
    if now < upcoming.starts:
        return Words(
            "info",
            "instructor",
            f"{upcoming.title} begins in this room at {at}.",
            "End this class in time.",
        )
    return Words(
        "warning",
        "instructor",
        f"{upcoming.title} was to begin in this room at {at}.",
        "End this class; the next one can begin then.",
    )


def ends_itself(end: datetime, now: datetime) -> Words:
    """The planned end is near, and the class ends then."""
    minutes = max(1, round((end - now).total_seconds() / 60))
    return Words(
        "info", "instructor", f"The class ends by itself in {minutes} min.", "Extend it to go on."
    )


def feed_trouble(error: FeedError, feed: Feed, zone: ZoneInfo) -> Words:
    """The calendar did not come."""
    if feed.updated is None:
        return Words(
            "warning", "technician", f"{error.message} No timetable is known.", error.remedy
        )
    since = feed.updated.astimezone(zone).strftime("%Y-%m-%d %H:%M")
    return Words(
        "warning", "technician", f"{error.message} It is shown as it was {since}.", error.remedy
    )


def unreadable(events: int) -> Words | None:
    """Events that make no sense were left out."""
    if not events:
        return None
    return Words(
        "info",
        "technician",
        f"{events} events of the timetable cannot be read and are left out.",
        "Correct them in the calendar.",
    )


def clock(at: datetime, zone: ZoneInfo) -> str:
    """A time of day in the room."""
    return at.astimezone(zone).strftime("%H:%M")


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)
