"""A calendar as universities publish it (RFC 5545), and Opencast's dialect of it, as slots.

Times without a zone are the room's. Whole days, cancelled events and what the room's patterns
leave out are no classes. Opencast (its CalendarGenerator and capture-agent guide) attaches the
episode's and the series' Dublin Core and the agent's properties to each event, in base64.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from xml.etree import ElementTree
from zoneinfo import ZoneInfo

from controller.settings import TimetableSection
from controller.slot import Slot

TEXT = 4000
LONGEST = timedelta(hours=24)
_TOO_OFTEN = {"SECONDLY", "MINUTELY"}
_DUBLIN_CORE = "{http://purl.org/dc/terms/}"
_PREFIX = "org.opencastproject.workflow."


class CalendarError(ValueError):
    """This is no calendar. The text says what is wrong with it."""


class Calendar:
    """A calendar that was read; `unreadable` counts the events that make no sense."""

    def __init__(self, body: bytes, section: TimetableSection, zone: ZoneInfo) -> None:
        import icalendar  # ten megabytes that a room without a timetable is spared
        import recurring_ical_events  # type: ignore[import-untyped]

        try:
            calendar = icalendar.Calendar.from_ical(body)
        except (ValueError, IndexError, KeyError, AttributeError, TypeError) as error:
            raise CalendarError(f"it is no iCal calendar ({_short(error)})") from None
        if not isinstance(calendar, icalendar.Calendar):
            raise CalendarError("it is no iCal calendar")
        self._section = section
        self._zone = zone
        self.unreadable = 0
        kept: list[Any] = []
        for part in calendar.subcomponents:
            if part.name != "VEVENT" or _sound(part):
                kept.append(part)
            else:
                self.unreadable += 1
        calendar.subcomponents = kept
        self._query = recurring_ical_events.of(calendar, skip_bad_series=True)

    def between(self, start: datetime, end: datetime) -> list[Slot]:
        """The classes that touch this span, the earliest first."""
        found: dict[str, Slot] = {}
        try:
            occurrences = list(self._query.between(start, end))
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
            raise CalendarError(f"its recurring events make no sense ({_short(error)})") from None
        for event in occurrences:
            slot = self._slot(event)
            if slot is not None and slot.ends > start and slot.starts < end:
                found[slot.id] = slot
        return sorted(found.values(), key=lambda slot: (slot.starts, slot.ends, slot.id))

    def _slot(self, event: Any) -> Slot | None:
        section = self._section
        begins, ends = event.start, event.end
        if not isinstance(begins, datetime) or not isinstance(ends, datetime):
            return None  # a whole day
        starts, ends = self._utc(begins), self._utc(ends)
        if str(event.get("STATUS", "")).upper() == "CANCELLED" or not starts < ends:
            return None
        if ends - starts > LONGEST:
            return None
        summary, location = _text(event, "SUMMARY"), _text(event, "LOCATION")
        description = _text(event, "DESCRIPTION")
        said = f"{summary}\n{description}"
        if section.location and not re.search(section.location, location):
            return None
        if section.ignore and re.search(section.ignore, said):
            return None
        uid = _text(event, "UID") or f"{starts:%Y%m%dT%H%MZ}"
        opencast = _opencast(event)
        slot = Slot(
            id=self._name(uid, event, starts),
            uid=uid,
            title=_found(section.title, said) or summary or "",
            course=_found(section.course, said) or opencast.get("series"),
            course_title=opencast.get("course_title"),
            lecturer=_found(section.lecturer, said) or opencast.get("creator") or _organiser(event),
            description=description,
            location=location,
            starts=starts,
            ends=ends,
            event=uid if opencast else None,
            properties={key: value for key, value in opencast.items() if key.startswith(_PREFIX)},
        )
        if opencast.get("title") and not section.title:
            slot = slot.model_copy(update={"title": opencast["title"]})
        return slot if slot.title else slot.model_copy(update={"title": slot.course or uid})

    def _name(self, uid: str, event: Any, starts: datetime) -> str:
        """One class of a series, by the time it was first planned for; it may have been moved."""
        planned = event.get("RECURRENCE-ID")
        at = planned.dt if planned is not None else starts
        if isinstance(at, datetime):
            return f"{uid[:200]}/{self._utc(at):%Y%m%dT%H%MZ}"
        return f"{uid[:200]}/{at:%Y%m%d}"

    def _utc(self, at: datetime) -> datetime:
        if at.tzinfo is None:
            at = at.replace(tzinfo=self._zone)
        return at.astimezone(UTC)


def _sound(event: Any) -> bool:
    if event.get("DTSTART") is None or event.errors:
        return False
    rules = event.get("RRULE")
    for rule in rules if isinstance(rules, list) else [rules]:
        if rule and any(str(often) in _TOO_OFTEN for often in rule.get("FREQ", [])):
            return False
    return True


def _text(event: Any, name: str) -> str:
    value = event.get(name)
    if isinstance(value, list):
        value = value[0] if value else None
    return re.sub(r"[\x00-\x09\x0b-\x1f]", " ", str(value or ""))[:TEXT].strip()


def _found(pattern: str | None, text: str) -> str | None:
    """The group called as the key, the first group, or all that matched."""
    if not pattern or (match := re.search(pattern, text, re.MULTILINE)) is None:
        return None
    found = match[1] if match.re.groups else match[0]
    return (found or "").strip()[:200] or None


def _organiser(event: Any) -> str | None:
    organiser = event.get("ORGANIZER")
    name = organiser.params.get("CN") if hasattr(organiser, "params") else None
    return str(name).strip()[:200] or None if name else None


def _opencast(event: Any) -> dict[str, str]:
    """What Opencast attached; empty for other calendars."""
    told: dict[str, str] = {}
    readers: dict[str, Callable[[str], Iterator[tuple[str, str]]]] = {
        "org.opencastproject.capture.agent.properties": _properties,
        "episode.xml": _episode,
        "series.xml": _series,
    }
    attached = event.get("ATTACH")
    for one in attached if isinstance(attached, list) else [attached]:
        name = getattr(one, "params", {}).get("X-APPLE-FILENAME", "")
        reader = readers.get(str(name))
        if reader is None:
            continue
        try:
            text = base64.b64decode(one.to_ical()).decode("utf-8")
            told.update(reader(text))
        except (binascii.Error, ValueError, ElementTree.ParseError):
            continue
        told.setdefault("dialect", "opencast")
    return told


def _properties(text: str) -> Iterator[tuple[str, str]]:
    """Lines of a Java properties file."""
    for line in text.splitlines():
        key, _, value = line.partition("=")
        if value and not key.lstrip().startswith(("#", "!")):
            key, value = key.strip(), re.sub(r"\\([:=#! ])", r"\1", value.strip())
            yield ("title" if key == "event.title" else key), value[:TEXT]


def _episode(text: str) -> Iterator[tuple[str, str]]:
    for key, value in _terms(text):
        if key in {"title", "creator"}:
            yield key, value
        elif key == "isPartOf":
            yield "series", value


def _series(text: str) -> Iterator[tuple[str, str]]:
    for key, value in _terms(text):
        if key == "title":
            yield "course_title", value


def _terms(text: str) -> Iterator[tuple[str, str]]:
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        return  # Opencast writes none, and entities can grow without end
    for term in ElementTree.fromstring(text):  # noqa: S314 - no document type is let in
        if term.tag.startswith(_DUBLIN_CORE) and term.text:
            yield term.tag.removeprefix(_DUBLIN_CORE), term.text.strip()[:TEXT]


def _short(error: Exception) -> str:
    return str(error).splitlines()[0][:120] if str(error) else type(error).__name__
