"""Raw pictures and sound on their way into the feed: encoded in the child that captures them.

A broken encoder takes no track with it. A picture that does not change is sent once a second.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.video.frame import PictureType, VideoFrame

from recorder import encoders, feed
from recorder.pick import picked

US = 1_000_000
_JUMP_US = 60_000


class PictureCapture:
    """Encodes a device's pictures; unchanged ones once a second."""

    def __init__(self, source: str, role: str, width: int, height: int, fps: float) -> None:
        self._rate = max(1, min(60, round(fps)))
        settings = encoders.source_settings(width // 2 * 2, height // 2 * 2, self._rate)
        self._size = (settings.width, settings.height)
        self._encoder = encoders.open_video(
            encoders.VideoSettings(
                settings.width,
                settings.height,
                settings.fps,
                settings.gop,
                settings.options,
                time_base=Fraction(1, US),
            )
        )
        header = (self._encoder.extradata or b"").hex()
        self.info = feed.StreamInfo(0, source, role, "video", "h264", header, *self._size, fps)
        self._last: list[np.ndarray[Any, Any]] = []
        self._sent = self._keyed = -US
        self._start: int | None = None

    def packets(self, frame: VideoFrame, t: int) -> list[feed.FeedPacket]:
        """Encodes a picture of time `t` (µs of CLOCK_BOOTTIME), or leaves it out."""
        unchanged = self._unchanged(frame)
        if t <= self._sent or (unchanged and t - self._sent < US * 0.9):
            return []
        if self._start is None:
            self._start = t
        width, height = self._size
        picture = frame.reformat(width, height, "yuv420p")
        picture.pts, picture.time_base = t - self._start, Fraction(1, US)
        key = t - self._keyed >= US * 0.95
        picture.pict_type = PictureType.I if key else PictureType.NONE
        if key:
            self._keyed = t
        self._sent = t
        return [
            feed.FeedPacket(
                0,
                (packet.pts or 0) + self._start,
                (packet.pts or 0) + self._start,
                US // self._rate,
                bytes(packet),
                packet.is_keyframe,
            )
            for packet in self._encoder.encode(picture)
        ]

    def _unchanged(self, frame: VideoFrame) -> bool:
        planes = [np.frombuffer(plane, np.uint8) for plane in frame.planes]  # type: ignore[call-overload]
        same = len(planes) == len(self._last) and all(
            a.shape == b.shape and np.array_equal(a[::97], b[::97]) and np.array_equal(a, b)
            for a, b in zip(planes, self._last, strict=True)
        )
        if not same:
            self._last = [plane.copy() for plane in planes]
        return same


class SoundCapture:
    """Encodes a device's sound; stamps are smoothed, because sound arrives in lumps."""

    def __init__(
        self,
        source: str,
        role: str,
        channels: int,
        pick: tuple[int, ...] = (),
        *,
        index: int = 0,
    ) -> None:
        """`pick`: the channels that are kept (from 1), of `channels` that come.

        `index` is the stream's place in the feed.
        """
        self._index = index
        kept = [channel for channel in pick if channel <= channels]
        self._pick = tuple(kept)
        self._channels = len(kept) or min(2, channels)
        layout = "stereo" if self._channels == 2 else "mono"
        self._encoder = encoders.open_sound(self._channels, 64_000 * self._channels)
        self._resampler = av.AudioResampler("fltp", layout, encoders.SAMPLE_RATE)
        self._fifo = av.AudioFifo()
        header = (self._encoder.extradata or b"").hex()
        self.info = feed.StreamInfo(
            index,
            source,
            role,
            "audio",
            "aac",
            header,
            rate=encoders.SAMPLE_RATE,
            channels=self._channels,
        )
        self._anchor: float | None = None  # the time (µs) of sample 0
        self._received = 0
        self._position = 0
        self._times: dict[int, int] = {}

    def packets(self, frame: AudioFrame, t: int) -> list[feed.FeedPacket]:
        """Encodes sound whose first sample was heard at `t` (µs of CLOCK_BOOTTIME)."""
        rate, size = encoders.SAMPLE_RATE, encoders.AAC_FRAME
        measured = t - self._received * US / rate
        if self._anchor is None or abs(measured - self._anchor) > _JUMP_US:
            self._anchor = measured
        else:
            self._anchor += (measured - self._anchor) / 64
        frame = picked(frame, self._pick)
        frame.pts = None
        for part in self._resampler.resample(frame):
            part.pts = None
            self._received += part.samples
            self._fifo.write(part)
        found = []
        while (chunk := self._fifo.read(size)) is not None:
            chunk.pts, chunk.time_base = self._position, Fraction(1, rate)
            self._times[self._position] = round(self._anchor + self._position * US / rate)
            self._position += size
            for packet in self._encoder.encode(chunk):
                at = self._times.pop(packet.pts if packet.pts is not None else -1, None)
                if at is not None:  # else it is the encoder's priming
                    data, length = bytes(packet), size * US // rate
                    found.append(feed.FeedPacket(self._index, at, at, length, data, key=True))
        return found
