"""What was cut out is destroyed in the tracks too: voice and picture of that time, in each source.

A segment that the time lies in is written anew without it, by stream copy. Picture goes on at the
next key frame, so up to one group of pictures more is lost; sound loses the packets that touch
the time. A segment that lies in it whole is deleted. The gap is marked.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import av
from av.stream import Stream

from recorder import segments
from recorder.media import MediaStream, Sample
from recorder.program import PARTS
from recorder.recording import Recording, sync_directory
from recorder.spans import Span, cuts

_US = 1_000_000

# What was measured, heard or read of the whole class, and can be made again from what is left.
_DERIVED = ("transcript-*", "texts-*", "lecture-*.mp4", "fill-*", "*.draft.json")


def destroy(recording: Recording) -> list[Path]:
    """Takes what is to be erased out of the tracks; returns the segments that were changed."""
    out = cuts(recording.markers(), erased=True)
    if not out:
        return []
    changed, syncer = [], segments.Syncer()
    for source in recording.manifest.sources:
        folder = recording.track(source.id)
        for _, path in segments.segment_files(folder):
            held = segments.span(path)
            within = [(a, b) for a, b in out if held and a < held[1] and b > held[0]]
            if held is not None and within and _strip(path, held, within, syncer):
                changed.append(path)
        for path in (folder / "quarantine").glob("*"):
            path.unlink()  # torn pieces: nobody can say what they hold
    syncer.stop()
    for path in recording.live.glob("*"):
        if path.is_file():
            path.unlink()
    for path in recording.products.glob("*.draft.json"):
        path.unlink()
    for pattern in _DERIVED:
        for path in (recording.products / PARTS).glob(pattern):
            path.unlink()
    return changed


def _strip(path: Path, held: Span, out: Sequence[Span], syncer: segments.Syncer) -> bool:
    if any(a <= held[0] and b >= held[1] for a, b in out):
        path.unlink()
        sync_directory(path.parent)
        return True
    new = path.with_name(f".erased{path.suffix}")
    dropped = False
    waiting: set[int] = set()
    with av.open(str(path)) as source:
        kept = [stream for stream in source.streams if stream.type in ("video", "audio")]
        numbers = {stream.index: number for number, stream in enumerate(kept)}
        writer = segments.SegmentWriter(new, [_media(stream) for stream in kept], syncer)
        for packet in source.demux(kept):
            if packet.pts is None or not packet.size or packet.time_base is None:
                continue
            base = packet.time_base
            begin = float(packet.pts * base)
            end = begin + float((packet.duration or 0) * base)
            index = packet.stream.index
            video = packet.stream.type == "video"
            if any(begin < b and max(end, begin + 1e-6) > a for a, b in out):
                dropped = True
                if video:
                    waiting.add(index)
                continue
            if index in waiting:
                if not packet.is_keyframe:
                    continue
                waiting.discard(index)
            dts = packet.pts if packet.dts is None else packet.dts
            writer.write(
                Sample(
                    numbers[index],
                    round(packet.pts * base * _US),
                    round(dts * base * _US),
                    round((packet.duration or 0) * base * _US),
                    not video or packet.is_keyframe,
                    packet,
                )
            )
        writer.close()
    if not dropped:
        new.unlink(missing_ok=True)
        return False
    if writer.samples:
        new.replace(path)
    else:
        path.unlink()
    sync_directory(path.parent)
    return True


def _media(stream: Stream) -> MediaStream:
    context: Any = stream.codec_context
    video = stream.type == "video"
    return MediaStream(
        "video" if video else "audio",
        context.codec.canonical_name,
        bytes(context.extradata or b""),
        context.width if video else 0,
        context.height if video else 0,
        rate=0 if video else context.sample_rate,
        channels=0 if video else context.channels,
        template=stream,
    )
