"""A question from a tablet and one from home, seen on teacher's page, board and tablet."""

from __future__ import annotations

import os
from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]


async def test_the_lecturer_chooses_what_the_class_sees(
    chromium: Browser, hall: Any, tablets: Any
) -> None:
    hall.begin()
    lesson = await tablets.room.open("s1", "Optics")
    address = await hall.serve()
    complaints: list[str] = []

    async def opened(path: str, role: Any, name: str) -> Page:
        context = await chromium.new_context()
        page = await context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        code = tablets.room.pairing.pair_set([name], role)
        asked = {"code": code.text}
        answer = await page.request.post(f"http://{address}/api/v1/tablets/redeem", data=asked)
        assert answer.ok
        await page.goto(f"http://{address}{path}")
        return page

    teacher = await opened("/tablet?teach&lang=en", "lecturer", "Teacher")
    tablet = await opened("/tablet?lang=en", "student", "Ada")
    board = await opened("/board?lang=en", "board", "Board")
    await lesson.inquire("far", "home", "Kim", "Is light a wave?", remote=True)
    await tablet.get_by_placeholder("Ask the lecturer").fill("And a particle?")
    await tablet.get_by_role("button", name="Send").click()
    await expect(tablet.get_by_text("Your lecturer decides")).to_be_visible()
    await teacher.get_by_role("tab", name="People").click()
    asked = teacher.locator(".inquiry")
    await expect(asked).to_have_count(2)
    await expect(asked.nth(0)).to_contain_text("Kim · from elsewhere")
    await expect(board.locator(".inquiry")).to_have_count(0)
    await asked.nth(0).get_by_role("button", name="Show to the class").click()
    for page in (board, tablet):
        await expect(page.locator(".inquiry")).to_contain_text("Is light a wave?")
    if shots := os.environ.get("CLASSROOMD_SCREENSHOTS"):
        for name, page in (("teach", teacher), ("tablet", tablet), ("board", board)):
            await page.screenshot(path=f"{shots}/questions-{name}.png")
    await asked.nth(0).get_by_role("button", name="Done").click()
    await expect(board.locator(".inquiry")).to_have_count(0)
    await expect(asked).to_have_count(1)
    assert [one.name for one in lesson.inquiries.open()] == ["Ada"]
    assert complaints == []
