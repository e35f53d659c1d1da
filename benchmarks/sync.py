"""In step over real RTSP: a flash and a beep a second, from cameras whose clocks run wrong.

Two cameras of a GStreamer RTSP server, one with the picture, one with the sound. The picture's
clock is fast by 3,600 ppm, the sound's slow by as much; five minutes of that are the drift of
200 ppm over ninety minutes, twice. How far flash and beep are apart is read from the tracks at the
beginning and at the end, and in the finished lecture.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

from recorder import recording
from recorder.control import RecorderClient, launch
from recorder.production.measure import find_beeps, find_flashes
from recorder.recording import ProgramSpec, SourceSpec

SECONDS, PPM, FPS = 300.0, 3600, 25
SERVER = Path(__file__).parents[1] / "tests" / "recorder" / "rtsp_skewed.py"


def films(folder: Path, seconds: float, picture: int, sound: int) -> tuple[Path, Path]:
    """A film that flashes and one that beeps at true seconds, stamped by clocks that run wrong."""
    fast, slow = 1 + picture / 1e6, 1 + sound / 1e6
    video, audio = folder / "video.mp4", folder / "sound.mp4"
    ffmpeg = ["ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i"]
    flash = f"color=black:s=160x90:r=25:d={seconds},geq=lum='if(lt(mod(N,25),3),220,30)':cb=128"
    command = [*ffmpeg, f"{flash}:cr=128,setpts=PTS*{fast}", "-vsync", "passthrough"]
    command += ["-enc_time_base", "1/90000", "-c:v", "libx264", "-preset", "ultrafast", "-g", "25"]
    command += ["-bf", "0", "-tune", "zerolatency", "-video_track_timescale", "90000"]
    subprocess.run([*command, str(video)], check=True)
    beep = f"aevalsrc='0.5*sin(2*PI*1000*t)*lt(mod(t,{slow}),0.12)':s=48000:d={seconds * slow}"
    subprocess.run([*ffmpeg, beep, "-c:a", "aac", str(audio)], check=True)
    return video, audio


async def hold(folder: Path, seconds: float, picture: int, sound: int) -> dict[str, Any]:
    """Records the two for so long. How far the flash is behind the beep, in ms: see `_apart`."""
    video, audio = films(folder, seconds + 60, picture, sound)
    told = [f"video={video}@{picture}", f"sound={audio}@{sound}"]
    server = subprocess.Popen(["/usr/bin/python3", str(SERVER), *told], stdout=subprocess.PIPE)
    assert server.stdout is not None
    try:
        address = f"rtsp://127.0.0.1:{json.loads(server.stdout.readline())['port']}"
        made = recording.create(
            folder / "recordings",
            session="sync",
            room="sync",
            title="In step",
            sources=[
                SourceSpec(id="presenter", role="presenter", url=f"{address}/video"),
                SourceSpec(id="microphone", role="microphone", url=f"{address}/sound"),
            ],
            program=ProgramSpec(width=320, height=180, fps=FPS, encoder="software"),
        )
        await launch(made.folder, folder / "run")
        client = await RecorderClient.connect(folder / "run", made.id, 60.0)
        zeros: dict[str, float] = {}
        while len(zeros) < 2:  # when the stamps of each were zero, by the true clock
            line = json.loads(await asyncio.to_thread(server.stdout.readline))
            zeros[line["name"]] = line["zero"]
        await _recorded(client, seconds)
        await client.command("finish")
        async for _ in client.events():
            pass
        await client.close()
    finally:
        server.kill()
        server.wait()
        server.stdout.close()
    shift = (zeros["video"] - zeros["sound"]) % 1.0
    found = _apart(find_flashes(made.lecture), find_beeps(made.lecture), shift)
    drifts = {
        f"{name}_drift_ppm": told["drift_ppm"]
        for name, told in made.manifest.measured["sources"].items()
    }
    return found | drifts


async def _recorded(client: RecorderClient, seconds: float) -> None:
    """Waits until so many seconds of pictures are in the lecture since every source ran: where
    the machine is so busy that some are skipped, the class is longer."""
    begun: int | None = None
    while True:
        status = await client.command("status", timeout=60.0)
        runs = all(one.first_frame_ms for one in status.sources.values())
        if begun is None and runs and status.program == "running":
            begun = status.encoder.frames
        if begun is not None and status.encoder.frames > begun + seconds * FPS:
            return
        await asyncio.sleep(0.2)


def _apart(flashes: list[float], beeps: list[float], shift: float) -> dict[str, Any]:
    """How much later a flash is than it should be (`shift` after a beep), in ms.

    `span_s`: from the middle of the first five pairs to that of the last five.
    """
    found = [
        (flash, (flash - beep - shift) * 1000)
        for flash in flashes
        for beep in beeps
        if abs(flash - beep - shift) < 0.5
    ]
    times, errors = [at for at, _ in found], [error for _, error in found]
    return {
        "pairs": len(errors),
        "span_s": round(median(times[-5:]) - median(times[:5]), 1),
        "first_ms": round(median(errors[:5]), 1),
        "last_ms": round(median(errors[-5:]), 1),
        "worst_ms": round(max(map(abs, errors)), 1),
    }


def run() -> dict[str, float | None]:
    """How far flash and beep are apart at the beginning and at the end, and the drift measured."""
    with tempfile.TemporaryDirectory(prefix="sync-") as place:
        return asyncio.run(hold(Path(place), SECONDS, PPM, -PPM))
