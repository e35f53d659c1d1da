"""Live files as the recorder writes them, made here by the same encoder with the same options."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from recorder import encoders
from recorder.engines.chapters import Chapter
from recorder.engines.writer import PartWriter


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
    import io

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
