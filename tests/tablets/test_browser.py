"""The tablet page and the board in a real Chromium, on the real server."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest
from classroom_pages import Room, eventually, findings, needs_pages, pixels, stroke
from playwright.async_api import expect

from devices.tablets import ink

pytestmark = needs_pages


async def test_a_class_with_a_lecturer_a_board_and_five_tablets(here: Room, until: Any) -> None:
    teacher, board = await here.teacher(), await here.board()
    students = [(await here.student(f"S{n}"))[0] for n in range(5)]
    everyone = [teacher, board, *students]
    await here.in_step(*everyone)
    code = board.locator(".howto img")
    await eventually(lambda: code.evaluate("(image) => image.naturalWidth > 0"))
    assert await board.evaluate(
        "() => document.documentElement.scrollWidth <= document.documentElement.clientWidth"
    )

    await teacher.get_by_role("button", name="Next page").click()
    for page in students:
        await expect(page.locator(".where")).to_have_text("Page 2 of 4")
    await teacher.get_by_role("button", name="Pen", exact=True).click()
    await stroke(teacher)
    await stroke(teacher, start=0.5)
    await until(lambda: len(here.lesson.state["ink"].get("pb", [])) == 2)
    await here.in_step(*everyone)
    await teacher.get_by_role("button", name="Undo").click()
    await here.in_step(teacher)
    await until(lambda: len(here.lesson.state["ink"]["pb"]) == 1)

    await teacher.get_by_role("tab", name="Ask").click()
    await teacher.get_by_label("Question", exact=True).fill("Which is faster?")
    await teacher.get_by_label("Choices, one per line").fill("Light\nSound")
    await teacher.get_by_role("button", name="Ask now").click()
    for number, page in enumerate(students):
        await page.get_by_label("Light" if number < 4 else "Sound").check()
        await expect(page.locator(".given")).to_have_attribute("data-state", "counted")
    await expect(teacher.locator("[data-result]")).to_contain_text("5 people answered")
    await expect(board.locator(".many")).to_have_text("5 of 5")
    await teacher.get_by_role("button", name="Show result").click()
    await expect(students[0].locator(".bars li").first).to_contain_text("80")
    await expect(board.locator(".bars li").last).to_contain_text("20")

    await students[2].get_by_role("button", name="Raise hand").click()
    await expect(teacher.get_by_role("tab", name="People")).to_contain_text("✋1")
    await teacher.get_by_role("button", name="Eyes up").click()
    await expect(students[0].get_by_role("alertdialog")).to_be_visible()
    await teacher.get_by_role("button", name="Release").click()
    await expect(students[0].get_by_role("alertdialog")).to_be_hidden()

    late, _ = await here.student("Late")
    await here.in_step(late, *everyone)
    assert await pixels(late) == await pixels(students[0])


async def test_offline_answers_survive_a_reload_and_count_once(here: Room) -> None:
    teacher = await here.teacher()
    ada, cable = await here.student("Ada")
    await ada.evaluate("() => navigator.serviceWorker.ready.then(() => 1)")
    await ada.reload()
    await ada.locator(".tablet").wait_for()
    await teacher.get_by_role("tab", name="Ask").click()
    await teacher.get_by_label("Kind").select_option("number")
    await teacher.get_by_role("button", name="Ask now").click()
    await ada.get_by_label("Your number").wait_for()
    cable.cut()
    await expect(ada.locator(".status")).to_have_attribute("data-link", "away")
    await expect(ada.locator(".status")).to_contain_text("The room is not answering")
    await ada.get_by_label("Your number").fill("42")
    await ada.get_by_role("button", name="Send answer").click()
    await expect(ada.locator(".given")).to_have_attribute("data-state", "waiting")
    await ada.reload()
    await ada.locator(".tablet").wait_for()
    cable.mend()
    await expect(ada.locator(".given")).to_have_attribute("data-state", "counted")
    [question] = here.lesson.open_questions()
    assert here.lesson.result(question)["counts"] == [(42, 1)]
    await here.in_step(ada, teacher)


async def test_room_away_and_lecturer_away_are_different_words(here: Room) -> None:
    teacher = await here.teacher()
    ada, _ = await here.student("Ada")
    await expect(ada.locator(".status")).to_contain_text("Connected")
    await teacher.context.close()
    await expect(ada.locator(".status")).to_contain_text("The lecturer’s device is away")
    here.cables[-1].cut()
    await expect(ada.locator(".status")).to_contain_text("The room is not answering")


async def test_a_page_that_was_cut_off_catches_up(here: Room) -> None:
    teacher = await here.teacher()
    ada, cable = await here.student("Ada")
    cable.cut()
    await expect(ada.locator(".status")).to_have_attribute("data-link", "away")
    for _ in range(3):
        await teacher.get_by_role("button", name="Next page").click()
    await teacher.get_by_role("button", name="Pen", exact=True).click()
    await stroke(teacher)
    await here.in_step(teacher)
    cable.mend()
    await here.in_step(ada)
    await expect(ada.locator(".where")).to_have_text("Page 4 of 4")


async def test_a_connection_that_only_looks_open_after_standby_is_replaced(here: Room) -> None:
    teacher = await here.teacher()
    ada, cable = await here.student("Ada")
    await here.in_step(ada)
    cable.freeze()
    await teacher.get_by_role("button", name="Next page").click()
    await here.in_step(teacher)
    await ada.evaluate("() => document.dispatchEvent(new Event('visibilitychange'))")
    await here.in_step(ada)
    await expect(ada.locator(".where")).to_have_text("Page 2 of 4")


async def test_without_a_trusted_certificate_it_works_and_says_what_is_missing(here: Room) -> None:
    """Over plain HTTP from an address that is not this machine's own name."""
    teacher = await here.teacher()
    ada, cable = await here._open()
    address = f"http://room.test:{cable.address.rpartition(':')[2]}"
    code = here.tablets.room.pairing.join_code("c1").text
    await ada.goto(f"{address}/tablet?lang=en#{code}")
    assert not await ada.evaluate("() => isSecureContext || 'serviceWorker' in navigator")
    await ada.locator("input:not(.code)").fill("Ada")
    await ada.locator("button[type=submit]").click()
    await ada.locator(".tablet").wait_for()
    await ada.locator(".device summary").click()
    await expect(ada.locator(".hint")).to_contain_text("not on a trusted connection")
    await ada.locator(".device summary").click()
    await teacher.get_by_role("tab", name="Ask").click()
    await teacher.get_by_label("Kind").select_option("number")
    await teacher.get_by_role("button", name="Ask now").click()
    await ada.get_by_label("Your number").wait_for()
    cable.cut()
    await expect(ada.locator(".status")).to_have_attribute("data-link", "away")
    await ada.get_by_label("Your number").fill("42")
    await ada.get_by_role("button", name="Send answer").click()
    await expect(ada.locator(".given")).to_have_attribute("data-state", "waiting")
    cable.mend()
    await expect(ada.locator(".given")).to_have_attribute("data-state", "counted")
    await here.in_step(ada)


