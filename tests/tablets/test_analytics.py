"""Analytics: the figures, who may see them, and the page in a real Chromium."""

from __future__ import annotations

import csv
import io
import json
from datetime import timedelta
from typing import Any

import pytest
from classroom_pages import Room, findings, needs_pages
from playwright.async_api import Page, expect

from controller import lesson_figures
from controller.device_hours import DeviceHours
from controller.session import Session, new_session, now_utc
from controller.state import AccessRole, Actor, Event
from controller.tablets import Tablets
from devices.model import Health, Power
from devices.tablets.log import Answer, Entry, Signal, Stay
from recorder.recording import Layout

ACTOR = Actor(name="instructor", role=AccessRole.INSTRUCTOR, door="panel")
TIMETABLE = Actor(name="timetable", role=AccessRole.TECHNICIAN, door="timetable")
PAGES = [{"id": f"p{n}", "kind": "image", "title": title} for n, title in enumerate("AB")]
API = "/api/v1/analytics"


async def _class(
    tablets: Any,
    title: str,
    course: str | None,
    ago: timedelta,
    *,
    lecturer: str | None = None,
    by: Actor = ACTOR,
) -> Session:
    """A class of fifty minutes that is over, with a poll, pages and two who were there."""
    held = new_session(
        title=title,
        course=course,
        lecturer=lecturer,
        minutes=50,
        layout=Layout.SLIDES,
        boot_id="boot",
    )
    started = now_utc() - ago
    ended = started + timedelta(minutes=50)
    held = held.model_copy(
        update={"started": started, "ended": ended, "recording": f"r-{held.id}", "open": False}
    )
    await tablets.pretend.journal.save(held, actor=by, kind="start")
    start = round(started.timestamp() * 1000)
    store, minute = tablets.store, 60_000
    await store.attend(held.id, Stay("s1", "Ada", start, start + 50 * minute))
    await store.attend(held.id, Stay("s2", "=Bob", start + 10 * minute, start + 30 * minute))
    lesson = await tablets.room.open(held.id, title)
    question = {"id": "q", "kind": "single", "text": "=2+2?", "choices": ["3", "4"], "correct": [1]}
    await store.keep_question(held.id, "q", question)
    await lesson.put("ask", {"quiz": "z", "questions": [question], "deadline": None})
    for seat, value, state in (("s1", 1, "counted"), ("s2", 0, "counted"), ("s3", 1, "saved")):
        answer = Answer(f"a{seat}", "q", seat, "t", value, start, start, state, 1)
        await store.answer(held.id, answer, change=True)
    await store.signal(held.id, Signal("s1", "confused", True, start + 60_000))
    await lesson.put("deck", {"deck": {"id": "d", "title": "D"}, "pages": PAGES})
    return held


@pytest.fixture
async def held(tablets: Tablets, web: str) -> list[Session]:
    made = [
        await _class(tablets, "Optics", "PHY-1", timedelta(days=2)),
        await _class(tablets, "Algebra", "MAT-1", timedelta(days=40)),
    ]
    await tablets.pretend.notes.count_views(made[0].recording, [0, 1, 5])
    await tablets.pretend.notes.count_views(made[0].recording, [1])
    return made


async def test_a_class_in_figures(people: Any, held: list[Session]) -> None:
    instructor = people["instructor"]
    seen = (await instructor.get(API, params={"days": 30})).json()
    [optics] = [one for one in seen["sessions"] if one["title"] == "Optics"]
    assert optics | {"id": "", "started": "", "recording": ""} == {
        **{"id": "", "started": "", "recording": "", "title": "Optics", "course": "PHY-1"},
        **{"minutes": 50.0, "seats": 2, "seat_minutes": 35.0, "polls": 1, "lost": 1},
        "watched_minutes": 0.7,
    }
    assert [one["minutes"] for one in seen["by_day"]] == [50.0]
    assert len((await instructor.get(API, params={"days": 90})).json()["sessions"]) == 2
    only = (await instructor.get(API, params={"days": 90, "course": "MAT-1"})).json()
    assert [one["title"] for one in only["sessions"]] == ["Algebra"]
    detail = (await instructor.get(f"{API}/sessions/{held[0].id}")).json()
    assert [one["n"] for one in detail["present"]] == [1, 1, 2, 2, 2, 2, 1, 1, 1, 1]
    assert detail["lost"] == [{"at": 60, "n": 1}]
    [poll] = detail["polls"]
    assert (poll["answered"], poll["counts"], poll["right"]) == (2, [1, 1], 0.5)
    assert detail["watched"] == [{"at": 0, "n": 1}, {"at": 10, "n": 2}, {"at": 50, "n": 1}]
    assert detail["pages"][0]["title"] == "A"
    told = json.dumps(detail)
    assert "Ada" not in told
    assert "Bob" not in told
    assert (await instructor.get(f"{API}/sessions/none")).json()["code"] == "unknown_session"


