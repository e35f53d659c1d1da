"""Recordings to deliver, and servers to deliver them to."""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
pytest.register_assert_rewrite("publishing_contract")

from recorder.recording import MANIFEST, PRODUCTS, Life, Manifest, Role, SourceSpec  # noqa: E402

CHAPTERS = (
    "WEBVTT\n\n00:00:00.000 --> 00:00:20.000\nLimits\n\n00:00:20.000 --> 00:00:40.000\nSums\n"
)
CAPTIONS = "WEBVTT\n\n00:00:01.000 --> 00:00:04.000\nGood morning.\n"


@pytest.fixture
def make_recording(tmp_path: Path) -> Callable[..., Path]:
    """A finished recording folder with every product; the lecture is random bytes."""
    numbers = iter(range(1, 100))

    def make(
        lecture_bytes: int = 100_000,
        *,
        root: Path | None = None,
        life: Life = Life.READY,
        started: datetime = datetime(2026, 3, 2, 8, 0, tzinfo=UTC),
        **manifest: Any,
    ) -> Path:
        number = next(numbers)
        seed = random.Random(number)
        recording = f"rec{number:04}"
        folder = (root or tmp_path / "recordings") / f"2026-03-02_0800_math-101_{recording}"
        (folder / PRODUCTS).mkdir(parents=True)
        content = Manifest(
            id=recording,
            session=f"session{number}",
            room="r101",
            title="Calculus: limits",
            course="math-101",
            lecturer="Ada Byron",
            language="en",
            started=started,
            boot_id="boot",
            boottime=100.0,
            life=life,
            sources=[
                SourceSpec(id="cam", role=Role.PRESENTER, url="test:presenter"),
                SourceSpec(id="slides", role=Role.SLIDES, url="test:slides"),
            ],
            ended=started,
            duration_s=40.0,
        ).model_dump(mode="json")
        import json

        (folder / MANIFEST).write_text(json.dumps({**content, **manifest}))
        products = {
            "lecture.mp4": seed.randbytes(lecture_bytes),
            "cam.mp4": seed.randbytes(1000),
            "slides.mp4": seed.randbytes(1000),
            "captions.en.vtt": CAPTIONS.encode(),
            "chapters.vtt": CHAPTERS.encode(),
            "slides.json": b'{"slides": []}',
            "slides/001.jpg": b"\xff\xd8\xff" + seed.randbytes(300),
            "small.mp4": seed.randbytes(2000),
            "transcript.en.txt": b"Good morning.\n",
            "offline.zip": b"PK" + seed.randbytes(400),
            "link.imscc": b"PK" + seed.randbytes(200),
            "poster.jpg": b"\xff\xd8\xff" + seed.randbytes(500),
            "metadata.json": b'{"licence": "CC-BY-4.0", "description": "First of twelve."}',
            ".lecture.mp4.part": b"half",
        }
        for name, data in products.items():
            (folder / PRODUCTS / name).parent.mkdir(exist_ok=True)
            (folder / PRODUCTS / name).write_bytes(data)
        return folder

    return make


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loopback is reached directly, whatever the machine's environment says."""
    for name in list(os.environ):
        if name.lower() in ("http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.delenv(name)
