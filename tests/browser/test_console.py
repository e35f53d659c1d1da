"""The technician's console in a real browser: a device found by hand, tried, written, applied."""

from __future__ import annotations

import asyncio
import json
import re
import secrets
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from browsing import PANEL, PHONE, Open, Served, barriers, end_process, keep_picture
from playwright.async_api import Page, expect

from controller.roomfile import RoomFile
from controller.settings import AuthSettings, UserSpec
from controller.state import AccessRole, Alarm
from dashboard.app import create_app

TABS = ("overview", "devices", "find", "config", "journal", "sheet")
ROOM = '# our hall\n[room]\nid = "hall"\nname = "Hall"\n'


class Console(Served):
    """The pages over the room in memory, with a room.toml of its own."""

    path: Path
    restarts: int = 0


@pytest_asyncio.fixture(loop_scope="session")
async def console(
    room: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Console]:
    monkeypatch.setenv("TECHNICIAN", "a long password")
    monkeypatch.setenv("ADMIN", "a longer password")
    monkeypatch.setenv("PROJECTOR", "JBMIAProjectorLink")
    path = tmp_path / "room.toml"
    path.write_text(ROOM)
    users = [
        UserSpec(name="Tech", role=AccessRole.TECHNICIAN, secret="env:TECHNICIAN"),
        UserSpec(name="Root", role=AccessRole.ADMIN, secret="env:ADMIN"),
    ]

    def restart() -> None:
        server.restarts += 1

    file = RoomFile(path, tmp_path / "state", restart)
    key = secrets.token_bytes(32)
    server = Console(
        lambda: create_app(room, auth=AuthSettings(users=users), secret_key=key, room_file=file)
    )
    server.path = path
    await server.start()
    yield server
    room.free()
    await server.stop()


async def _enter(page: Page, name: str, password: str) -> None:
    await page.get_by_label("Name").fill(name)
    await page.get_by_label("Password").fill(password)
    await page.keyboard.press("Enter")
    await page.wait_for_selector(".tabs")


async def _sign_in(open_page: Open, console: Console, name: str, **more: Any) -> Page:
    page: Page = (await open_page(f"{console.url}/console", **more)).page
    await _enter(page, name, "a long password" if name == "Tech" else "a longer password")
    return page


async def test_a_technician_answers_sends_and_watches_the_wire(
    console: Console, open_page: Open, room: Any
) -> None:
    page = await _sign_in(open_page, console, "Tech")
    await room.help.call(type("Who", (), {"name": "Teacher"}), "No sound")
    await expect(page.locator(".help-call")).to_contain_text("No sound")
    await page.get_by_role("button", name="I take care of it").click()
    await expect(page.get_by_role("button", name="I take care of it")).to_have_count(0)
    assert room.help.view().state == "answered"
    await expect(page.get_by_role("link", name="Configuration")).to_have_count(0)
    await page.get_by_role("link", name="Devices").click()
    card = page.locator(".device-card", has_text="Projector").first
    await card.get_by_role("button", name="Commands and wire").click()
    await expect(card.locator(".wire-out").first).to_contain_text("power=on")
    await card.get_by_label("Value of power").select_option("true")
    await card.get_by_role("button", name="Send power").click()
    await expect(card.locator(".command .line")).to_contain_text("Confirmed by the device")
    assert room.calls[-1][2] == {"device": "projector", "command": "power", "value": True}


