"""The review page in a real browser: a lecture in two pictures, found by words, minutes and keys.

One room and one lecture for the whole module; each test has a browser context of its own.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from browsing import (
    PANEL,
    PHONE,
    PIN,
    Open,
    Served,
    Watched,
    barriers,
    keep_picture,
    sign_in,
    until,
)
from lecture import SECONDS, TITLES, make_lecture
from playwright.async_api import Page, expect
from pretend_room import PretendRoom

from controller.settings import AuthSettings, UserSpec
from controller.state import AccessRole
from dashboard.app import create_app
from streaming.access import Visibility, write_visibility

STUDENT = "1357"
IN_STEP_S = 0.1


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def hall(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Any]:
    room = PretendRoom(tmp_path_factory.mktemp("hall") / "recordings")
    room.lecture = make_lecture(room.record("Optics, lecture 3"))  # type: ignore[attr-defined]
    yield room
    await room.journal.close()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def site(hall: Any) -> AsyncIterator[Served]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PANEL_PIN", PIN)
        patch.setenv("STUDENT_PIN", STUDENT)
        users = [
            UserSpec(name="Teacher", role=AccessRole.INSTRUCTOR, secret="env:PANEL_PIN"),
            UserSpec(name="Student", role=AccessRole.STUDENT, secret="env:STUDENT_PIN"),
        ]
        settings, key = AuthSettings(users=users), secrets.token_bytes(32)
        server = Served(lambda: create_app(hall, auth=settings, secret_key=key))
        await server.start()
    yield server
    await server.stop()


async def _open(
    open_page: Open, site: Served, hall: Any, *, pin: str = STUDENT, more: str = "", **how: Any
) -> Watched:
    watched = await open_page(f"{site.url}/review/{hall.lecture.id}{more}", **how)
    await sign_in(watched.page, pin)
    await watched.page.wait_for_selector(".controls")
    await until(watched.page, f"{OWNER}.readyState >= 2")
    return watched


OWNER = "document.querySelector('.stage-pictures > audio, .stage-pictures > video:not([muted])')"
TIME = f"{OWNER}.currentTime"
APART = f"""Math.max(...[...document.querySelectorAll('.stage video[class*="in-"]')]
    .map((video) => Math.abs(video.currentTime - {TIME})))"""


async def _steadily_in_step(page: Page) -> None:
    """Both pictures stay in step with the sound, look after look, while it plays."""
    async with asyncio.timeout(60):
        good = 0
        while good < 8:
            if await page.evaluate(f"{TIME} > {SECONDS - 8}"):
                await page.keyboard.press("4")  # the lecture does not end meanwhile
                good = 0
            good = good + 1 if await page.evaluate(f"{APART} < {IN_STEP_S}") else 0
            await page.wait_for_timeout(100)


# --- two pictures and one sound ------------------------------------------------------------------


async def test_two_pictures_play_in_step_with_one_sound(
    site: Served, open_page: Open, hall: Any
) -> None:
    page = (await _open(open_page, site, hall)).page
    await expect(page.locator(".stage video")).to_have_count(2)
    assert await page.evaluate(
        "[...document.querySelectorAll('.stage video')].every((video) => video.muted)"
    )
    assert await page.evaluate(f"{OWNER}.tagName") == "AUDIO"
    await page.keyboard.press("k")
    await until(page, f"{TIME} > 1")
    await _steadily_in_step(page)
    # Far away, at once; faster, too.
    await page.get_by_role("button", name="Total reflection").first.click()
    await until(page, f"{TIME} > 16")
    for _ in range(3):
        await page.keyboard.press(">")
    assert await page.evaluate(f"{OWNER}.playbackRate") == 1.75
    await _steadily_in_step(page)
    # One that was thrown out comes back; the sound is not touched.
    await page.evaluate("document.querySelector('.in-presenter').currentTime = 2")
    await _steadily_in_step(page)
    await page.keyboard.press("k")
    await until(page, f"{OWNER}.paused && document.querySelector('.in-slides').paused")


async def test_each_view_keeps_the_minute(site: Served, open_page: Open, hall: Any) -> None:
    page = (await _open(open_page, site, hall, more="?t=20")).page
    seen = []
    for _ in range(6):
        name = await page.get_attribute(".stage-pictures", "class")
        seen.append((name or "").rpartition("as-")[2])
        await until(page, f"{OWNER}.readyState >= 1 && Math.abs({TIME} - 20) < 0.5")
        await page.keyboard.press("v")
    assert sorted(seen) == ["inset", "lecture", "presenter", "side", "slides", "still"]


async def test_one_stream_plays_the_lecture_itself(
    site: Served, open_page: Open, hall: Any
) -> None:
    alone = make_lecture(hall.record("Waves"), streams=False)
    watched = await open_page(f"{site.url}/recordings/{alone.id}")
    page = watched.page
    await sign_in(page, STUDENT)
    await until(page, "document.querySelector('video')?.readyState >= 1")
    await expect(page.locator(".stage video")).to_have_count(1)
    length = await page.evaluate("document.querySelector('video').duration")
    assert length == pytest.approx(SECONDS, abs=0.3)
    ranged = [url for url in watched.asked if url.endswith("lecture.mp4")]
    assert ranged


# --- finding the minute --------------------------------------------------------------------------


async def test_words_on_slides_and_words_that_were_said_lead_to_the_minute(
    site: Served, open_page: Open, hall: Any
) -> None:
    page = (await _open(open_page, site, hall)).page
    await page.keyboard.press("/")
    await page.keyboard.type("EXAM")
    await expect(page.get_by_role("status").filter(has_text="2 places found")).to_be_visible()
    await expect(page.locator(".timeline-hit")).to_have_count(2)
    await expect(page.locator(".lines mark").first).to_have_text("Exam")
    await page.keyboard.press("Enter")
    await until(page, f"Math.abs({TIME} - 32) < 1")
    await expect(page.locator('.slide[aria-current="true"]')).to_contain_text("Questions")
    await page.fill("#search", "العدسه")  # spelt otherwise: nothing; then without its marks
    await expect(page.get_by_role("status").filter(has_text="0 places found")).to_be_visible()
    await page.fill("#search", "كليا")
    await page.locator(".lines .line").first.click()
    await until(page, f"Math.abs({TIME} - 16.5) < 1.5")
    await page.keyboard.press("Escape")


async def test_chapters_slides_captions_and_the_transcript_follow(
    site: Served, open_page: Open, hall: Any
) -> None:
    page = (await _open(open_page, site, hall, more="?t=0m17s")).page
    await expect(page.locator(".slide")).to_have_count(len(TITLES))
    await expect(page.locator('.slide[aria-current="true"]')).to_contain_text("Total reflection")
    await expect(page.locator('.line[aria-current="true"]')).to_contain_text("Total reflection")
    await page.keyboard.press("c")
    await expect(page.locator(".stage-captions")).to_contain_text("Inside a fibre")
    at_once = "(menu) => (menu.click(), Promise.resolve().then(() => document.activeElement.role))"
    assert await page.get_by_role("button", name="Captions").evaluate(at_once) == "menuitemradio"
    await page.get_by_role("menuitemradio", name="العربية").click()
    await expect(page.locator(".stage-captions")).to_contain_text("داخل الليف")
    await page.get_by_role("tab", name="Transcript").click()
    await expect(page.locator('.line[aria-current="true"]')).to_contain_text("داخل الليف")
    await page.keyboard.press(".")
    await until(page, f"Math.abs({TIME} - 24) < 0.5")
    await page.keyboard.press("]")
    await until(page, f"Math.abs({TIME} - 32) < 0.5")
    await page.keyboard.press("j")
    await until(page, f"Math.abs({TIME} - 22) < 0.5")
    await page.keyboard.press("5")
    await until(page, f"Math.abs({TIME} - {SECONDS / 2}) < 0.5")


async def test_the_keys_are_explained_and_do_not_disturb_typing(
    site: Served, open_page: Open, hall: Any
) -> None:
    page = (await _open(open_page, site, hall)).page
    await page.keyboard.press("?")
    await expect(page.get_by_role("dialog")).to_contain_text("Write a note")
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("dialog")).to_have_count(0)
    await page.fill("#search", "")
    await page.keyboard.type("kmf")
    assert await page.evaluate(f"{OWNER}.paused && !{OWNER}.muted")
    assert await page.input_value("#search") == "kmf"


# --- what one leaves there -----------------------------------------------------------------------


async def test_notes_and_the_place_are_found_again(
    site: Served, open_page: Open, hall: Any
) -> None:
    page = (await _open(open_page, site, hall, more="?t=9")).page
    await page.keyboard.press("b")
    await page.keyboard.press("n")
    await expect(page.locator("#new-note")).to_be_focused()
    await page.keyboard.type("Ask about fibres <b>")
    await page.get_by_role("button", name="Keep at 0:09").click()
    await expect(page.locator(".note")).to_have_count(2)
    await expect(page.locator(".timeline-note")).to_have_count(2)
    await page.get_by_role("button", name="Delete the note").first.click()
    await expect(page.locator(".note")).to_have_count(1)
    await page.get_by_role("button", name="Change the note").click()
    await page.get_by_label("Text of the note").fill("Ask about glass fibres")
    await page.get_by_role("button", name="Save").click()
    async with page.expect_download() as started:
        await page.get_by_role("link", name="As text").click()
    text = Path(await (await started.value).path()).read_text("utf-8")
    assert "00:00:09  Ask about glass fibres" in text
    await page.keyboard.press("3")
    await page.keyboard.press("k")
    await until(page, f"{TIME} > 14")
    async with page.expect_response(lambda answer: answer.url.endswith("/place")):
        await page.keyboard.press("k")
    told = await page.request.get(f"{site.url}/api/v1/recordings/{hall.lecture.id}/notes")
    place = (await told.json())["place_s"]
    assert place > 13
    await page.goto(f"{site.url}/review/{hall.lecture.id}")
    await expect(page.locator(".resumed")).to_contain_text(f"Going on at 0:{int(place)} ")
    await until(page, f"Math.abs({TIME} - {place}) < 1")
    await page.get_by_role("button", name="From the beginning").click()
    await until(page, f"{TIME} < 1")
    await page.get_by_role("tab", name="Notes").click()
    await expect(page.locator(".note")).to_contain_text("Ask about glass fibres")
    other = (await _open(open_page, site, hall)).page
    await other.get_by_role("tab", name="Notes").click()
    await expect(other.locator(".note")).to_have_count(0)


async def test_what_is_played_is_counted_for_the_lecturer(
    site: Served, open_page: Open, hall: Any
) -> None:
    await hall.notes.count_views(hall.lecture.id, [])
    page = (await _open(open_page, site, hall, more="?t=11")).page
    told: list[Any] = []
    page.on("request", lambda asked: asked.url.endswith("/views") and told.append(asked))
    while not told:  # what a busy machine does not play smoothly is not counted: then once more
        await page.keyboard.press("k")
        await until(page, f"{TIME} > 16")
        await page.keyboard.press("k")
        await until(page, f"{OWNER}.paused")
        await page.keyboard.press("ArrowLeft")
    assert told[0].post_data_json == {"buckets": [1]}
    for _ in range(6):
        await hall.notes.count_views(hall.lecture.id, [1, 2])
    await expect(page.locator(".timeline-heat")).to_have_count(0)
    teacher = (await _open(open_page, site, hall, pin=PIN)).page
    await expect(teacher.locator(".timeline-heat path")).to_be_attached()


# --- taking along, passing on --------------------------------------------------------------------


async def test_downloads_are_named_by_what_they_are_for(
    site: Served, open_page: Open, hall: Any
) -> None:
    page = (await _open(open_page, site, hall)).page
    await page.get_by_role("button", name="Download").click()
    dialog = page.get_by_role("dialog")
    for name in ("Small lecture", "Sound only", "Package for use without", "Captions: العربية"):
        await expect(dialog).to_contain_text(name)
    async with page.expect_download() as started:
        await dialog.get_by_role("link", name="Sound only").click()
    assert (await started.value).suggested_filename.endswith("-audio.m4a")


async def test_a_link_from_the_lecturer_opens_the_lecture_for_whoever_has_it(
    site: Served, open_page: Open, hall: Any
) -> None:
    lecture = make_lecture(hall.record("Thermodynamics"), streams=False)
    page = (await open_page(f"{site.url}/review/{lecture.id}")).page
    await sign_in(page)
    await page.get_by_role("button", name="Share").click()
    await page.get_by_label("Whoever has a link").check()
    await page.get_by_role("button", name="Make a link for students").click()
    address = await page.get_by_label("Link for students").input_value()
    assert "?key=" in address
    guest = (await open_page(address)).page
    await guest.wait_for_selector(".controls")
    assert "key=" not in guest.url
    await until(guest, "document.querySelector('video').readyState >= 1")
    await guest.reload()
    await guest.wait_for_selector(".controls")
    await guest.keyboard.press("b")
    await expect(guest.locator(".timeline-note")).to_have_count(1)
    stranger = (await open_page(f"{site.url}/review/{lecture.id}")).page
    await expect(stranger.locator(".pin-pad")).to_be_visible()


async def test_a_lecturer_hears_the_cut_before_it_is_made(
    site: Served, open_page: Open, hall: Any
) -> None:
    page = (await _open(open_page, site, hall, pin=PIN)).page
    await page.get_by_role("button", name="Cut", exact=True).click()
    await page.keyboard.press("1")
    await page.get_by_role("button", name="Begin here").click()
    await page.keyboard.press("5")
    await page.get_by_role("button", name="Take out from here").click()
    await page.keyboard.press("7")
    await page.get_by_role("button", name="Take out 0:20 to here").click()
    await page.keyboard.press("9")
    await page.get_by_role("button", name="End here").click()
    await expect(page.locator(".trim-row")).to_have_count(3)
    await expect(page.locator(".timeline-cut")).to_have_count(3)
    await expect(page.locator(".trim")).to_contain_text("0:24 of 0:40 stays")
    await page.get_by_role("button", name="Keep this").last.click()
    await page.locator(".trim-time").last.click()  # a little before the cut in the middle
    await page.keyboard.press("k")
    await until(page, f"{TIME} > 28 && {TIME} < 34")
    await page.keyboard.press("k")
    asked: list[Any] = []
    await page.route(
        "**/trim", lambda route: (asked.append(route.request.post_data_json), route.abort())[1]
    )
    await page.get_by_role("button", name="Cut…").click()
    await page.get_by_role("button", name="Yes, take").click()
    await expect(page.get_by_role("alert")).to_be_visible()
    assert asked == [{"start": 4.0, "cuts": [[20.0, 28.0]]}]
    await page.get_by_role("button", name="Cancel").click()


# --- states --------------------------------------------------------------------------------------


async def test_what_is_not_there_says_so(site: Served, open_page: Open, hall: Any) -> None:
    unfinished = hall.record("Unfinished")
    page = (await open_page(f"{site.url}/review/{unfinished.id}")).page
    await sign_in(page, STUDENT)
    await expect(page.locator(".stage-empty")).to_contain_text("not ready")
    await page.goto(f"{site.url}/review/nothing")
    await expect(page.get_by_role("alert")).to_contain_text("no such recording for you")
    secret = make_lecture(hall.record("Secret"), streams=False)
    write_visibility(secret.folder, Visibility.NOBODY)
    await page.goto(f"{site.url}/review/{secret.id}")
    await expect(page.get_by_role("alert")).to_contain_text("no such recording for you")


async def test_a_lost_network_is_told_and_the_lecture_goes_on_after_it(
    site: Served, open_page: Open, hall: Any
) -> None:
    page = (await _open(open_page, site, hall, more="?t=5")).page
    await page.route("**/products/*.mp4", lambda route: route.abort())
    await page.route("**/products/*.m4a", lambda route: route.abort())
    await page.keyboard.press("v")
    await page.evaluate(f"{OWNER}?.load()")
    await expect(page.locator(".stage-broken")).to_be_visible()
    await page.unroute_all()
    await page.get_by_role("button", name="Try again").click()
    await until(page, f"{OWNER}.readyState >= 2 && Math.abs({TIME} - 5) < 1")
    await expect(page.locator(".stage-broken")).to_have_count(0)


@pytest.mark.parametrize(
    ("language", "size", "look"),
    [("en", PANEL, "light"), ("ar", PHONE, "dark"), ("ar", PANEL, "dark")],
)
async def test_no_barrier(
    site: Served, open_page: Open, hall: Any, language: str, size: Any, look: str
) -> None:
    more = f"?lang={language}&t=17"
    watched = await _open(open_page, site, hall, pin=PIN, more=more, size=size, look=look)
    page = watched.page
    await keep_picture(page, f"review-{language}-{size[0]}-{look}")
    for step in ("", "?", "n", "trim"):
        if step == "trim":
            await page.locator(".about-tools .button").last.click()
        elif step:
            await page.keyboard.press(step)
        assert await barriers(page) == [], step
        if step == "?":
            await page.keyboard.press("Escape")
    assert watched.elsewhere(site.url) == []
