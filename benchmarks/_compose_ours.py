"""The lecture by our engine, from files.

`python -m benchmarks._compose_ours FOLDER CAMERA OUT SECONDS [auto]`: `auto` takes what is proven.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import av
import cv2

from recorder import encoders, feed
from recorder.engines import decoders, spaces
from recorder.engines.lecture import Program
from recorder.production.replay import interleave
from recorder.recording import ProgramSpec

_US = 1_000_000


def packets(
    path: Path, index: int, source: str, role: str
) -> Iterator[feed.StreamInfo | feed.FeedPacket]:
    """A file's only stream as a feed."""
    with av.open(str(path)) as container:
        stream = container.streams[0]
        context = stream.codec_context
        header = (context.extradata or b"").hex()
        if isinstance(stream, av.VideoStream):
            size = (stream.codec_context.width, stream.codec_context.height)
            yield feed.StreamInfo(
                index, source, role, "video", context.name, header, *size, float(30)
            )
        else:
            yield feed.StreamInfo(
                index, source, role, "audio", context.name, header, rate=48000, channels=2
            )
        for packet in container.demux(stream):
            if packet.size and packet.pts is not None:
                pts, dts = (
                    round(t * packet.time_base * _US)
                    for t in (packet.pts, packet.pts if packet.dts is None else packet.dts)
                )
                length = round((packet.duration or 0) * packet.time_base * _US)
                yield feed.FeedPacket(
                    index, pts, dts, length, bytes(packet), key=packet.is_keyframe
                )


def main(folder: Path, camera: str, out: Path, seconds: float, engine: str = "software") -> None:
    """Makes the lecture as fast as it goes, on one encoder and one decoder thread."""
    cv2.setNumThreads(1)
    proven = engine == "auto"
    program = Program(
        out,
        ProgramSpec(width=1920, height=1080, fps=30),
        "slides+presenter",
        0,
        encoder=encoders.choose(engine),
        decoder=decoders.choose() if proven else None,
        space=spaces.choose() if proven else None,
    )
    streams = [
        packets(folder / "slides.mp4", 0, "laptop", "slides"),
        packets(folder / camera, 1, "camera", "presenter"),
        packets(folder / "sound.m4a", 2, "desk", "microphone"),
    ]
    for message in interleave(streams, 0, round(seconds * _US)):
        program.take(message)
    program.take(feed.Command("finish", {"t": seconds}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]), float(sys.argv[4]), *sys.argv[5:6])
