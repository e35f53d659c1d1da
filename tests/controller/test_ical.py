"""Calendars as universities publish them become slots, with every clock right."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from controller.ical import Calendar, CalendarError
from controller.settings import TimetableSection
from controller.timetable_words import day_of

BERLIN = ZoneInfo("Europe/Berlin")


def calendar(*events: str, zone: ZoneInfo = BERLIN, **section: Any) -> Calendar:
    body = "\r\n".join(["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:test", *events, "END:VCALENDAR"])
    return Calendar(
        body.encode(), TimetableSection.model_validate({"url": "x.ics", **section}), zone
    )


def event(*lines: str, uid: str = "a@campus", summary: str = "PHY-101 Optics (Curie)") -> str:
    return "\r\n".join(["BEGIN:VEVENT", f"UID:{uid}", f"SUMMARY:{summary}", *lines, "END:VEVENT"])


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def starts(found: Calendar, begin: str, end: str) -> list[str]:
    slots = found.between(at(begin), at(end))
    return [slot.starts.astimezone(BERLIN).strftime("%m-%d %H:%M%z") for slot in slots]


def test_a_weekly_class_keeps_its_hour_when_the_clocks_change() -> None:
    weekly = event(
        "DTSTART;TZID=Europe/Berlin:20261019T091500",
        "DTEND;TZID=Europe/Berlin:20261019T104500",
        "RRULE:FREQ=WEEKLY;COUNT=3",
    )
    found = calendar(weekly)
    assert starts(found, "2026-10-01T00:00Z", "2026-12-01T00:00Z") == [
        "10-19 09:15+0200",
        "10-26 09:15+0100",
        "11-02 09:15+0100",
    ]
    assert all(
        (slot.ends - slot.starts).total_seconds() == 90 * 60
        for slot in found.between(at("2026-10-01T00:00Z"), at("2026-12-01T00:00Z"))
    )


def test_exceptions_in_another_zone_moved_classes_and_extra_dates() -> None:
    weekly = event(
        "DTSTART;TZID=Europe/Berlin:20261103T091500",
        "DTEND;TZID=Europe/Berlin:20261103T104500",
        "RRULE:FREQ=WEEKLY;COUNT=4",
        "EXDATE:20261110T081500Z",
        "RDATE;TZID=Europe/Berlin:20261105T140000",
    )
    moved = event(
        "RECURRENCE-ID;TZID=Europe/Berlin:20261117T091500",
        "DTSTART;TZID=Europe/Berlin:20261118T160000",
        "DTEND;TZID=Europe/Berlin:20261118T173000",
        summary="PHY-101 Optics (Noether)",
    )
    found = calendar(weekly, moved)
    assert starts(found, "2026-11-01T00:00Z", "2026-12-01T00:00Z") == [
        "11-03 09:15+0100",
        "11-05 14:00+0100",
        "11-18 16:00+0100",
        "11-24 09:15+0100",
    ]
    slots = found.between(at("2026-11-01T00:00Z"), at("2026-12-01T00:00Z"))
    assert len({slot.id for slot in slots}) == 4
    unmoved = calendar(weekly).between(at("2026-11-17T00:00Z"), at("2026-11-18T00:00Z"))[0]
    assert unmoved.id == slots[2].id, "a moved class is still the same class"


def test_times_without_a_zone_are_the_rooms() -> None:
    floating = event("DTSTART:20261104T090000", "DURATION:PT1H30M")
    assert starts(calendar(floating), "2026-11-04T00:00Z", "2026-11-05T00:00Z") == [
        "11-04 09:00+0100"
    ]
    tokyo = calendar(floating, zone=ZoneInfo("Asia/Tokyo"))
    assert tokyo.between(at("2026-11-03T00:00Z"), at("2026-11-05T00:00Z"))[0].starts == at(
        "2026-11-04T00:00Z"
    )


def test_a_zone_that_the_calendar_defines_itself() -> None:
    zone = "\r\n".join(
        [
            "BEGIN:VTIMEZONE\r\nTZID:Campus Time",
            "BEGIN:STANDARD\r\nDTSTART:19701025T030000\r\nTZOFFSETFROM:+0200",
            "TZOFFSETTO:+0100\r\nRRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU\r\nEND:STANDARD",
            "BEGIN:DAYLIGHT\r\nDTSTART:19700329T020000\r\nTZOFFSETFROM:+0100",
            "TZOFFSETTO:+0200\r\nRRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU\r\nEND:DAYLIGHT",
            "END:VTIMEZONE",
        ]
    )
    weekly = event(
        "DTSTART;TZID=Campus Time:20261019T091500",
        "DTEND;TZID=Campus Time:20261019T104500",
        "RRULE:FREQ=WEEKLY;COUNT=2",
    )
    assert starts(calendar(zone, weekly), "2026-10-01T00:00Z", "2026-12-01T00:00Z") == [
        "10-19 09:15+0200",
        "10-26 09:15+0100",
    ]


def test_whole_days_cancelled_events_and_what_patterns_leave_out() -> None:
    events = (
        event("DTSTART;VALUE=DATE:20261104", uid="holiday"),
        event("DTSTART:20261104T090000Z", "DURATION:PT1H", "STATUS:CANCELLED", uid="off"),
        event("DTSTART:20261104T100000Z", "DURATION:PT0S", uid="nothing"),
        event("DTSTART:20261104T110000Z", "DURATION:PT1H", "LOCATION:Hall 2", uid="hall"),
        event("DTSTART:20261104T120000Z", "DURATION:PT1H", "LOCATION:Hall 1", uid="kept"),
        event("DTSTART:20261104T130000Z", "DURATION:PT1H", "LOCATION:Hall 1", summary="Cleaning"),
    )
    found = calendar(*events, location="^Hall 1$", ignore="(?i)cleaning")
    slots = found.between(at("2026-11-04T00:00Z"), at("2026-11-05T00:00Z"))
    assert [slot.uid for slot in slots] == ["kept"]


def test_one_broken_event_does_not_cost_the_others() -> None:
    good = event("DTSTART:20261104T090000Z", "DURATION:PT1H", uid="good")
    bad = event("DTSTART:tomorrow", uid="bad")
    flood = event("DTSTART:20261104T090000Z", "RRULE:FREQ=SECONDLY", uid="flood")
    found = calendar(bad, good, flood)
    slots = found.between(at("2026-11-04T00:00Z"), at("2026-11-05T00:00Z"))
    assert [slot.uid for slot in slots] == ["good"]
    assert found.unreadable == 2


def test_patterns_find_course_and_lecturer() -> None:
    found = calendar(
        event("DTSTART:20261104T090000Z", "DURATION:PT1H", "DESCRIPTION:Group: B"),
        course=r"^([A-Z]+-\d+)",
        lecturer=r"\(([^)]+)\)",
        title=r"^\S+ (.+?) \(",
    )
    slot = found.between(at("2026-11-04T00:00Z"), at("2026-11-05T00:00Z"))[0]
    assert (slot.title, slot.course, slot.lecturer) == ("Optics", "PHY-101", "Curie")
    plain = calendar(
        event("DTSTART:20261104T090000Z", "DURATION:PT1H", 'ORGANIZER;CN="Marie Curie":mailto:a@b')
    ).between(at("2026-11-04T00:00Z"), at("2026-11-05T00:00Z"))[0]
    assert (plain.title, plain.course, plain.lecturer) == (
        "PHY-101 Optics (Curie)",
        None,
        "Marie Curie",
    )


def _attached(name: str, text: str, kind: str = "application/xml") -> str:
    packed = base64.b64encode(text.encode()).decode()
    head = f"ATTACH;FMTTYPE={kind};VALUE=BINARY;ENCODING=BASE64;X-APPLE-FILENAME={name}:"
    whole = head + packed
    parts = [whole[at : at + 74] for at in range(0, len(whole), 74)]
    return "\r\n ".join(parts)


EPISODE = """<?xml version="1.0"?><dublincore xmlns="http://www.opencastproject.org/xsd/1.0/dublincore/"
 xmlns:dcterms="http://purl.org/dc/terms/"><dcterms:title>Optics 3</dcterms:title>
