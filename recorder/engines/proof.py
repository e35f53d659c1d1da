"""The proof that an encoder works: `python -m recorder.engines.proof NAME`.

Exits 0 and says how alike the pictures are when a second of them, encoded as a class would be and
decoded again, is what it was. The last line on standard error says what is wrong otherwise.
"""

from __future__ import annotations

import sys

import av
import numpy as np
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from recorder import encoders
from recorder.encoders import VideoSettings
from recorder.engines.hardware import Coded, Hardware, HardwareError
from recorder.engines.likeness import psnr

LEAST_DB = 30.0


def prove(encoder: str, width: int = 640, height: int = 360, fps: int = 30) -> float:
    """Encodes a second with `encoder`, decodes it and returns the PSNR in dB (higher is better).

    Raises HardwareError, ValueError or what FFmpeg raises. Call it through `encoders.works`: a
    broken driver may crash or hang.
    """
    settings = encoders.lecture_settings(width, height, fps, encoder=encoder)
    column, row = np.meshgrid(np.arange(width), np.arange(height))
    pictures = []
    for index in range(fps):
        picture = np.full((height * 3 // 2, width), 128, np.uint8)
        picture[:height] = (column + row + 4 * index) % 160 + 40
        pictures.append(picture)
    coding = _software if encoder == encoders.SOFTWARE else _hardware
    header, packets = coding(settings, pictures)
    decoder = av.CodecContext.create("h264", "r")
    assert isinstance(decoder, VideoCodecContext)
    decoder.extradata = header
    frames = [frame for packet in packets for frame in decoder.decode(Packet(packet))]
    frames += decoder.decode(None)
    if len(frames) != fps:
        raise ValueError(f"{encoder} returned {len(frames)} of {fps} pictures")
    return psnr([one[:height] for one in pictures], [one.to_ndarray()[:height] for one in frames])


def _time(settings: VideoSettings, index: int) -> int:
    return index * settings.time_base.denominator // settings.fps


def _software(
    settings: VideoSettings, pictures: list[NDArray[np.uint8]]
) -> tuple[bytes, list[bytes]]:
    context = encoders.open_video(settings)
    packets = []
    for index, picture in enumerate(pictures):
        frame = VideoFrame.from_ndarray(picture, "yuv420p")
        frame.pts = _time(settings, index)
        packets += context.encode(frame)
    return context.extradata or b"", [bytes(p) for p in [*packets, *context.encode(None)]]


def _hardware(
    settings: VideoSettings, pictures: list[NDArray[np.uint8]]
) -> tuple[bytes, list[bytes]]:
    """Also asks for a key frame in the middle: live streams and page turns need them."""
    hardware = Hardware(settings)
    try:
        found: list[tuple[int, Coded]] = []
        wanted = {_time(settings, 0), _time(settings, len(pictures) // 2)}
        for index, picture in enumerate(pictures):
            pts = _time(settings, index)
            frame = VideoFrame.from_ndarray(picture, "yuv420p")
            found += hardware.encode(frame, pts, key=pts in wanted)
        found += hardware.flush()
    finally:
        hardware.close()
    if not wanted <= {pts for pts, coded in found if coded.key}:
        raise ValueError(f"{settings.encoder} makes no key frame where one is asked for")
    return hardware.header, [coded.data for _, coded in found]


def main() -> int:
    """Entry of the probe."""
    try:
        quality = prove(sys.argv[1])
    except (HardwareError, av.error.FFmpegError, ValueError, IndexError) as error:
        print(error, file=sys.stderr)
        return 1
    if quality <= LEAST_DB:
        print(f"the pictures came back different ({quality:.1f} dB)", file=sys.stderr)
        return 1
    print(f"a second of picture came back true ({quality:.1f} dB)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
