"""A quiz with a deadline from the lecturer's page; files that are handed out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from classroom_pages import Room, findings, needs_pages
from playwright.async_api import expect

from devices.tablets import handouts
from devices.tablets.handouts import Handouts

FILES = "/api/v1/tablets/files"
OCTETS = {"content-type": "application/octet-stream"}


async def test_a_file_reaches_every_tablet(people: Any, page: Any, until: Any) -> None:
    instructor, ada = people["instructor"], await page("Ada")
    await until(lambda: ada.replica.ready)
    made = await instructor.post(
        FILES, params={"name": "Blatt/3 ü.pdf"}, content=b"%PDF-1.4", headers=OCTETS
    )
    assert made.status_code == 200, made.text
    await until(lambda: ada.replica.state["pushed"])
    [pushed] = ada.replica.state["pushed"]
    assert (pushed["kind"], pushed["title"]) == ("file", "Blatt_3 ü.pdf")
    assert (await people["nobody"].get(pushed["url"])).status_code == 401
    got = await people["nobody"].get(pushed["url"], headers=ada._headers)
    assert got.content == b"%PDF-1.4"
    assert got.headers["content-disposition"].startswith("inline")
    assert got.headers["x-content-type-options"] == "nosniff"


async def test_what_could_run_is_saved_and_not_shown(people: Any, page: Any) -> None:
    instructor, ada = people["instructor"], await page("Ada")
    for name in ("x.html", "x.svg", "x.js", "x"):
        made = await instructor.post(
            FILES, params={"name": name}, content=b"<script>", headers=OCTETS
        )
        got = await people["nobody"].get(f"{FILES}/{made.json()['id']}", headers=ada._headers)
        assert got.headers["content-type"] == "application/octet-stream"
        assert got.headers["content-disposition"].startswith("attachment")


async def test_who_may_hand_out_and_what_is_too_much(
    people: Any, tablets: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def give(who: str, content: bytes = b"x") -> Any:
        where = {"params": {"name": "a.txt"}, "content": content, "headers": OCTETS}
        return await people[who].post(FILES, **where)

    assert (await give("student")).status_code == 403
    assert (await give("nobody")).status_code == 401
    assert (await give("instructor", b"")).json()["code"] == "bad_file"
    monkeypatch.setattr(handouts, "MAX_BYTES", 10)
    assert "larger than" in (await give("instructor", b"x" * 11)).json()["detail"]
    for wrong in ("0" * 16, "..%2f..%2fjournal", "A" * 16):
        assert (await people["instructor"].get(f"{FILES}/{wrong}")).status_code in {404, 422}
    await tablets.room.end()
    assert (await give("instructor")).json()["code"] == "no_lesson"


async def test_old_files_are_thrown_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def content() -> Any:
        yield b"x"

    kept = Handouts(tmp_path)
    first = await kept.add("a", content())
    assert kept.find(first.id)
    monkeypatch.setattr(handouts, "KEPT_DAYS", -1)
    kept.forget_old()
    assert kept.find(first.id) is None
    assert list(tmp_path.iterdir()) == []


class TestPage:
    pytestmark = needs_pages

    async def test_a_quiz_of_three_with_a_deadline(self, here: Room) -> None:
        teacher = await here.teacher()
        ada, _ = await here.student("Ada")
        await teacher.get_by_role("tab", name="Ask").click()
        await teacher.get_by_label("Question", exact=True).fill("First?")
        await teacher.get_by_label("Choices, one per line").fill("Yes\nNo")
        await teacher.get_by_role("checkbox", name="No", exact=True).check()
        await teacher.get_by_role("button", name="Add to a quiz").click()
        await teacher.get_by_label("Kind").select_option("number")
        await teacher.get_by_label("Question", exact=True).fill("Second?")
        await teacher.get_by_label("Right number").fill("4,5")
        await teacher.get_by_role("button", name="Add to a quiz").click()
        await teacher.get_by_label("Kind").select_option("text")
        await teacher.get_by_label("Question", exact=True).fill("Third?")
        await teacher.get_by_label("Ends after").select_option("600")
        assert await findings(teacher) == []
        await teacher.get_by_role("button", name="Ask now").click()
        await expect(ada.locator(".question h2")).to_have_text(["First?", "Second?", "Third?"])
        state = here.lesson.state["questions"]
        assert len({question["deadline"] for question in state}) == 1
        assert state[0]["deadline"] is not None
        ids = [question["id"] for question in state]
        assert [here.lesson.question(one).correct for one in ids] == [[1], 4.5, None]
        assert all("correct" not in body for body in _asked(here)), "nobody is told"
        first = ada.locator(".question").first
        await first.get_by_label("No", exact=True).check()
        await expect(first.locator(".given")).to_have_attribute("data-state", "counted")

    async def test_a_file_is_handed_out_from_the_page(self, here: Room) -> None:
        teacher = await here.teacher()
        ada, _ = await here.student("Ada")
        file = {"name": "Exercise 3.pdf", "mimeType": "application/pdf", "buffer": b"%PDF-1.4"}
        await teacher.get_by_label("Hand out a file").set_input_files(file)
        await expect(ada.get_by_role("link", name="Exercise 3.pdf")).to_be_visible()


def _asked(here: Room) -> list[dict[str, Any]]:
    entries = [entry for entry in here.lesson.tail(0) or [] if entry.kind == "ask"]
    return [question for entry in entries for question in entry.body["questions"]]
