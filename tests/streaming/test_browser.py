"""A real class in a real Chromium: at once by MSE, from the beginning by HLS, through faults."""

from __future__ import annotations

import asyncio
import json
import os
import time
from itertools import pairwise
from typing import Any

import pytest
from playwright.async_api import Browser, Page

from controller.state import SessionState
from recorder import control
from recorder.recording import Recording
from streaming import whep
from streaming.access import Visibility

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

PATIENCE_MS = 60_000
FRAMES = "document.querySelector('video').getVideoPlaybackQuality().totalVideoFrames"
# Samples the picture's brightness at every shown frame: [wall clock in ms, brightness], until a
# flash was seen and for so many seconds.
WATCH = """async (seconds) => {
  const video = document.querySelector("video");
  const canvas = Object.assign(document.createElement("canvas"), { width: 32, height: 18 });
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  const seen = [], end = performance.now() + seconds * 1000;
  return new Promise((done) => {
    const look = (_, frame) => {
      pen.drawImage(video, 0, 0, 32, 18);
      const pixels = pen.getImageData(0, 0, 32, 18).data;
      let sum = 0;
      for (let at = 1; at < pixels.length; at += 4) sum += pixels[at];
      seen.push([performance.timeOrigin + frame.expectedDisplayTime, sum / 576]);
      const light = seen.map((one) => one[1]);
      const least = Math.min(...light), most = Math.max(...light);
      const after = light.slice(light.indexOf(least));
      const flash = most - least > 20 && Math.max(...after) > (least + most) / 2;
      if (flash && performance.now() >= end) done(seen);
      else video.requestVideoFrameCallback(look);
    };
    video.requestVideoFrameCallback(look);
  });
}"""


@pytest.fixture
async def on_air(hall: Any, record: Any) -> tuple[Any, Recording, int]:
    recording = hall.begin(width=320, height=180, fps=25)
    hall.live.set_visibility(recording.folder, Visibility.PUBLIC)
    pid = await record(recording)
    await hall.serve()
    return hall, recording, pid


async def holds(page: Page, expression: str) -> None:
    """Waits until the expression is true (the page's policy forbids Playwright's own way)."""
    async with asyncio.timeout(PATIENCE_MS / 1000):
        while not await page.evaluate(expression):  # noqa: ASYNC110
            await asyncio.sleep(0.1)


async def plays(page: Page, more: int = 25) -> None:
    """Waits until so many more pictures have been shown."""
    before = await page.evaluate(FRAMES)
    # Another view is another element, which counts anew.
    await holds(page, f"{FRAMES} >= {before + more} || {more} <= {FRAMES} && {FRAMES} < {before}")


async def opened(chromium: Browser, hall: Any, complaints: list[str], more: str = "") -> Page:
    page = await chromium.new_page()
    page.on("pageerror", lambda error: complaints.append(str(error)))
    await page.goto(f"http://{hall.address}/live?lang=en{more}")
    await page.wait_for_selector("[data-player=playing]", timeout=PATIENCE_MS)
    return page


def delays_ms(seen: list[tuple[float, float]]) -> list[int]:
    """From camera to screen: the presenter flashes at each even second of the machine's clock."""
    boot = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    level = (min(light for _, light in seen) + max(light for _, light in seen)) / 2
    found = [
        (at / 1000 - boot) % 2
        for (_, before), (at, light) in pairwise(seen)
        if before <= level < light
    ]
    assert found, "no flash was seen"
    return sorted(round(delay * 1000) for delay in found)


async def test_a_class_is_seen_at_once_and_survives_a_new_program(
    chromium: Browser, on_air: Any, record: Any
) -> None:
    hall, recording, pid = on_air
    complaints: list[str] = []
    page = await opened(chromium, hall, complaints)
    await plays(page, 50)
    await page.wait_for_selector(".on-air", timeout=PATIENCE_MS)
    seen = await page.evaluate(WATCH, 6)
    print(f"camera to screen: {delays_ms(seen)} ms")
    for view in ("front", "screen", "both"):
        await page.select_option("select >> nth=1", view)
        await page.wait_for_selector("[data-player=playing]", timeout=PATIENCE_MS)
        await plays(page, 10)
    await page.select_option("select >> nth=1", "program")
    await plays(page, 10)
    # The recorder dies and is started again on the same class: another part, another clock.
    await control.kill_and_confirm(pid)
    await record(recording)
    await plays(page, 50)
    hall.be(SessionState.PAUSED)
    await page.wait_for_selector("[data-state=paused] .said", timeout=PATIENCE_MS)
    hall.be(SessionState.ENDED)
    await page.wait_for_selector("[data-state=ended] .said", timeout=PATIENCE_MS)
    assert complaints == []


