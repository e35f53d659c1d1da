"""What recording cameras costs: this recorder beside `ffmpeg -c copy` and a GStreamer pipeline.

Four 1080p30 RTSP cameras (6 Mbit/s H.264 and AAC, served from a file by a process that is not
counted), the three in turn, each for the same time. The peers write fragmented MP4 and do nothing
else: no sync, no class clock, no levels, no pictures. `recorder` is the recorder process alone,
`whole` with its watcher.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks._processes import TICK, Tree, _memory, _stat
from recorder import recording
from recorder.control import RecorderClient, launch
from recorder.recording import SourceSpec

CAMERAS, SECONDS = 4, 20
SERVER = Path(__file__).parents[1] / "tests" / "e2e" / "rtsp_files.py"


def film(path: Path, seconds: int = 45) -> Path:
    """Seconds of 1080p30 at about 6 Mbit/s: five, repeated."""
    one = path.with_name("one.mp4")
    command = ["ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", "testsrc2=s=1920x1080:r=30:d=5"]
    command += ["-f", "lavfi", "-i", "anoisesrc=r=48000:d=5", "-c:v", "libx264", "-preset"]
    command += ["ultrafast", "-b:v", "6M", "-g", "30", "-bf", "0", "-pix_fmt", "yuv420p"]
    subprocess.run([*command, "-c:a", "aac", str(one)], check=True)
    repeat = [
        "ffmpeg",
        "-v",
        "error",
        "-y",
        "-stream_loop",
        str(seconds // 5 - 1),
        "-i",
        str(one),
        "-c",
        "copy",
    ]
    subprocess.run([*repeat, str(path)], check=True)
    return path


def cpu(pid: int) -> float:
    """CPU seconds of one process so far."""
    found = _stat(pid)
    return found[1] / TICK if found else 0.0


async def ours(folder: Path, urls: list[str]) -> dict[str, float]:
    """CPU seconds of the recorder, alone and whole, memory, and the time to the first frame."""
    made = recording.create(
        folder / "recordings",
        session="bench",
        room="bench",
        title="bench",
        sources=[SourceSpec(id=f"c{n}", role="presenter", url=u) for n, u in enumerate(urls)],
    )
    pid = await launch(made.folder, folder / "run", program=False)
    client = await RecorderClient.connect(folder / "run", made.id, 60.0)
    with Tree(pid) as tree:
        while True:
            sources = (await client.command("status")).sources.values()
            if all(source.first_frame_ms for source in sources):
                break
            await asyncio.sleep(0.05)
        assert client.status is not None
        first = max(s.first_frame_ms or 0.0 for s in client.status.sources.values())
        begun, memory = cpu(pid), _memory(pid)
        await asyncio.sleep(SECONDS)
        spent, grown = cpu(pid) - begun, _memory(pid) - memory
    whole = tree.cpu_s
    await client.command("finish")
    async for _ in client.events():
        pass
    await client.close()
    return {"cpu": spent, "whole": whole, "first": first, "memory": memory, "grown": grown}


def peers(folder: Path, name: str, commands: list[list[str]]) -> dict[str, float]:
    """The same of one process for each camera."""
    began = time.monotonic()
    running = [
        subprocess.Popen(c, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for c in commands
    ]
    files = [folder / f"{name}{n}.mp4" for n in range(len(commands))]
    while not all(f.exists() and f.stat().st_size > 4096 for f in files):
        if time.monotonic() - began > 60:
            break
        time.sleep(0.05)
    first = (time.monotonic() - began) * 1000
    begun, memory = sum(cpu(p.pid) for p in running), sum(_memory(p.pid) for p in running)
    time.sleep(SECONDS)
    spent = sum(cpu(p.pid) for p in running) - begun
    for process in running:
        process.kill()
        process.wait()
    return {"cpu": spent, "first": first, "memory": memory}


def run() -> dict[str, float | None]:
    """CPU per camera in per cent of a core, cameras per core, memory, time to the first frame."""
    with tempfile.TemporaryDirectory(prefix="bench-") as place:
        folder = Path(place)
        server = subprocess.Popen(
            ["/usr/bin/python3", str(SERVER), "0", f"film={film(folder / 'film.mp4')}"],
            stdout=subprocess.PIPE,
        )
        assert server.stdout is not None
        try:
            port = json.loads(server.stdout.readline())["port"]
            url = f"rtsp://127.0.0.1:{port}/film"
            mine = asyncio.run(ours(folder, [url] * CAMERAS))
            copying = ["ffmpeg", "-v", "error", "-rtsp_transport", "tcp", "-i", url, "-c", "copy"]
            copying += ["-movflags", "empty_moov+default_base_moof", "-frag_duration", "1000000"]
            copying += ["-flush_packets", "1", "-y"]
            ffmpeg = peers(
                folder, "f", [[*copying, str(folder / f"f{n}.mp4")] for n in range(CAMERAS)]
            )
            gstreamer = None
            if shutil.which("gst-launch-1.0"):
                chain = (
                    "rtspsrc location={u} protocols=tcp name=s s. ! rtph264depay ! h264parse ! m. "
                )
                chain += "s. ! rtpmp4gdepay ! aacparse ! m. mp4mux name=m fragment-duration=1000 ! "
                chain += "filesink location={f}"
                gstreamer = peers(
                    folder,
                    "g",
                    [
                        ["gst-launch-1.0", *chain.format(u=url, f=folder / f"g{n}.mp4").split()]
                        for n in range(CAMERAS)
                    ],
                )
        finally:
            server.kill()
            server.wait()
    share = 100 / SECONDS / CAMERAS
    found: dict[str, float | None] = {
        "load": round(os.getloadavg()[0], 1),
        "recorder_percent_of_a_core_per_camera": round(mine["cpu"] * share, 2),
        "whole_percent_of_a_core_per_camera": round(mine["whole"] * share, 2),
        "ffmpeg_percent_of_a_core_per_camera": round(ffmpeg["cpu"] * share, 2),
        "cameras_per_core": round(100 / (mine["cpu"] * share)) if mine["cpu"] else None,
        "ffmpeg_ratio": round(mine["cpu"] / ffmpeg["cpu"], 3) if ffmpeg["cpu"] else None,
        "first_frame_ms": round(mine["first"]),
        "ffmpeg_first_frame_ms": round(ffmpeg["first"]),
        "memory_mb": round(mine["memory"] / 1e6, 1),
        "memory_grown_mb": round(mine["grown"] / 1e6, 2),
        "ffmpeg_memory_mb": round(ffmpeg["memory"] / 1e6, 1),
    }
    if gstreamer is not None and gstreamer["cpu"]:
        found |= {
            "gstreamer_percent_of_a_core_per_camera": round(gstreamer["cpu"] * share, 2),
            "gstreamer_ratio": round(mine["cpu"] / gstreamer["cpu"], 3),
            "gstreamer_first_frame_ms": round(gstreamer["first"]),
            "gstreamer_memory_mb": round(gstreamer["memory"] / 1e6, 1),
        }
    return found


if __name__ == "__main__":
    sys.exit(print(json.dumps(run())))
