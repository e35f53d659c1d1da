"""A class whose tracks stand on disk: slides that turn every four seconds, a camera, sound."""

from __future__ import annotations

import functools
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from recorder import encoders, feed
from recorder.production.finish import finish
from recorder.recording import Layout, ProgramSpec, Recording, SourceSpec, create
from recorder.segments import MediaStream, Sample, SegmentWriter, Syncer
from recorder.sources import generate

SECONDS = 14
S = 1_000_000
SPEC = ProgramSpec(width=320, height=180, fps=25)
CAMERA = SourceSpec(
    id="camera",
    role="presenter",
    url="test:presenter?size=160x90&fps=10",  # type: ignore[arg-type]
)
SLIDES = SourceSpec(
    id="laptop",
    role="slides",
    url="test:slides?size=640x360&fps=10&page=4",  # type: ignore[arg-type]
)
MICROPHONE = SourceSpec(id="desk", role="microphone", url="test:speech")  # type: ignore[arg-type]

Packets = tuple[feed.StreamInfo, list[feed.FeedPacket]]


@functools.cache
def generated(url: str, source: str, role: str) -> Packets:
    return generate.clip(url, source, role, 0, 0, SECONDS * S)


def sound_packets(source: str, sound: NDArray[np.float32]) -> Packets:
    """Sound of one's own (channels, samples) as a source's packets."""
    channels = sound.shape[0]
    encoder = encoders.open_sound(channels, 96_000)
    header = (encoder.extradata or b"").hex()
    rate, size = encoders.SAMPLE_RATE, encoders.AAC_FRAME
    info = feed.StreamInfo(
        0, source, "microphone", "audio", "aac", header, rate=rate, channels=channels
    )
    packets = []
    for at in range(0, sound.shape[1] - size, size):
        part = np.ascontiguousarray(sound[:, at : at + size])
        frame = av.AudioFrame.from_ndarray(part, "fltp", "mono" if channels == 1 else "stereo")
        frame.sample_rate, frame.pts, frame.time_base = rate, at, Fraction(1, rate)
        for packet in encoder.encode(frame):
            if packet.pts is not None and packet.pts >= 0:
                t = packet.pts * S // rate
                packets.append(feed.FeedPacket(0, t, t, 21_333, bytes(packet), key=True))
    return info, packets


def write_track(recording: Recording, source: str, clip: Packets) -> None:
    """Writes a source's track as the recorder does."""
    info, packets = clip
    stream = MediaStream(
        info.media, info.codec, bytes.fromhex(info.extradata), info.width, info.height,
        info.fps, info.rate, info.channels,
    )  # fmt: skip
    folder = recording.track(source)
    folder.mkdir(parents=True)
    syncer = Syncer()
    writer = SegmentWriter(folder / "000001.mp4", [stream], syncer)
    for p in packets:
        writer.write(Sample(0, p.pts, p.dts, p.duration, p.key, av.Packet(p.data)))
    writer.close()
    syncer.stop()


Build = Callable[..., Recording]


@pytest.fixture(scope="session")
def build() -> Build:
    def make(
        root: Path,
        *,
        pause: tuple[float, float] | None = None,
        sources: tuple[SourceSpec, ...] = (CAMERA, SLIDES, MICROPHONE),
        sounds: dict[str, NDArray[np.float32]] | None = None,
        language: str | None = "en",
    ) -> Recording:
        recording = create(
            root,
            session="s",
            room="Room 1",
            title="Physics & more",
            course="PHY1",
            lecturer="A. Teacher",
            language=language,
            sources=list(sources),
            layout=Layout.SLIDES_PRESENTER,
            program=SPEC,
        )
        for source in sources:
            if sounds and source.id in sounds:
                clip = sound_packets(source.id, sounds[source.id])
            else:
                clip = generated(source.url, source.id, str(source.role))
            write_track(recording, source.id, clip)
        recording.mark("start", 0)
        if pause:
            recording.mark("pause", pause[0])
            recording.mark("resume", pause[1])
        recording.mark("end", SECONDS)
        return recording

    return make


@pytest.fixture
def microphone_only(tmp_path: Path, build: Build) -> Callable[[NDArray[np.float32]], Recording]:
    def make(sound: NDArray[np.float32]) -> Recording:
        recording = build(tmp_path, sources=(CAMERA, MICROPHONE), sounds={"desk": sound})
        finish(recording)
        return recording

    return make
