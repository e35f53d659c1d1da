"""The page of one who asks to speak: a microphone is open for the hand it was opened for only."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("aiortc", reason="aiortc is not installed: pip install classroomd[webrtc]")

from controller.state import AccessRole
from streaming.access import Visibility
from streaming.talk import TalkRoom

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]

# A person who takes their time with the browser's question.
SLOW = """
  window.stopped = 0;
  const track = { stop: () => window.stopped++ };
  const stream = { getTracks: () => [track], getAudioTracks: () => [track] };
  navigator.mediaDevices.getUserMedia = () =>
    new Promise((done) => (window.allow = () => done(stream)));
"""
# They allow it; how many microphones have been closed once the page has taken that in.
ALLOWED = "allow(), new Promise((done) => setTimeout(() => done(stopped)))"


def hand(state: str, place: str, why: str = "") -> str:
    told = {"state": state, "muted": False, "why": why, "heard": True, "recorded": True}
    return json.dumps(told | {"place": f"/api/v1/live/r/talk/{place}"})


async def test_a_microphone_allowed_too_late_is_not_that_of_the_next_hand(
    chromium: Any, hall: Any, tmp_path: Path
) -> None:
    hall.app.state.talk = TalkRoom(tmp_path, enabled=True)
    hall.live.set_visibility(hall.begin().folder, Visibility.CAMPUS)
    token = f"Bearer token-{AccessRole.STUDENT.value}"
    context = await chromium.new_context(extra_http_headers={"Authorization": token})
    page = await context.new_page()
    await page.add_init_script(SLOW)
    asked: asyncio.Queue[Any] = asyncio.Queue()
    sent: list[str] = []
    page.on("request", lambda one: sent.append(one.url) if "/live/r/talk/" in one.url else None)
    await page.route_web_socket("**/api/v1/live/*/talk", asked.put_nowait)
    await page.goto(f"http://{await hall.serve()}/live?lang=en")

    async def raises() -> Any:
        if not await page.locator(".talk-consent").is_visible():
            await page.get_by_text("Ask to speak").first.click()
        field = page.get_by_label("Your name", exact=True)
        await field.fill("Kim")
        await field.press("Enter")
        async with asyncio.timeout(30):
            return await asked.get()

    socket = await raises()
    socket.send(hand("admitted", "first"))
    await page.get_by_role("button", name="Open the microphone").click()
    socket.send(hand("over", "first", "not_come"))
    await page.get_by_text("no microphone came").wait_for()
    socket = await raises()
    socket.send(hand("asking", "second"))
    await page.wait_for_selector("[data-talk=asking]")
    assert await page.evaluate(ALLOWED) == 1
    assert await page.locator("[data-talk=asking]").is_visible()
    assert sent == []
