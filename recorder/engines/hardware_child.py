"""The process in which a hardware encoder runs: `hardware_child DESCRIPTOR SETTINGS`.

DESCRIPTOR is the shared memory that holds the pictures, SETTINGS the JSON of VideoSettings. Each
order on standard input (ORDER: slot, time, key frame or not) is a picture to encode; standard
output carries the encoder's header, then the packets (ANSWER: length, key frame or not).
"""

from __future__ import annotations

import json
import mmap
import os
import sys
from fractions import Fraction

import av
import numpy as np
from av.video.frame import PictureType, VideoFrame

from recorder import encoders
from recorder.encoders import VideoSettings
from recorder.engines.hardware import ANSWER, ORDER


def _say(data: bytes, key: bool = False) -> None:
    view = memoryview(ANSWER.pack(len(data), key) + data)
    while view:
        view = view[os.write(sys.stdout.fileno(), view) :]


def serve(memory: mmap.mmap, settings: VideoSettings) -> None:
    """Encodes what is ordered until the orders end. Raises av.error.FFmpegError."""
    context = encoders.open_video(settings)
    _say(bytes(context.extradata or b""))
    shape = (settings.height * 3 // 2, settings.width)
    size = shape[0] * shape[1]
    while len(order := sys.stdin.buffer.read(ORDER.size)) == ORDER.size:
        slot, pts, key = ORDER.unpack(order)
        planes = np.frombuffer(memory, np.uint8, size, slot * size).reshape(shape)
        frame = VideoFrame.from_ndarray(planes, "yuv420p")
        frame.pts, frame.time_base = pts, settings.time_base
        frame.pict_type = PictureType.I if key else PictureType.NONE
        for packet in context.encode(frame):
            _say(bytes(packet), packet.is_keyframe)
    for packet in context.encode(None):
        _say(bytes(packet), packet.is_keyframe)


def main() -> int:
    """Entry of the child."""
    told = json.loads(sys.argv[2])
    told["time_base"] = Fraction(told["time_base"])
    try:
        serve(mmap.mmap(int(sys.argv[1]), 0), VideoSettings(**told))
    except (av.error.FFmpegError, OSError, ValueError) as error:
        print(f"{told['encoder']}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    os._exit(main())  # a driver that hangs must not hold up the end
