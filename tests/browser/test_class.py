"""One class on a whole daemon: real recorder, a projector on the wire, a real browser."""

from __future__ import annotations

import re
import signal

import pytest
from browsing import Daemon, Open, keep_picture, sign_in, until
from playwright.async_api import Page, expect

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]
LONG_MS = 60_000


async def _recording(page: Page) -> None:
    await expect(page.locator(".strip-word")).to_have_text("Recording", timeout=LONG_MS)
    await expect(page.locator(".picture img")).to_have_count(2, timeout=LONG_MS)


async def test_from_start_to_the_lecture(daemon: Daemon, open_page: Open) -> None:
    page = (await open_page(daemon.url)).page
    await sign_in(page)
    await page.get_by_label("Class title").fill("Optics, lecture 4")
    await page.get_by_role("button", name="Start class").click()
    await _recording(page)
    projector = page.locator(".device", has_text="Projector")
    await expect(projector).to_contain_text(re.compile("Warming up|On"), timeout=LONG_MS)

    picture = page.locator(".picture img").first
    shown = await picture.get_attribute("src")
    await expect(picture).not_to_have_attribute("src", shown or "", timeout=LONG_MS)
    meter = page.get_by_role("meter").last
    await expect(meter).to_have_attribute("aria-valuetext", "Good", timeout=LONG_MS)

    await keep_picture(page, "panel")

    await page.get_by_role("button", name="Pause").click()
    await expect(page.locator(".strip")).to_contain_text("Nothing is saved")
    await expect(page.locator(".picture img")).to_have_count(0)
    await page.get_by_role("button", name="Resume").click()
    await _recording(page)
    side = page.get_by_role("button", name="Side by side")
    await side.click()
    await expect(side).to_have_attribute("aria-pressed", "true")

    await page.locator(".action-end").click()
    await page.get_by_role("dialog").get_by_role("button", name="End class").click()
    await page.get_by_role("button", name="Undo").click()
    await expect(page.locator(".strip-word")).to_have_text("Recording")
    await page.locator(".action-end").click()
    await page.get_by_role("dialog").get_by_role("button", name="End class").click()

    watch = page.get_by_role("link", name="Watch")
    await expect(watch).to_be_visible(timeout=LONG_MS)
    await watch.click()
    await expect(page.get_by_role("heading", name="Optics, lecture 4")).to_be_visible()
    length = "document.querySelector('video').duration"
    await until(page, f"{length} > 1")
    chapters = page.locator(".lines .line")
    await expect(chapters.filter(has_text="After the pause")).to_have_count(1)
    await chapters.filter(has_text="Picture: Side by side").click()
    await until(page, "document.querySelector('video').currentTime > 0")


async def test_a_killed_daemon_comes_back_to_the_same_class(
    daemon: Daemon, open_page: Open
) -> None:
    page = (await open_page(daemon.url)).page
    await sign_in(page)
    await page.get_by_label("Class title").fill("Thermodynamics")
    await page.get_by_role("button", name="Start class").click()
    await _recording(page)
    await page.evaluate("window.sameDocument = true")
    await daemon.end(signal.SIGKILL)
    await expect(page.locator(".strip-word")).to_have_text("No connection", timeout=LONG_MS)
    await daemon.start()
    await _recording(page)
    await expect(page.locator(".strip-title")).to_have_text("Thermodynamics")
    assert await page.evaluate("window.sameDocument") is True
    await page.locator(".action-end").click()
    await page.get_by_role("dialog").get_by_role("button", name="End class").click()
    await expect(page.get_by_role("link", name="Watch")).to_be_visible(timeout=LONG_MS)
