"""Spans of a lecture joined into a shorter one: packets are copied, only the edges are made again.

A span that does not begin at a key frame has its pictures up to the next key frame encoded anew,
with the settings that made the lecture; so its header fits the copied rest. Where it does not fit
(another encoder made the lecture) the whole picture is encoded anew. Sound is copied packet by
packet and stays within half a packet (11 ms) of its picture.
"""

from __future__ import annotations

import heapq
import os
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeAlias

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.frame import PictureType, VideoFrame
from av.video.stream import VideoStream

from recorder import encoders
from recorder.annexb import prefixed, record_sets, units
from recorder.encoders import VideoSettings
from recorder.engines.chapters import Chapter
from recorder.production.joining import chapter_list
from recorder.recording import ProgramSpec
from recorder.spans import Span

_INSTANT = 0.002
_SPS, _PPS, _AUD = 7, 8, 9

Timed: TypeAlias = "tuple[float, int, Packet[Any]]"
Progress = Callable[[float, float], None]


def cut(
    source: Path,
    keep: Sequence[Span],
    out: Path,
    program: ProgramSpec,
    told: Sequence[Chapter] = (),
    progress: Progress = lambda done, total: None,
) -> float:
    """Writes the spans `keep` (seconds of `source`) to `out` and returns its length in seconds.

    `told` are the chapters of the result. Raises OSError and av.error.FFmpegError.
    """
    total = sum(end - begin for begin, end in keep)
    container = av.open(str(out), "w", format="mp4", options={"movflags": "faststart"})
    with container, av.open(str(source)) as video, av.open(str(source)) as audio:
        shown = video.streams.video[0]
        settings = encoders.lecture_settings(
            shown.width, shown.height, program.fps, live=program.live
        )
        fits = _fits(shown, settings)
        if fits:
            target: Stream = container.add_stream_from_template(shown)
        else:
            target = container.add_stream(settings.encoder, rate=settings.fps)
            encoders.set_video(target.codec_context, settings)  # type: ignore[arg-type]
        heard = audio.streams.audio[0] if audio.streams.audio else None
        speech = container.add_stream_from_template(heard) if heard is not None else None
        container.metadata.update(video.metadata)
        container.start_encoding()
        flows: list[Iterator[Timed]] = [_pictures(video, shown, keep, settings, copies=fits)]
        if heard is not None:
            flows.append(_sound(audio, heard, keep))
        end = 0.0
        for t, number, packet in heapq.merge(*flows, key=lambda one: one[0]):
            packet.stream = speech if number else target
            end = max(end, t + float((packet.duration or 0) * packet.time_base))
            container.mux_one(packet)
            progress(min(t, total), total)
        container.set_chapters(chapter_list(told, end))
    with out.open("rb") as file:
        os.fsync(file.fileno())
    return end


def _pictures(
    container: InputContainer,
    stream: VideoStream,
    keep: Sequence[Span],
    settings: VideoSettings,
    *,
    copies: bool,
) -> Iterator[Timed]:
    base = stream.time_base or Fraction(1, 90_000)
    at, last = 0.0, -1
    for begin, end in keep:
        for t, packet in _span(container, stream, begin, end, settings, copies=copies):
            ours = base if copies else settings.time_base
            pts = max(round((at + t - begin) / ours), last + 1)
            left = round((at + end - begin) / ours) - pts
            packet.time_base = ours
            packet.pts = packet.dts = last = pts
            packet.duration = max(1, min(packet.duration or left, left))
            yield float(pts * ours), 0, packet
        at += end - begin


def _span(
    container: InputContainer,
    stream: VideoStream,
    begin: float,
    end: float,
    settings: VideoSettings,
    *,
    copies: bool,
) -> Iterator[tuple[float, Packet[Any]]]:
    """The packets of one span with their times: new ones to the first key frame, then copies."""
    container.seek(round(begin * av.time_base), backward=True)
    stream.codec_context.flush_buffers()
    edge: _Edge | None = _Edge(stream, begin, end, settings, raw=not copies)
    for packet in container.demux(stream):
        if packet.pts is None or not packet.size or packet.time_base is None:
            continue
        t = float(packet.pts * packet.time_base)
        if t >= end - _INSTANT:
            break
        if edge is not None and copies and packet.is_keyframe and t >= begin - _INSTANT:
            yield from edge.close()
            edge = None
        if edge is None:
            yield max(t, begin), packet
        else:
            yield from edge.take(packet)
    if edge is not None:
        yield from edge.close()


