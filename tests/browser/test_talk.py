"""A student at home speaks to a running daemon: heard in the room, muted, and in the recording."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import av
import httpx
import numpy as np
import pytest
import pytest_asyncio
from browsing import PIN, barriers, keep_picture
from joined_class import Hall, chromium_with, running, sockets
from playwright.async_api import Browser, Page, expect

sys.path.append(str(Path(__file__).parents[1] / "streaming"))
from sounding import needs_pulse, pulseaudio

pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.skipif(
        importlib.util.find_spec("aiortc") is None,
        reason="aiortc is not installed: pip install classroomd[webrtc]",
    ),
    needs_pulse,
]
# Chromium's own pretended microphone beeps once a second.
BEEPING = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
RATE = 48_000
LOUD = 2000


TALK = """
    [streaming]
    visibility = "course"
    [streaming.talk]
    enabled = true
    output = "pulse://hall"
    [[sources]]
    id = "voice"
    role = "microphone"
    url = "webrtc://talk"
"""
CHILD = "streaming.talk_child"


@pytest_asyncio.fixture(loop_scope="session")
async def hall(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Hall]:
    """A room with a camera, a microphone that hears nothing, and a loudspeaker."""
    async with sockets(monkeypatch) as folder, pulseaudio(folder, monkeypatch):
        load = await asyncio.create_subprocess_exec(
            *("pactl", "load-module", "module-null-sink", "sink_name=hall"),
            stdout=asyncio.subprocess.DEVNULL,
        )
        assert await load.wait() == 0
        async with running(Hall(tmp_path, TALK, live=True)) as room:
            yield room


@pytest_asyncio.fixture(loop_scope="session")
async def beeping() -> AsyncIterator[Browser]:
    async with chromium_with(*BEEPING) as made:
        yield made


class Ear:
    """Listens to what the room's loudspeaker plays."""

    def __init__(self) -> None:
        self._loud: asyncio.Queue[bool] = asyncio.Queue()  # for each tenth of a second

    async def listen(self) -> None:
        process = await asyncio.create_subprocess_exec(
            *("parec", "--device=hall.monitor", "--raw", "--format=s16le", f"--rate={RATE}"),
            *("--channels=1", "--latency-msec=50"),
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdout
        try:
            while True:
                sound = np.frombuffer(await process.stdout.readexactly(9600), np.int16)
                self._loud.put_nowait(bool(np.abs(sound).max() > LOUD))
        finally:
            process.kill()

    async def hears(self, *, beep: bool = False, silence: int = 0) -> None:
        """Returns when from now on a beep was heard, or nothing for so many tenths of a second."""
        while not self._loud.empty():
            self._loud.get_nowait()
        quiet = 0
        async with asyncio.timeout(60):
            while True:
                loud = await self._loud.get()
                quiet = 0 if loud else quiet + 1
                if (beep and loud) or (silence and quiet >= silence):
                    return


@pytest_asyncio.fixture(loop_scope="session")
async def ear(hall: Hall) -> AsyncIterator[Ear]:
    made = Ear()
    listening = asyncio.create_task(made.listen())
    yield made
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)


async def _student(browser: Browser, hall: Hall, path: str, language: str, name: str) -> Page:
    """The live page of one who has raised a hand."""
    context = await browser.new_context(viewport={"width": 900, "height": 700})
    page = await context.new_page()
    await page.goto(f"{hall.url}{path}&lang={language}")
    await page.locator("summary").last.click()
    await page.locator(".talk-consent").wait_for()
    field = page.locator("details input").last
    await field.fill(name)
    await field.press("Enter")
    await page.wait_for_selector("[data-talk=asking]")
    return page


async def test_a_student_at_home_speaks_into_the_room(
    beeping: Browser, hall: Hall, ear: Ear
) -> None:
    async with httpx.AsyncClient(base_url=hall.url, timeout=60) as http:
        await http.post("/api/v1/login", json={"pin": PIN})
        await http.post("/api/v1/session", json={"title": "Optics"})
        async with asyncio.timeout(60):
            while (await http.get("/api/v1/live")).json()["state"] != "live":  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        link = (await http.post("/api/v1/live/link", json={})).json()["path"]
        wall = await beeping.new_context(viewport={"width": 1280, "height": 800}, locale="en-GB")
        assert (await wall.request.post(f"{hall.url}/api/v1/login", data={"pin": PIN})).ok
        panel = await wall.new_page()
        await panel.goto(hall.url)

        student = await _student(beeping, hall, link, "en", "Kim")
        await panel.get_by_text("Kim asks to speak").wait_for()
        other = await _student(beeping, hall, link, "ar", "Ada")
        await panel.get_by_text("Ada asks to speak").wait_for()
        await panel.get_by_role("button", name="Let Kim speak").click()
        await expect(panel.get_by_role("button", name="Let Ada speak")).to_be_disabled()
        await student.get_by_text("the room hears you, and you are recorded").wait_for()
        await keep_picture(student, "talk-admitted")
        await keep_picture(other, "talk-asking-ar")
        await student.get_by_role("button", name="Open the microphone").press("Enter")
        await student.wait_for_selector("[data-talk=on]")
        assert await barriers(student) == []
        await ear.hears(beep=True)
        await panel.get_by_text("Kim speaks").wait_for()
        await keep_picture(panel, "talk-panel")
        await keep_picture(student, "talk-speaking")

        await panel.get_by_role("button", name="Mute", exact=True).click()
        await student.get_by_text("you are neither heard nor recorded").wait_for()
        await ear.hears(silence=25)
        await panel.get_by_role("button", name="Unmute").click()
        await ear.hears(beep=True)

        # The process that holds the voice dies: the page speaks again by itself.
        killed = await hall.kill_child(CHILD)
        async with asyncio.timeout(60):
            while hall.child(CHILD) in (None, killed):  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        await panel.get_by_text("Kim speaks").wait_for()
        await ear.hears(beep=True)

        await panel.locator("[data-state=speaking]").get_by_role("button", name="End").click()
        await student.get_by_text("Your lecturer has ended this").wait_for()
        await ear.hears(silence=25)
        # The other one is admitted, and leaves the page: nobody has to take the hand down.
        await panel.get_by_role("button", name="Let Ada speak").click()
        await other.wait_for_selector("[data-talk=admitted]")
        await other.close()
        await expect(panel.locator("[data-hand]")).to_have_count(0)
        await http.post("/api/v1/session/end", json={"undo": False})
        folder = await hall.finished(http)
    assert await asyncio.to_thread(_loud_seconds, folder) > 0
    markers = [json.loads(line) for line in (folder / "markers.jsonl").read_text().splitlines()]
    spoken = [one["data"]["speaking"] for one in markers if one["kind"] == "talk"]
    assert spoken == [True, False, True, False]


def _loud_seconds(folder: Path) -> float:
    """For how long the voice's own track is loud."""
    loud = 0.0
    for segment in sorted((folder / "tracks" / "voice").glob("*.mp4")):
        with av.open(str(segment)) as container:
            for frame in container.decode(audio=0):
                if np.abs(frame.to_ndarray()).max() > LOUD / 32768:
                    loud += frame.samples / RATE
    return loud
