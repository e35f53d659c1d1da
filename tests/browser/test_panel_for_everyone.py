"""The wall panel for everyone: by keyboard, in every language, on every screen, without motion."""

from __future__ import annotations

from typing import Any

import pytest
from browsing import PANEL, PHONE, Open, Served, Watched, barriers, keep_picture, sign_in
from panel_states import UNFIT, all_on, start_class, trouble
from playwright.async_api import Page, expect

LANGUAGES = ("en", "fr", "es", "ar", "ru", "zh")


async def test_the_whole_class_goes_by_keyboard(served: Served, open_page: Open, room: Any) -> None:
    room.undo_s = 600
    page = (await open_page(served.url)).page
    await sign_in(page)
    await page.wait_for_selector(".start")

    async def tab_to(name: str) -> None:
        for _ in range(40):
            await page.keyboard.press("Tab")
            focused = page.locator(":focus")
            label = await focused.get_attribute("aria-label") or await focused.inner_text()
            if label.strip() == name:
                outline = await focused.evaluate("one => getComputedStyle(one).outlineStyle")
                assert outline == "solid", "the focus is seen"
                return
        pytest.fail(f"{name!r} is not reached by Tab")

    await tab_to("Start class")
    await page.keyboard.press("Enter")
    await page.wait_for_selector(".strip.is-live")
    await tab_to("Pause")
    await page.keyboard.press("Space")
    await page.wait_for_selector(".strip.is-paused")
    await tab_to("End class")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("button", name="Keep teaching")).to_be_focused()
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await page.wait_for_selector(".undo-bar")
    await expect(page.get_by_role("button", name="Undo")).to_be_focused()


async def _walk(page: Page, room: Any, seen: Any) -> None:
    """Shows the panel in each state and calls `seen(name)` there."""
    await page.wait_for_selector(".pin-pad")
    await seen("login")
    await sign_in(page)
    await page.wait_for_selector(".start")
    await seen("idle")
    await page.click(".start")
    await page.wait_for_selector(".picture img")
    room.level(lectern=-14.0)
    all_on(room)
    await page.wait_for_selector(".volume")
    await seen("live")
    await page.locator(".device-more").last.click()
    await page.wait_for_selector(".pad")
    await seen("camera")
    await page.keyboard.press("Escape")
    await page.click(".actions .pause")
    await page.wait_for_selector(".strip.is-paused")
    await seen("paused")
    await page.click(".actions .main")
    await page.wait_for_selector(".strip.is-live")
    trouble(room)
    await page.wait_for_selector(".alarm-list")
    await seen("alarm")
    await page.click(".action-end")
    await page.wait_for_selector("dialog[open]")
    await seen("ask")
    await page.click("dialog .danger")
    await page.wait_for_selector(".undo-bar")
    await seen("undo")


@pytest.mark.parametrize("language", LANGUAGES)
async def test_every_state_on_every_screen(
    served: Served, open_page: Open, room: Any, language: str
) -> None:
    """One walk for each language: texts fit, touch finds its target, nothing is asked of others;
    axe looks at a light panel, a dark one from right to left, and a dark phone."""
    size = PHONE if language == "fr" else PANEL
    look = "light" if language == "en" else "dark"
    watched = await open_page(f"{served.url}/?lang={language}", size=size, look=look)
    page = watched.page
    wrong: list[str] = []

    async def seen(name: str) -> None:
        await keep_picture(page, f"{language}-{size[0]}-{look}-{name}")
        if language in {"en", "ar", "fr"}:
            wrong.extend(f"{name}: {one}" for one in await barriers(page))
        for width, height in (PHONE, PANEL, (1024, 600)):
            await page.set_viewport_size({"width": width, "height": height})
            found = await page.evaluate(UNFIT)
            if any(found.values()):
                wrong.append(f"{name} {width}: {found}")
        await page.set_viewport_size({"width": size[0], "height": size[1]})

    await _walk(page, room, seen)
    assert not wrong
    expected = "rtl" if language == "ar" else "ltr"
    assert await page.evaluate("document.documentElement.dir") == expected
    assert await page.evaluate("document.documentElement.lang") == language
    assert watched.elsewhere(served.url) == []


async def test_a_language_is_chosen_by_its_own_name_and_kept(panel: Watched) -> None:
    page = panel.page
    await page.get_by_label("Language: English").click()
    await page.get_by_role("button", name="العربية").click()
    await expect(page.locator(".start")).to_have_text("بدء المحاضرة")
    assert await page.evaluate("document.documentElement.dir") == "rtl"
    strip = await page.locator(".strip-state").bounding_box()
    assert strip and strip["x"] > PANEL[0] / 2, "the state stands where reading begins"
    await page.reload()
    await expect(page.locator(".start")).to_have_text("بدء المحاضرة")


async def test_light_and_dark_are_chosen_and_kept(panel: Watched) -> None:
    page = panel.page
    await page.get_by_label("Light or dark").click()
    assert await page.evaluate("document.documentElement.dataset.look") == "dark"
    await page.reload()
    await page.wait_for_selector(".start")
    assert await page.evaluate("document.documentElement.dataset.look") == "dark"


async def test_nothing_moves_for_who_wants_no_motion(
    served: Served, open_page: Open, room: Any
) -> None:
    page = (await open_page(served.url, reduced_motion="reduce")).page
    await sign_in(page)
    await start_class(page)
    await expect(page.locator(".mark.busy").first).to_be_visible()
    assert await page.evaluate("document.getAnimations().length") == 0
