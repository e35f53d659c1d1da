"""A laptop shares its screen with a running daemon: on the board at once, and in the recording."""

from __future__ import annotations

import asyncio
import importlib.util
import json
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path

import av
import httpx
import pytest
import pytest_asyncio
from browsing import PIN, keep_picture, until
from joined_class import Hall, chromium_with, running, sockets
from playwright.async_api import Browser, Page

pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.skipif(
        importlib.util.find_spec("aiortc") is None,
        reason="aiortc is not installed: pip install classroomd[webrtc]",
    ),
]
CAPTURING = [
    "--auto-select-tab-capture-source-by-title=Slides",
    "--disable-background-timer-throttling",
    "--disable-renderer-backgrounding",
    "--disable-backgrounding-occluded-windows",
]
# A slide that turns from dark to light at each even second of the clock, for half a second.
SLIDES = """<title>Slides</title><body><h1>Slides</h1><script>
  const show = () => {
    document.body.style.background = Date.now() % 2000 < 500 ? "#fff" : "#014";
    requestAnimationFrame(show);
  };
  show();
</script>"""
# Brightness of each picture that is shown: [wall clock in ms, brightness].
WATCH = """async () => {
  const video = document.querySelector(".shared-screen video");
  const canvas = Object.assign(document.createElement("canvas"), { width: 16, height: 9 });
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  const seen = [];
  return new Promise((done) => {
    const look = (_, frame) => {
      pen.drawImage(video, 0, 0, 16, 9);
      const pixels = pen.getImageData(0, 0, 16, 9).data;
      let sum = 0;
      for (let at = 1; at < pixels.length; at += 4) sum += pixels[at];
      seen.push([performance.timeOrigin + frame.expectedDisplayTime, sum / 144]);
      const light = seen.map((one) => one[1]);
      const least = Math.min(...light), most = Math.max(...light);
      const after = light.slice(light.indexOf(least));
      // Until a slide has been seen to turn from dark to light.
      if (most - least > 60 && Math.max(...after) > (least + most) / 2) done(seen);
      else video.requestVideoFrameCallback(look);
    };
    video.requestVideoFrameCallback(look);
  });
}"""


SHARED = """
    [[sources]]
    id = "shared"
    role = "slides"
    url = "webrtc://board"
"""


@pytest_asyncio.fixture(loop_scope="session")
async def hall(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Hall]:
    async with sockets(monkeypatch), running(Hall(tmp_path, SHARED)) as room:
        yield room


@pytest_asyncio.fixture(loop_scope="session")
async def capturing() -> AsyncIterator[Browser]:
    async with chromium_with(*CAPTURING) as made:
        yield made


async def _signed_in(browser: Browser, hall: Hall, address: str) -> Page:
    context = await browser.new_context(viewport={"width": 800, "height": 450}, locale="en-GB")
    answer = await context.request.post(f"{hall.url}/api/v1/login", data={"pin": PIN})
    assert answer.ok
    page = await context.new_page()
    await page.goto(f"{hall.url}{address}")
    return page


async def _slides(browser: Browser, hall: Hall) -> Page:
    """The share page of a laptop that shows slides in another tab, and has shared them."""
    context = await browser.new_context(viewport={"width": 800, "height": 450}, locale="en-GB")
    slides = await context.new_page()
    await slides.set_content(SLIDES)
    page = await context.new_page()
    await page.goto(f"{hall.url}/share")
    await page.fill("input[type=password]", PIN)
    await page.click("button[type=submit]")
    await page.click("button.main")
    await page.wait_for_selector("[data-said=shown]")
    return page


async def test_a_laptop_is_on_the_board_and_in_the_recording(
    capturing: Browser, hall: Hall
) -> None:
    board = await _signed_in(capturing, hall, "/board")
    async with httpx.AsyncClient(base_url=hall.url, timeout=60) as http:
        await http.post("/api/v1/login", json={"pin": PIN})
        session = (await http.post("/api/v1/session", json={"title": "Optics"})).json()
        assert session["state"] in {"preparing", "live"}
        laptop = await _slides(capturing, hall)
        await until(board, "document.querySelector('.shared-screen video')?.videoWidth > 300")
        seen = await board.evaluate(WATCH)
        level = (min(light for _, light in seen) + max(light for _, light in seen)) / 2
        delays = sorted(
            at % 2000 for (_, before), (at, light) in pairwise(seen) if before <= level < light
        )
        assert delays, "no slide was seen to change"
        print(f"screen to board: {[round(delay) for delay in delays]} ms")
        await keep_picture(board, "share-board")
        await keep_picture(laptop, "share-page")
        await _state(http, "shared", "running")
        # The process that holds the screens dies: the page shares again by itself.
        before = await board.get_attribute(".shared-screen", "data-sharer")
        await hall.kill_child("streaming.share_child")
        await until(
            board,
            f"![null, undefined, {json.dumps(before)}].includes("
            "document.querySelector('.shared-screen')?.dataset.sharer)",
        )
        await laptop.wait_for_selector("[data-said=shown]")
        # A second laptop is shown instead, and when it stops the first one is back.
        other = await _slides(capturing, hall)
        await laptop.wait_for_selector("[data-said=other]")
        shown = (await http.get("/api/v1/share")).json()["shown"]
        await http.request("DELETE", f"/api/v1/share/{shown}", json={})
        await other.wait_for_selector("[data-sending=off]")
        await laptop.wait_for_selector("[data-said=shown]")
        await laptop.click("button.danger")
        await board.wait_for_selector(".shared-screen", state="detached")
        await _state(http, "shared", "opening")
        await http.post("/api/v1/session/end", json={"undo": False})
        folder = await hall.finished(http)
    sizes = {(size[0] > 300) for size in await asyncio.to_thread(_pictures, folder)}
    assert sizes == {True}
    kinds = [json.loads(line) for line in (folder / "markers.jsonl").read_text().splitlines()]
    assert next(one["data"]["shown"] for one in kinds if one["kind"] == "share") is True


async def _state(http: httpx.AsyncClient, source: str, state: str) -> None:
    async with asyncio.timeout(60):
        while True:
            sources = (await http.get("/api/v1/sources")).json()
            if next(one for one in sources if one["id"] == source)["state"] == state:
                return
            await asyncio.sleep(0.2)


def _pictures(folder: Path) -> set[tuple[int, int]]:
    """The sizes of all pictures in the shared source's track."""
    sizes = set()
    for segment in sorted((folder / "tracks" / "shared").glob("*.mp4")):
        with av.open(str(segment)) as container:
            sizes |= {(one.width, one.height) for one in container.decode(video=0)}
    return sizes
