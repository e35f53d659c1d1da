"""The child that makes segments smaller: `python -m streaming.rendition_child`.

An order on standard input is a JSON line (`height`, `number`, and the lengths of what follows:
`init`, `data`), then the init segment and the segment. The answer on standard output is a JSON line
(`size`, or `error`), then the smaller segment, or the init segment when there was no data. Times
and sound stay as they were. Ends when standard input closes.
"""

from __future__ import annotations

import io
import json
import os
import struct
import sys
from fractions import Fraction
from typing import Any, BinaryIO

import av

from streaming.boxes import BoxError
from streaming.fragments import Fragment, FragmentReader, Init
from streaming.renditions import size_of
from streaming.samples import Sample, samples
from streaming.sound import sound_segment, sound_track

SCALE = 90_000
VIDEO = 1
_RATE = {360: ("600k", "27"), 180: ("200k", "29")}
_LEAST = SCALE // 100


class Shrinker:
    """Smaller copies of the segments that belong to one init segment, of one height."""

    def __init__(self, init: Init, height: int) -> None:
        self._init = init
        picture = next(track for track in init.tracks.values() if track.media == "video")
        self._track = picture.id
        self._size = size_of(height, picture.width, picture.height)
        self._height = height
        with av.open(io.BytesIO(init.data), format="mp4") as template:
            self._header = bytes(template.streams.video[0].codec_context.extradata or b"")

    def _set(self, encoder: Any) -> Any:
        encoder.width, encoder.height = self._size
        encoder.pix_fmt, encoder.time_base = "yuv420p", Fraction(1, SCALE)
        encoder.framerate = Fraction(30)
        encoder.thread_count = 1
        rate, quality = _RATE[self._height]
        encoder.options = {
            "preset": "veryfast",
            "crf": quality,
            "maxrate": rate,
            "bufsize": rate,
            "flags": "+global_header",
            "x264-params": "bframes=0:keyint=infinite:rc-lookahead=0:sync-lookahead=0:scenecut=0",
        }
        return encoder

    def init(self) -> bytes:
        """The init segment: a smaller picture beside the sound as it is."""
        memory = io.BytesIO()
        options = {"movflags": "empty_moov", "video_track_timescale": str(SCALE)}
        with (
            av.open(io.BytesIO(self._init.data), format="mp4") as template,
            av.open(memory, "w", format="mp4", options=options) as out,
        ):
            stream: Any = out.add_stream("libx264", rate=30)
            self._set(stream.codec_context)
            for track in template.streams.audio[:1]:
                out.add_stream_from_template(track)
            out.start_encoding()
            return memory.getvalue()

    def segment(self, data: bytes, number: int) -> bytes:
        """The smaller copy of a segment. Raises BoxError."""
        reader = FragmentReader()
        reader.feed(self._init.data)
        pieces = [piece for piece in reader.feed(data) if isinstance(piece, Fragment)]
        if reader.damaged is not None:
            raise BoxError(reader.damaged)
        shown = [one for piece in pieces for one in samples(self._init, piece) if one.video]
        made = self._pictures(shown, number)
        sound = sound_track(self._init)
        return made + (sound_segment(self._init, data, number) if sound is not None else b"")

    def _pictures(self, shown: list[Sample], number: int) -> bytes:
        decoder: Any = av.CodecContext.create("h264", "r")
        decoder.extradata = self._header
        decoder.thread_count = 1
        encoder = self._set(av.CodecContext.create("libx264", "w"))
        packets: list[Any] = []
        for sample in [*shown, None]:
            frames = decoder.decode(None if sample is None else _packet(sample))
            for frame in frames:
                small = frame.reformat(*self._size, "yuv420p", interpolation="AREA")
                small.pts, small.time_base = frame.pts, Fraction(1, SCALE)
                small.pict_type = 0
                packets += encoder.encode(small)
        packets += encoder.encode(None)
        if not packets:
            return b""
        last = round((shown[-1].at + shown[-1].duration) * SCALE)
        ends = [packet.pts for packet in packets[1:]] + [max(last, packets[-1].pts + _LEAST)]
        table, media = b"", b""
        for packet, end in zip(packets, ends, strict=True):
            flags = 0x02000000 if packet.is_keyframe else 0x01010000
            body = _lengths(bytes(packet))
            table += struct.pack(">III", max(1, end - packet.pts), len(body), flags)
            media += body
        size = 8 + 16 + 8 + 16 + 20 + 20 + len(table)
        traf = _box(b"tfhd", struct.pack(">II", 0x020000, VIDEO))
        traf += _box(b"tfdt", struct.pack(">IQ", 0x01000000, packets[0].pts))
        traf += _box(b"trun", struct.pack(">IIi", 0x701, len(packets), size + 8) + table)
        moof = _box(b"moof", _box(b"mfhd", struct.pack(">II", 0, number)) + _box(b"traf", traf))
        return moof + _box(b"mdat", media)


def _packet(sample: Sample) -> Any:
    packet: Any = av.Packet(sample.data)
    packet.pts = packet.dts = round(sample.at * SCALE)
    packet.time_base = Fraction(1, SCALE)
    return packet


def _lengths(data: bytes) -> bytes:
    """H.264 in Annex B form as MP4 holds it, without parameter sets: they stand in the header."""
    units = (unit.rstrip(b"\0") for unit in data.split(b"\0\0\1")[1:])
    kept = (unit for unit in units if unit and unit[0] & 31 not in (7, 8))
    return b"".join(len(unit).to_bytes(4, "big") + unit for unit in kept)


def _box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", len(body) + 8, kind) + body


def make(order: dict[str, int], init: bytes, data: bytes) -> bytes:
    """Carries an order out. Raises BoxError, ValueError, FFmpegError."""
    reader = FragmentReader()
    reader.feed(init)
    if reader.init is None or not reader.init.has_video:
        raise BoxError("there is no picture")
    shrinker = Shrinker(reader.init, order["height"])
    return shrinker.segment(data, order["number"]) if data else shrinker.init()


def main(orders: BinaryIO, answers: BinaryIO) -> None:
    """Runs until `orders` ends."""
    os.nice(10)
    av.logging.set_level(av.logging.PANIC)
    while line := orders.readline():
        order = json.loads(line)
        init, data = orders.read(order["init"]), orders.read(order["data"])
        try:
            made = make(order, init, data)
            answers.write(json.dumps({"size": len(made)}).encode() + b"\n" + made)
        except (BoxError, ValueError, OSError, av.error.FFmpegError) as error:
            answers.write(json.dumps({"error": str(error)}).encode() + b"\n")
        answers.flush()


if __name__ == "__main__":
    main(sys.stdin.buffer, sys.stdout.buffer)