async def test_an_administrator_sets_a_device_up_from_wire_to_file(
    console: Console, open_page: Open
) -> None:
    simulator = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "devices.simulator", "pjlink/class1", "--port", "0", "--time-scale", "100"),
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert simulator.stdout
        line = await asyncio.wait_for(simulator.stdout.readline(), 60)
        address = json.loads(line)["address"]
        transport = address if "://" in address else f"tcp://{address}"
        page = await _sign_in(open_page, console, "Root")
        await page.get_by_role("link", name="Add a device").click()
        await page.get_by_role("button", name="Enter by hand").click()
        await page.get_by_label("Profile").fill("pjlink/class1")
        await page.get_by_label("Where it is connected").fill(transport)
        await page.get_by_label("Options").fill("password=env:PROJECTOR")
        await page.get_by_role("button", name="Connect and ask").click()
        await expect(page.locator(".commission")).to_contain_text("It answers.")
        await page.get_by_label("Try a command").select_option("power")
        await page.get_by_role("button", name="Send", exact=True).click()
        await expect(page.locator(".commission")).to_contain_text("device", use_inner_text=True)
        await page.get_by_label("Short name").fill("projector")
        await page.get_by_label("On when class starts").check()
        await page.get_by_role("button", name="Put it into the configuration").click()
        await expect(page.locator(".editor")).to_have_value(
            re.compile(r"\[\[devices\]\]")  # the draft, not saved yet
        )
        assert console.path.read_text() == ROOM
        await page.get_by_role("button", name="Save").click()
        await expect(page.get_by_text("Saved, not applied yet.")).to_be_visible()
        assert "pjlink/class1" in console.path.read_text()
        await page.get_by_role("button", name="Apply").click()
        await page.locator("dialog .danger").click()
        await expect(page.locator("dialog")).to_have_count(0)
        async with asyncio.timeout(30):
            while not console.restarts:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
    finally:
        await end_process(simulator)


async def test_a_fault_names_its_line_and_an_older_text_comes_back(
    console: Console, open_page: Open
) -> None:
    page = await _sign_in(open_page, console, "Root")
    await page.get_by_role("link", name="Configuration").click()
    editor = page.locator(".editor")
    await editor.fill(ROOM + "colour = 1\n")
    await page.get_by_role("button", name="Check").click()
    await page.get_by_role("button", name="Line 5").click()
    picked = "(e => e.value.slice(e.selectionStart, e.selectionEnd))(document.activeElement)"
    assert await page.evaluate(picked) == "colour = 1"
    await editor.fill(ROOM.replace('"Hall"', '"Great hall"'))
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_text("Saved, not applied yet.")).to_be_visible()
    await page.get_by_role("button", name="Take this one again").click()
    await expect(editor).to_have_value(ROOM)


@pytest.mark.parametrize("language", ["en", "ar"])
async def test_every_view_fits_and_is_accessible(
    console: Console, open_page: Open, room: Any, language: str
) -> None:
    look = "dark" if language == "ar" else "light"
    watched = await open_page(f"{console.url}/console?lang={language}", look=look)
    page = watched.page
    await page.locator(".name-form input").first.fill("Root")
    await page.locator(".name-form input").last.fill("a longer password")
    await page.keyboard.press("Enter")
    await page.wait_for_selector(".tabs")
    room.alarms = [
        Alarm(
            id="device.projector",
            severity="warning",
            who="technician",
            text="The projector does not answer.",
            remedy="Check its cable.",
            since=room.view().now,
        )
    ]
    room.tell()
    wrong: list[str] = []
    for tab in TABS:
        await page.evaluate(f"location.hash = '{tab}'")
        await page.wait_for_selector(".console .card")
        if tab == "devices":
            await page.locator(".device-card .button").first.click()
            await page.wait_for_selector(".wire li")
        if tab == "find":
            await keep_picture(page, f"{language}-console-search")
            await page.locator(".card .row > .button").last.click()
            await page.wait_for_selector(".commission")
        await keep_picture(page, f"{language}-console-{tab}")
        wrong.extend(f"{tab}: {one}" for one in await barriers(page))
        for width, height in (PHONE, PANEL):
            await page.set_viewport_size({"width": width, "height": height})
            over = await page.evaluate(
                "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            )
            if over > 0:
                wrong.append(f"{tab} {width}: {over} px too wide")
    assert not wrong
