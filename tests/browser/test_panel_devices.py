"""Devices on the wall panel: switched, told, and a camera in someone's hand."""

from __future__ import annotations

import asyncio
from typing import Any

from browsing import Watched
from panel_states import all_on, start_class
from playwright.async_api import Locator, Page, expect

from devices.model import Health


async def _on(page: Page, room: Any) -> None:
    """A class in which everything is on."""
    await start_class(page)
    all_on(room)


def _asked(room: Any, command: str) -> list[Any]:
    return [
        asked["value"]
        for call, _, asked in room.calls
        if call == "command" and asked["command"] == command
    ]


async def test_a_device_is_switched_and_shown_as_it_confirms(panel: Watched, room: Any) -> None:
    page = panel.page
    row = page.locator(".device", has_text="Display")
    await page.get_by_role("button", name="Switch Display on").click()
    await expect(row).to_contain_text("On")
    room.devices[0].health = Health.OFFLINE
    room.tell()
    await expect(row).to_contain_text("Does not answer")


async def test_sound_and_picture_are_at_hand(panel: Watched, room: Any) -> None:
    page = panel.page
    await _on(page, room)
    volume = page.get_by_role("slider", name="Volume of Display")
    await expect(volume).to_be_enabled()
    box = "document.querySelector('.{}').getBoundingClientRect().{}"
    below = f"{box.format('layouts', 'bottom')} <= {box.format('actions', 'top')}"
    assert await page.evaluate(below), "seen without scrolling"
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

    async def stopped(button: Locator, expected: str) -> None:
        """Let go, it asks for no more; a stop is said twice where the movement is on its way."""
        await expect(button).to_have_attribute("aria-pressed", "false")
        async with asyncio.timeout(30):
            while expected not in (asked := _asked(room, "pan_tilt")) or asked[-1] != "stop":  # noqa: ASYNC110
                await asyncio.sleep(0.05)

    await page.mouse.down()
    await expect(left).to_have_attribute("aria-pressed", "true")
    await page.mouse.up()
    await stopped(left, "left")
    right = page.get_by_role("button", name="Right", exact=True)
    await right.hover()
    await page.mouse.down()
    await expect(right).to_have_attribute("aria-pressed", "true")
    await page.mouse.move(5, 5)  # the finger slips off
    await stopped(right, "right")
    await page.mouse.up()
    up = page.get_by_role("button", name="Up", exact=True)
    await up.focus()
    await page.keyboard.down("Enter")
    await expect(up).to_have_attribute("aria-pressed", "true")
    await page.evaluate("window.dispatchEvent(new Event('blur'))")
    await stopped(up, "up")
    await page.keyboard.up("Enter")
    assert set(_asked(room, "pan_tilt")) == {"left", "right", "up", "stop"}

    await expect(page.get_by_role("button", name="Go to view Lectern")).to_be_visible()
    await page.get_by_role("button", name="Save view").click()
    await page.get_by_role("button", name="Save this view as 2").click()
    await expect(page.locator(".preset img")).to_have_count(1)
    assert _asked(room, "preset_set") == [2]
