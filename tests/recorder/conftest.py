"""A class to record in a test: a real recorder process, its socket, a real RTSP camera."""

import asyncio
import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from recorder import recording
from recorder.control import (
    RecorderClient,
    RecorderError,
    RecorderEvent,
    kill_and_confirm,
    launch,
)
from recorder.recording import ProgramSpec, Recording, SourceSpec
from recorder.spare import Spare

PATIENCE = 30.0
CAMERA = Path(__file__).with_name("rtsp_camera.py")


class Camera:
    """A camera process that can be killed, frozen, and started again on its port."""

    def __init__(self, *options: str, prefix: Sequence[str] = (), host: str = "127.0.0.1") -> None:
        """`prefix` is what runs the camera elsewhere, as `ip netns exec NAME`."""
        self.options, self.prefix, self.host = options, prefix, host
        self.port = 0
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *options: str) -> None:
        command = [*self.prefix, "/usr/bin/python3", str(CAMERA), "--port", str(self.port)]
        self.process = subprocess.Popen(
            [*command, *(options or self.options)], stdout=subprocess.PIPE
        )
        assert self.process.stdout is not None
        self.port = json.loads(self.process.stdout.readline())["port"]

    @property
    def url(self) -> str:
        return f"rtsp://{self.host}:{self.port}/camera"

    def signal(self, number: int) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            if self.process.stdout is not None:
                self.process.stdout.close()
            self.process = None


@pytest.fixture
def camera() -> Iterator[Callable[..., Camera]]:
    cameras: list[Camera] = []

    def start(*options: str, **where: Any) -> Camera:
        made = Camera(*options, **where)
        cameras.append(made)
        made.start()
        return made

    yield start
    for made in cameras:
        made.kill()


