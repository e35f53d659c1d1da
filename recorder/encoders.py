"""Encoders: which one makes the picture, with which settings, and whether it was proved to work.

Software x264 is always there. A hardware encoder is used only after a child process has encoded
one second with it, decoded that second again and found the same picture (`engines.proof`): being
listed by FFmpeg proves nothing, and a broken driver takes its process down with it.
"""

from __future__ import annotations

import functools
import shutil
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Literal

import av
from av.audio.codeccontext import AudioCodecContext
from av.codec.context import Flags
from av.video.codeccontext import VideoCodecContext

from recorder.trial import tried

SOFTWARE = "libx264"
# In the order in which they are tried, with the device node without which there is none.
HARDWARE = {
    "h264_nvenc": "/dev/nvidiactl",
    "h264_qsv": "/dev/dri/renderD*",
    "h264_vaapi": "/dev/dri/renderD*",
    "h264_v4l2m2m": "/dev/video*",
}
PROBE_SECONDS = 20
SAMPLE_RATE = 48000
AAC_FRAME = 1024

# Measured with `make bench NAME=compose`. Nine tenths of the encode go into blocks that do not
# change, so what is left out is what x264 does for each block. The deblocking filter is not: it
# costs 3 % of the encode, and without it a film in the inset needs 5 % more bytes for an SSIM
# that is lower by 0.003. Ten pictures of lookahead instead of five give a better picture for
# the same bytes, or the same for fewer, at 1 to 6 % of the encode: three cameras were measured.
_LECTURE = "bframes=0:scenecut=0:weightp=0:me=dia:subme=1"


@dataclass(frozen=True)
class Line:
    """What an encoder needs of ffmpeg's command line: before the input, as filter, and after."""

    before: tuple[str, ...]
    filters: str
    codec: tuple[str, ...]


# What PyAV's wheel was built without: Debian's ffmpeg does it.
BY_FFMPEG = {
    "h264_vaapi": Line(
        ("-vaapi_device", "{device}"),
        "format=nv12,hwupload",
        ("-c:v", "h264_vaapi", "-rc_mode", "CQP", "-qp", "24", "-async_depth", "1"),
    ),
}


@dataclass(frozen=True)
class VideoSettings:
    """What to open an encoder with. `gop` is in frames; sizes in pixels; pts count `time_base`."""

    width: int
    height: int
    fps: int
    gop: int
    options: dict[str, str] = field(default_factory=dict)
    threads: int = 1
    encoder: str = SOFTWARE
    time_base: Fraction = Fraction(1, 90_000)
    live: bool = False


def lecture_settings(
    width: int,
    height: int,
    fps: int,
    *,
    live: bool = False,
    encoder: str = SOFTWARE,
    threads: int = 1,
) -> VideoSettings:
    """Settings of the lecture's picture: key frames at most 2 s apart when live, otherwise 10 s.

    The picture's rate varies (what does not change is not encoded), so the program asks for key
    frames by time as well. The settings depend on nothing else, so that every part of a lecture
    has the same extradata and parts can be joined by stream copy.

    Live, no picture waits in the encoder for the next one, which may come a fifth of a second
    later where nothing moves. Measured: 7 % more bytes for the same picture.
    """
    gop = fps * (2 if live else 10)
    if encoder == SOFTWARE:
        ahead, crf = ("0:force-cfr=1", "28.6") if live else ("10", "24.3")
        tuning = f"{_LECTURE}:rc-lookahead={ahead}:keyint={gop}:min-keyint=1"
        options = {"preset": "veryfast", "crf": crf, "forced-idr": "1", "x264-params": tuning}
    else:
        options = _hardware_options(encoder, width * height * fps)
    return VideoSettings(width, height, fps, gop, options, threads, encoder, live=live)


