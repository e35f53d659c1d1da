"""Who may use the wall panel: signing in, and what a locked panel shows."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from browsing import PIN, Open, Served, Watched
from panel_states import start_class
from playwright.async_api import expect


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


TYPE = """(keys) => keys.forEach((key) => document.body.dispatchEvent(
    new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true })))"""


async def test_a_card_is_read_from_the_moment_the_pad_is_there(
    served: Served, open_page: Open
) -> None:
    page = (await open_page(f"{served.url}/healthz")).page
    await page.add_init_script(
        f"""new MutationObserver((_, watch) => {{
            if (!document.querySelector(".pin-pad")) return;
            watch.disconnect();
            ({TYPE})([..."{PIN}", "Enter"]);
        }}).observe(document, {{ childList: true, subtree: true }})"""
    )
    await page.goto(served.url)
    await expect(page.locator(".start")).to_be_visible()


async def test_a_locked_pad_takes_nothing_and_an_open_one_at_once(
    served: Served, open_page: Open
) -> None:
    page = (await open_page(f"{served.url}/healthz")).page
    await page.clock.install()
    await page.goto(served.url)
    await page.wait_for_selector(".pin-pad")
    pad = page.locator(".pin-pad button").first
    for _ in range(5):
        await expect(page.locator(".dot.full")).to_have_count(0)
        await page.keyboard.type("0000\n")
    await expect(pad).to_be_disabled()
    await page.keyboard.type("123")
    await expect(page.locator(".dot.full")).to_have_count(0)
    await pad.evaluate(
        f"""(button) => new MutationObserver((_, watch) => {{
            watch.disconnect();
            ({TYPE})(["1", "2"]);
        }}).observe(button, {{ attributes: true, attributeFilter: ["disabled"] }})"""
    )
    await page.clock.fast_forward("05:00")
    await expect(page.locator(".dot.full")).to_have_count(2)


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
    await start_class(panel.page)
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


async def test_a_free_panel_locks_itself(panel: Watched) -> None:
    """Ten minutes untouched; the hands of the page's clock are put forward, its timers run on."""
    page = panel.page
    later = datetime.now(UTC) + timedelta(minutes=11)
    await page.clock.set_fixed_time(later)
    await expect(page.locator(".pin-pad")).to_be_visible()
    await expect(page.locator(".start")).to_have_count(0)
