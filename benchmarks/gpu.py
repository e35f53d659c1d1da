"""Lectures on a GPU: frames per second and rooms, against the CPU, ffmpeg and the device's limits.

`make bench-gpu`. The lecture is that of `compose`, from the camera's full stream. The limits are
what the device does with nothing else to do: decode that camera, and copy whole pictures there and
back. A room needs 30 frames a second; rooms are as many processes at once as still get them.
Here time is wall time: a GPU's work is in nobody's CPU seconds.
"""

from __future__ import annotations

import functools
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np

from benchmarks._compose_media import FPS, HEIGHT, WIDTH, make
from recorder import encoders, layouts
from recorder.engines import decoders, spaces
from recorder.engines.canvas import Canvas
from recorder.engines.composing import picture
from recorder.engines.spaces import Space

SECONDS = 20
_MOST_ROOMS = 64
_FRAMES = 200


def lacking() -> str | None:
    """Why there is nothing to measure; None where something works."""
    if decoders.choose() is not None or spaces.choose() is not None:
        return None
    told = [
        f"{name} decoding: " + ("not proven" if Path(node).exists() else f"no {node}")
        for name, node in decoders.DEVICES.items()
    ]
    told += [f"{name} composing: {spaces.missing(name) or 'not proven'}" for name in spaces.SPACES]
    return f"skipped, no GPU works here ({', '.join(told)})"


def _rate(count: int, act: Callable[[], object]) -> float:
    began = time.monotonic()
    act()
    return count / (time.monotonic() - began)


def decoding(path: Path, device: str | None) -> float:
    """Frames per second that a decoder gives, all of a file's packets in hand."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        header = bytes(stream.codec_context.extradata or b"")
        name = stream.codec_context.name
        packets = [packet for packet in container.demux(stream) if packet.size]
        decoder = decoders.open_decoder(name, header, device=device)
        return _rate(len(packets), lambda: [decoder.decode(packet) for packet in packets])


def copying(space: Space) -> float:
    """Whole pictures per second to the device and back."""
    planes = picture(WIDTH, HEIGHT, 0)
    into = [np.empty_like(plane) for plane in planes]

    def act() -> None:
        for _ in range(_FRAMES):
            for plane, back in zip(space.upload(planes), into, strict=True):
                space.download(plane, back)

    return _rate(_FRAMES, act)


def composing(space: Space | None) -> float:
    """Pictures per second with a camera's whole picture scaled into the corner."""
    canvas = Canvas(WIDTH, HEIGHT, space)
    _, corner = layouts.arrange("slides+presenter", WIDTH, HEIGHT, frozenset(layouts.PARTS))
    shown = [picture(WIDTH, HEIGHT, step) for step in range(5)]

    def act() -> None:
        for step in range(_FRAMES):
            canvas.put(corner.box, shown[step % len(shown)])
            canvas.frame()

    return _rate(_FRAMES, act)


def lectures(folder: Path, engine: str, rooms: int) -> float:
    """Frames per second of all of `rooms` lectures that are made at once, `auto` or `software`."""
    command = [sys.executable, "-m", "benchmarks._compose_ours", str(folder), "camera.mp4"]

    def act() -> None:
        children = [
            subprocess.Popen([*command, str(folder / f"{room}.mp4"), str(SECONDS), engine])
            for room in range(rooms)
        ]
        ended = [child.wait() for child in children]
        if any(ended):
            raise RuntimeError("a lecture failed")

    return _rate(rooms * SECONDS * FPS, act)


def by_ffmpeg(folder: Path, encoder: str) -> float | None:
    """Frames per second of the command line on the same GPU; None where it cannot."""
    read: list[object] = []
    for name in ("slides.mp4", "camera.mp4"):
        read += ["-hwaccel", "cuda", "-hwaccel_output_format", "cuda", "-i", folder / name]
    graph = "[1:v]scale_cuda=480:270[c];[0:v][c]overlay_cuda=1400:770"
    if encoder == encoders.SOFTWARE:
        graph += ",hwdownload,format=nv12"
    write = ["-t", SECONDS, "-r", FPS, "-c:v", encoder, "-c:a", "aac", folder / "peer.mp4"]
    sound = ["-i", folder / "sound.m4a", "-filter_complex", graph, "-map", "2:a"]
    command = ["ffmpeg", "-v", "error", "-y", *read, *sound, *write]
    try:
        return _rate(
            SECONDS * FPS, lambda: subprocess.run([str(word) for word in command], check=True)
        )
    except (subprocess.CalledProcessError, OSError):
        return None


def rooms_at_once(rate: Callable[[int], float]) -> tuple[int, float]:
    """How many rooms get their frames in real time, and the most frames per second seen."""
    best, most, rooms = 0, 0.0, 1
    while rooms <= _MOST_ROOMS:
        found = rate(rooms)
        most = max(most, found)
        if found < rooms * FPS:
            break
        best, rooms = rooms, rooms * 2
    return max(best, int(most // FPS)), most


def run() -> dict[str, float | None]:
    """Frames per second and rooms; nothing, and a line that says why, where there is no GPU."""
    if (why := lacking()) is not None:
        print(f"   gpu: {why}")
        return {}
    device, space = decoders.choose(), spaces.choose()
    figures: dict[str, float | None] = {
        "compose_memory_fps": composing(None),
        "compose_device_fps": None if space is None else composing(space),
        "copy_limit_fps": None if space is None else copying(space),
    }
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make(folder, SECONDS)
        figures["decode_cpu_fps"] = decoding(folder / "camera.mp4", None)
        if device is not None:
            figures["decode_limit_fps"] = decoding(folder / "camera.mp4", device)
        for engine in ("software", "auto"):
            rooms, most = rooms_at_once(functools.partial(lectures, folder, engine))
            figures[f"{engine}_rooms"], figures[f"{engine}_fps"] = rooms, most
        figures["ffmpeg_fps"] = by_ffmpeg(folder, encoders.choose())
    for peer in ("software_fps", "ffmpeg_fps", "decode_limit_fps", "copy_limit_fps"):
        if (found := figures.get(peer)) and (ours := figures["auto_fps"]):
            figures[f"auto_to_{peer.removesuffix('_fps')}_ratio"] = ours / found
    return figures
