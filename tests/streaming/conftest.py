"""Live files as the recorder writes them, made here by the same encoder with the same options."""

from __future__ import annotations

import asyncio
import importlib.util
import io
import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import uvicorn
from playwright.async_api import Browser, async_playwright, expect

from controller.course_platforms import LtiSection
from controller.settings import AuthSettings, TokenSpec
from controller.state import AccessRole, SessionState, SessionView
from controller.tablets import Tablets
from dashboard.app import create_app
from dashboard.pages import built
from recorder import control, encoders
from recorder.engines.chapters import Chapter
from recorder.engines.writer import PartWriter
from recorder.recording import Layout, ProgramSpec, Recording, Role, SourceSpec, create
from streaming.access import Visibility
from streaming.share import ShareRoom

CHROMIUM = os.environ.get("CLASSROOMD_CHROMIUM") or shutil.which("chromium")
ARGUMENTS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
]


class LiveMaker:
    """Writes `part` and, when asked, `live`, picture by picture; 320x180, 25 per second."""

    FPS = 25

    def __init__(self, part: Path, live: Path | None = None, *, size: tuple[int, int] = (320, 180)):
        part.parent.mkdir(parents=True, exist_ok=True)
        settings = encoders.lecture_settings(*size, self.FPS, live=True)
        self.writer = PartWriter(part, settings, live)
        self.size = size
        self.frame = 0

    def write(self, seconds: float) -> None:
        """Appends so much picture (a moving bar) and sound (a tone)."""
        width, height = self.size
        for _ in range(round(seconds * self.FPS)):
            picture = np.full((height * 3 // 2, width), 128, np.uint8)
            picture[:height] = 40
            x = self.frame * 3 % (width - 40)
            picture[:height, x : x + 40] = 200
            image = av.VideoFrame.from_ndarray(picture, "yuv420p")
            t = self.frame * 1_000_000 // self.FPS
            self.writer.picture(image, t, key=self.frame % (2 * self.FPS) == 0)
            count = encoders.SAMPLE_RATE // self.FPS
            at = np.arange(count) + self.frame * count
            tone = np.sin(at * (2 * np.pi * 440 / encoders.SAMPLE_RATE)) * 0.2
            self.writer.sound(np.stack([tone, tone]).astype(np.float32))
            self.frame += 1

    def close(self) -> None:
        self.writer.close([Chapter(0, "Start")])


@pytest.fixture
def make_live(tmp_path: Path) -> Iterator[type[LiveMaker]]:
    yield LiveMaker


@pytest.fixture(scope="session")
def live_bytes(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Five seconds of a whole live file."""
    folder = tmp_path_factory.mktemp("live")
    maker = LiveMaker(folder / "part.mp4", folder / "program.mp4")
    maker.write(5.0)
    maker.close()
    return (folder / "program.mp4").read_bytes()


@pytest.fixture(scope="session")
def part_bytes(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Five seconds of a lecture part, not closed: as it stands during class."""
    folder = tmp_path_factory.mktemp("part")
    maker = LiveMaker(folder / "part.mp4", folder / "program.mp4")
    maker.write(5.0)
    return (folder / "part.mp4").read_bytes()


def decode(data: bytes) -> tuple[int, int]:
    """How many pictures and sound frames the bytes decode to."""
    pictures = sounds = 0
    with av.open(io.BytesIO(data)) as container:
        for frame in container.decode():
            if isinstance(frame, av.VideoFrame):
                pictures += 1
            else:
                sounds += 1
    return pictures, sounds


@pytest.fixture
def decoded() -> Any:
    return decode


def _load(name: str, path: Path) -> Any:
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec and spec.loader
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]


ROOM = Path(__file__).parents[1] / "dashboard" / "pretend_room.py"
sys.path[:0] = [str(Path(__file__).parent), str(ROOM.parent)]  # what lies beside both
expect.set_options(timeout=30_000)
TOKENS = {role: f"token-{role.value}" for role in AccessRole}


class Hall:
    """The application over a pretended room whose class is a real recording, on a real port."""

    def __init__(self, root: Path, auth: AuthSettings, lti: LtiSection | None = None) -> None:
        self.room = _load("pretend_room", ROOM).PretendRoom(root / "recordings")
        self.room.config = self.room.config.model_copy(update={"lti": lti or LtiSection()})
        self.app = create_app(self.room, auth=auth, secret_key=b"k" * 32)
        self.live = self.app.state.live
        self.recording: Recording | None = None
        self.address = ""
        self._server: uvicorn.Server | None = None
        self._task: asyncio.Task[None] | None = None

    def begin(self, **program: Any) -> Recording:
        """A class is on, recorded in a folder that is returned."""
        spec = {"width": 320, "height": 180, "fps": 25, "live": True} | program
        size = f"size={spec['width']}x{spec['height']}&fps={spec['fps']}"
        self.recording = create(
            self.room.root,
            session="s1",
            room="lab-2",
            title="Optics",
            course="PHY1",
            sources=[
                SourceSpec(id="front", role=Role.PRESENTER, url=f"test:presenter?{size}"),
                SourceSpec(id="screen", role=Role.SLIDES, url=f"test:slides?{size}"),
                SourceSpec(id="mic", role=Role.MICROPHONE, url="test:speech"),
            ],
            layout=Layout.PRESENTER,
            program=ProgramSpec(**spec),
        )
        now = datetime.now(UTC)
        self.room.session = SessionView(
            id="s1",
            state=SessionState.LIVE,
            title="Optics",
            started=now,
            now=now,
            recording=self.recording.id,
            recording_state="recording",
        )
        return self.recording

    def be(self, state: SessionState) -> None:
        self.room.session.state = state

    async def serve(self) -> str:
        config = uvicorn.Config(
            self.app,
            host="127.0.0.1",
            port=0,
            log_level="warning",
            lifespan="off",
            ws="websockets-sansio",
            ws_per_message_deflate=False,
            timeout_graceful_shutdown=2,
        )
        self._server = uvicorn.Server(config)
        self._task = asyncio.create_task(self._server._serve())
        async with asyncio.timeout(30):
            while not self._server.started:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        host, port = self._server.servers[0].sockets[0].getsockname()[:2]
        self.address = f"{host}:{port}"
        return self.address

    async def stop(self) -> None:
        await self.live.close()
        if self._server and self._task:
            self._server.should_exit = True
            await asyncio.wait_for(self._task, 20)


@pytest.fixture
async def hall(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Hall]:
    tokens = []
    for role, token in TOKENS.items():
        monkeypatch.setenv(f"TEST_TOKEN_{role.name}", token)
        tokens.append(
            TokenSpec(name=f"{role}-bot", role=role, secret=f"env:TEST_TOKEN_{role.name}")
        )
    made = Hall(tmp_path, AuthSettings(tokens=tokens))
    yield made
    await made.stop()


@pytest.fixture
async def record(tmp_path: Path) -> AsyncIterator[Callable[[Recording], Awaitable[int]]]:
    """Starts the real recorder of a folder; it is ended with the test."""
    pids: list[int] = []

    async def start(recording: Recording) -> int:
        pids.append(await control.launch(recording.folder, tmp_path / "run"))
        return pids[-1]

    yield start
    for pid in pids:
        await control.kill_and_confirm(pid)


@pytest.fixture
async def chromium() -> AsyncIterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed: apt-get install chromium")
    if not (built() / "live.html").is_file():
        pytest.skip("the pages are not built: python build_web.py")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        await browser.close()


@pytest.fixture
async def tablets(hall: Hall, tmp_path: Path) -> AsyncIterator[Any]:
    """The room's tablets, which the hall serves; `marks` is what they mark in the recording."""
    marks: list[tuple[str, dict[str, Any]]] = []

    async def mark(kind: str, data: dict[str, Any]) -> None:
        marks.append((kind, data))

    made: Any = Tablets("lab-2", tmp_path / "state", mark=mark)
    made.marks = marks
    await made.start()
    hall.app.state.tablets = made
    yield made
    await made.stop()


# --- shared screens --------------------------------------------------------------------------


@pytest.fixture
async def room() -> AsyncIterator[ShareRoom]:
    # A Unix socket's path is short: pytest's folders may be too deep for it.
    with tempfile.TemporaryDirectory(prefix="share-") as folder:
        made = ShareRoom(Path(folder))
        yield made
        await made.stop()


@pytest.fixture
async def laptop() -> AsyncIterator[Callable[..., Any]]:
    from sharing import Laptop  # aiortc is not everywhere

    made: list[Laptop] = []

    def make(codec: str = "H264") -> Laptop:
        made.append(Laptop(codec))
        return made[-1]

    yield make
    for one in made:
        await one.pc.close()


# --- talk-back -------------------------------------------------------------------------------


@pytest.fixture
async def microphone() -> AsyncIterator[Callable[[], Any]]:
    from talking import Microphone  # aiortc is not everywhere

    made: list[Microphone] = []

    def make() -> Microphone:
        made.append(Microphone())
        return made[-1]

    yield make
    for one in made:
        await one.pc.close()


@pytest.fixture
async def talking() -> AsyncIterator[Callable[..., Any]]:
    from talking import Talking

    made: list[Talking] = []
    # A Unix socket's path is short: pytest's folders may be too deep for it.
    with tempfile.TemporaryDirectory(prefix="talk-") as folder:

        def make(output: str | None = None) -> Talking:
            made.append(Talking(Path(folder), output))
            return made[-1]

        yield make
        for one in made:
            await one.room.stop()


@pytest.fixture
async def sound_server(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    from sounding import pulseaudio

    with tempfile.TemporaryDirectory(prefix="pulse-") as folder:
        async with pulseaudio(Path(folder), monkeypatch):
            yield


@pytest.fixture
def browser_line() -> tuple[str, list[str]]:
    """Where Chromium is and how it is started, for tests that need one of their own."""
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed: apt-get install chromium")
    return CHROMIUM, ARGUMENTS


@pytest.fixture
def halls() -> type[Hall]:
    """Makes halls, for tests that need one of their own."""
    return Hall


@pytest.fixture
def platform() -> Iterator[Any]:
    """A course platform that signs launches."""
    from pretend_platform import Platform

    made = Platform()
    yield made
    made.stop()


@pytest.fixture
async def school(tmp_path: Path, platform: Any) -> AsyncIterator[Hall]:
    """A room that knows the platform; a class of PHY1 is on, for its course."""
    section = LtiSection.model_validate({"platforms": [platform.settings()]})
    hall = Hall(tmp_path, AuthSettings(), section)
    hall.recording = hall.begin()
    hall.live.set_visibility(hall.recording.folder, Visibility.COURSE)
    platform.tool = f"http://{await hall.serve()}"
    yield hall
    await hall.stop()
