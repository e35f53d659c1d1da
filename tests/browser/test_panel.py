"""A class on the wall panel in a real browser, over a room that the test holds in any state."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from browsing import Open, Served, Watched, until
from panel_states import start_class, trouble
from playwright.async_api import expect


async def test_one_touch_starts_a_class(panel: Watched, room: Any) -> None:
    page = panel.page
    await page.get_by_role("button", name="Start class").click()
    await expect(page.locator(".strip-word")).to_have_text("Recording")
    call, actor, asked = room.calls[0]
    assert (call, actor.door, asked["title"]) == ("start", "panel", None)
    await expect(page.locator(".device", has_text="Projector").first).to_contain_text(
        "Warming up, "
    )


@pytest.mark.parametrize("look", ["light", "dark"])
async def test_the_first_frame_needs_nothing_but_the_page(
    served: Served, open_page: Open, look: str
) -> None:
    """On a slow link the room's name and its colours stand before any other file has come."""
    watched = await open_page(f"{served.url}/healthz", look=look)
    await watched.page.route("**/*.{js,css}", lambda route: route.abort())
    await watched.page.goto(served.url)
    await expect(watched.page.locator(".strip-title")).to_have_text("Lecture hall 2")
    await expect(watched.page.locator(".turning")).to_be_visible()
    strip = "getComputedStyle(document.querySelector('.strip'))"
    assert await watched.page.evaluate(f"{strip}.display") != "block", "its styles are there"
    scheme = "getComputedStyle(document.documentElement).colorScheme"
    assert await watched.page.evaluate(scheme) == look
    assert not [one for one in watched.complaints if "Content Security Policy" in one]


async def test_title_and_length_are_taken_when_given(panel: Watched, room: Any) -> None:
    page = panel.page
    await page.get_by_label("Class title").fill("Optics, lecture 4")
    await page.get_by_role("button", name="45 min").click()
    await start_class(page)
    assert room.calls[0][2]["title"] == "Optics, lecture 4"
    await expect(page.locator(".strip-title")).to_have_text("Optics, lecture 4")
    await expect(page.locator(".strip-until")).to_contain_text("45 minutes left")


async def test_a_press_is_answered_before_the_room_is(panel: Watched, room: Any) -> None:
    page = panel.page
    go = asyncio.Event()
    obey = room.start_class

    async def slowly(actor: Any, **asked: Any) -> Any:
        await go.wait()
        return await obey(actor, **asked)

    room.start_class = slowly
    start = page.locator(".start")
    busy = await start.evaluate(
        "button => { button.click(); return new Promise(next => requestAnimationFrame(() =>"
        " next(button.getAttribute('aria-busy')))) }"
    )
    assert busy == "true", "the button shows the press in the next frame"
    await start.evaluate("button => button.click()")
    go.set()
    await page.wait_for_selector(".strip.is-live")
    assert [call for call, *_ in room.calls] == ["start"], "a second press asks nothing twice"


async def test_pictures_move_and_sound_moves(panel: Watched, room: Any) -> None:
    page = panel.page
    await start_class(page)
    picture = page.locator(".picture img").first
    first = await picture.get_attribute("src")
    await expect(picture).not_to_have_attribute("src", first or "")
    await until(page, "document.querySelector('.picture img')?.naturalWidth === 480")
    meter = page.get_by_role("meter")
    room.level(lectern=-70.0)
    await expect(meter).to_have_attribute("aria-valuetext", "Silent")
    room.level(lectern=-12.0)
    await expect(meter).to_have_attribute("aria-valuetext", "Good")
    await expect(meter).to_have_attribute("aria-valuenow", "-12")


async def test_a_pause_says_that_nothing_is_saved_and_shows_no_picture(panel: Watched) -> None:
    page = panel.page
    await start_class(page)
    await page.wait_for_selector(".picture img")
    await page.get_by_role("button", name="Pause").click()
    await expect(page.locator(".strip")).to_contain_text("Nothing is saved")
    await expect(page.locator(".picture img")).to_have_count(0)
    await expect(page.get_by_role("status").filter(has_text="Paused. Nothing")).to_have_count(1)
    await page.get_by_role("button", name="Resume").click()
    await expect(page.locator(".strip-word")).to_have_text("Recording")


