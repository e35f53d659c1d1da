"""What a whole simulated class costs: `classroomd demo --headless`, with everything it starts.

The floor is the `ffmpeg` command line making the same lecture from the same kinds of material in
real time: generating both pictures and the sound, composing, encoding, writing. It drives no
device, keeps no tracks, shows nothing and survives nothing.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks._processes import Tree

SECONDS = 20
FLOOR = [
    *("ffmpeg", "-v", "error", "-y", "-re"),
    *("-f", "lavfi", "-i", f"testsrc2=s=1280x720:r=25:d={SECONDS}"),
    *("-re", "-f", "lavfi", "-i", f"smptehdbars=s=1280x720:r=25:d={SECONDS}"),
    *("-re", "-f", "lavfi", "-i", f"anoisesrc=r=48000:d={SECONDS}"),
    *("-filter_complex", "[0]scale=320:180[c];[1][c]overlay=940:520"),
    *("-c:v", "libx264", "-preset", "veryfast", "-crf", "23", "-c:a", "aac", "-shortest"),
]


def run() -> dict[str, float | None]:
    """CPU seconds and memory (bytes) of a 20 s class, beside the floor's."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        command = [sys.executable, "-m", "classroomd", "demo", "--headless", "--json"]
        command += ["--seconds", str(SECONDS), "--out", folder]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        with Tree(process.pid) as room:
            said, _ = process.communicate()
        result = json.loads(said.splitlines()[-1])
        floor = subprocess.Popen([*FLOOR, str(Path(folder) / "floor.mp4")])
        with Tree(floor.pid) as peer:
            floor.wait()
    return {
        "cpu_s": round(room.cpu_s, 2),
        "floor_cpu_s": round(peer.cpu_s, 2),
        "cpu_ratio": round(room.cpu_s / peer.cpu_s, 3),
        "peak_mb": round(room.peak_bytes / 1e6),
        "floor_peak_mb": round(peer.peak_bytes / 1e6),
        "memory_ratio": round(room.peak_bytes / peer.peak_bytes, 3),
        "av_offset_ms": result["av_offset_ms"],
    }
