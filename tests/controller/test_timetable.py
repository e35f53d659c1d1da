"""Classes begin, end and make way for each other as the timetable and the room's policy say."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from controller.classroom import ClassroomError
from controller.state import Actor, SessionState, TimetableView
from controller.timetable import Timetable
from recorder.recording import Recording

from .conftest import Room, until

OpenRoom = Callable[..., Awaitable[Room]]
DAY = "2030-03-05"


class Clock:
    """The wall clock as a test sets it."""

    def __init__(self, text: str) -> None:
        self.now = datetime.fromisoformat(f"{DAY}T{text}+01:00").astimezone(UTC)

    def __call__(self) -> datetime:
        return self.now

    def at(self, text: str) -> None:
        self.now = datetime.fromisoformat(f"{DAY}T{text}+01:00").astimezone(UTC)


def lecture(uid: str, begins: str, ends: str, *more: str, day: str = DAY) -> str:
    start, end = (f"{day.replace('-', '')}T{t.replace(':', '')}00" for t in (begins, ends))
    lines = [
        *("BEGIN:VEVENT", f"UID:{uid}", f"SUMMARY:{uid.upper()}-1 {uid} (Curie)"),
        *(f"DTSTART;TZID=Europe/Berlin:{start}", f"DTEND;TZID=Europe/Berlin:{end}"),
        *(*more, "END:VEVENT"),
    ]
    return "\r\n".join(lines)


def write(path: Path, *events: str) -> None:
    body = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:test", *events, "END:VCALENDAR", ""]
    path.write_text("\r\n".join(body))


@pytest.fixture
def calendar(tmp_path: Path) -> Path:
    path = tmp_path / "room.ics"
    write(path, lecture("optics", "09:15", "10:45"), lecture("algebra", "11:00", "12:30"))
    return path


@pytest.fixture
def scheduled(
    open_room: OpenRoom, calendar: Path
) -> Callable[..., Awaitable[tuple[Room, Timetable, Clock]]]:
    async def make(clock: str, **policy: Any) -> tuple[Room, Timetable, Clock]:
        section = {
            "url": str(calendar),
            "course": r"^([A-Z]+-\d+)",
            "lecturer": r"\(([^)]+)\)",
            **policy,
        }
        undo = policy.pop("undo_s", 0)
        section.pop("undo_s", None)
        room = await open_room(
            sources=policy.pop("sources", []),
            timetable={k: v for k, v in section.items() if k != "sources"},
            session={"undo_s": undo},
            room={"id": "lab", "name": "Lab", "timezone": "Europe/Berlin"},
        )
        return room, *(await take_over(room, clock))

    return make


async def take_over(room: Room, clock: str) -> tuple[Timetable, Clock]:
    """The room's timetable by a clock of the test's; the one by the real clock is stopped."""
    classroom, time = room.classroom, Clock(clock)
    await classroom.timetable.stop()
    timetable = Timetable(classroom.config, classroom._lesson, classroom.publish_event, now=time)
    classroom.timetable = timetable
    await timetable.refresh()
    return timetable, time


def shown(timetable: Timetable) -> TimetableView:
    view = timetable.view()
    assert view is not None
    return view


async def test_start_takes_the_class_that_is_due_and_its_words_reach_the_recording(
    scheduled: Any, teacher: Actor
) -> None:
    source = {"id": "cam", "role": "presenter", "url": "test:presenter?size=320x180&fps=10"}
    room, timetable, _ = await scheduled("09:05", sources=[source])
    assert shown(timetable).next.state == "due"
    session = await room.classroom.start_class(teacher)
    assert (session.title, session.course, session.lecturer) == (
        "OPTICS-1 optics (Curie)",
        "OPTICS-1",
        "Curie",
    )
    assert session.planned_end == datetime(2030, 3, 5, 9, 45, tzinfo=UTC)
    await timetable.tick()
    view = shown(timetable)
    assert view.current is not None and view.current.state == "started"
    assert view.next is not None and view.next.title.startswith("ALGEBRA")
    await room.recording()
    manifest = json.loads((room.folder / "recording.json").read_text())
    assert manifest["course"] == "OPTICS-1" and manifest["lecturer"] == "Curie"
    assert manifest["timetable"]["starts"] == "2030-03-05T08:15:00+00:00"
    assert "event" not in manifest, "only Opencast schedules under an identifier of its own"
    assert Recording.open(room.folder).manifest.title == "OPTICS-1 optics (Curie)"


async def test_start_before_its_time_or_with_other_words_is_no_class_of_the_timetable(
    scheduled: Any, teacher: Actor
) -> None:
    room, _, clock = await scheduled("08:30")
    session = await room.classroom.start_class(teacher)
    assert session.slot is None and session.title == "Lab"
    await room.classroom.end_class(teacher, undo=False)
    clock.at("09:20")
    session = await room.classroom.start_class(teacher, title="Guest talk")
    assert session.slot is None and session.title == "Guest talk"
    await room.classroom.end_class(teacher, undo=False)
    session = await room.classroom.start_class(teacher, slot="")
    assert session.slot is None


async def test_a_chosen_class_can_be_started_early_and_unknown_or_past_ones_cannot(
    scheduled: Any, teacher: Actor
) -> None:
    room, timetable, clock = await scheduled("10:50")
    past, algebra = shown(timetable).today
    for slot, code in ((past.id, "not_allowed_now"), ("nothing", "unknown_slot")):
        with pytest.raises(ClassroomError) as refused:
            await room.classroom.start_class(teacher, slot=slot)
        assert refused.value.code == code
    clock.at("09:00")
    session = await room.classroom.start_class(teacher, slot=algebra.id)
    assert session.course == "ALGEBRA-1"


async def test_begins_by_itself_once_and_not_again_when_ended_early(
    scheduled: Any, teacher: Actor
) -> None:
    room, timetable, clock = await scheduled("09:14", start="start")
    await timetable.tick()
    assert room.classroom.view().session is None
    clock.at("09:15")
    await timetable.tick()
    assert room.session.course == "OPTICS-1" and room.session.state is not SessionState.ENDED
    first = room.session.id
    await timetable.tick()
    await room.classroom.end_class(teacher, undo=False)
    clock.at("09:40")
    await timetable.tick()
    assert room.session.id == first and room.session.state is SessionState.ENDED
    clock.at("11:00")
    await timetable.tick()
    assert room.session.course == "ALGEBRA-1"
    entries = await room.classroom.journal_tail(50)
    begun = [entry for entry in entries if entry.kind == "start"]
    assert [(entry.actor, entry.door) for entry in begun] == [("timetable", "timetable")] * 2


async def test_two_doors_at_once_begin_one_class(scheduled: Any, teacher: Actor) -> None:
    room, timetable, _ = await scheduled("09:15", start="start")
    views = await asyncio.gather(
        timetable.tick(), room.classroom.start_class(teacher), room.classroom.start_class(teacher)
    )
    assert views[1].id == views[2].id == room.session.id
    assert room.session.course == "OPTICS-1"


async def test_begins_late_after_a_restart_but_not_for_the_last_minute(
    scheduled: Any, teacher: Actor
) -> None:
    room, timetable, clock = await scheduled("10:44:30", start="start")
    await timetable.tick()
    assert room.classroom.view().session is None
    clock.at("10:20")
    await timetable.tick()
    assert room.session.course == "OPTICS-1"


async def test_what_was_skipped_or_begun_is_remembered_across_a_restart(
    scheduled: Any, open_room: OpenRoom, teacher: Actor
) -> None:
    room, timetable, clock = await scheduled("09:00", start="start")
    optics, algebra = shown(timetable).today
    view = await timetable.skip(teacher, algebra.id)
    assert view is not None and view.today[1].state == "skipped"
    clock.at("09:15")
    await timetable.tick()
    await room.classroom.end_class(teacher, undo=False)
    first = room.session.id
    await room.stop()
    again = Timetable(
        room.classroom.config, room.classroom._lesson, room.classroom.publish_event, now=clock
    )
    await room.classroom.journal.open()
    await again.start()
    for time in ("09:30", "11:30"):
        clock.at(time)
        await again.tick()
    assert room.session.id == first and optics.id in again._done
    await again.stop()
    await room.start()


async def test_never_leaves_the_timetable_a_notice(scheduled: Any, teacher: Actor) -> None:
    room, timetable, _ = await scheduled("09:20", start="never")
    await timetable.tick()
    assert shown(timetable).today[0].state == "now"
    assert (await room.classroom.start_class(teacher)).slot is None


async def test_ends_by_itself_says_so_before_and_can_be_taken_back(
    scheduled: Any, teacher: Actor
) -> None:
    room, timetable, clock = await scheduled("09:15", start="start", stop="stop", undo_s=30)
    await timetable.tick()
    await until(lambda: room.session.state is SessionState.LIVE)
    clock.at("10:42")
    await timetable.tick()
    assert "ends by itself in 3 min" in room.alarm("class.ending").text
    clock.at("10:45")
    await timetable.tick()
    assert room.session.state is SessionState.ENDING
    await room.classroom.undo_end(teacher)
    await timetable.tick()
    assert room.session.state is SessionState.LIVE, "an end that was taken back is not repeated"
    await room.classroom.extend(teacher, 10)
    clock.at("10:56")
    await timetable.tick()
    assert room.session.state is SessionState.ENDING


async def test_the_next_class_follows_one_that_ends_at_its_start(
    scheduled: Any, calendar: Path
) -> None:
    write(calendar, lecture("optics", "09:15", "10:45"), lecture("algebra", "10:45", "12:15"))
    room, timetable, clock = await scheduled("09:15", start="start", stop="stop", undo_s=30)
    await timetable.tick()
    await until(lambda: room.session.state is SessionState.LIVE)
    clock.at("10:45")
    await timetable.tick()
    assert room.session.course == "ALGEBRA-1"


async def test_a_class_that_goes_on_is_not_cut_off_by_the_next(
    scheduled: Any, teacher: Actor
) -> None:
    room, timetable, clock = await scheduled("09:15", start="start", extend="allow")
    await timetable.tick()
    await room.classroom.extend(teacher, 60)
    clock.at("10:56")
    await timetable.tick()
    assert "begins in this room at 11:00" in room.alarm("class.next").text
    clock.at("11:05")
    await timetable.tick()
    assert room.session.course == "OPTICS-1"
    assert room.alarm("class.next").severity == "warning"
    await room.classroom.end_class(teacher, undo=False)
    await timetable.tick()
    assert room.session.course == "ALGEBRA-1"


async def test_an_extension_meets_the_next_class(scheduled: Any, teacher: Actor) -> None:
    room, _, _ = await scheduled("09:15", gap_minutes=5)
    await room.classroom.start_class(teacher)
    extended = await room.classroom.extend(teacher, 15)
    assert extended.planned_end == datetime(2030, 3, 5, 9, 55, tzinfo=UTC), "shortened to 10:55"
    with pytest.raises(ClassroomError) as refused:
        await room.classroom.extend(teacher, 5)
    assert refused.value.code == "next_class" and "11:00" in refused.value.message
    forced = await room.classroom.extend(teacher, 5, force=True)
    assert forced.planned_end == datetime(2030, 3, 5, 10, 0, tzinfo=UTC)


async def test_policy_ask_refuses_what_would_be_shortened(scheduled: Any, teacher: Actor) -> None:
    room, _, _ = await scheduled("09:15", extend="ask")
    await room.classroom.start_class(teacher)
    assert (await room.classroom.extend(teacher, 10)).planned_end is not None
    with pytest.raises(ClassroomError, match="ALGEBRA"):
        await room.classroom.extend(teacher, 10)


async def test_a_class_over_midnight_is_today_on_both_days(
    scheduled: Any, calendar: Path, teacher: Actor
) -> None:
    night = lecture("night", "23:30", "23:59").replace(
        "DTEND;TZID=Europe/Berlin:20300305T235900", "DURATION:PT1H"
    )
    write(calendar, night)
    room, timetable, clock = await scheduled("23:40", start="start", stop="stop")
    await timetable.tick()
    assert room.session.course == "NIGHT-1"
    assert len(shown(timetable).today) == 1
    await until(lambda: room.session.state is SessionState.LIVE)
    clock.now += timedelta(minutes=35)
    await timetable.tick()
    assert room.session.state is SessionState.LIVE and len(shown(timetable).today) == 1
    clock.now += timedelta(minutes=20)
    await timetable.tick()
    assert room.session.state is SessionState.ENDED


async def test_a_weekly_class_begins_at_its_hour_after_the_clocks_changed(
    scheduled: Any, calendar: Path
) -> None:
    write(calendar, lecture("optics", "09:15", "10:45", "RRULE:FREQ=WEEKLY;COUNT=5"))
    room, timetable, clock = await scheduled("09:15", start="start", stop="stop")
    clock.now = datetime(2030, 4, 2, 7, 14, 59, tzinfo=UTC)  # summer time began on 31 March
    await timetable.tick()
    assert room.classroom.view().session is None
    clock.now += timedelta(seconds=1)
    await timetable.tick()
    assert room.session.course == "OPTICS-1"


async def test_the_room_is_told_when_the_calendar_changes(scheduled: Any, calendar: Path) -> None:
    room, timetable, clock = await scheduled("08:00", refresh_minutes=10)
    write(calendar, lecture("biology", "09:00", "10:00"))
    clock.at("08:11")
    await timetable.tick()
    await until(lambda: [slot.course for slot in shown(timetable).today] == ["BIOLOGY-1"])
    await until(
        lambda: (
            [event for event in room.events if event.kind == "timetable"][-1].data["next"]["course"]
            == "BIOLOGY-1"
        )
    )


async def test_a_room_without_a_timetable_says_so(open_room: OpenRoom, teacher: Actor) -> None:
    room = await open_room(sources=[])
    assert room.classroom.view().timetable is None
    for ask in (
        room.classroom.timetable.refresh(),
        room.classroom.timetable.skip(teacher, "x"),
        room.classroom.start_class(teacher, slot="x"),
    ):
        with pytest.raises(ClassroomError) as refused:
            await ask
        assert refused.value.code == "no_timetable"


async def test_asked_again_while_it_is_being_read_the_newest_is_shown(
    scheduled: Any, calendar: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, timetable, _ = await scheduled("09:05")
    feed, asked, go_on = timetable._feed, asyncio.Event(), asyncio.Event()
    read = feed.refresh

    async def slow(now: datetime) -> bool:
        changed: bool = await read(now)
        asked.set()
        await go_on.wait()
        return changed

    monkeypatch.setattr(feed, "refresh", slow)
    first = asyncio.create_task(timetable.refresh())
    await asked.wait()
    write(calendar, lecture("algebra", "09:00", "10:00"))  # too late for the first
    second = asyncio.create_task(timetable.refresh())
    await asyncio.sleep(0)
    go_on.set()
    await first
    view = await second
    assert view.next.title.startswith("ALGEBRA")
