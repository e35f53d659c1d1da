"""Sound as WebRTC takes it: AAC is decoded and encoded as Opus, once for everybody."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import av

RATE = 48_000
FRAME = 960
BITS = 96_000


class Opus:
    """One stream of sound. `extradata` is the AudioSpecificConfig of its AAC."""

    def __init__(self, extradata: bytes) -> None:
        self._decoder: Any = av.CodecContext.create("aac", "r")
        self._decoder.extradata = extradata
        self._resampler = av.AudioResampler("flt", "stereo", RATE, FRAME)
        self._encoder: Any = av.CodecContext.create("libopus", "w")
        self._encoder.sample_rate = RATE
        self._encoder.layout, self._encoder.format = "stereo", "flt"
        self._encoder.bit_rate = BITS

    def encode(self, data: bytes) -> Iterator[bytes]:
        """Takes one AAC packet; yields Opus packets of 20 ms each. Raises FFmpegError."""
        for frame in self._decoder.decode(av.Packet(data)):
            frame.pts = None
            for piece in self._resampler.resample(frame):
                piece.pts = None
                for packet in self._encoder.encode(piece):
                    yield bytes(packet)