async def test_hls_plays_from_the_beginning_and_thin(chromium: Browser, on_air: Any) -> None:
    hall, recording, _ = on_air
    complaints: list[str] = []
    page = await opened(chromium, hall, complaints)
    await page.select_option("select >> nth=0", "hls")
    await plays(page, 50)
    played = "document.querySelector('video').seekable"
    assert await page.evaluate(f"{played}.start(0)") < 0.5
    await page.evaluate("document.querySelector('video').currentTime = 0.2")
    await holds(page, "document.querySelector('video').currentTime > 1.2")
    await page.click(".to-live")
    await holds(page, "document.querySelector('video').currentTime > 3")
    # Captions stand at their time; a link lets one ask, and the lecturer is told.
    path = recording.live / "captions.en.vtt"
    path.write_text("WEBVTT\nLanguage: en\n\n00:00:00.100 --> 00:00:03.000\nLight &amp; dark\n\n")
    await page.click("text=Captions")
    cues = "document.querySelector('video').textTracks[0]?.cues?.length"
    await holds(page, f"{cues} === 1")
    assert await page.locator(".ask").count() == 0
    hall.room.picture = lambda source: (recording.live / f"{source}.jpg").read_bytes()
    await page.select_option("select >> nth=0", "thin")
    await page.wait_for_selector("img.slide", timeout=PATIENCE_MS)
    await holds(page, "(document.querySelector('video.sound-only')?.currentTime ?? 0) > 0.5")
    assert complaints == []


async def test_who_came_by_a_link_asks(chromium: Browser, on_air: Any, tablets: Any) -> None:
    hall, recording, _ = on_air
    lesson = await tablets.room.open("s1", "Optics")
    hall.live.set_visibility(recording.folder, Visibility.COURSE)
    key = hall.live.links.make(recording=recording.id)
    page = await chromium.new_page()
    await page.goto(f"http://{hall.address}/live?lang=ar&key={key}")
    await page.wait_for_selector("[data-player=playing]", timeout=PATIENCE_MS)
    await page.click(".ask summary")
    await page.fill(".ask input", "هل الضوء موجة؟")
    await page.click(".ask button")
    await page.wait_for_selector(".ask [role=status]", timeout=PATIENCE_MS)
    (asked,) = lesson.inquiries.open()
    assert asked.text == "هل الضوء موجة؟"
    await lesson.settle(asked.id, "shown")
    await holds(page, "document.querySelector('.asked-now')?.innerText.includes('موجة')")
    if shots := os.environ.get("CLASSROOMD_SCREENSHOTS"):
        await page.screenshot(path=f"{shots}/live-ar.png")


async def test_a_frozen_viewer_slows_nobody(chromium: Browser, on_air: Any) -> None:
    """One viewer stops reading; the page beside it and the recording go on."""
    hall, recording, _ = on_air
    page = await opened(chromium, hall, [])
    reader, writer = await asyncio.open_connection(*hall.address.split(":"), limit=2048)
    writer.write(
        f"GET /api/v1/live/{recording.id}/watch/program HTTP/1.1\r\nHost: {hall.address}\r\n"
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
    )
    assert b"101" in await asyncio.wait_for(reader.readline(), 30)
    before = (recording.live / "program.mp4").stat().st_size
    await plays(page, 100)
    assert (recording.live / "program.mp4").stat().st_size > before
    async with asyncio.timeout(30):
        while hall.live.viewers(recording.folder) < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    facts = json.loads((recording.products / "parts" / "lecture-001.json").read_text())
    assert facts["part"] == 1
    writer.close()


async def test_the_program_by_webrtc(
    chromium: Browser, on_air: Any, record: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """WHEP in a real browser, through a new program; its place is free when the page goes."""
    pytest.importorskip("aiortc", reason="aiortc is not installed: pip install classroomd[webrtc]")
    monkeypatch.setattr(whep, "BUSY", 1000.0)  # other tests may keep this machine busy
    hall, recording, pid = on_air
    complaints: list[str] = []
    key = hall.live.links.make(recording=recording.id)
    page = await opened(chromium, hall, complaints, f"&key={key}")
    await page.select_option("select >> nth=0", "rtc")
    await holds(page, "document.querySelector('video').srcObject?.getTracks().length === 2")
    await plays(page, 50)
    print(f"camera to screen by WebRTC: {delays_ms(await page.evaluate(WATCH, 6))} ms")
    assert await page.evaluate("document.querySelector('video').videoWidth") == 320
    await control.kill_and_confirm(pid)
    await record(recording)
    await plays(page, 50)
    assert hall.live.whep.watching(recording.folder) == 1
    await page.close()
    async with asyncio.timeout(30):
        while hall.live.whep.watching(recording.folder):  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    assert complaints == []