<dcterms:creator>Curie</dcterms:creator><dcterms:isPartOf>s-17</dcterms:isPartOf></dublincore>"""
SERIES = """<dublincore xmlns:dcterms="http://purl.org/dc/terms/">
<dcterms:title>Physics for engineers</dcterms:title></dublincore>"""
PROPERTIES = (
    "#Capture Agent specific data\n"
    "event.title=Optics 3\n"
    "org.opencastproject.workflow.definition=schedule-and-upload\n"
    "org.opencastproject.workflow.config.publishToEngage=true\n"
    "capture.device.names=defaults\n"
)


def test_opencasts_calendar_says_who_what_and_which_workflow() -> None:
    uid = "4d6a1f6e-9f1c-4a84-a3e2-0e0d0a1ce1f5"
    scheduled = event(
        "DTSTART:20261104T090000Z",
        "DTEND:20261104T103000Z",
        "LOCATION:hall-1",
        _attached("episode.xml", EPISODE),
        _attached("series.xml", SERIES),
        _attached(
            "org.opencastproject.capture.agent.properties", PROPERTIES, kind="application/text"
        ),
        uid=uid,
        summary="hall-1 booking",
    )
    slot = calendar(scheduled).between(at("2026-11-04T00:00Z"), at("2026-11-05T00:00Z"))[0]
    assert (slot.title, slot.lecturer, slot.course) == ("Optics 3", "Curie", "s-17")
    assert slot.course_title == "Physics for engineers"
    assert slot.event == uid
    assert slot.properties == {
        "org.opencastproject.workflow.definition": "schedule-and-upload",
        "org.opencastproject.workflow.config.publishToEngage": "true",
    }
    kept = slot.manifest()
    assert kept["event"] == uid and kept["course_title"] == "Physics for engineers"


def test_entities_in_an_attachment_are_not_followed() -> None:
    bomb = '<!DOCTYPE a [<!ENTITY x "' + "y" * 100 + '">]><a>&x;</a>'
    scheduled = event(
        "DTSTART:20261104T090000Z", "DURATION:PT1H", _attached("episode.xml", bomb), uid="u"
    )
    slot = calendar(scheduled).between(at("2026-11-04T00:00Z"), at("2026-11-05T00:00Z"))[0]
    assert slot.title == "PHY-101 Optics (Curie)"


@pytest.mark.parametrize("body", [b"", b"<html>sign in</html>", b"\xff\xfe\x00", b"BEGIN:VEVENT"])
def test_what_is_no_calendar_is_said_to_be_none(body: bytes) -> None:
    with pytest.raises(CalendarError, match="no iCal calendar"):
        Calendar(body, TimetableSection(url="x"), BERLIN)


def test_a_day_is_the_rooms_and_not_always_24_hours_long() -> None:
    for day, hours in (("2026-10-25", 25), ("2026-03-29", 23), ("2026-11-24", 24)):
        begins, ends = day_of(at(f"{day}T12:00+01:00"), BERLIN)
        assert (ends - begins).total_seconds() == hours * 3600
    begins, _ = day_of(at("2026-11-24T23:30Z"), BERLIN)
    assert begins.astimezone(BERLIN).strftime("%m-%d") == "11-25"
