"""Conference rooms: the program as a camera and a microphone of this computer.

A push whose address is `conference:///dev/video10?microphone=classroomd`: pictures go to a
v4l2loopback device, sound to a PulseAudio (or PipeWire) sink whose monitor is the microphone that
Zoom, Teams or BigBlueButton are given. Either may be left out. Only `Conference` loads a codec, in
the child of its push.
"""

from __future__ import annotations

import contextlib
import io
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from streaming.fragments import Init
from streaming.loudspeaker import RATE, pacat
from streaming.samples import Sample

SCHEME = "conference"
_NAME = re.compile(r"[A-Za-z0-9_-]{1,40}")
_TIMEOUT_S = 10


def parse(url: str) -> tuple[str | None, str | None]:
    """The camera (a device) and the microphone (a sink's name). Raises ValueError."""
    parts = urlsplit(url)
    query = parse_qs(parts.query)
    camera = parts.path or None
    microphone = query.pop("microphone", [None])[0]
    if camera is not None and not re.fullmatch(r"/dev/video\d+", camera):
        raise ValueError(f"{camera} is no video device; write conference:///dev/video10")
    if microphone is not None and not _NAME.fullmatch(microphone):
        raise ValueError("a microphone's name has letters, digits, - and _ only")
    if query:
        raise ValueError(f"{', '.join(query)} is not known here; known is microphone")
    if camera is None and microphone is None:
        raise ValueError("name a camera, a microphone or both")
    return camera, microphone


def problems(url: str) -> list[str]:
    """What is missing on this computer for such a push, each with what to do."""
    camera, microphone = parse(url)
    found = []
    if camera is not None:
        if not Path(camera).exists():
            number = camera.removeprefix("/dev/video")
            found.append(
                f"there is no {camera}: install v4l2loopback-dkms and run modprobe v4l2loopback "
                f'video_nr={number} card_label="Classroom" exclusive_caps=1'
            )
        if shutil.which("ffmpeg") is None:
            found.append("the virtual camera needs ffmpeg: install Debian's package ffmpeg")
    if microphone is not None:
        if shutil.which("pactl") is None or shutil.which("pacat") is None:
            found.append("the virtual microphone needs pactl: install pulseaudio-utils")
        elif _pactl("info") is None:
            found.append(
                "no PulseAudio or PipeWire answers this user: run the daemon in the session of the "
                "user who has the conference, or set PULSE_SERVER"
            )
    return found


def _pactl(*arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["pactl", *arguments], capture_output=True, text=True, timeout=_TIMEOUT_S, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout


class Conference:
    """An open camera and microphone. Raises OSError when one of them is not to be had."""

    def __init__(self, url: str, init: Init) -> None:
        import av

        self.sent = 0
        if missing := problems(url):
            raise OSError(None, "; ".join(missing))
        self._device, self._sink = parse(url)
        self._loaded: list[str] = []
        self._camera: subprocess.Popen[bytes] | None = None
        self._microphone: subprocess.Popen[bytes] | None = None
        self._decoders: dict[int, Any] = {}
        with av.open(io.BytesIO(init.data), format="mp4") as template:
            for track in template.streams:
                decoder: Any = av.CodecContext.create(track.codec_context.name, "r")
                decoder.extradata = track.codec_context.extradata
                decoder.thread_count = 1
                self._decoders[track.id] = decoder
            picture = next(iter(template.streams.video), None)
            if self._device is not None and picture is not None:
                self._camera = self._open_camera(self._device, picture.width, picture.height)
        self._resampler = av.AudioResampler("s16", "stereo", RATE)
        if self._sink is not None:
            self._microphone = self._open_microphone(self._sink)

    @staticmethod
    def _open_camera(device: str, width: int, height: int) -> subprocess.Popen[bytes]:
        command = ["ffmpeg", "-hide_banner", "-loglevel", "quiet", "-f", "rawvideo"]
        command += ["-pix_fmt", "yuv420p", "-video_size", f"{width}x{height}"]
        command += ["-use_wallclock_as_timestamps", "1", "-i", "pipe:0"]
        command += ["-f", "v4l2", "-pix_fmt", "yuv420p", device]
        return subprocess.Popen(command, stdin=subprocess.PIPE)

    def _open_microphone(self, sink: str) -> subprocess.Popen[bytes]:
        """Makes the sink and a source of its monitor, where they are not there yet."""
        source = f"{sink}_microphone"
        if f"\t{sink}\t" not in (_pactl("list", "short", "sinks") or ""):
            self._load("module-null-sink", f"sink_name={sink}", "rate=48000", "channels=2")
        if f"\t{source}\t" not in (_pactl("list", "short", "sources") or ""):
            about = f"source_properties=device.description={sink}"
            self._load(
                "module-remap-source", f"master={sink}.monitor", f"source_name={source}", about
            )
        return subprocess.Popen(pacat(sink, 80), stdin=subprocess.PIPE)

    def _load(self, module: str, *arguments: str) -> None:
        number = _pactl("load-module", module, *arguments)
        if number is None:
            raise OSError(None, f"the sound server refuses {module}")
        self._loaded.append(number.strip())

    def write(self, sample: Sample) -> None:
        """Shows a picture or plays a piece of sound. Raises OSError when the device is gone."""
        import av

        decoder = self._decoders.get(sample.track)
        process = self._camera if sample.video else self._microphone
        if decoder is None or process is None:
            return
        if process.poll() is not None:
            what = self._device if sample.video else self._sink
            raise OSError(None, f"{what} is no longer there, or is used by something else")
        assert process.stdin is not None
        packet: Any = av.Packet(sample.data)
        for frame in decoder.decode(packet):
            for piece in [frame] if sample.video else self._resampler.resample(frame):
                process.stdin.write(piece.to_ndarray().tobytes())
        process.stdin.flush()
        self.sent += len(sample.data)

    def close(self) -> None:
        for process in (self._camera, self._microphone):
            if process is not None:
                with contextlib.suppress(OSError):
                    assert process.stdin is not None
                    process.stdin.close()
                process.kill()
                process.wait()
        for number in reversed(self._loaded):
            _pactl("unload-module", number)
