"""Parameter sets of H.264 and H.265 inside packets: finding them, and the picture size they say.

A camera that changes its resolution in mid-stream announces it only here.
"""

from __future__ import annotations

import re

from recorder.annexb import units

_H264_SPS, _H264_PPS = 7, 8
_HEVC_SETS = (32, 33, 34)
_SPS_TYPE = {"h264": 7, "hevc": 33}


def unit_type(codec: str, unit: bytes) -> int:
    if not unit:
        return -1
    return unit[0] & 0x1F if codec == "h264" else unit[0] >> 1 & 0x3F


def parameter_sets(codec: str, data: bytes) -> list[bytes]:
    """The parameter sets at the beginning of an Annex B packet or header, in order."""
    if codec not in _SPS_TYPE:
        return []
    wanted = (_H264_SPS, _H264_PPS) if codec == "h264" else _HEVC_SETS
    return [unit for unit in units(data) if unit_type(codec, unit) in wanted]


def sequence_sets(codec: str, sets: list[bytes]) -> set[bytes]:
    """Those that describe the sequence: a new one means another picture format."""
    return {unit for unit in sets if unit_type(codec, unit) == _SPS_TYPE[codec]}


class _Bits:
    def __init__(self, data: bytes) -> None:
        self._value = int.from_bytes(data, "big")
        self._left = len(data) * 8

    def read(self, count: int) -> int:
        if count > self._left:
            raise ValueError("the parameter set is too short")
        self._left -= count
        return self._value >> self._left & ((1 << count) - 1)

    def ue(self) -> int:
        zeros = 0
        while not self.read(1):
            zeros += 1
        return (1 << zeros) - 1 + (self.read(zeros) if zeros else 0)

    def se(self) -> int:
        value = self.ue()
        return (value + 1) // 2 if value % 2 else -(value // 2)


def h264_size(sps: bytes) -> tuple[int, int] | None:
    """Width and height in pixels that a sequence parameter set says (ITU-T H.264, 7.3.2.1.1)."""
    bits = _Bits(re.sub(b"\x00\x00\x03", b"\x00\x00", sps[1:]))
    try:
        profile = bits.read(8)
        bits.read(16)
        bits.ue()
        chroma = 1
        if profile in (100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135):
            chroma = bits.ue()
            if chroma == 3:
                bits.read(1)
            bits.ue(), bits.ue(), bits.read(1)
            if bits.read(1):
                _skip_scaling(bits, 12 if chroma == 3 else 8)
        bits.ue()
        order = bits.ue()
        if order == 0:
            bits.ue()
        elif order == 1:
            bits.read(1), bits.se(), bits.se()
            for _ in range(bits.ue()):
                bits.se()
        bits.ue(), bits.read(1)
        width, map_height = (bits.ue() + 1) * 16, bits.ue() + 1
        frame_only = bits.read(1)
        height = map_height * 16 * (2 - frame_only)
        if not frame_only:
            bits.read(1)
        bits.read(1)
        if bits.read(1):
            left, right, top, bottom = bits.ue(), bits.ue(), bits.ue(), bits.ue()
            step_x = 2 if chroma in (1, 2) else 1
            step_y = (2 if chroma == 1 else 1) * (2 - frame_only)
            width -= (left + right) * step_x
            height -= (top + bottom) * step_y
    except ValueError:
        return None
    return width, height


def _skip_scaling(bits: _Bits, lists: int) -> None:
    for index in range(lists):
        if not bits.read(1):
            continue
        last = following = 8
        for _ in range(16 if index < 6 else 64):
            if following:
                following = (last + bits.se() + 256) % 256
            last = following or last


def adts(data: bytes) -> tuple[int, bytes, int, int] | None:
    """What an ADTS header says, as transport streams put it before every AAC frame.

    Returns its length, the AudioSpecificConfig, the sample rate and the channels (ISO/IEC 14496-3,
    1.A.2.2.1 and 1.6.2.1); None when there is none.
    """
    if len(data) < 9 or data[0] != 0xFF or data[1] & 0xF6 != 0xF0:
        return None
    kind, rate = (data[2] >> 6) + 1, data[2] >> 2 & 15
    channels = (data[2] & 1) << 2 | data[3] >> 6
    if rate >= len(_RATES) or not channels:
        return None
    config = kind << 11 | rate << 7 | channels << 3
    return (7 if data[1] & 1 else 9), config.to_bytes(2, "big"), _RATES[rate], channels


_RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350)
