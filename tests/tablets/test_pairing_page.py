"""The technician's page in a real Chromium: pairing a class set, and looking after tablets."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from classroom_pages import Room, findings, needs_pages
from playwright.async_api import expect

from dashboard import pages

pytestmark = needs_pages


async def _pair(tablets: Any, *names: str) -> list[Any]:
    code = tablets.room.pairing.pair_set(list(names))
    return [(await tablets.redeem(code.text, "127.0.0.1")).tablet for _ in names]


async def test_a_class_set_is_paired_with_one_code(here: Room, tablets: Any) -> None:
    page = await here.technician("/tablets")
    await page.get_by_role("button", name="Write the names").click()
    await page.get_by_role("button", name="Make codes").click()
    card = page.locator(".code")
    await expect(card).to_contain_text("40 tablets still to pair")
    code = (await card.locator(".code-text").inner_text()).strip()
    for _ in range(3):
        await tablets.redeem(code, "127.0.0.1", version="App 3.2")
    await expect(card).to_contain_text("37 tablets still to pair")
    await expect(page.locator("tr[data-tablet]")).to_have_count(3)
    first = page.locator("tr[data-tablet]").first
    await expect(first).to_contain_text("Seat 1")
    await expect(first).to_contain_text("Seat-1")
    await expect(first).to_contain_text("App 3.2")
    student, _ = await here.paired_student(tablets, "Row 9")
    await expect(page.locator("tr[data-tablet]", has_text="Row 9")).to_contain_text("Connected")
    await student.context.close()
    await page.reload()
    await expect(page.locator(".code-text")).to_have_text(code)
    await page.get_by_role("button", name=f"Take back: {code}").click()
    await expect(page.locator(".code")).to_have_count(0)


async def test_a_sheet_with_a_code_for_each(here: Room) -> None:
    page = await here.technician("/tablets")
    await page.get_by_label("One name per line").fill("Ada\nBob\nΕύα")
    await page.get_by_label("A QR for each tablet").check()
    await page.get_by_role("button", name="Make codes").click()
    await expect(page.locator(".code h3")).to_have_text(["Ada", "Bob", "Εύα"])
    await page.emulate_media(media="print")
    for hidden in (".topbar", ".pair", ".code .button"):
        await expect(page.locator(hidden).first).to_be_hidden()
    await expect(page.locator(".code img").first).to_be_visible()
    await expect(page.locator(".codes")).to_contain_text("Scan the code")


async def test_rename_swap_revoke_and_take_off_the_list(here: Room, tablets: Any) -> None:
    ada, bob = await _pair(tablets, "Ada", "Bob")
    page = await here.technician("/tablets")
    await page.get_by_role("button", name="Change: Ada").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Name").fill("Ada II")
    await dialog.get_by_label("Seat").fill(bob.seat)
    await dialog.get_by_role("button", name="Save").click()
    await expect(dialog.get_by_role("alert")).to_contain_text("Bob has this seat")
    await dialog.get_by_role("button", name="Swap seats").click()
    await expect(dialog).to_have_count(0)
    pairing = tablets.room.pairing
    assert pairing.tablet(ada.id).name == "Ada II"
    assert pairing.tablet(ada.id).seat == bob.seat
    assert pairing.tablet(bob.id).seat == ada.seat
    await page.get_by_role("button", name="Change: Bob").click()
    await dialog.get_by_role("button", name="Revoke").click()
    await expect(dialog.get_by_role("alert")).to_contain_text("cut off at once")
    assert not pairing.tablet(bob.id).revoked
    await dialog.get_by_role("button", name="Revoke").click()
    row = page.locator(f'tr[data-tablet="{bob.id}"]')
    await expect(row).to_contain_text("Revoked")
    await page.get_by_role("button", name="Change: Bob").click()
    await dialog.get_by_role("button", name="Take off the list").click()
    await expect(row).to_have_count(0)


async def test_an_instructor_is_told_whose_page_this_is(here: Room) -> None:
    page, cable = await here._open()
    assert (await page.request.post(f"{cable.address}/api/v1/login", data={"pin": "2222"})).ok
    await page.goto(f"{cable.address}/tablets?lang=en")
    await expect(page.locator(".pairing-note")).to_contain_text("for technicians")
    await expect(page.locator(".tablets")).to_have_count(0)


@pytest.mark.parametrize("language", ["en", "ar"])
async def test_the_page_can_be_used_by_everyone(here: Room, tablets: Any, language: str) -> None:
    await _pair(tablets, "Ada", "Bob")
    tablets.room.pairing.pair_set(["Eve"])
    page = await here.technician("/tablets", language)
    await page.locator("tr[data-tablet]").first.wait_for()
    await page.locator(".code").wait_for()
    assert await findings(page) == []
    await page.locator("tr[data-tablet] button").first.click()
    await page.get_by_role("dialog").wait_for()
    assert await findings(page) == []
    await page.set_viewport_size({"width": 360, "height": 740})
    assert await page.evaluate(
        "() => document.documentElement.scrollWidth <= document.documentElement.clientWidth"
    )


@pytest.mark.parametrize("part", ["pairing", "analytics"])
def test_every_text_is_there_in_every_language(part: str) -> None:
    texts = Path(pages.__file__).parent / "web" / "src" / part / "texts"
    english = json.loads((texts / "en.json").read_text("utf-8"))
    assert {file.stem for file in texts.glob("*.json")} == {"ar", "en", "es", "fr", "ru", "zh"}
    for file in texts.glob("*.json"):
        other = json.loads(file.read_text("utf-8"))
        assert other.keys() == english.keys(), file.stem
        for key, text in english.items():
            assert _places(other[key]) == _places(text), f"{file.stem} {key}"


def _places(text: Any) -> set[str]:
    forms = text.values() if isinstance(text, dict) else [text]
    return {name for form in forms for name in re.findall(r"\{\w+\}", form)} - {"{n}"}
