"""The feed of a class that is over, from its tracks: what the program would have read."""

from __future__ import annotations

import functools
import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import av
from av.container import InputContainer

from recorder import feed, segments
from recorder.feeds import heard, shown_first
from recorder.recording import Recording, SourceSpec

TICK_US = 100_000
MEDIA = frozenset(("video", "audio"))
_GROUP_US = 12_000_000  # a key frame this far before the span still counts as its beginning


def interleave(
    streams: Sequence[Iterable[feed.StreamInfo | feed.FeedPacket]], begin: int, end: int
) -> Iterator[feed.Message]:
    """Merges streams in order of decoding time and ticks between them (µs), up to `end`.

    Packets that end before `begin` are given as preroll. An announcement keeps its place before
    the packet that follows it.
    """

    def ordered(
        number: int, stream: Iterable[feed.StreamInfo | feed.FeedPacket]
    ) -> Iterator[tuple[int, int, int, feed.StreamInfo | feed.FeedPacket]]:
        at = -(1 << 62)
        for order, message in enumerate(stream):
            if isinstance(message, feed.FeedPacket):
                at = max(at, message.dts)
            yield at, number, order, message

    now = begin
    for at, _, _, message in heapq.merge(*(ordered(n, s) for n, s in enumerate(streams))):
        while at >= now + TICK_US and now < end:
            now = min(end, now + TICK_US)
            yield feed.Tick(now)
        if at >= end and isinstance(message, feed.FeedPacket) and message.pts >= end:
            continue
        if isinstance(message, feed.FeedPacket) and message.pts + message.duration <= begin:
            message = replace(message, preroll=True)  # noqa: PLW2901
        yield message
    yield feed.Tick(end)


def replay(
    recording: Recording,
    begin: int,
    end: int,
    *,
    media: frozenset[str] = MEDIA,
    roles: frozenset[str] | None = None,
) -> Iterator[feed.Message]:
    """The feed from class time `begin` to `end` (µs), beginning with what decoding needs.

    Only streams of these `media`, and of sources with these `roles` (None: all). Damaged or
    missing segments leave out what they held.
    """
    streams = []
    first_index = 0
    for source in recording.manifest.sources:
        folder = recording.track(source.id)
        count = _stream_count(folder)
        for number in range(count if roles is None or str(source.role) in roles else 0):
            index = first_index + number
            streams.append(_stream(source, folder, number, index, begin, end, media))
        first_index += count
    return interleave(streams, begin, end)


def _open(path: Path) -> InputContainer | None:
    try:
        return av.open(str(path))
    except (av.error.FFmpegError, OSError):
        return None


def _stream_count(folder: Path) -> int:
    files = [path for _, path in segments.segment_files(folder)]
    return max((_streams_of(path, path.stat().st_ino) for path in files), default=0)


_COUNTS: dict[tuple[Path, int], int] = {}


def _streams_of(path: Path, inode: int) -> int:
    """How many streams a segment has; its header never changes once it is there."""
    known = _COUNTS.get((path, inode), 0)
    if not known and (container := _open(path)) is not None:
        with container:
            known = _COUNTS[path, inode] = len(container.streams)
    return known


@functools.lru_cache(1024)
def _span(path: Path, size: int) -> tuple[float, float] | None:
    return segments.span(path)


def _stream(
    source: SourceSpec,
    folder: Path,
    number: int,
    index: int,
    begin: int,
    end: int,
    media: frozenset[str],
) -> Iterator[feed.StreamInfo | feed.FeedPacket]:
    """One elementary stream of a track: announcements and packets from the last key frame on."""
    told: feed.StreamInfo | None = None
    group: list[feed.FeedPacket] = []
    for info, packet in _packets(source, folder, number, index, begin, end, media):
        if info != told:
            if group:
                yield from group
                group = []
            told = info
            yield info
        if packet.pts < begin:
            if packet.key:
                group = []
            group.append(packet)
            continue
        yield from group
        group = []
        yield packet
    yield from group


def _packets(
    source: SourceSpec,
    folder: Path,
    number: int,
    index: int,
    begin: int,
    end: int,
    media: frozenset[str],
) -> Iterator[tuple[feed.StreamInfo, feed.FeedPacket]]:
    files = segments.segment_files(folder)
    for place, (_, path) in enumerate(files):
        span = _span(path, path.stat().st_size)
        if span is None or span[0] * 1e6 >= end:
            continue
        later = files[place + 1 :]
        if span[1] * 1e6 <= begin - _GROUP_US and later:
            continue
        container = _open(path)
        if container is None:
            continue
        with container:
            if number >= len(container.streams):
                continue
            stream = container.streams[number]
            if stream.type not in media:
                continue
            info = _info(stream, source, index)
            packets = container.demux(stream)
            while True:
                try:
                    packet = next(packets)
                except (StopIteration, av.error.FFmpegError):
                    break  # the end, or where the file is torn
                if packet.size == 0 or packet.pts is None or packet.time_base is None:
                    continue
                pts = round(packet.pts * packet.time_base * 1_000_000)
                if pts >= end + 1_000_000:
                    break
                dts = (
                    pts if packet.dts is None else round(packet.dts * packet.time_base * 1_000_000)
                )
                length = round((packet.duration or 0) * packet.time_base * 1_000_000)
                yield (
                    info,
                    feed.FeedPacket(index, pts, dts, length, bytes(packet), packet.is_keyframe),
                )


def _info(stream: av.stream.Stream, source: SourceSpec, index: int) -> feed.StreamInfo:
    context = stream.codec_context
    header = (context.extradata or b"").hex()
    if isinstance(stream, av.VideoStream):
        return feed.StreamInfo(
            index,
            source.id,
            str(source.role),
            "video",
            stream.codec_context.name,
            header,
            stream.codec_context.width,
            stream.codec_context.height,
            float(stream.average_rate or 0),
            first=shown_first(source),
        )
    assert isinstance(stream, av.AudioStream)
    sound = stream.codec_context
    return feed.StreamInfo(
        index,
        source.id,
        str(source.role),
        "audio",
        sound.name,
        header,
        rate=sound.sample_rate,
        channels=sound.channels,
        first=shown_first(source),
        pick=heard(source),
    )
