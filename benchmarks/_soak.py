"""`python -m benchmarks._soak [HOURS]`: a class of six hours in real time, as `make soak` runs it.

Three sources, program and watcher. Every ten minutes one line: memory of all processes, what is on
the disk, what was lost. At the end the lecture must stand, whole, in step and of the class's
length, and memory must not have grown by more than a tenth after the first hour.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path

from benchmarks._processes import Tree
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


async def soak(hours: float, folder: Path) -> int:
    """Holds the class; the exit status."""
    made = recording.create(
        folder,
        session="soak",
        room="soak",
        title="Six hours",
        sources=[SourceSpec(id=name, role=name, url=url) for name, url in SOURCES.items()],
        program=ProgramSpec(width=1280, height=720, fps=25),
    )
    run = folder / "run"
    pid = await launch(made.folder, run)
    client = await RecorderClient.connect(run, made.id, 60.0)
    memory: list[float] = []
    with Tree(pid) as tree:
        until = time.monotonic() + hours * 3600
        while time.monotonic() < until:
            await asyncio.sleep(min(EVERY_S, max(1.0, until - time.monotonic())))
            tree.peak_bytes = 0
            await asyncio.sleep(1.0)
            memory.append(tree.peak_bytes / 1e6)
            status = await client.command("status", timeout=30.0)
            lost = sum(source.gaps + source.dropped for source in status.sources.values())
            print(f"{status.duration_s / 3600:.2f} h  {memory[-1]:.0f} MB  {lost} gaps", flush=True)
    began = time.monotonic()
    await client.command("finish")
    async for _ in client.events():
        pass
    await client.close()
    took = time.monotonic() - began
    manifest = made.manifest
    checked, offset = check(made.lecture), measure_av_offset(made.lecture)
    steady = memory[len(memory) // 6 :] or memory
    found = {
        "hours": hours,
        "finish_s": round(took, 1),
        "whole": checked.whole and verify(made.folder).sound and manifest.error is None,
        "length_s": round(checked.duration - (manifest.duration_s or 0.0), 2),
        "av_first_ms": offset.first_ms,
        "av_last_ms": offset.last_ms,
        "gaps": sum(track["gaps"] for track in manifest.tracks.values()),
        "memory_mb": round(steady[-1]) if steady else None,
        "memory_slope": round(steady[-1] / steady[0] - 1, 3) if steady else None,
    }
    print(json.dumps(found))
    flat = not steady or steady[-1] < 1.1 * steady[0]
    right = abs(checked.duration - (manifest.duration_s or 0.0)) < 1.0
    in_step = max(abs(offset.first_ms), abs(offset.last_ms)) < 40
    return 0 if found["whole"] and flat and right and in_step and not found["gaps"] else 1


def main() -> int:
    hours = float(sys.argv[1]) if len(sys.argv) > 1 else 6.0
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        return asyncio.run(soak(hours, Path(folder)))


if __name__ == "__main__":
    sys.exit(main())
