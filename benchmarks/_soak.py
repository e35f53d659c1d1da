"""`python -m benchmarks._soak [HOURS] [--cameras N]`: a class in real time, as `make soak` runs it.

Six hours and three generated sources, program and watcher, unless told otherwise; `--cameras` takes
N RTSP cameras in 1080p instead (copied, no program), for the memory of many: eight for an hour is
`_soak 1 --cameras 8`. Every tenth minute, or sixtieth part of a shorter class, one line: memory
that all processes have for themselves (what they share with others moves with those), what was
lost. At the end the lecture must stand, whole, in step and of the class's length, and memory must
not have grown by more than a tenth after the first sixth of the time; `memory_mb_per_hour` is the
slope of a straight line through what was measured after that, and of each process by itself.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks._processes import Tree
from benchmarks.recorder import SERVER, film
from recorder import recording
from recorder.control import RecorderClient, launch
from recorder.production.measure import check, measure_av_offset
from recorder.recording import ProgramSpec, SourceSpec
from recorder.salvage import verify

SOURCES = {
    "presenter": "test:presenter?size=1280x720&fps=25",
    "slides": "test:slides?size=1280x720",
    "microphone": "test:speech",
}
EVERY_S = 600.0


@contextlib.contextmanager
def cameras(count: int, folder: Path, seconds: float) -> Iterator[list[str]]:
    """Addresses of RTSP cameras of a server in a process of its own, which is not counted."""
    server = subprocess.Popen(
        ["/usr/bin/python3", str(SERVER), "0", f"film={film(folder / 'film.mp4', round(seconds))}"],
        stdout=subprocess.PIPE,
    )
    try:
        assert server.stdout is not None
        port = json.loads(server.stdout.readline())["port"]
        yield [f"rtsp://127.0.0.1:{port}/film"] * count
    finally:
        server.kill()
        server.wait()


def slope(points: list[tuple[float, float]]) -> tuple[float, float]:
    """A straight line through (seconds, MB) by least squares: MB per hour, and its error."""
    if len(points) < 3:
        return 0.0, 0.0
    at, size = np.array(points).T
    at = (at - at.mean()) / 3600
    rate = float((at @ size) / (at @ at))
    left = size - size.mean() - rate * at
    error = float(np.sqrt((left @ left) / (len(at) - 2) / (at @ at)))
    return round(rate, 2), round(error, 2)


async def soak(hours: float, folder: Path, urls: list[str]) -> int:
    """Holds the class; the exit status."""
    sources = [SourceSpec(id=name, role=name, url=url) for name, url in SOURCES.items()]
    if urls:
        sources = [
            SourceSpec(id=f"camera-{n}", role="presenter", url=url) for n, url in enumerate(urls)
        ]
    made = recording.create(
        folder,
        session="soak",
        room="soak",
        title="A long class",
        sources=sources,
        program=ProgramSpec(width=1280, height=720, fps=25),
    )
    run = folder / "run"
    pid = await launch(made.folder, run, program=not urls)
    client = await RecorderClient.connect(run, made.id, 60.0)
    memory: list[tuple[float, dict[str, float]]] = []
    seconds = hours * 3600
    every = min(EVERY_S, seconds / 60)
    with Tree(pid) as tree:
        began = time.monotonic()
        while (at := time.monotonic() - began) < seconds:
            await asyncio.sleep(min(every, max(1.0, seconds - at)))
            held = {name: size / 1e6 for name, size in tree.private().items()}
            memory.append((time.monotonic() - began, held))
            status = await client.command("status", timeout=30.0)
            lost = sum(source.gaps + source.dropped for source in status.sources.values())
            each = "  ".join(f"{name}: {size:.1f}" for name, size in held.items())
            shown = f"{status.duration_s / 3600:.3f} h  {sum(held.values()):.1f} MB  {lost} gaps"
            print(f"{shown}  ({each})", flush=True)
    began = time.monotonic()
    await client.command("finish")
    async for _ in client.events():
        pass
    await client.close()
    took = time.monotonic() - began
    manifest = made.manifest
    late = [point for point in memory if point[0] > seconds / 6] or memory
    steady = [(at, sum(held.values())) for at, held in late]
    rate, error = slope(steady)
    apart = {
        name: slope([(at, held[name]) for at, held in late])[0]
        for name in (late[-1][1] if late else {})
        if all(name in held for _, held in late)
    }
    found = {
        "hours": hours,
        "cameras": len(urls),
        "finish_s": round(took, 1),
        "whole": verify(made.folder).sound and manifest.error is None,
        "gaps": sum(track["gaps"] for track in manifest.tracks.values()),
        "memory_mb": round(steady[-1][1], 1) if steady else None,
        "memory_mb_per_hour": rate,
        "memory_mb_per_hour_error": error,
        "memory_mb_per_hour_each": apart,
        "memory_grown": round(steady[-1][1] / steady[0][1] - 1, 3) if steady else None,
    }
    flat = not steady or steady[-1][1] < 1.1 * steady[0][1]
    right = True
    if not urls:
        checked, offset = check(made.lecture), measure_av_offset(made.lecture)
        length = checked.duration - (manifest.duration_s or 0.0)
        found |= {"length_s": round(length, 2)}
        found |= {"av_first_ms": offset.first_ms, "av_last_ms": offset.last_ms}
        in_step = max(abs(offset.first_ms), abs(offset.last_ms)) < 40
        right = checked.whole and abs(length) < 1.0 and in_step
    print(json.dumps(found))
    return 0 if found["whole"] and flat and right and not found["gaps"] else 1


def main() -> int:
    parser = argparse.ArgumentParser(description="Holds a class in real time.")
    parser.add_argument("hours", type=float, nargs="?", default=6.0)
    parser.add_argument("--cameras", type=int, default=0, help="RTSP cameras instead")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="soak-") as place:
        folder = Path(place)
        with contextlib.ExitStack() as stack:
            urls: list[str] = []
            if options.cameras:
                urls = stack.enter_context(
                    cameras(options.cameras, folder, options.hours * 3600 + 60)
                )
            return asyncio.run(soak(options.hours, folder, urls))


if __name__ == "__main__":
    sys.exit(main())
