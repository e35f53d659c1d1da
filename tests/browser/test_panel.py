"""The wall panel in a real browser, over a room that the test holds in any state."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe
from browsing import PANEL, PHONE, PIN, Open, Served, Watched, keep_picture, sign_in
from playwright.async_api import Page, expect

from controller.state import Alarm
from devices.model import Health, Power

LANGUAGES = ("en", "fr", "es", "ar", "ru", "zh")


async def _start(page: Page) -> None:
    await page.click(".start")
    await page.wait_for_selector(".strip.is-live")


def _trouble(room: Any) -> None:
    room.devices[1].health = Health.OFFLINE
    room.devices[1].detail = "no reply for 12 s"
    room.sources[0].state = "lost"
    room.alarms = [
        Alarm(
            id=kind,
            severity="warning",
            who="instructor",
            text="Text of the room.",
            remedy="",
            since=datetime.now(UTC),
            subject="projector",
        )
        for kind in ("device.projector", "recorder.source_lost.front", "class.overtime")
    ]
    room.tell()


# --- signing in ----------------------------------------------------------------------------------


async def test_the_pin_is_typed_with_fingers_or_keys(served: Served, open_page: Open) -> None:
    page = (await open_page(served.url, has_touch=True)).page
    await page.wait_for_selector(".pin-pad")
    for digit in PIN[:3]:
        await page.locator(".pin-pad button", has_text=digit).tap()
    await expect(page.locator(".dot.full")).to_have_count(3)
    await page.get_by_label("Delete the last digit").tap()
    await expect(page.locator(".dot.full")).to_have_count(2)
    await page.keyboard.type(PIN[2:])
    await page.get_by_label("Sign in").tap()
    await expect(page.locator(".start")).to_be_visible()


async def test_a_wrong_pin_says_so_and_a_locked_pad_says_how_long(
    served: Served, open_page: Open
) -> None:
    page = (await open_page(served.url)).page
    await page.wait_for_selector(".pin-pad")
    note = page.locator(".login-note")
    await page.keyboard.type("0000\n")
    await expect(note).to_contain_text("not known")
    for _ in range(4):
        await expect(page.locator(".dot.full")).to_have_count(0)
        await page.keyboard.type("0000\n")
    await expect(note).to_contain_text("Wait")
    await expect(page.locator(".pin-pad button").first).to_be_disabled()


async def test_name_and_password_sign_in_too(served: Served, open_page: Open) -> None:
    page = (await open_page(served.url)).page
    await page.get_by_role("button", name="Use name and password").click()
    await page.get_by_label("Name").fill("Tech")
    await page.get_by_label("Password").fill("a long password")
    await page.keyboard.press("Enter")
    await expect(page.locator(".start")).to_be_visible()


async def test_a_locked_panel_tells_the_state_but_not_the_class(
    panel: Watched, served: Served, open_page: Open
) -> None:
    await panel.page.fill(".hero-form input", "Staff appraisal")
    await _start(panel.page)
    other = (await open_page(served.url)).page
    await expect(other.locator(".strip.is-live")).to_be_visible()
    await expect(other.locator(".strip-time")).to_have_text(re.compile(r"^00:00:\d\d$"))
    assert "appraisal" not in await other.content()


async def test_a_student_finds_recordings_and_no_buttons(served: Served, open_page: Open) -> None:
    page = (await open_page(served.url)).page
    await page.wait_for_selector(".pin-pad")
    await page.keyboard.type("1357\n")
    await page.get_by_role("link", name="Recordings").click()
    await expect(page.get_by_role("heading", name="Recordings")).to_be_visible()


async def test_the_panel_locks_when_asked(panel: Watched) -> None:
    await panel.page.get_by_label("Lock the panel").click()
    await expect(panel.page.locator(".pin-pad")).to_be_visible()


# --- a class -------------------------------------------------------------------------------------


async def test_one_touch_starts_a_class(panel: Watched, room: Any) -> None:
    page = panel.page
    await page.get_by_role("button", name="Start class").click()
    await expect(page.locator(".strip-word")).to_have_text("Recording")
    call, actor, asked = room.calls[0]
    assert (call, actor.door, asked["title"]) == ("start", "panel", None)
    await expect(page.locator(".device", has_text="Projector").first).to_contain_text(
        "Warming up, "
    )


async def test_title_and_length_are_taken_when_given(panel: Watched, room: Any) -> None:
    page = panel.page
    await page.get_by_label("Class title").fill("Optics, lecture 4")
    await page.get_by_role("button", name="45 min").click()
    await _start(page)
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
    await _start(page)
    picture = page.locator(".picture img").first
    first = await picture.get_attribute("src")
    await expect(picture).not_to_have_attribute("src", first or "")
    assert await picture.evaluate("image => image.decode().then(() => image.naturalWidth)") == 480
    meter = page.get_by_role("meter")
    room.level(lectern=-70.0)
    await expect(meter).to_have_attribute("aria-valuetext", "Silent")
    room.level(lectern=-12.0)
    await expect(meter).to_have_attribute("aria-valuetext", "Good")
    await expect(meter).to_have_attribute("aria-valuenow", "-12")


async def test_a_pause_says_that_nothing_is_saved_and_shows_no_picture(panel: Watched) -> None:
    page = panel.page
    await _start(page)
    await page.wait_for_selector(".picture img")
    await page.get_by_role("button", name="Pause").click()
    await expect(page.locator(".strip")).to_contain_text("Nothing is saved")
    await expect(page.locator(".picture img")).to_have_count(0)
    await expect(page.get_by_role("status").filter(has_text="Paused. Nothing")).to_have_count(1)
    await page.get_by_role("button", name="Resume").click()
    await expect(page.locator(".strip-word")).to_have_text("Recording")


async def test_layouts_and_more_time(panel: Watched, room: Any) -> None:
    page = panel.page
    await _start(page)
    choice = page.get_by_role("button", name="Side by side")
    await choice.click()
    await expect(choice).to_have_attribute("aria-pressed", "true")
    await page.get_by_role("button", name="Extend by 15 minutes").click()
    await expect(page.locator(".strip-until")).to_contain_text("15 minutes left")


async def test_end_names_the_consequences_and_can_be_taken_back(panel: Watched, room: Any) -> None:
    page = panel.page
    await _start(page)
    end = page.locator(".action-end")
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
    await _start(page)
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


async def test_a_device_is_switched_and_shown_as_it_confirms(panel: Watched, room: Any) -> None:
    page = panel.page
    row = page.locator(".device", has_text="Display")
    await page.get_by_role("button", name="Switch Display on").click()
    await expect(row).to_contain_text("On")
    room.devices[0].health = Health.OFFLINE
    room.tell()
    await expect(row).to_contain_text("Does not answer")


async def _on(page: Page, room: Any) -> None:
    """A class in which everything is on."""
    await _start(page)
    _all_on(room)


def _all_on(room: Any) -> None:
    for device in room.devices:
        device.warm_s = None
        if device.kind != "screen":
            device.power = Power.ON
    room.tell()


def _asked(room: Any, command: str) -> list[Any]:
    return [
        asked["value"]
        for call, _, asked in room.calls
        if call == "command" and asked["command"] == command
    ]


async def test_sound_and_picture_are_at_hand(panel: Watched, room: Any) -> None:
    page = panel.page
    await _on(page, room)
    layouts = await page.locator(".layouts").bounding_box()
    actions = await page.locator(".actions").bounding_box()
    assert layouts and actions
    assert layouts["y"] + layouts["height"] <= actions["y"], "seen without scrolling"
    volume = page.get_by_role("slider", name="Volume of Display")
    await volume.fill("35")
    await expect(page.locator(".volume-number")).to_have_text("35")
    await page.get_by_role("button", name="Display: Mute the sound").click()
    await expect(page.get_by_role("button", name="Display: Muted")).to_be_visible()
    await page.get_by_role("button", name="Projector: Hide the picture").click()
    await expect(page.get_by_role("button", name="Projector: Picture hidden")).to_be_visible()
    await page.get_by_role("button", name="Choose the input of Display").click()
    await page.get_by_role("button", name="HDMI 2").click()
    await expect(page.get_by_role("button", name="HDMI 2")).to_have_attribute(
        "aria-pressed", "true"
    )
    await page.keyboard.press("Escape")
    await page.get_by_role("button", name="Film: dark room").click()
    assert _asked(room, "volume")[-1] == 35
    assert (_asked(room, "mute"), _asked(room, "blank")) == ([True], [True])
    assert _asked(room, "input") == ["hdmi2"]


async def test_a_camera_moves_only_while_it_is_held(panel: Watched, room: Any) -> None:
    page = panel.page
    await _on(page, room)
    await page.get_by_role("button", name="Aim Camera").click()
    left = page.get_by_role("button", name="Left", exact=True)
    await left.hover()

    async def stopped(expected: str) -> None:
        async with asyncio.timeout(30):
            while not {expected, "stop"} <= set(asked := _asked(room, "pan_tilt")):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        assert set(asked) == {expected, "stop"}
        assert asked[-1] == "stop"
        room.calls.clear()

    await page.mouse.down()
    await expect(left).to_have_attribute("aria-pressed", "true")
    await page.mouse.up()
    await stopped("left")
    await page.mouse.down()
    await expect(left).to_have_attribute("aria-pressed", "true")
    await page.mouse.move(5, 5)  # the finger slips off
    await stopped("left")
    await page.mouse.up()
    up = page.get_by_role("button", name="Up", exact=True)
    await up.focus()
    await page.keyboard.down("Enter")
    await expect(up).to_have_attribute("aria-pressed", "true")
    await page.evaluate("window.dispatchEvent(new Event('blur'))")
    await stopped("up")
    await page.keyboard.up("Enter")

    await expect(page.get_by_role("button", name="Go to view Lectern")).to_be_visible()
    await page.get_by_role("button", name="Save view").click()
    await page.get_by_role("button", name="Save this view as 2").click()
    await expect(page.locator(".preset img")).to_have_count(1)
    assert _asked(room, "preset_set") == [2]


async def test_an_alarm_says_what_to_do_and_offers_it(panel: Watched, room: Any) -> None:
    page = panel.page
    await _start(page)
    _trouble(room)
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
    await _start(page)
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
    await _start(page)
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


# --- for everyone --------------------------------------------------------------------------------


async def test_the_whole_class_goes_by_keyboard(served: Served, open_page: Open) -> None:
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


UNFIT = """(() => {
    const least = innerWidth > 800 ? 64 : 55.5;
    const small = [...document.querySelectorAll('button, a, input')]
        .map(one => [one.ariaLabel || one.textContent, one.getBoundingClientRect()])
        .filter(([, box]) => box.width < least || box.height < least)
        .map(([name, box]) => `${name} ${Math.round(box.width)}x${Math.round(box.height)}`);
    const cut = [...document.querySelectorAll('.button-text, .strip-word, .device-state')]
        .filter(one => one.scrollWidth > one.clientWidth + 1 && one.clientWidth > 0
            && getComputedStyle(one).display !== 'inline')
        .map(one => one.textContent);
    const root = document.documentElement;
    return {wide: Math.max(0, root.scrollWidth - root.clientWidth), cut, small};
})()"""


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
    _all_on(room)
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
    _trouble(room)
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
            results = await Axe().run(page)
            wrong.extend(
                f"{name}: {one['id']}: {[node['target'] for node in one['nodes']]}"
                for one in results.response["violations"]
            )
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
    outside = [url for url in watched.asked if not url.startswith((served.url, "blob:", "data:"))]
    assert not outside


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
    await _start(page)
    await expect(page.locator(".mark.busy").first).to_be_visible()
    assert await page.evaluate("document.getAnimations().length") == 0
