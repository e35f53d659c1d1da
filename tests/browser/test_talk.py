"""A student at home speaks to a running daemon: heard in the room, muted, and in the recording."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import json
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import av
import httpx
import numpy as np
import pytest
import pytest_asyncio
from browsing import ARGUMENTS, CHROMIUM, PIN, Daemon, barriers, end_recorders, keep_picture
from playwright.async_api import Browser, Page, async_playwright, expect

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


class Room(Daemon):
    """A room with a camera, a microphone that hears nothing, and a loudspeaker."""

    def _write(self, projector: str) -> None:
        pin = self.folder / "pin"
        pin.write_text(PIN)
        pin.chmod(0o600)
        (self.folder / "room.toml").write_text(f"""
            [room]
            id = "hall"
            name = "Lecture hall"
            [storage]
            recordings = {json.dumps(str(self.folder / "recordings"))}
            state = {json.dumps(str(self.folder / "state"))}
            reserve_gb = 0
            [production]
            enabled = false
            follow = false
            [server]
            port = {self.port}
            [recording]
            width = 320
            height = 180
            fps = 10
            live = true
            [streaming]
            visibility = "course"
            [streaming.talk]
            enabled = true
            output = "pulse://hall"
            [[sources]]
            id = "front"
            role = "presenter"
            url = "test:presenter?size=320x180&fps=10"
            [[sources]]
            id = "voice"
            role = "microphone"
            url = "webrtc://talk"
            [auth]
            users = [{{ name = "Teacher", role = "instructor", secret = "file:{pin}" }}]
        """)


@pytest_asyncio.fixture(loop_scope="session")
async def hall(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Room]:
    with tempfile.TemporaryDirectory(prefix="room-") as sockets:
        monkeypatch.setenv("CLASSROOMD_RUN_DIR", sockets)
        async with pulseaudio(Path(sockets), monkeypatch):
            load = await asyncio.create_subprocess_exec(
                *("pactl", "load-module", "module-null-sink", "sink_name=hall"),
                stdout=asyncio.subprocess.DEVNULL,
            )
            assert await load.wait() == 0
            room = Room(tmp_path, "")
            await room.start()
            yield room
            await room.end()
            await end_recorders(tmp_path)


@pytest_asyncio.fixture(loop_scope="session")
async def beeping() -> AsyncIterator[Browser]:
    assert CHROMIUM
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM, args=ARGUMENTS + BEEPING
        )
        yield browser
        await browser.close()


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
async def ear(hall: Room) -> AsyncIterator[Ear]:
    made = Ear()
    listening = asyncio.create_task(made.listen())
    yield made
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)


async def _student(browser: Browser, hall: Room, path: str, language: str, name: str) -> Page:
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
    beeping: Browser, hall: Room, ear: Ear
) -> None:
    async with httpx.AsyncClient(base_url=hall.url) as http:
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
        killed = await _kill_child(hall)
        async with asyncio.timeout(60):
            while _child(hall) in (None, killed):  # noqa: ASYNC110
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
        folder = await _finished(http, hall)
    assert await asyncio.to_thread(_loud_seconds, folder) > 0
    markers = [json.loads(line) for line in (folder / "markers.jsonl").read_text().splitlines()]
    spoken = [one["data"]["speaking"] for one in markers if one["kind"] == "talk"]
    assert spoken == [True, False, True, False]


def _child(hall: Room) -> str | None:
    """The process that holds the voice."""
    assert hall.process is not None
    children = Path(f"/proc/{hall.process.pid}/task/{hall.process.pid}/children")
    for pid in children.read_text().split():
        with contextlib.suppress(OSError):  # it ended meanwhile
            if b"streaming.talk_child" in Path(f"/proc/{pid}/cmdline").read_bytes():
                return pid
    return None


async def _kill_child(hall: Room) -> str:
    pid = _child(hall)
    assert pid is not None, "there is no process that holds the voice"
    process = await asyncio.create_subprocess_exec("kill", "-9", pid)
    await process.wait()
    return pid


async def _finished(http: httpx.AsyncClient, hall: Room) -> Path:
    async with asyncio.timeout(90):
        while True:
            found: list[dict[str, Any]] = (await http.get("/api/v1/recordings")).json()
            if found and found[0]["life"] == "ready":
                return Path(hall.folder / "recordings" / found[0]["folder"])
            await asyncio.sleep(0.2)


def _loud_seconds(folder: Path) -> float:
    """For how long the voice's own track is loud."""
    loud = 0.0
    for segment in sorted((folder / "tracks" / "voice").glob("*.mp4")):
        with av.open(str(segment)) as container:
            for frame in container.decode(audio=0):
                if np.abs(frame.to_ndarray()).max() > LOUD / 32768:
                    loud += frame.samples / RATE
    return loud
