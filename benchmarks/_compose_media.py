"""Slides, a presenter camera with its substream, and sound, as files for the compose benchmark.

The slides are a capture of 1080p30 of one of the decks, encoded as the recorder encodes slides:
what does not change is not there. The camera is either generated (a figure that
walks before a textured wall, with sensor noise) or a film, scaled to 1080p30; both are encoded as
network cameras do (no B-frames, a key frame each second).
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks._compose_decks import DECKS, FPS, HEIGHT, WIDTH
from recorder import encoders

_CAMERA = ["-c:v", "libx264", "-preset", "veryfast", "-tune", "zerolatency", "-g", str(FPS)]


def make(folder: Path, seconds: int, film: Path | None = None, deck: str = "charts") -> None:
    """Writes slides.mp4, camera.mp4, sub.mp4 and sound.m4a; with `film` the camera shows that."""
    _slides(folder / "slides.mp4", DECKS[deck](seconds * FPS))
    if film is None:
        _figure(folder / "camera.mp4", seconds)
    else:
        _run("-stream_loop", "-1", "-i", film, "-t", seconds, "-an",
             "-vf", f"fps={FPS},scale={WIDTH}:{HEIGHT}:flags=lanczos,setsar=1",
             "-b:v", "6M", "-maxrate", "6M", "-bufsize", "6M", folder / "camera.mp4")  # fmt: skip
    _run("-i", folder / "camera.mp4", "-an", "-vf", "scale=640:360:flags=bicubic",
         "-b:v", "1M", "-maxrate", "1M", "-bufsize", "1M", folder / "sub.mp4")  # fmt: skip
    speech = "anoisesrc=color=pink:amplitude=0.1:sample_rate=48000,tremolo=f=4:d=0.9"
    read = ["-f", "lavfi", "-i", speech, "-t", str(seconds)]
    write = ["-ac", "2", "-c:a", "aac", "-b:a", "128k", str(folder / "sound.m4a")]
    subprocess.run(["ffmpeg", "-v", "error", "-y", *read, *write], check=True)


def _run(*arguments: object) -> None:
    *before, out = map(str, arguments)
    subprocess.run(["ffmpeg", "-v", "error", "-y", *before, *_CAMERA, out], check=True)


def _encode(path: Path, quality: str) -> tuple[av.container.OutputContainer, av.VideoStream]:
    out = av.open(str(path), "w")
    settings = encoders.source_settings(WIDTH, HEIGHT, FPS)
    stream = out.add_stream("libx264", rate=FPS)
    encoders.set_video(stream.codec_context, settings)
    stream.codec_context.options = settings.options | {"crf": quality}
    return out, stream


def _slides(path: Path, pictures: Iterable[NDArray[np.uint8]]) -> None:
    """What does not change is not written, but for one picture a second."""
    out, stream = _encode(path, "21")
    before: NDArray[np.uint8] | None = None
    last = -FPS
    with out:
        for index, now in enumerate(pictures):
            same = before is not None and (now is before or np.array_equal(now, before))
            if same and index - last < FPS:
                continue
            before, last = now, index
            frame = av.VideoFrame.from_ndarray(now, "bgr24").reformat(
                format="yuv420p", dst_colorspace="ITU709"
            )
            frame.pts, frame.time_base = index, Fraction(1, FPS)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))


def _figure(path: Path, seconds: int) -> None:
    """A figure that walks to and fro before a wall with texture; the sensor is noisy."""
    dice = np.random.default_rng(3)
    rough = dice.normal(110, 60, (HEIGHT, WIDTH)).astype(np.float32)
    wall = np.asarray(cv2.GaussianBlur(rough, (0, 0), 5), np.float32)
    wall = wall + np.linspace(-25, 25, WIDTH, dtype=np.float32)
    noises: list[NDArray[np.float32]] = [
        dice.normal(0, 2.0, (HEIGHT, WIDTH)).astype(np.float32) for _ in range(7)
    ]
    out, stream = _encode(path, "23")
    stream.codec_context.options = {
        "preset": "veryfast", "tune": "zerolatency", "crf": "23", "maxrate": "6000000",
        "bufsize": "6000000", "x264-params": f"keyint={FPS}:scenecut=0",
    }  # fmt: skip
    with out:
        for index in range(seconds * FPS):
            picture = wall.copy()
            x = int(WIDTH * (0.5 + 0.32 * np.sin(index / 90)))
            cv2.ellipse(picture, (x, 980), (190, 420), 0, 0, 360, 60, -1, cv2.LINE_AA)
            cv2.circle(picture, (x + int(8 * np.sin(index / 9)), 430), 110, 190, -1, cv2.LINE_AA)
            arm = (x + 320, int(640 + 180 * np.sin(index / 11)))
            cv2.line(picture, (x + 120, 700), arm, 75.0, 60, cv2.LINE_AA)
            picture = np.add(picture, noises[index % len(noises)])
            planes = np.full((HEIGHT * 3 // 2, WIDTH), 128, np.uint8)
            planes[:HEIGHT] = np.clip(picture, 16, 235)
            frame = av.VideoFrame.from_ndarray(planes, "yuv420p")
            frame.pts, frame.time_base = index, Fraction(1, FPS)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