def make_clip(path: Path, seconds: float = 4.0, *, sound: str = "aac", fps: int = 25) -> Path:
    """Writes a small film with a tone; key frames once a second, B-frames between."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("h264", rate=fps, options={"preset": "ultrafast"})
        video.width, video.height, video.pix_fmt = 320, 180, "yuv420p"
        video.codec_context.gop_size = fps
        rate = 48000 if sound == "aac" else 8000
        audio = container.add_stream(sound, rate=rate)
        audio.codec_context.layout = "mono"
        for number in range(int(seconds * fps)):
            picture = np.full((180, 320, 3), number * 3 % 255, np.uint8)
            frame = av.VideoFrame.from_ndarray(picture, "rgb24")
            frame.pts = number
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        step = audio.codec_context.frame_size or 160
        format_ = "fltp" if sound == "aac" else "s16"
        for first in range(0, int(seconds * rate), step):
            wave = [math.sin(n * 440 * math.tau / rate) * 0.3 for n in range(first, first + step)]
            samples = np.array([wave], np.float32)
            if sound != "aac":
                samples = (samples * 32767).astype(np.int16)
            block = av.AudioFrame.from_ndarray(samples, format_, "mono")
            block.sample_rate, block.pts, block.time_base = rate, first, Fraction(1, rate)
            container.mux(audio.encode(block))
        container.mux(audio.encode(None))
    return path


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clip(tmp_path_factory.mktemp("clip") / "clip.mp4")


class Class:
    """One recording and the processes that record it, one after the other."""

    def __init__(self, folder: Path, sources: Sequence[str], **fields: Any) -> None:
        """`sources` are ROLE=URL or ROLE:ID=URL; `fields` are those of every source."""
        specs = []
        for source in sources:
            name, _, url = source.partition("=")
            role, _, given = name.partition(":")
            specs.append(SourceSpec(id=given or role, role=role, url=url, **fields))  # type: ignore[arg-type]
        self.run_dir = folder / "run"
        self.recording: Recording = recording.create(
            folder / "recordings",
            session="s1",
            room="test",
            title="A class",
            sources=specs,
            program=ProgramSpec(width=320, height=180, fps=25, encoder="software"),
        )
        self.client: RecorderClient | None = None
        self.pids: list[int] = []
        self.events: list[RecorderEvent] = []
        self._listener: asyncio.Task[None] | None = None

    @property
    def folder(self) -> Path:
        return self.recording.folder

    @property
    def log(self) -> str:
        return (self.folder / "recorder.log").read_text()

    async def start(
        self,
        *,
        program: bool = False,
        env: dict[str, str] | None = None,
        spare: Spare | None = None,
    ) -> int:
        pid = await launch(self.folder, self.run_dir, program=program, env=env, spare=spare)
        self.pids.append(pid)
        await self.connect()
        return pid

    async def connect(self) -> RecorderClient:
        if self.client is not None:
            await self.client.close()
        try:
            self.client = await RecorderClient.connect(self.run_dir, self.recording.id, PATIENCE)
        except RecorderError as error:
            raise AssertionError(f"{error}\n{self.log}") from error
        self._listener = asyncio.create_task(self._listen(self.client))
        return self.client

    async def _listen(self, client: RecorderClient) -> None:
        async for event in client.events():
            self.events.append(event)

    async def say(self, command: str, **args: Any) -> Any:
        assert self.client is not None
        return await self.client.command(command, timeout=PATIENCE, **args)

    async def until(self, condition: Callable[[], Any], what: str = "") -> Any:
        """Waits until the condition is true; it may look at `status`, the folder, the events."""
        deadline = time.monotonic() + PATIENCE
        while not (result := condition()):
            if time.monotonic() > deadline:
                raise AssertionError(f"never came: {what or condition}\n{self.status}\n{self.log}")
            await asyncio.sleep(0.05)
        return result

    @property
    def status(self) -> Any:
        assert self.client is not None
        return self.client.status

    async def running(self, *sources: str) -> None:
        """Waits until the named sources have frames on disk in this process."""
        for name in sources:
            await self.until(
                lambda name=name: self.status.sources[name].first_frame_ms, f"frames of {name}"
            )

    def fact(self, code: str, source: str = "") -> bool | None:
        """Whether the fact was last told as true, as no longer true, or never."""
        found = None
        for event in self.events:
            data = event.data
            if event.kind == "fact" and (data["code"], data["source"]) == (code, source):
                found = bool(data["active"])
        return found

    async def finish(self) -> None:
        await self.say("finish")
        await self.ended()

    async def ended(self) -> None:
        await self.until(
            lambda: self._listener is not None and self._listener.done(), "the process's end"
        )

    async def kill(self) -> None:
        """kill -9, as the kernel does when memory runs out."""
        os.kill(self.pids[-1], signal.SIGKILL)
        await kill_and_confirm(self.pids[-1])

    async def stop(self) -> None:
        if self.client is not None:
            await self.client.close()
        for pid in self.pids:
            await kill_and_confirm(pid)


@pytest.fixture
async def hold_class(tmp_path: Path) -> AsyncIterator[Callable[..., Class]]:
    classes: list[Class] = []

    def make(*sources: str, folder: Path | None = None, **fields: Any) -> Class:
        made = Class(folder or tmp_path, sources, **fields)
        classes.append(made)
        return made

    yield make
    for made in classes:
        await made.stop()


def packets(folder: Path, kind: str = "video") -> list[tuple[float, bool]]:
    """Class times and key flags of the packets of one kind in a track folder, where readable."""
    found = []
    for path in sorted(folder.glob("*.m*")):
        with av.open(str(path)) as container:
            streams = [s for s in container.streams if s.type == kind]
            if not streams:
                continue
            try:
                for packet in container.demux(streams[0]):
                    if packet.pts is not None and packet.time_base is not None:
                        at = float(packet.pts * packet.time_base)
                        found.append((at, packet.is_keyframe))
            except av.error.FFmpegError:
                continue
    return found


def pictures(path: Path) -> list[av.VideoFrame]:
    """Decodes what can be decoded: a camera that dies leaves its last packet torn."""
    found: list[av.VideoFrame] = []
    with av.open(str(path)) as container:
        for packet in container.demux(video=0):
            try:
                found += [f for f in packet.decode() if isinstance(f, av.VideoFrame)]
            except av.error.InvalidDataError:
                continue
    return found


@pytest.fixture
def tools() -> Any:
    """The helpers above, for test modules (which cannot import this file)."""
    return sys.modules[__name__]
