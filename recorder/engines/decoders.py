"""Decoders: on a GPU where a child process has proved it, in software otherwise.

FFmpeg's hardware acceleration decodes on the GPU and hands the picture back in memory, where it is
composed. Like an encoder, a device is believed only after a child has decoded a second with it and
got the picture that software gets: a broken driver takes its process down with it.
"""

from __future__ import annotations

import functools
import sys
from pathlib import Path

import av
import numpy as np
from av.codec.hwaccel import HWAccel, hwdevices_available
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

from recorder import encoders
from recorder.engines.likeness import psnr
from recorder.trial import tried

# FFmpeg's name of the kind of device, and the node without which there is none.
DEVICES = {"cuda": "/dev/nvidiactl", "qsv": "/dev/dri"}
CODECS = ("h264", "hevc")
_PROBE_SECONDS = 20
_ALIKE_DB = 50.0  # the standards fix what a decoder gives: only conversions may differ


def open_decoder(
    codec: str, header: bytes, *, coarse: bool = False, device: str | None = None
) -> VideoCodecContext:
    """A decoder on one thread; `device` of DEVICES decodes there, and only there.

    `coarse` leaves out the loop filter. Raises av.error.FFmpegError, ValueError or RuntimeError
    when the codec or the device is not to be had.
    """
    accelerated = None
    if device is not None:
        accelerated = HWAccel(device, allow_software_fallback=False)
    decoder = av.CodecContext.create(codec, "r", accelerated)
    assert isinstance(decoder, VideoCodecContext)
    if device is None:
        decoder.thread_count = 1
        if coarse:
            decoder.options = {"skip_loop_filter": "all"}
    if header:
        decoder.extradata = header
    return decoder


def planar(frame: VideoFrame) -> VideoFrame:
    """The frame as yuv420p (full range kept); as it is where it is that already."""
    if frame.format.name in ("yuv420p", "yuvj420p"):
        return frame
    return frame.reformat(format="yuv420p")


def prove(device: str, width: int = 640, height: int = 360, fps: int = 30) -> float:
    """Decodes a second on `device` and in software; returns the PSNR between them in dB.

    Raises what the decoder raises. Call it through `works`.
    """
    encoder = encoders.open_video(encoders.source_settings(width, height, fps))
    header = bytes(encoder.extradata or b"")
    column, row = np.meshgrid(np.arange(width), np.arange(height))
    packets = []
    for index in range(fps):
        picture = np.full((height * 3 // 2, width), 128, np.uint8)
        picture[:height] = (column + row + 4 * index) % 160 + 40
        frame = av.VideoFrame.from_ndarray(picture, "yuv420p")
        frame.pts = index
        packets += encoder.encode(frame)
    packets += encoder.encode(None)
    both = []
    for place in (device, None):
        decoder = open_decoder("h264", header, device=place)
        frames = [frame for packet in packets for frame in decoder.decode(packet)]
        both.append([planar(frame).to_ndarray() for frame in [*frames, *decoder.decode(None)]])
    found, wanted = both
    if len(found) != fps or len(wanted) != fps:
        raise ValueError(f"{device} returned {len(found)} of {fps} pictures")
    return psnr(found, wanted)


@functools.cache
def works(device: str) -> bool:
    """Whether `device` decodes truly here; tried once in a child that is killed when it hangs."""
    return tried("recorder.engines.decoders", device, _PROBE_SECONDS)[0]


def choose() -> str | None:
    """The device to decode on: one that is proven; None for software."""
    for device, node in DEVICES.items():
        if Path(node).exists() and device in hwdevices_available() and works(device):
            return device
    return None


def main() -> int:
    """Probe child: exits 0 when the device named on the command line works."""
    try:
        quality = prove(sys.argv[1])
    except (av.error.FFmpegError, ValueError, RuntimeError, IndexError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{quality:.1f} dB")
    return 0 if quality > _ALIKE_DB else 1


if __name__ == "__main__":
    sys.exit(main())
