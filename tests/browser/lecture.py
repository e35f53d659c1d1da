"""A finished lecture with everything that production makes, small and made in a second."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from fractions import Fraction
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import av
import cv2
import numpy as np

from recorder.recording import Recording, Role, SourceSpec

SECONDS, FPS, RATE = 40, 5, 16_000
TITLES = ("Light and shadow", "Snell’s law", "Total reflection", "Lenses", "Questions")
TEXTS = (
    "Light and shadow\nA ray goes straight until it meets a surface.",
    "Snell’s law\nn1 sin a = n2 sin b",
    "Total reflection\nAbove the critical angle nothing leaves the glass.",
    "Lenses\nFocal length and image",
    "Questions\nExam on 12 December",
)
SAID = (
    "Good morning, and welcome to optics.",
    "Today we look at refraction and at Snell’s law.",
    "Inside a fibre, light is reflected totally.",
    "A lens gathers the rays at its focus.",
    "This question was asked in last year’s exam.",
)
SAID_AR = (
    "صباح الخير وأهلًا بكم في البصريات.",
    "ننظر اليوم في الانكسار وقانون سنيل.",
    "داخل الليف ينعكس الضوء انعكاسًا كليًّا.",
    "تجمع العدسة الأشعة في بؤرتها.",
    "طُرح هذا السؤال في امتحان العام الماضي.",
)
EACH = SECONDS / len(TITLES)


def _page(number: int, size: tuple[int, int]) -> Any:
    page = np.full((size[1], size[0], 3), 250, np.uint8)
    cv2.rectangle(page, (0, 0), (size[0], size[1] // 7), (80, 99, 14), -1)
    for row, line in enumerate(TEXTS[number].replace("’", "'").split("\n")):
        ink = (255, 255, 255) if row == 0 else (28, 33, 19)
        place = (size[0] // 24, size[1] // 10 + row * size[1] // 5)
        cv2.putText(page, line, place, cv2.FONT_HERSHEY_SIMPLEX, size[1] / 520, ink, 2, cv2.LINE_AA)
    return page


def _person(t: float, size: tuple[int, int]) -> Any:
    picture = np.full((size[1], size[0], 3), (70, 60, 50), np.uint8)
    x = int(size[0] * (0.5 + 0.2 * np.sin(t)))
    cv2.circle(picture, (x, size[1] // 2), size[1] // 8, (205, 215, 225), -1)
    top = (x - size[1] // 6, int(size[1] * 0.66))
    cv2.rectangle(picture, top, (x + size[1] // 6, size[1]), (150, 120, 60), -1)
    return picture


def _film(path: Path, size: tuple[int, int], draw: Any, *, sound: bool) -> None:
    with av.open(str(path), "w", options={"movflags": "faststart"}) as out:
        video = out.add_stream("libx264", rate=FPS, options={"preset": "ultrafast", "g": "5"})
        video.width, video.height, video.pix_fmt = size[0], size[1], "yuv420p"
        audio = out.add_stream("aac", rate=RATE) if sound else None
        if audio is not None:
            audio.codec_context.layout = "mono"
        for index in range(SECONDS * FPS):
            frame = av.VideoFrame.from_ndarray(draw(index / FPS), format="bgr24")
            out.mux(video.encode(frame))
        out.mux(video.encode())
        if audio is not None:
            _hum(out, audio)


def _hum(out: Any, audio: Any) -> None:
    t = np.arange(SECONDS * RATE) / RATE
    wave = (0.1 * np.sin(2 * np.pi * 220 * t)).astype(np.float32)
    for start in range(0, wave.size, 1024):
        frame = av.AudioFrame.from_ndarray(wave[None, start : start + 1024], "fltp", "mono")
        frame.sample_rate, frame.pts, frame.time_base = RATE, start, Fraction(1, RATE)
        out.mux(audio.encode(frame))
    out.mux(audio.encode())


@cache
def _media() -> dict[str, bytes]:
    """The films of the lecture by name, made once."""
    pages = [_page(n, (480, 270)) for n in range(len(TITLES))]
    slide = lambda t: pages[min(len(TITLES) - 1, int(t // EACH))]  # noqa: E731
    with TemporaryDirectory() as place:
        folder = Path(place)
        _film(folder / "lecture.mp4", (480, 270), slide, sound=True)
        _film(folder / "screen.mp4", (480, 270), slide, sound=False)
        _film(folder / "front.mp4", (320, 180), lambda t: _person(t, (320, 180)), sound=False)
        with av.open(str(folder / "audio.m4a"), "w", format="ipod") as out:
            audio = out.add_stream("aac", rate=RATE)
            audio.codec_context.layout = "mono"
            _hum(out, audio)
        return {file.name: file.read_bytes() for file in folder.iterdir()}


def _stamp(t: float) -> str:
    return f"00:{int(t // 60):02d}:{t % 60:06.3f}"


def _captions(lines: tuple[str, ...]) -> str:
    cues = [
        f"{_stamp(n * EACH + 0.5)} --> {_stamp((n + 1) * EACH - 0.5)}\n{line}\n"
        for n, line in enumerate(lines)
    ]
    return "\n".join(["WEBVTT", "", *cues])


def make_lecture(recording: Recording, *, streams: bool = True) -> Recording:
    """Fill `recording` with a lecture of 40 s: five slides, captions in two languages."""
    recording.update(
        sources=[
            SourceSpec(id="front", role=Role.PRESENTER, url="test:presenter"),
            SourceSpec(id="screen", role=Role.SLIDES, url="test:slides"),
        ],
        course="PHY-101",
        lecturer="Dr. Amina Haddad",
        language="en",
        duration_s=float(SECONDS),
        life="ready",
        ended=datetime.now(UTC),
    )
    (recording.folder / "markers.jsonl").unlink()
    recording.mark("start", 0.0)
    recording.mark("bookmark", 34.0, label="Exam question")
    recording.mark("end", float(SECONDS))
    products = recording.products
    for name, content in _media().items():
        if streams or name == "lecture.mp4":
            (products / name).write_bytes(content)
    (products / "slides").mkdir()
    told = []
    for n, title in enumerate(TITLES):
        name = f"slides/{n + 1:03d}.jpg"
        cv2.imwrite(str(products / name), _page(n, (960, 540)))
        times = {"number": n + 1, "time": n * EACH, "end": (n + 1) * EACH}
        told.append({**times, "picture": name, "title": title, "text": TEXTS[n]})
    slides = {"version": 1, "analysed": True, "notices": [], "slides": told}
    (products / "slides.json").write_text(json.dumps(slides))
    (products / "sound.json").write_text(json.dumps({"silences": [[16.0, 38.0]]}))
    (products / "captions.en.vtt").write_text(_captions(SAID))
    (products / "captions.ar.vtt").write_text(_captions(SAID_AR))
    (products / "transcript.en.txt").write_text("\n".join(SAID))
    cv2.imwrite(str(products / "poster.jpg"), _page(0, (960, 540)))
    (products / "small.mp4").write_bytes(b"0" * 4_000_000)
    (products / "offline.zip").write_bytes(b"0" * 5_000_000)
    return recording
