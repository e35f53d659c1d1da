"""What hands do on the tablet page, in a real Chromium: pen, pointer, finger and keyboard."""

from __future__ import annotations

import re
from typing import Any

import pytest
from classroom_pages import Room, needs_pages
from playwright.async_api import expect

from devices.tablets import teaching

pytestmark = needs_pages


async def test_a_fast_pointer_does_not_cut_the_lecturer_off(here: Room) -> None:
    teacher, board = await here.teacher(), await here.board()
    await teacher.get_by_role("button", name="Pointer", exact=True).click()
    said = await teacher.evaluate(
        """() => {
          const send = WebSocket.prototype.send;
          let said = 0;
          WebSocket.prototype.send = function (text) {
            if (text.includes('"pointer"')) said++;
            send.call(this, text);
          };
          const canvas = document.querySelector("canvas.live");
          const { left, top, width, height } = canvas.getBoundingClientRect();
          for (let n = 0; n <= 600; n++) {
            const clientX = left + (width * n) / 800, clientY = top + height / 2;
            const where = { pointerType: "mouse", clientX, clientY };
            canvas.dispatchEvent(new PointerEvent("pointermove", where));
          }
          return said;
        }"""
    )
    assert said < 100
    await expect(board.locator(".dot")).to_have_attribute("style", re.compile(r"left: 7[45]\."))
    await expect(teacher.get_by_text("Too many messages")).to_have_count(0)


async def test_ink_is_on_the_screen_in_the_frame_it_was_drawn(here: Room) -> None:
    teacher = await here.teacher()
    await teacher.get_by_role("button", name="Pen", exact=True).click()
    drawn = await teacher.evaluate(
        """() => {
          const canvas = document.querySelector("canvas.live");
          const box = canvas.getBoundingClientRect();
          const at = (share) => ({ clientX: box.left + box.width * share,
            clientY: box.top + box.height * 0.5, pointerId: 1, pointerType: "mouse",
            button: 0, bubbles: true, cancelable: true });
          canvas.setPointerCapture = () => undefined;
          canvas.dispatchEvent(new PointerEvent("pointerdown", at(0.4)));
          canvas.dispatchEvent(new PointerEvent("pointermove", at(0.6)));
          const pen = canvas.getContext("2d");
          const middle = pen.getImageData(canvas.width / 2 - 4, canvas.height / 2 - 4, 8, 8).data;
          canvas.dispatchEvent(new PointerEvent("pointerup", at(0.6)));
          return middle.some((value) => value > 0);
        }"""
    )
    assert drawn


async def test_a_sheet_is_handed_in_and_shown(here: Room) -> None:
    teacher, board = await here.teacher(), await here.board()
    ada, _ = await here.student("Ada")
    await teacher.get_by_role("tab", name="Ask").click()
    await teacher.get_by_label("Kind").select_option("ink")
    await teacher.get_by_role("button", name="Ask now").click()
    paper = ada.locator("canvas.paper")
    await paper.scroll_into_view_if_needed()
    box = await paper.bounding_box()
    assert box
    await ada.mouse.move(box["x"] + 20, box["y"] + 20)
    await ada.mouse.down()
    await ada.mouse.move(box["x"] + 120, box["y"] + 80, steps=10)
    await ada.mouse.up()
    await ada.get_by_role("button", name="Hand in").click()
    await expect(ada.locator(".given")).to_have_attribute("data-state", "counted")
    await teacher.get_by_role("button", name="Show to the class").click()
    await expect(board.locator(".shared canvas")).to_be_visible()
    await here.in_step(ada, board, teacher)


async def test_a_phone_and_the_keyboard(here: Room) -> None:
    teacher = await here.teacher()
    phone, _ = await here.student("Ada")
    await phone.set_viewport_size({"width": 360, "height": 740})
    await here.in_step(phone)
    assert await phone.evaluate(
        "() => document.documentElement.scrollWidth <= document.documentElement.clientWidth"
    )
    # The key goes down in the very moment in which the lecturer's page is shown.
    await phone.locator(".where").evaluate(
        """(where) => new MutationObserver((_, watch) => {
            watch.disconnect();
            document.body.dispatchEvent(
                new KeyboardEvent("keydown", { key: "ArrowRight", bubbles: true, cancelable: true })
            );
        }).observe(where, { characterData: true, childList: true, subtree: true })"""
    )
    await teacher.keyboard.press("PageDown")
    await expect(phone.locator(".where")).to_have_text("Page 3 of 4")
    await phone.keyboard.press("ArrowRight")
    await expect(phone.locator(".where")).to_have_text("Page 4 of 4")
    await phone.get_by_role("button", name="Back to the lecturer").click()
    await expect(phone.locator(".where")).to_have_text("Page 2 of 4")


STROKE = """(canvas) => {
  const box = canvas.getBoundingClientRect();
  const at = (share) => ({ clientX: box.left + box.width * share,
    clientY: box.top + box.height * 0.5, pointerId: 1, pointerType: "mouse",
    button: 0, bubbles: true, cancelable: true });
  canvas.setPointerCapture = () => undefined;
  canvas.dispatchEvent(new PointerEvent("pointerdown", at(0.4)));
  canvas.dispatchEvent(new PointerEvent("pointermove", at(0.6)));
  canvas.dispatchEvent(new PointerEvent("pointerup", at(0.6)));
}"""


async def test_the_pen_writes_from_the_moment_the_page_is_there(here: Room, until: Any) -> None:
    teacher = await here.teacher()
    await teacher.get_by_role("button", name="Pen", exact=True).click()
    await teacher.locator(".view").evaluate(
        f"""(view) => {{
          const before = view.querySelector("canvas.live");
          new MutationObserver((_, watch) => {{
            const canvas = view.querySelector("canvas.live");
            if (canvas === before) return;
            watch.disconnect();
            ({STROKE})(canvas);
          }}).observe(view, {{ childList: true, subtree: true }});
        }}"""
    )
    await teacher.keyboard.press("PageDown")
    await until(lambda: here.lesson.state["ink"].get("pb"))
    await here.in_step(teacher)


async def test_a_lecturer_stays_where_they_turned_to_until_the_room_is_there(
    here: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The room shows a page a moment after it took the turn, however long that moment is."""
    monkeypatch.setattr(teaching, "SHOW_AFTER_MS", 400)
    teacher, (ada, _) = await here.teacher(), await here.student("Ada")
    where = teacher.locator(".where")
    await where.evaluate(
        """(where) => {
          globalThis.seen = [];
          new MutationObserver(() => seen.push(where.textContent))
            .observe(where, { characterData: true, childList: true, subtree: true });
        }"""
    )
    for page in (2, 3):
        await teacher.keyboard.press("PageDown")
        await expect(ada.locator(".where")).to_have_text(f"Page {page} of 4")
        await here.in_step(teacher)
    await expect(where).to_have_text("Page 3 of 4")
    await teacher.keyboard.press("PageUp")
    await expect(ada.locator(".where")).to_have_text("Page 2 of 4")
    seen = await teacher.evaluate("() => seen")
    assert seen == ["Page 2 of 4", "Page 3 of 4", "Page 2 of 4"]