async def test_any_log_looks_the_same_to_the_page_and_to_the_room(here: Room) -> None:
    """The rules stand twice, in Python and in TypeScript: a long random log tells them apart."""
    chance = random.Random(23)
    there, _ = await here.student("There")
    names, strokes = ["pa", "pb", "pc", "x1", "x2", "none"], [f"k{n}" for n in range(9)]
    points = ink.encode([(100, 100, 90), (20_000, 30_000, 200)])

    def body(kind: str) -> dict[str, Any]:
        page, stroke = chance.choice(names), chance.choice(strokes)
        questions = [{"id": chance.choice("qrs"), "kind": "number", "text": "?", "choices": []}]
        return {
            "page": {"page": page, "show_at": 0},
            "add_page": {
                "page": {"id": page, "kind": "blank", "title": page, "url": None, "image": None},
                "after": chance.choice(names),
            },
            "ink": {
                **{"page": page, "stroke": stroke, "part": chance.randrange(3)},
                **{"points": points, "color": "#112233", "width": 3},
            },
            "erase": {"page": page, "strokes": [stroke], "any": chance.random() < 0.5},
            "clear": {"page": page},
            "timer": {"timer": None},
            "mode": {"mode": chance.choice(["follow", "free"])},
            "push": {"id": stroke, "kind": "link", "url": "/x", "title": page},
            "ask": {"quiz": "z", "questions": questions, "deadline": None},
            "close": {"questions": [chance.choice("qrs")]},
            "reveal": {"question": chance.choice("qrs"), "result": {"answered": 1}, "correct": 4},
            "permit": {"seat": stroke, "ink": chance.random() < 0.5},
            "share": {"sheet": None},
            "inquiry": {"name": "A", "text": "?", "remote": False},
            "inquiry_shown": {"inquiry": stroke, "name": "A", "text": "?", "remote": True},
            "inquiry_done": {"inquiry": stroke},
            "unknown": {},
        }[kind]

    kinds = ["page", "add_page", "erase", "clear", "timer", "mode", "push", "ask", "close"]
    kinds += ["reveal", "permit", "share", "unknown", "inquiry_shown", "inquiry_done"]
    kinds += ["ink"] * 12

    async def put(many: int) -> None:
        drawn = [
            (chance.choice(kinds), chance.choice(["lecturer", "s1", "s2"])) for _ in range(many)
        ]
        puts = [here.lesson.put(kind, body(kind), author) for kind, author in drawn]
        await asyncio.gather(*puts)  # one commit for all; the log keeps their order

    await put(250)
    late, _ = await here.student("Late")
    await put(150)
    await here.in_step(there, late)