class _Edge:
    """Pictures from `begin` on, decoded and encoded anew; the one that stands there comes first."""

    def __init__(
        self, stream: VideoStream, begin: float, end: float, settings: VideoSettings, *, raw: bool
    ) -> None:
        self._decoder = stream.codec_context
        self._begin, self._end = begin, end
        self._settings = settings
        self._encoder = encoders.open_video(settings)
        self._standing: VideoFrame | None = None
        self._lengths = {} if raw else {"size": _length_size(stream)}
        self._first = True

    def take(self, packet: Packet[Any]) -> Iterator[tuple[float, Packet[Any]]]:
        for frame in self._decoder.decode(packet):
            yield from self._look(frame)

    def close(self) -> Iterator[tuple[float, Packet[Any]]]:
        for frame in self._decoder.decode(None):
            yield from self._look(frame)
        self._decoder.flush_buffers()
        yield from self._stand()
        if not self._first:
            yield from self._given(self._encoder.encode(None))

    def _look(self, frame: VideoFrame) -> Iterator[tuple[float, Packet[Any]]]:
        t = float(frame.time or 0.0)
        if t <= self._begin + _INSTANT:
            self._standing = frame
        elif t < self._end - _INSTANT:
            yield from self._stand()
            yield from self._show(frame, t)

    def _stand(self) -> Iterator[tuple[float, Packet[Any]]]:
        standing, self._standing = self._standing, None
        if standing is not None:
            yield from self._show(standing, self._begin)

    def _show(self, frame: VideoFrame, t: float) -> Iterator[tuple[float, Packet[Any]]]:
        frame.pts, frame.time_base = (
            round(t / self._settings.time_base),
            self._settings.time_base,
        )
        frame.pict_type = PictureType.I if self._first else PictureType.NONE
        self._first = False
        yield from self._given(self._encoder.encode(frame))

    def _given(self, packets: Sequence[Packet[Any]]) -> Iterator[tuple[float, Packet[Any]]]:
        for packet in packets:
            assert packet.pts is not None
            t = float(packet.pts * self._settings.time_base)
            if self._lengths:
                made = av.Packet(prefixed(_slices(bytes(packet)), self._lengths["size"]))
                made.is_keyframe = packet.is_keyframe
                yield t, made
            else:
                yield t, packet


def _sound(container: InputContainer, stream: AudioStream, keep: Sequence[Span]) -> Iterator[Timed]:
    base = stream.time_base or Fraction(1, encoders.SAMPLE_RATE)
    at, last = 0.0, 0.0
    for begin, end in keep:
        container.seek(round(begin * av.time_base), backward=True, stream=None)
        for packet in container.demux(stream):
            if packet.pts is None or not packet.size or packet.time_base is None:
                continue
            length = float((packet.duration or 0) * packet.time_base)
            t = float(packet.pts * packet.time_base)
            if t + length / 2 < begin:
                continue
            if t + length / 2 >= end:
                break
            ideal = at + t - begin
            if ideal < last - length / 2:
                continue
            ideal = last if abs(ideal - last) <= length / 2 else ideal
            packet.pts = packet.dts = round(ideal / base)
            packet.time_base = base
            last = ideal + length
            yield ideal, 1, packet
        at += end - begin


def _fits(stream: VideoStream, settings: VideoSettings) -> bool:
    """Whether what `settings` encode has the very header that the lecture has."""
    header = stream.codec_context.extradata or b""
    if stream.codec_context.name != "h264" or header[:1] != b"\x01":
        return False
    try:
        ours = encoders.open_video(settings).extradata or b""
    except av.error.FFmpegError:
        return False
    return record_sets(header) == [unit for unit in units(ours) if unit[0] & 31 in (_SPS, _PPS)]


def _slices(data: bytes) -> list[bytes]:
    """The units of a picture as MP4 holds them: headers stand in the file's own."""
    return [unit for unit in units(data) if unit[0] & 31 not in (_SPS, _PPS, _AUD)]


def _length_size(stream: VideoStream) -> int:
    header = stream.codec_context.extradata or b""
    return (header[4] & 3) + 1 if len(header) > 4 else 4
