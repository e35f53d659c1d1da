"""Encoders: which one makes the picture, with which settings, and the proof that it works.

Software x264 is always there. A hardware encoder is used only after a child process has encoded
one second with it, decoded that second again and found the same picture: being listed by FFmpeg
proves nothing, and a broken driver takes its process down with it.
"""

from __future__ import annotations

import functools
import subprocess
import sys
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Literal

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from av.codec.context import Flags
from av.video.codeccontext import VideoCodecContext

SOFTWARE = "libx264"
HARDWARE = {"h264_nvenc": "/dev/nvidiactl", "h264_qsv": "/dev/dri"}
PROBE_SECONDS = 20
SAMPLE_RATE = 48000
AAC_FRAME = 1024

# Measured on two cores (20 s of 1080p30, slides with an inset): 0.55 of ffmpeg's CPU time at 1.04
# of its size and SSIM -0.001. Without a substream the decode costs more, so the encode may look
# a little further ahead for the same total.
_LECTURE = "bframes=0:scenecut=0:weightp=0:me=dia:subme=1:no-deblock=1"


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
        ahead, crf = ("0:force-cfr=1", "28.6") if live else ("5", "23.3")
        tuning = f"{_LECTURE}:rc-lookahead={ahead}:keyint={gop}:min-keyint=1"
        options = {"preset": "veryfast", "crf": crf, "forced-idr": "1", "x264-params": tuning}
    elif encoder == "h264_nvenc":
        options = {"preset": "p4", "rc": "vbr", "cq": "25", "forced-idr": "1", "bf": "0"}
    else:
        options = {"preset": "veryfast", "global_quality": "24", "forced_idr": "1", "bf": "0"}
    return VideoSettings(width, height, fps, gop, options, threads, encoder)


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


def prove(encoder: str, width: int = 640, height: int = 360, fps: int = 30) -> float:
    """Encodes a second with `encoder`, decodes it and returns the PSNR in dB (higher is better).

    Raises what the encoder raises. Call it through `works`: a broken driver may crash or hang.
    """
    settings = lecture_settings(width, height, fps, encoder=encoder)
    context = open_video(settings)
    decoder = av.CodecContext.create("h264", "r")
    assert isinstance(decoder, VideoCodecContext)
    decoder.extradata = context.extradata
    column, row = np.meshgrid(np.arange(width), np.arange(height))
    pictures, packets = [], []
    for index in range(fps):
        picture = np.full((height * 3 // 2, width), 128, np.uint8)
        picture[:height] = (column + row + 4 * index) % 160 + 40
        pictures.append(picture)
        frame = av.VideoFrame.from_ndarray(picture, "yuv420p")
        frame.pts = index * settings.time_base.denominator // fps
        packets += context.encode(frame)
    packets += context.encode(None)
    frames = [frame for packet in packets for frame in decoder.decode(packet)]
    frames += decoder.decode(None)
    if len(frames) != fps:
        raise ValueError(f"{encoder} returned {len(frames)} of {fps} pictures")
    errors = [
        np.mean((picture[:height].astype(float) - frame.to_ndarray()[:height]) ** 2)
        for picture, frame in zip(pictures, frames, strict=True)
    ]
    return float(10 * np.log10(255**2 / max(*errors, 1e-6)))


@functools.cache
def works(encoder: str) -> bool:
    """Whether `encoder` encodes truly here; tried once in a child that is killed when it hangs."""
    try:
        child = subprocess.run(
            [sys.executable, "-m", "recorder.encoders", encoder],
            capture_output=True,
            timeout=PROBE_SECONDS,
            check=False,
        )
    except (subprocess.TimeoutExpired, OSError):
        return False
    return child.returncode == 0


def choose(wanted: str = "auto") -> str:
    """Returns the encoder to use: proven hardware when `wanted` is `auto`, else software."""
    if wanted == "auto":
        for encoder, device in HARDWARE.items():
            if Path(device).exists() and encoder in av.codecs_available and works(encoder):
                return encoder
    return SOFTWARE


def main() -> int:
    """Probe child: exits 0 when the encoder named on the command line works."""
    try:
        quality = prove(sys.argv[1])
    except (av.error.FFmpegError, ValueError, IndexError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{quality:.1f} dB")
    return 0 if quality > 30 else 1


if __name__ == "__main__":
    sys.exit(main())
