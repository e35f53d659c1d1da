"""The lecture's picture encoder: hardware as long as it works, x264 from that picture on.

Both write into one file: its header holds the parameter sets of both, under different numbers.
x264 is open from the beginning, and what hardware owes is encoded again, so nothing is missing.
"""

from __future__ import annotations

from typing import Any

from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType, VideoFrame

from recorder import encoders
from recorder.encoders import SOFTWARE, VideoSettings
from recorder.engines.hardware import Coded, Hardware, HardwareError


class PictureEncoder:
    """Encodes pictures whose times rise. `name` is the encoder at work now.

    `lost` says why hardware is no longer used; None while it is, and where it never was wanted.
    """

    def __init__(self, context: VideoCodecContext, settings: VideoSettings) -> None:
        """Opens the encoder and `context`, that of the file's stream."""
        self.name = settings.encoder
        self.lost: str | None = None
        self._context, self._base = context, settings.time_base
        self._hardware: Hardware | None = None
        if settings.encoder != SOFTWARE:
            try:
                self._hardware = Hardware(settings)
            except HardwareError as error:
                self.lost, self.name = str(error), SOFTWARE
            settings = encoders.in_software(settings, beside=self._hardware is not None)
        encoders.set_video(context, settings)
        context.open()
        if self._hardware is not None:
            context.extradata = self._hardware.header + bytes(context.extradata or b"")

    def encode(self, frame: VideoFrame, pts: int, *, key: bool = False) -> list[Packet[Any]]:
        """Takes a picture (yuv420p); returns the packets that are out."""
        if self._hardware is None:
            return self._in_software(frame, pts, key)
        try:
            return self._packets(self._hardware.encode(frame, pts, key=key))
        except HardwareError as error:
            return self._take_over(error)

    def flush(self) -> list[Packet[Any]]:
        """Returns the packets of all that was given; nothing can be given any more."""
        found: list[Packet[Any]] = []
        if self._hardware is not None:
            try:
                found = self._packets(self._hardware.flush())
            except HardwareError as error:
                found = self._take_over(error)
            else:
                self._hardware.close()
        return [*found, *self._context.encode(None)]

    def _in_software(self, frame: VideoFrame, pts: int, key: bool) -> list[Packet[Any]]:
        frame.pts, frame.time_base = pts, self._base
        frame.pict_type = PictureType.I if key else PictureType.NONE
        return list(self._context.encode(frame))

    def _take_over(self, error: HardwareError) -> list[Packet[Any]]:
        hardware, self._hardware = self._hardware, None
        assert hardware is not None
        hardware.close()
        self.lost, self.name = str(error), SOFTWARE
        found = self._packets(hardware.ready)
        for place, owed in enumerate(p for p in hardware.outstanding if p.pts >= 0):
            frame = VideoFrame.from_ndarray(owed.planes, "yuv420p")
            found += self._in_software(frame, owed.pts, owed.key or place == 0)
        return found

    def _packets(self, coded: list[tuple[int, Coded]]) -> list[Packet[Any]]:
        found = []
        for pts, each in coded:
            packet: Packet[Any] = Packet(each.data)
            packet.pts = packet.dts = pts
            packet.time_base = self._base
            packet.is_keyframe = each.key
            found.append(packet)
        return found
