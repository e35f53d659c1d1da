"""What the timetable and the help button do on the wall panel, in a real browser."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from browsing import PANEL, PHONE, PIN, Open, Served, Watched, barriers, keep_picture, sign_in
from panel_states import UNFIT
from playwright.async_api import Page, expect

OPTICS, CHEMISTRY = "PHY-101 Optics", "CHE-1 Chemistry"


async def _offered(page: Page) -> None:
    await page.wait_for_selector(".offer")


async def test_one_tap_starts_what_the_timetable_says(panel: Watched, room: Any) -> None:
    page = panel.page
    room.timetable.plan((OPTICS, 5, 95), (CHEMISTRY, 120, 200))
    await _offered(page)
    await expect(page.locator(".offer-title")).to_have_text(OPTICS)
    await expect(page.locator(".start")).to_contain_text("until")
    await expect(page.locator(".slot")).to_have_count(2)
    await page.locator(".start").click()
    await page.wait_for_selector(".strip.is-live")
    assert room.calls[0][2]["slot"] == f"{OPTICS}/1"


async def test_another_class_is_none_of_the_timetable(panel: Watched, room: Any) -> None:
    page = panel.page
    room.timetable.plan((OPTICS, -5, 85))
    await _offered(page)
    await page.get_by_role("button", name="Another class").click()
    await page.get_by_label("Class title").fill("Guest talk")
    await page.get_by_role("button", name="Start class").click()
    await page.wait_for_selector(".strip.is-live")
    asked = room.calls[0][2]
    assert (asked["title"], asked["slot"]) == ("Guest talk", "")


async def test_a_class_that_does_not_take_place_is_skipped(panel: Watched, room: Any) -> None:
    page = panel.page
    room.timetable.plan((OPTICS, 5, 95), start="start")
    await _offered(page)
    await expect(page.locator(".offer")).to_contain_text("Begins by itself at")
    await page.get_by_role("button", name="Does not take place").click()
    await page.locator("dialog .main").click()
    await expect(page.locator(".hero-form input")).to_be_visible()
    await expect(page.locator(".slot.is-skipped")).to_be_visible()


async def test_what_comes_later_is_named_and_may_begin_already(panel: Watched, room: Any) -> None:
    page = panel.page
    room.timetable.plan((CHEMISTRY, 60, 150), error="away", remedy="")
    await expect(page.locator(".upcoming")).to_contain_text(f"Next: {CHEMISTRY}")
    await expect(page.locator(".today")).to_contain_text("could not be asked")
    await page.get_by_role("button", name="Start it already").click()
    await page.wait_for_selector(".strip.is-live")
    assert room.calls[0][2]["slot"] == f"{CHEMISTRY}/1"


async def _in_class(page: Page, room: Any, next_in: float) -> None:
    room.timetable.plan((OPTICS, -5, 30))
    await _offered(page)
    await page.locator(".start").click()
    await page.wait_for_selector(".strip.is-live")
    room.session.planned_end = datetime.now(UTC) + timedelta(minutes=30)
    room.timetable.plan((OPTICS, -5, 30), (CHEMISTRY, next_in, 120), current=OPTICS)
    room.tell()
    await expect(page.locator(".strip-until")).to_contain_text("left")


async def test_an_extension_into_the_next_class_asks_how(panel: Watched, room: Any) -> None:
    page = panel.page
    await _in_class(page, room, next_in=38)
    await page.get_by_label("Extend by 5 minutes").click()
    await expect(page.get_by_label("Extend by 5 minutes")).to_have_attribute("aria-busy", "false")
    await page.get_by_label("Extend by 15 minutes").click()
    dialog = page.locator("dialog")
    await expect(dialog).to_contain_text(f"{CHEMISTRY} begins here at")
    await dialog.get_by_role("button", name="Extend until").click()
    await expect(dialog).to_have_count(0)
    await page.get_by_label("Extend by 15 minutes").click()
    await dialog.get_by_role("button", name="Extend by 15 minutes all the same").click()
    await expect(dialog).to_have_count(0)
    asked = [(data["minutes"], data["force"]) for call, _, data in room.calls if call == "extend"]
    assert asked == [(5, False), (15, False), (15, True)]


async def test_with_no_room_left_only_the_bold_choice_stays(panel: Watched, room: Any) -> None:
    page = panel.page
    await _in_class(page, room, next_in=30)
    await page.get_by_label("Extend by 10 minutes").click()
    buttons = page.locator("dialog .button")
    await expect(buttons).to_have_count(2)
    await expect(page.get_by_role("button", name="Cancel")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.locator("dialog")).to_have_count(0)
    assert not [call for call, _, _ in room.calls if call == "extend"]


async def test_help_is_one_tap_and_says_who_comes(panel: Watched, room: Any) -> None:
    page = panel.page
    await page.locator(".help-button").click()
    await expect(page.locator(".help-phone a")).to_have_attribute("href", "tel:+4722855050")
    await page.get_by_role("button", name="No sound").click()
    await expect(page.locator(".help-state")).to_contain_text("A technician has been called")
    assert room.help.view().note == "No sound"
    room.help._say(state="answered", by="Sam")
    await expect(page.locator(".help-state")).to_contain_text("Sam takes care of it")
    await page.get_by_role("button", name="All is well again").click()
    await expect(page.locator("dialog")).to_contain_text("What is wrong?")


async def test_a_card_is_read_as_a_pin_is_typed(served: Served, open_page: Open, room: Any) -> None:
    page = (await open_page(served.url)).page
    await page.wait_for_selector(".pin-pad")
    await expect(page.locator(".help-phone")).to_contain_text("+47 22 85 50 50")
    await page.keyboard.type("04a1b2c3d4e5f6\n")  # a reader types the number and Enter
    await page.wait_for_selector(".start")
    assert PIN not in page.url


@pytest.mark.parametrize("language", ["en", "ar", "ru", "fr"])
async def test_the_timetable_fits_every_screen(
    served: Served, open_page: Open, room: Any, language: str
) -> None:
    look = "dark" if language == "ar" else "light"
    page = (await open_page(f"{served.url}/?lang={language}", look=look)).page
    room.timetable.plan(
        ("MAT-2 Linear algebra and its applications", 5, 95),
        (CHEMISTRY, 110, 200),
        start="start",
    )
    wrong: list[str] = []

    async def seen(name: str) -> None:
        await keep_picture(page, f"{language}-timetable-{name}")
        wrong.extend(f"{name}: {one}" for one in await barriers(page))
        for width, height in (PHONE, PANEL):
            await page.set_viewport_size({"width": width, "height": height})
            found = await page.evaluate(UNFIT)
            if any(found.values()):
                wrong.append(f"{name} {width}: {found}")
        await page.set_viewport_size({"width": PANEL[0], "height": PANEL[1]})

    await sign_in(page)
    await _offered(page)
    await seen("offer")
    await page.locator(".help-button").click()
    await page.wait_for_selector("dialog[open]")
    await seen("help")
    await page.locator(".choices button").first.click()
    await page.wait_for_selector(".help-state")
    await seen("called")
    assert not wrong
