"""The screen itself, without an X server: `screen:///dev/dri/card0?fps=10` (Linux's KMS).

Debian's `ffmpeg` takes what the graphics card shows (`kmsgrab`) and hands it on as pictures:
PyAV has no such device. The kernel allows it only with CAP_SYS_ADMIN.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
from av.video.frame import VideoFrame

from recorder.sources.child import Output, SourceError, boottime_us
from recorder.sources.coded import PictureCapture
from recorder.sources.device import Device

FOLDER = "/dev/dri/"
REMEDY = (
    "taking the screen from the graphics card needs CAP_SYS_ADMIN: let the service have it "
    "(AmbientCapabilities=CAP_SYS_ADMIN), or record the screen through its X server (screen://:0)"
)
_HEADER = re.compile(rb"YUV4MPEG2 W(\d+) H(\d+) F(\d+):(\d+)")


def is_kms(device: Device) -> bool:
    """Whether a screen's address names a graphics card and not an X server."""
    return device.scheme == "screen" and device.name.startswith(FOLDER)


def grab(device: Device) -> list[str]:
    """What ffmpeg is told to take; a tiled picture is read through the card's own driver."""
    return [
        *("-f", "kmsgrab", "-device", device.name, "-framerate", device.options["framerate"]),
        *("-i", "-", "-vf", "hwmap=derive_device=vaapi,scale_vaapi=format=nv12,hwdownload"),
    ]


def capture(
    device: Device,
    url: str,
    output: Output,
    stop: threading.Event,
    source: str,
    role: str,
    taking: Sequence[str] | None = None,
) -> None:
    """Captures until `stop`, or until it is refused or ends (SourceError).

    `taking` stands in for `grab` where there is no graphics card.
    """
    if shutil.which("ffmpeg") is None:
        raise SourceError(f"{url}: ffmpeg is not installed (apt install ffmpeg)")
    if taking is None and not Path(device.name).exists():
        raise SourceError(f"{url}: there is no {device.name}; `ls {FOLDER}` shows what there is")
    command = ["ffmpeg", "-nostdin", "-loglevel", "error", *(taking or grab(device))]
    command += ["-pix_fmt", "yuv420p", "-f", "yuv4mpegpipe", "pipe:1"]
    nothing = subprocess.DEVNULL
    with (
        tempfile.TemporaryFile() as complaints,  # a pipe that nobody reads would stop ffmpeg
        subprocess.Popen(
            command, stdin=nothing, stdout=subprocess.PIPE, stderr=complaints
        ) as child,
    ):
        try:
            assert child.stdout is not None
            frames = _copy(cast("BinaryIO", child.stdout), output, stop, source, role)
            if stop.is_set():
                return
            child.kill()
            child.wait()
            complaints.seek(0)
            said = complaints.read().decode(errors="replace").strip().splitlines()
        finally:
            child.kill()
    what = "ended" if frames else "does not open"
    raise SourceError(f"{url}: {what} ({said[-1] if said else 'ffmpeg said nothing'}); {REMEDY}")


def _copy(stream: BinaryIO, output: Output, stop: threading.Event, source: str, role: str) -> int:
    """Encodes the pictures of a YUV4MPEG2 stream as they come; returns how many there were."""
    found = _HEADER.match(stream.readline())
    if found is None:
        return 0
    width, height, rate, per = map(int, found.groups())
    picture = PictureCapture(source, role, width, height, float(Fraction(rate, per)))
    output.send(picture.info)
    count, size = 0, width * height * 3 // 2
    while not stop.is_set() and stream.readline().startswith(b"FRAME"):
        data = stream.read(size)
        if len(data) < size:
            break
        count += 1
        planes = np.frombuffer(data, np.uint8).reshape(height * 3 // 2, width)
        frame = VideoFrame.from_ndarray(planes, "yuv420p")
        for packet in picture.packets(frame, boottime_us()):
            output.send(packet)
    return count
