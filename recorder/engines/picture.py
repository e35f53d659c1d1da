"""One video stream of the feed, decoded no earlier and no more than its picture is needed."""

from __future__ import annotations

import logging
from collections import deque
from fractions import Fraction
from typing import Any

import av
import numpy as np
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from recorder.engines import decoders
from recorder.feed import FeedPacket, StreamInfo

Plane = NDArray[np.uint8]

LOST_US = 3_000_000
_MAX_GOP = 900
_AHEAD_US = 120_000  # a stream with B-frames gives a picture only after later packets
_MICROSECOND = Fraction(1, 1_000_000)
_FULL_RANGE = 2
_BROKEN = (av.error.FFmpegError, RuntimeError, ValueError)

log = logging.getLogger(__name__)


def planes_of(frame: VideoFrame) -> list[Plane]:
    """The planes of a yuv420p frame as numpy views, (height, width) each, without a copy."""
    planes: list[Plane] = []
    for plane in frame.planes:
        raw: Any = plane
        rows = np.frombuffer(raw, np.uint8).reshape(-1, plane.line_size)
        planes.append(rows[: plane.height, : plane.width])
    return planes


class VideoTrack:
    """Decodes one stream on demand. Times are class microseconds.

    While nobody wants its picture the packets since the last key frame are kept, undecoded; when
    somebody does, they are decoded in one go. With a `device` (`decoders.DEVICES`) they are decoded
    there; when it fails, software decodes on, and no picture is lost.
    """

    def __init__(self, info: StreamInfo, device: str | None = None) -> None:
        """Raises ValueError for a codec or a header that cannot be read."""
        self.info = info
        self.device = device if info.codec in decoders.CODECS else None
        self._header = bytes.fromhex(info.extradata)
        av.CodecContext.create(info.codec, "r")
        self.wanted = False
        self.coarse = False  # shown much smaller than sent: the loop filter makes no difference
        self.hurry = False  # behind the clock: key frames only
        self.last_seen: int | None = None
        self.frame: VideoFrame | None = None
        self.failures = 0
        self._pending: deque[FeedPacket] = deque()
        self._decoded: deque[VideoFrame] = deque()
        self._decoder: VideoCodecContext | None = None
        self._decoder_coarse = False
        self._visible_from: int | None = None
        self._given: deque[list[FeedPacket]] = deque(maxlen=2)  # groups that the device had last
        self._newest: int | None = None

    @property
    def width(self) -> int:
        """The picture's width in pixels, as announced or as decoded."""
        return self.frame.width if self.frame is not None else self.info.width

    def push(self, packet: FeedPacket) -> None:
        """Takes the next packet in decoding order."""
        if packet.key and not self.wanted:
            self._pending.clear()
            self._close()
        elif not self.wanted and len(self._pending) >= _MAX_GOP:
            return
        self._pending.append(packet)
        if not packet.preroll:
            self.last_seen = packet.pts

    def resume(self, t: int) -> None:
        """After a pause: pictures earlier than `t` are decoded but never shown."""
        self._visible_from = t
        if self.last_seen is not None:
            self.last_seen = max(self.last_seen, t)  # a pause is no loss

    def lost(self, t: int) -> bool:
        """Whether nothing has come for LOST_US at time `t`."""
        return self.last_seen is not None and t - self.last_seen > LOST_US

    def advance(self, t: int, *, flush: bool = False) -> bool:
        """Brings `frame` to the latest picture not later than `t`; True when it is a new one."""
        while self._pending and self._pending[0].dts <= t + _AHEAD_US:
            self._decode(self._pending.popleft())
        if flush and not self._pending and self._decoder is not None:
            self._take(None)
            self._close()
        new = False
        while self._decoded and (self._decoded[0].pts or 0) <= t:
            frame = self._decoded.popleft()
            if self._visible_from is None or (frame.pts or 0) >= self._visible_from:
                self.frame, new, self._visible_from = frame, True, None
        return new

    def _close(self) -> None:
        self._decoder = None

    def _open(self) -> VideoCodecContext:
        self._decoder_coarse = self.coarse
        if self.device is not None:
            try:
                return decoders.open_decoder(self.info.codec, self._header, device=self.device)
            except _BROKEN:
                log.warning("%s: %s does not decode; software does", self.info.source, self.device)
                self.device = None
        return decoders.open_decoder(self.info.codec, self._header, coarse=self.coarse)

    def _decode(self, message: FeedPacket) -> None:
        if message.key and self._decoder is not None and self.coarse != self._decoder_coarse:
            self._take(None)
            self._close()
        if self._decoder is None:
            if not message.key:
                return
            self._decoder = self._open()
        if self.hurry and not message.key:
            self._close()  # the next key frame opens it again
            return
        if self.device is not None:
            if message.key:
                self._given.append([])
            if self._given and len(self._given[-1]) < _MAX_GOP:
                self._given[-1].append(message)
        self._take(_packet(message))

    def _take(self, packet: av.Packet[Any] | None) -> None:
        assert self._decoder is not None
        try:
            frames = self._decoder.decode(packet)
            pictures = [
                decoders.planar(frame)
                for frame in frames
                if frame.pts is not None and not frame.is_corrupt
            ]
        except _BROKEN:
            self.failures += 1
            if self.device is not None:
                self._hand_over(flush=packet is None)
            return
        for picture in pictures:
            if self.device is not None:
                self._newest = picture.pts
            self._decoded.append(picture)

    def _hand_over(self, *, flush: bool) -> None:
        """The device failed: software decodes again what it may still have held back."""
        log.warning("%s: %s has failed; software decodes on", self.info.source, self.device)
        self.device = None
        self._decoder = self._open()
        before = len(self._decoded)
        for message in (message for group in self._given for message in group):
            self._take(_packet(message))
        if flush:
            self._take(None)
        fresh = [self._decoded.pop() for _ in range(len(self._decoded) - before)]
        known = self._newest
        missing = [one for one in fresh if known is None or (one.pts or 0) > known]
        self._decoded.extend(reversed(missing))
        self._given.clear()


def _packet(message: FeedPacket) -> av.Packet[Any]:
    packet = av.Packet(message.data)
    packet.pts, packet.dts, packet.time_base = message.pts, message.dts, _MICROSECOND
    return packet


def full_range(frame: VideoFrame) -> bool:
    """Whether its values use all of 0 to 255, unlike those of video."""
    return frame.format.name == "yuvj420p" or frame.color_range == _FULL_RANGE