async def test_tables_and_who_may_have_them(people: Any, held: list[Session]) -> None:
    instructor, technician = people["instructor"], people["technician"]
    base = f"{API}/sessions/{held[0].id}"
    polls = (await instructor.get(f"{base}/polls.csv")).text.removeprefix("\ufeff")
    [row] = csv.DictReader(io.StringIO(polls))
    assert (row["text"], row["choices"], row["counts"]) == ("'=2+2?", "3 | 4", "1 | 1")
    for table in ("present", "lost", "pages", "watched"):
        answer = await instructor.get(f"{base}/{table}.csv")
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/csv")
    sessions = await instructor.get(f"{API}/sessions.csv", params={"days": 90})
    assert len(sessions.text.splitlines()) == 3
    assert (await instructor.get(f"{API}/devices")).status_code == 403
    assert (await people["student"].get(API)).status_code == 403
    assert (await people["nobody"].get(f"{base}/polls.csv")).status_code == 401
    listed = (await technician.get(f"{API}/devices")).json()
    assert {one["id"]: one["faults"] for one in listed}["projector"] == 0
    assert (await technician.get(f"{API}/devices.csv")).text.count("projector") == 1


async def test_a_lecturer_sees_own_classes_and_nobody_elses(
    people: Any, tablets: Any, held: list[Session]
) -> None:
    instructor, technician = people["instructor"], people["technician"]
    day = timedelta(days=1)
    theirs = await _class(tablets, "Waves", "PHY-1", day, lecturer="Grace")
    named = await _class(tablets, "Sets", "MAT-2", day, lecturer="Instructor", by=TIMETABLE)
    same_course = await _class(tablets, "Maps", "MAT-2", day, by=TIMETABLE)
    nobodys = await _class(tablets, "Talk", None, day, by=TIMETABLE)
    await tablets.room.end()

    async def titles(client: Any) -> set[str]:
        seen = (await client.get(API, params={"days": 30})).json()["sessions"]
        table = await client.get(f"{API}/sessions.csv", params={"days": 30})
        told = {one["title"] for one in seen}
        assert len(told) == len(table.text.splitlines()) - 1
        return told

    assert await titles(instructor) == {"Optics", "Sets", "Maps"}
    assert await titles(technician) == {"Optics", "Sets", "Maps", "Waves", "Talk"}
    reports = "/api/v1/tablets/sessions"
    for one, status in ((theirs, 403), (nobodys, 403), (named, 200), (same_course, 200)):
        for address in (
            f"{API}/sessions/{one.id}",
            f"{API}/sessions/{one.id}/polls.csv",
            f"{reports}/{one.id}/attendance.csv",
            f"{reports}/{one.id}/answers.csv",
            f"{reports}/{one.id}/xapi.json",
            f"{reports}/{one.id}/confusion.json",
        ):
            answer = await instructor.get(address)
            assert answer.status_code == status, address
            assert (await technician.get(address)).status_code == 200
            if status == 403:
                assert answer.json()["code"] == "not_your_class"
    assert (await instructor.get(f"{API}/rules")).json()["own"] is True
    assert (await technician.get(f"{API}/rules")).json()["own"] is False