def _hardware_options(encoder: str, pixels: int) -> dict[str, str]:
    """A picture goes out before the next one comes in; `pixels` are those of a second."""
    match encoder:
        case "h264_nvenc":
            told = {"preset": "p4", "rc": "vbr", "cq": "25", "forced-idr": "1"}
            return told | {"bf": "0", "delay": "0", "profile": "high"}
        case "h264_qsv":
            told = {"preset": "veryfast", "global_quality": "24", "forced_idr": "1"}
            return told | {"bf": "0", "async_depth": "1", "profile": "high"}
        case "h264_v4l2m2m":  # it knows no constant quality
            return {"b": str(max(500_000, pixels // 12)), "bf": "0"}
        case _:  # its child has a command line of its own
            return {}


def in_software(settings: VideoSettings, *, beside: bool = False) -> VideoSettings:
    """The settings of x264 for the same lecture.

    `beside`: its parameter sets have another number than those of hardware, so that one file may
    hold what both have made.
    """
    found = lecture_settings(
        settings.width, settings.height, settings.fps, live=settings.live, threads=settings.threads
    )
    if not beside:
        return found
    tuning = found.options["x264-params"] + ":sps-id=1"
    return replace(found, options=found.options | {"x264-params": tuning})


def source_settings(
    width: int, height: int, fps: int, quality: Literal["record", "draft"] = "record"
) -> VideoSettings:
    """Settings for a raw source: a key frame each second and no delay.

    `record` is for what people will watch, `draft` for generated test pictures, where a cheap
    encode and a cheap decode are worth more than bytes.
    """
    if quality == "record":
        options = {"preset": "veryfast", "crf": "21", "tune": "zerolatency"}
    else:
        options = {"preset": "ultrafast", "crf": "26", "tune": "zerolatency"}
    options |= {"forced-idr": "1", "x264-params": f"keyint={fps}:scenecut=0:sliced-threads=0"}
    return VideoSettings(width, height, fps, fps, options, time_base=Fraction(1, fps))


def open_video(settings: VideoSettings) -> VideoCodecContext:
    """Opens an encoder for yuv420p frames; its extradata is SPS and PPS in Annex B form.

    Raises av.error.FFmpegError when the encoder cannot be opened.
    """
    context = av.CodecContext.create(settings.encoder, "w")
    assert isinstance(context, VideoCodecContext)
    set_video(context, settings)
    context.open()
    return context


def set_video(context: VideoCodecContext, settings: VideoSettings) -> None:
    """Prepares an encoder that is not open yet, for example that of a container's stream."""
    context.width, context.height = settings.width, settings.height
    context.pix_fmt = "yuv420p"
    context.time_base = settings.time_base
    context.framerate = Fraction(settings.fps)
    context.gop_size = settings.gop
    context.flags |= Flags.global_header
    context.thread_count = settings.threads
    context.color_range = 1  # limited range, as every camera and player assumes
    context.colorspace = context.color_primaries = context.color_trc = 1  # BT.709
    context.options = dict(settings.options)


def open_sound(channels: int = 2, bit_rate: int = 128_000) -> AudioCodecContext:
    """Opens an AAC encoder: 48 kHz, planar float, frames of AAC_FRAME samples."""
    context = av.CodecContext.create("aac", "w")
    assert isinstance(context, AudioCodecContext)
    set_sound(context, channels, bit_rate)
    context.open()
    return context


def set_sound(context: AudioCodecContext, channels: int, bit_rate: int) -> None:
    """Prepares an AAC encoder that is not open yet."""
    context.sample_rate = SAMPLE_RATE
    context.layout = "stereo" if channels == 2 else "mono"
    context.format = "fltp"
    context.bit_rate = bit_rate
    context.time_base = Fraction(1, SAMPLE_RATE)
    context.flags |= Flags.global_header
    context.options = {"aac_coder": "fast"}


_found: dict[str, str] = {}  # what the proof of each encoder said


@functools.cache
def works(encoder: str) -> bool:
    """Whether `encoder` encodes truly here; tried once in a child that is killed when it hangs."""
    worked, _found[encoder] = tried("recorder.engines.proof", encoder, PROBE_SECONDS)
    return worked


def verdict(encoder: str) -> str:
    """What the proof of `encoder` found: how alike the pictures were, or what went wrong."""
    works(encoder)
    return _found.get(encoder, "")


def device(encoder: str) -> str | None:
    """The first device node that `encoder` may use; None where there is none."""
    pattern = HARDWARE[encoder].lstrip("/")
    return next((str(path) for path in sorted(Path("/").glob(pattern))), None)


def missing(encoder: str) -> str | None:
    """What a hardware encoder lacks here, before anything is tried; None when it can be tried."""
    if device(encoder) is None:
        return f"there is no {HARDWARE[encoder]}"
    if encoder in BY_FFMPEG:
        return None if shutil.which("ffmpeg") else "ffmpeg is not installed (apt install ffmpeg)"
    return None if encoder in av.codecs_available else "this PyAV was built without it"


def choose(wanted: str = "auto") -> str:
    """Returns the encoder to use: proven hardware when `wanted` is `auto`, else software."""
    if wanted == "auto":
        for encoder in HARDWARE:
            if missing(encoder) is None and works(encoder):
                return encoder
    return SOFTWARE
