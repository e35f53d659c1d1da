"""Slides, a presenter camera with its substream, and sound, as files for the compose benchmark.

The slides are a capture of 1080p30 with pages, builds and a pointer, encoded as the recorder
encodes slides: what does not change is not there. The camera is either generated (a figure that
walks before a textured wall, with sensor noise) or a film, scaled to 1080p30; both are encoded as
network cameras do (no B-frames, a key frame each second).
"""

from __future__ import annotations

import subprocess
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from recorder import encoders

WIDTH, HEIGHT, FPS = 1920, 1080, 30
_CAMERA = ["-c:v", "libx264", "-preset", "veryfast", "-tune", "zerolatency", "-g", str(FPS)]


def make(folder: Path, seconds: int, film: Path | None = None) -> None:
    """Writes slides.mp4, camera.mp4, sub.mp4 and sound.m4a; with `film` the camera shows that."""
    _slides(folder / "slides.mp4", seconds)
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


def _slides(path: Path, seconds: int) -> None:
    """A page every 7 s, a line more every 2 s, and on every second page a moving pointer."""
    out, stream = _encode(path, "21")
    dice = np.random.default_rng(7)
    before: NDArray[np.uint8] | None = None
    last = -FPS
    with out:
        for index in range(seconds * FPS):
            page, within = divmod(index, 7 * FPS)
            shown = 1 + within // (2 * FPS)
            if within % (2 * FPS) == 0:
                picture = np.full((HEIGHT, WIDTH, 3), (250, 248, 245), np.uint8)
                cv2.rectangle(picture, (0, 0), (WIDTH, 140), (120, 60 + page * 20 % 120, 40), -1)
                _write(picture, f"Chapter {page + 1}: results of week {page + 3}", 95, 2.2, 255)
                for line in range(shown):
                    text = f"{line + 1}. The measured field is {dice.integers(10, 99)} units"
                    _write(picture, text, 280 + line * 130, 1.8, 30)
                for column in range(12):
                    height = int(dice.integers(40, 300))
                    left = 1250 + column * 45
                    cv2.rectangle(picture, (left, 950 - height), (left + 30, 950), (60, 90, 200), 2)
                before = None
            now = picture
            if page % 2:
                now = picture.copy()
                at = (int(900 + 500 * np.sin(index / 20)), int(550 + 250 * np.cos(index / 27)))
                cv2.circle(now, at, 12, (30, 30, 220), -1)
            if before is not None and np.array_equal(now, before) and index - last < FPS:
                continue
            before, last = now, index
            frame = av.VideoFrame.from_ndarray(now, "bgr24").reformat(
                format="yuv420p", dst_colorspace="ITU709"
            )
            frame.pts, frame.time_base = index, Fraction(1, FPS)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))


def _write(picture: NDArray[np.uint8], text: str, y: int, scale: float, grey: int) -> None:
    colour = (grey, grey, grey)
    cv2.putText(picture, text, (90, y), cv2.FONT_HERSHEY_DUPLEX, scale, colour, 3, cv2.LINE_AA)


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