async def test_what_the_room_dropped_is_said_again(
    here: Room, until: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    teacher, (ada, _) = await here.teacher(), await here.student("Ada")
    await teacher.get_by_role("tab", name="Ask").click()
    await teacher.get_by_label("Kind").select_option("number")
    await teacher.get_by_role("button", name="Ask now").click()
    receive, dropped, dropping = here.tablets.room.receive, list[str](), True

    async def lossy(member: Any, raw: Any) -> None:
        if '"answer"' in raw and dropping:
            dropped.append(raw)
            return
        await receive(member, raw)

    monkeypatch.setattr(here.tablets.room, "receive", lossy)
    await ada.get_by_label("Your number").fill("42")
    await ada.get_by_role("button", name="Send answer").click()
    given = ada.locator(".given")
    await expect(given).to_have_attribute("data-state", "waiting")
    await until(lambda: dropped)
    dropping = False
    await expect(given).to_have_attribute("data-state", "counted")


@pytest.mark.parametrize("language", ["en", "ar"])
async def test_pages_can_be_used_by_everyone(here: Room, language: str) -> None:
    teacher, board = await here.teacher(), await here.board()
    page, cable = await here._open()
    await page.goto(f"{cable.address}/tablet?lang={language}")
    await page.locator("input.code").wait_for()
    assert await findings(page) == []
    student, _ = await here.student("Ada", language)
    await teacher.get_by_role("tab", name="Ask").click()
    await teacher.get_by_label("Choices, one per line").fill("A\nB")
    assert await findings(teacher) == []
    await teacher.get_by_role("button", name="Ask now").click()
    await student.get_by_label("A", exact=True).check()
    await expect(student.locator(".given")).to_have_attribute("data-state", "counted")
    assert await findings(student) == []
    assert await findings(board) == []
    if language == "ar":
        assert await student.evaluate("() => document.documentElement.dir") == "rtl"
        view = await student.locator(".view").bounding_box()
        beside = await student.locator(".beside").bounding_box()
        assert view and beside
        assert beside["x"] < view["x"], "the side column stands on the left"
        assert await student.evaluate(
            "() => document.documentElement.scrollWidth <= document.documentElement.clientWidth"
        )
