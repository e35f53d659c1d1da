"""Pieces of the lecture, and joining them by stream copy: no picture is encoded again."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.container import OutputContainer
from av.packet import Packet
from av.stream import Stream

from recorder.engines.chapters import Chapter
from recorder.engines.writer import HYBRID

US = 1_000_000
_INSTANT = 0.005


@dataclass
class Piece:
    """A file that holds lecture seconds `begin` to `end` from its first frame on."""

    path: Path
    begin: float
    end: float
    header: tuple[bytes | None, ...] = ()


def probe(path: Path) -> tuple[float, tuple[bytes | None, ...]] | None:
    """How many seconds of picture and sound a part really holds, and its codec headers.

    Reads packets, decodes nothing. None when it holds nothing that can be used.
    """
    ends = {"video": 0.0, "audio": 0.0}
    try:
        container = av.open(str(path))
    except (av.error.FFmpegError, OSError):
        return None
    with container:
        if [stream.type for stream in container.streams] != ["video", "audio"]:
            return None
        header = tuple(stream.codec_context.extradata for stream in container.streams)
        for packet in _packets(container.demux(container.streams[0], container.streams[1])):
            end = (packet.pts or 0) + (packet.duration or 0)
            kind = packet.stream.type
            ends[kind] = max(ends[kind], float(end * packet.time_base))
    return (ends["audio"], header) if all(ends.values()) else None


def _packets(demuxer: Any) -> Any:
    """Packets up to the end, or to where the file is torn."""
    while True:
        try:
            packet = next(demuxer)
        except (StopIteration, av.error.FFmpegError):
            return
        if packet.size and packet.pts is not None:
            yield packet


def join(pieces: Sequence[Piece], path: Path, told: Sequence[Chapter]) -> float:
    """Joins pieces by stream copy into an ordinary MP4 with chapters; returns its seconds.

    Each packet lands where its piece lies in the lecture; what a piece holds beyond its end is
    left out.
    """
    end = 0.0
    out: OutputContainer = av.open(str(path), "w", format="mp4", options=HYBRID)
    with out:
        streams: dict[str, Stream] = {}
        last = {"video": -1.0, "audio": -1.0}
        for piece in pieces:
            with av.open(str(piece.path)) as source:
                if not streams:
                    for stream in source.streams:
                        streams[stream.type] = out.add_stream_from_template(stream)
                    out.start_encoding()
                for packet in _packets(source.demux(source.streams[0], source.streams[1])):
                    kind = packet.stream.type
                    stop = _move(packet, piece, last[kind], streams[kind])
                    if stop is not None:
                        last[kind] = stop
                        end = max(end, stop)
                        out.mux_one(packet)
        out.set_chapters(chapter_list(told, end))
    with path.open("rb") as file:
        os.fsync(file.fileno())
    return end


def chapter_list(told: Sequence[Chapter], end: float) -> Any:
    """Chapters as a container takes them; `end` is the lecture's, in seconds."""
    within = [chapter for chapter in told if chapter.start < end * US]
    stops = [chapter.start for chapter in within[1:]] + [round(end * US)]
    return [
        {
            "id": number,
            "start": chapter.start,
            "end": stop,
            "time_base": Fraction(1, US),
            "metadata": {"title": chapter.title},
        }
        for number, (chapter, stop) in enumerate(zip(within, stops, strict=True))
    ]


def _move(packet: Packet[Any], piece: Piece, last: float, stream: Stream) -> float | None:
    """Puts a packet at its place; returns where it ends, or None when it is to be left out.

    Sound lies gapless where it can; a picture lasts until the next, at most to the piece's end.
    """
    assert packet.pts is not None
    base = packet.time_base
    length = float((packet.duration or 0) * base)
    at = piece.begin + float(packet.pts * base)
    if packet.stream.type == "audio":
        if at + length / 2 >= piece.end or at < last - length / 2:
            return None
        at = last if abs(at - last) < length / 2 else at
    else:
        if at >= piece.end - _INSTANT:
            return None
        length = min(length, piece.end - at)
        packet.duration = round(length / base)
    packet.pts = round(at / base)
    packet.dts = packet.pts
    packet.stream = stream
    return at + length
