"""How soon the button acts: the first byte at each device, the first frame on disk.

Floors of the same run: a byte sent over a connected socket and read by another thread; a new Python
process that imports PyAV, encodes one picture and syncs it to disk.
"""

from __future__ import annotations

import asyncio
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

from classroomd.daemon import Daemon
from classroomd.demo import DemoRoom, demo_room
from controller.state import AccessRole, Actor

ROUNDS = 5
ENCODE_ONE = """
import os, sys, av
flags = {"movflags": "frag_keyframe+empty_moov"}
with av.open(sys.argv[1], "w", format="mp4", options=flags) as out:
    stream = out.add_stream("libx264", rate=25, options={"preset": "veryfast"})
    stream.width, stream.height, stream.pix_fmt = 1280, 720, "yuv420p"
    frame = av.VideoFrame(1280, 720, "yuv420p")
    for packet in [*stream.encode(frame), *stream.encode()]:
        out.mux(packet)
with open(sys.argv[1], "rb") as file:
    os.fsync(file.fileno())
"""


def _floor_frame(folder: Path) -> float:
    times = []
    for _ in range(3):
        began = time.monotonic()
        subprocess.run([sys.executable, "-c", ENCODE_ONE, str(folder / "one.mp4")], check=True)
        times.append((time.monotonic() - began) * 1000)
    return statistics.median(times)


def _floor_byte() -> float:
    ours, theirs = socket.socketpair()
    arrived: list[float] = []
    go = threading.Event()

    def listen() -> None:
        while theirs.recv(1):
            arrived.append(time.monotonic())
            go.set()

    thread = threading.Thread(target=listen)
    thread.start()
    times = []
    for _ in range(200):
        go.clear()
        began = time.monotonic()
        ours.send(b"x")
        go.wait()
        times.append((arrived[-1] - began) * 1000)
    ours.close()
    thread.join()
    theirs.close()
    return statistics.median(times)


async def _classes(demo: DemoRoom) -> tuple[list[float], list[float]]:
    actor = Actor(name="benchmark", role=AccessRole.ADMIN, door="cli")
    frames, bytes_ = [], []
    async with Daemon(demo.config) as daemon:
        room = daemon.classroom
        await asyncio.to_thread(demo.start_relay)
        for _ in range(ROUNDS):
            async with room.events.subscribe() as changes:
                pressed = datetime.now(UTC)
                await room.start_class(actor, title="Benchmark")
                session = room.view().session
                while session is None or session.start_to_first_frame_ms is None:
                    await anext(changes)
                    session = room.view().session
                frames.append(session.start_to_first_frame_ms)
                for state in room.view().devices:
                    sent = [
                        entry.time
                        for entry in room.devices.traffic(state.id)
                        if entry.direction == "out"
                        and entry.time >= pressed
                        and "?" not in entry.text
                    ]
                    if sent:
                        bytes_.append((min(sent) - pressed).total_seconds() * 1000)
                await room.end_class(actor, undo=False)
                while (session := room.view().session) and session.recording_state != "finished":
                    await anext(changes)
    return frames, bytes_


def run() -> dict[str, float | None]:
    """Milliseconds from the press, medians of five classes, and the floors of the same run."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        with demo_room(Path(folder), 0) as demo:
            frames, bytes_ = asyncio.run(_classes(demo))
        frame_floor, byte_floor = _floor_frame(Path(folder)), _floor_byte()
    frame, byte = statistics.median(frames), statistics.median(bytes_)
    return {
        "first_frame_ms": round(frame, 1),
        "first_frame_worst_ms": round(max(frames), 1),
        "first_frame_floor_ms": round(frame_floor, 1),
        "first_frame_ratio": round(frame / frame_floor, 2),
        "first_byte_ms": round(byte, 2),
        "first_byte_worst_ms": round(max(bytes_), 2),
        "first_byte_floor_ms": round(byte_floor, 3),
        "first_byte_ratio": round(byte / byte_floor, 1),
    }
