"""The class in numbers on the wall panel, live results on the board, groups' sheets on both."""

from __future__ import annotations

from typing import Any

from classroom_pages import Room, findings, needs_pages, stroke
from playwright.async_api import Page, expect

from devices.tablets import ink

pytestmark = needs_pages

LINE = [{"points": ink.encode([(100, 100, 90), (60_000, 30_000, 200)]), "color": "#112233"}]


async def _panel(here: Room, tablets: Any, language: str = "en") -> Page:
    page, cable = await here._open()
    login = f"{cable.address}/api/v1/login"
    assert (await page.request.post(login, data={"pin": "2222"})).ok
    await page.request.post(f"{cable.address}/api/v1/session", data={"title": "Physics"})
    await page.goto(f"{cable.address}/?lang={language}")
    await page.locator(".actions").wait_for()
    await expect(page.locator(".class-tablets")).to_have_count(0)  # while no tablet is there
    return page


async def test_a_poll_from_the_panel_and_its_result_everywhere(
    here: Room, tablets: Any, page: Any, until: Any
) -> None:
    panel, board = await _panel(here, tablets), await here.board()
    ada, bob = await page("Ada"), await page("Bob")
    await until(lambda: ada.replica.ready and bob.replica.ready)
    counts = panel.locator(".class-counts")
    await expect(counts).to_contain_text("2 here")
    await ada.say("hand", up=True)
    await bob.say("confused", on=True)
    await expect(counts).to_contain_text("1 hand up")
    await expect(counts).to_contain_text("1 is lost")
    await expect(board.locator(".onair")).to_be_visible()
    assert "Ada" not in await panel.locator(".class-tablets").inner_text()
    await panel.get_by_role("button", name="Lower all hands").click()
    await expect(counts).not_to_contain_text("hand up")

    await panel.get_by_role("button", name="Ask: A to D").click()
    await until(lambda: ada.replica.state["questions"])
    question = ada.replica.state["questions"][0]["id"]
    await ada.say("answer", session="c1", question=question, value=1)
    await expect(panel.locator(".class-poll")).to_contain_text("1 of 2 answered")
    await expect(board.locator(".bars li").nth(1)).to_contain_text("100")
    await bob.say("answer", session="c1", question=question, value=0)
    await expect(panel.locator(".class-bars li").nth(0)).to_contain_text("1")
    await expect(board.locator(".bars li").nth(1)).to_contain_text("50")
    assert ada.replica.state["questions"][0]["result"] is None, "the class itself sees none yet"
    await panel.get_by_role("button", name="Close the question").click()
    await until(lambda: ada.replica.state["questions"][0]["state"] == "closed")
    await panel.get_by_role("button", name="Show the result").click()
    await until(lambda: ada.replica.state["questions"][0]["result"])

    await panel.get_by_role("button", name="Eyes up").click()
    await until(lambda: ada.replica.state["attention"] is not None)
    await panel.get_by_role("button", name="Release").click()
    await until(lambda: ada.replica.state["attention"] is None)
    assert await findings(panel) == []


async def test_results_that_the_lecturer_keeps_back_stay_off_board_and_panel(
    here: Room, tablets: Any, page: Any, until: Any
) -> None:
    panel = await _panel(here, tablets)
    teacher, board = await here.teacher(), await here.board()
    ada = await page("Ada")
    await until(lambda: ada.replica.ready)
    await teacher.get_by_role("tab", name="Ask").click()
    await teacher.get_by_label("Choices, one per line").fill("Light\nSound")
    await teacher.get_by_label("The board shows the counts").uncheck()
    await teacher.get_by_role("button", name="Ask now").click()
    await until(lambda: ada.replica.state["questions"])
    question = ada.replica.state["questions"][0]["id"]
    await ada.say("answer", session="c1", question=question, value=1)
    await expect(board.locator(".many")).to_contain_text("1 of 1")
    await expect(board.locator(".bars")).to_have_count(0)
    await expect(panel.locator(".class-poll")).to_contain_text("1 of 1 answered")
    await expect(panel.locator(".class-bars")).to_have_count(0)
    await expect(teacher.locator(".bars li").nth(1)).to_contain_text("100")
    await panel.get_by_role("button", name="Close the question").click()
    await panel.get_by_role("button", name="Show the result").click()
    await expect(panel.locator(".class-bars li").nth(1)).to_contain_text("1")


async def test_groups_sheets_stand_beside_each_other_and_stay_current(
    here: Room, page: Any, until: Any
) -> None:
    teacher, board = await here.teacher(), await here.board()
    groups = [await page(f"Group {n}") for n in (1, 2, 3)]
    await until(lambda: all(group.replica.ready for group in groups))
    await teacher.get_by_role("tab", name="Ask").click()
    await teacher.get_by_label("Kind").select_option("ink")
    await teacher.get_by_role("button", name="Ask now").click()
    await until(lambda: all(group.replica.state["questions"] for group in groups))
    question = groups[0].replica.state["questions"][0]["id"]
    for group in groups:
        await group.say("answer", session="c1", question=question, value=LINE)
    show = teacher.get_by_role("button", name="Show to the class")
    await expect(show).to_have_count(3)
    await show.nth(0).click()
    await expect(board.locator(".shared")).to_have_count(1)
    await show.nth(2).click()
    await expect(board.locator(".shared")).to_have_count(2)
    shared = await until(
        lambda: (now := groups[0].replica.state["shared"]) and now.get("others") and now
    )
    assert [shared["label"], *(one["label"] for one in shared["others"])] == [None, None]
    await groups[2].say("answer", session="c1", question=question, value=LINE * 2)
    await until(lambda: len(groups[0].replica.state["shared"]["others"][0]["strokes"]) == 2)
    await groups[1].say("answer", session="c1", question=question, value=LINE * 3)
    await here.in_step(teacher, board)
    assert len(groups[0].replica.state["shared"]["others"]) == 1
    await teacher.get_by_role("button", name="Take away").click()
    await expect(board.locator(".shared")).to_have_count(0)
    await stroke(teacher)
    await here.in_step(teacher, board)