async def test_layouts_and_more_time(panel: Watched, room: Any) -> None:
    page = panel.page
    await start_class(page)
    choice = page.get_by_role("button", name="Side by side")
    await choice.click()
    await expect(choice).to_have_attribute("aria-pressed", "true")
    await page.get_by_role("button", name="Extend by 15 minutes").click()
    await expect(page.locator(".strip-until")).to_contain_text("15 minutes left")


async def test_end_names_the_consequences_and_can_be_taken_back(panel: Watched, room: Any) -> None:
    page = panel.page
    room.undo_s = 600  # the class cannot end by itself meanwhile
    await start_class(page)
    end = page.locator(".action-end")
    focused = "Promise.resolve().then(() => document.activeElement.innerText)"
    assert await end.evaluate(f"(end) => (end.click(), {focused})") == "Keep teaching", "at once"
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("dialog")).to_have_count(0)
    await end.focus()
    await page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="End this class?")
    await expect(dialog).to_contain_text("The recording stops")
    await expect(dialog).to_contain_text("10 seconds to undo")
    await expect(page.get_by_role("button", name="Keep teaching")).to_be_focused()
    await page.keyboard.press("Escape")
    await expect(dialog).to_be_hidden()
    await expect(end).to_be_focused()
    assert room.session.state == "live"
    await end.click()
    await dialog.get_by_role("button", name="End class").click()
    await expect(page.locator(".strip-word")).to_have_text("Ending")
    await expect(page.locator(".picture img").first).to_be_visible()
    await page.get_by_role("button", name="Undo").click()
    await expect(page.locator(".strip-word")).to_have_text("Recording")


async def test_after_the_end_the_lecture_is_one_touch_away(panel: Watched, room: Any) -> None:
    page = panel.page
    recording = room.record("Optics")
    room.undo_s = 600
    await start_class(page)
    await page.locator(".action-end").click()
    await page.get_by_role("dialog").get_by_role("button", name="End class").click()
    await page.wait_for_selector(".undo-bar")
    room.session.recording = recording.id
    room._undo.cancel()
    room._ended()
    room.tell()
    await expect(page.locator(".last")).to_contain_text("The lecture is ready")
    href = await page.get_by_role("link", name="Watch").get_attribute("href")
    assert href == f"/recordings/{recording.id}"


async def test_an_alarm_says_what_to_do_and_offers_it(panel: Watched, room: Any) -> None:
    page = panel.page
    await start_class(page)
    trouble(room)
    alarms = page.locator(".alarm-list")
    await expect(alarms).to_contain_text(
        "Projector does not answer. The recording is not affected."
    )
    await alarms.get_by_role("button", name="Extend by 5 minutes").click()
    await expect(page.locator(".strip-until")).to_be_visible()
    room.alarms = []
    room.session.recording_error = "No source could be opened."
    room.session.recording_state = "failed"
    room.tell()
    await expect(page.locator(".strip-word")).to_have_text("Not recording")
    await page.get_by_role("button", name="Try again").click()
    await expect(page.locator(".strip-word")).to_have_text("Recording")


async def test_what_the_room_refuses_is_said_with_its_remedy(panel: Watched, room: Any) -> None:
    page = panel.page
    await start_class(page)
    room.session = None
    await page.get_by_role("button", name="Pause").click()
    await expect(page.get_by_role("alert").first).to_contain_text(
        "No class is on. Start one first."
    )


# --- the daemon goes away ------------------------------------------------------------------------


async def test_the_panel_says_that_the_room_is_gone_and_comes_back_by_itself(
    panel: Watched, served: Served, room: Any
) -> None:
    page = panel.page
    await start_class(page)
    await page.evaluate("window.sameDocument = true")
    await served.stop()
    await expect(page.locator(".strip-word")).to_have_text("No connection")
    await expect(page.get_by_role("alert")).to_contain_text("A recording that was running goes on")
    await expect(page.locator(".action-end")).to_be_disabled()
    room.session.title = "Changed meanwhile"
    await served.start()
    await expect(page.locator(".strip-word")).to_have_text("Recording")
    await expect(page.locator(".strip-title")).to_have_text("Changed meanwhile")
    assert await page.evaluate("window.sameDocument") is True
    await page.get_by_role("button", name="Pause").click()
    await expect(page.locator(".strip-word")).to_have_text("Paused")