async def test_device_hours_and_faults_are_added_up(people: Any, tablets: Any, until: Any) -> None:
    room, now = tablets.pretend, [0.0]
    hours = DeviceHours(room, clock=lambda: now[0])
    await hours.start()
    device = next(one for one in room.devices if one.id == "projector")

    def tell(**changes: Any) -> None:
        state = device.model_copy(update=changes)
        hours.note(state)

    await until(lambda: hours._last)
    tell(power=Power.ON)
    now[0] += 3600
    tell(power=Power.ON, health=Health.OFFLINE)
    now[0] += 1800
    tell(power=Power.ON, health=Health.ONLINE)
    await hours.flush()
    now[0] += 1800
    room.events.publish(Event(kind="device", data=device.model_dump(mode="json")))
    await until(lambda: hours._last["projector"][0].power is Power.OFF)
    now[0] += 7200
    await hours.stop()
    listed = (await people["technician"].get(f"{API}/devices")).json()
    [one] = [row for row in listed if row["id"] == "projector"]
    assert (one["on_hours"], one["away_hours"], one["faults"]) == (1.5, 0.5, 1)


def test_how_long_pages_stood() -> None:
    def entry(seq: int, kind: str, at: int, **body: Any) -> Entry:
        return Entry(seq, str(seq), kind, "lecturer", body, at)

    log = [
        entry(1, "begin", 0, title=""),
        entry(2, "deck", 1000, deck={}, pages=PAGES),
        entry(3, "page", 11_000, page="p1"),
        entry(4, "page", 12_000, page="none"),
        entry(5, "add_page", 13_000, page={"id": "x", "kind": "blank", "title": ""}),
        entry(6, "page", 21_000, page="x"),
        entry(7, "page", 22_000, page="p1"),
        entry(8, "end", 30_000),
    ]
    found = lesson_figures.pages(log, 99_000)
    assert [(one.title, one.seconds, one.times) for one in found] == [
        ("A", 10.0, 1),
        ("B", 18.0, 2),
        ("blank", 1.0, 1),
    ]


# --- the page -------------------------------------------------------------------------------


async def _page(here: Room, pin: str, language: str = "en") -> Page:
    page, cable = await here._open()
    login = f"{cable.address}/api/v1/login"
    assert (await page.request.post(login, data={"pin": pin})).ok
    await page.goto(f"{cable.address}/analytics?lang={language}")
    await page.locator(".tile").first.wait_for()
    return page


class TestPage:
    pytestmark = needs_pages

    async def test_from_the_school_to_one_class(self, here: Room, held: list[Session]) -> None:
        page = await _page(here, "3333")
        await expect(page.locator("tr[data-session]")).to_have_count(1)
        await page.get_by_label("Time").select_option("90")
        await expect(page.locator("tr[data-session]")).to_have_count(2)
        await page.get_by_label("Course").select_option("MAT-1")
        await expect(page.locator("tr[data-session]")).to_have_count(1)
        await expect(page.locator("tr[data-device]").first).to_be_visible()
        await page.get_by_label("Course").select_option("PHY-1")
        async with page.expect_download() as download:
            await page.get_by_role("link", name="CSV: Classes held").click()
        assert (await download.value).suggested_filename == "sessions.csv"
        await page.get_by_role("button", name="Optics").click()
        await expect(page.locator("h1")).to_have_text("Optics")
        await expect(page.locator("[data-poll]")).to_contain_text("50 % right")
        table = page.locator(".plot", has_text="Where the recording is watched")
        await table.get_by_text("The numbers as a table").click()
        await expect(table.locator("tbody tr")).to_have_count(3)
        await page.go_back()
        await expect(page.locator("tr[data-session]")).to_have_count(1)

    async def test_an_instructor_sees_no_devices(self, here: Room, held: list[Session]) -> None:
        page = await _page(here, "2222")
        await expect(page.locator("tr[data-session]")).to_have_count(1)
        await expect(page.locator("tr[data-device]")).to_have_count(0)
        await expect(page.get_by_text("The classes that you held")).to_be_visible()

    @pytest.mark.parametrize("language", ["en", "ar"])
    async def test_it_can_be_used_by_everyone(
        self, here: Room, held: list[Session], language: str
    ) -> None:
        page = await _page(here, "3333", language)
        await page.locator("tr[data-device]").first.wait_for()
        assert await findings(page) == []
        await page.locator("tr[data-session] button").first.click()
        await page.locator("[data-poll]").wait_for()
        assert await findings(page) == []
        await page.set_viewport_size({"width": 360, "height": 740})
        assert await page.evaluate(
            "() => document.documentElement.scrollWidth <= document.documentElement.clientWidth"
        )
