"""Sound as WebRTC takes it: AAC is decoded and encoded as Opus, once for everybody."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import av

RATE = 48_000
FRAME = 960
BITS = 96_000


def decoded(extradata: bytes) -> Callable[[Any], Iterator[Any]]:
    """What makes a packet of AAC frames as Opus takes them: stereo, FRAME at RATE.

    `extradata` is the AudioSpecificConfig. The packet's timestamp, or none, is that of its frames.
    A damaged one raises FFmpegError.
    """
    decoder: Any = av.CodecContext.create("aac", "r")
    decoder.extradata = extradata
    resampler = av.AudioResampler("flt", "stereo", RATE, FRAME)

    def frames(packet: Any) -> Iterator[Any]:
        for frame in decoder.decode(packet):
            yield from resampler.resample(frame)

    return frames


class Opus:
    """One stream of sound. `extradata` is the AudioSpecificConfig of its AAC."""

    def __init__(self, extradata: bytes) -> None:
        self._decoded = decoded(extradata)
        self._encoder: Any = av.CodecContext.create("libopus", "w")
        self._encoder.sample_rate = RATE
        self._encoder.layout, self._encoder.format = "stereo", "flt"
        self._encoder.bit_rate = BITS

    def encode(self, data: bytes) -> Iterator[bytes]:
        """Takes one AAC packet; yields Opus packets of 20 ms each. Raises FFmpegError."""
        for piece in self._decoded(av.Packet(data)):
            piece.pts = None
            for packet in self._encoder.encode(piece):
                yield bytes(packet)
