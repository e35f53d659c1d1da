"""The finished lecture's sound: exactly at the target, its true peak below -1 dBTP.

The picture is copied; only the sound is made again, from the tracks.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.packet import Packet

from recorder import encoders
from recorder.encoders import AAC_FRAME, SAMPLE_RATE
from recorder.engines.chapters import Chapter
from recorder.engines.loudness import (
    AHEAD,
    CEILING,
    TARGET,
    Leveller,
    Limiter,
    Meter,
    Samples,
    decibels,
    peaks,
)
from recorder.engines.sound import CHANNELS
from recorder.production.joining import chapter_list
from recorder.production.mix import Verdict, cleaned
from recorder.production.timeline import Timeline
from recorder.recording import Recording, sync_directory

US = 1_000_000
EXACT_LU = 0.3
HIGHEST = -1.0
_TRIES = 3
_BIT_RATE = 128_000

Progress = Callable[[float, float], None]


@dataclass(frozen=True)
class Mastered:
    """How loud the finished file is, measured in it: LUFS and dBTP."""

    loudness: float | None
    true_peak: float


def _with_next(blocks: Iterator[Samples]) -> Iterator[tuple[Samples, Samples]]:
    """Each block with the beginning of what follows it."""
    nothing = np.zeros((CHANNELS, AHEAD), np.float32)
    held: Samples | None = None
    for block in blocks:
        if held is None:
            held = block
        elif block.shape[1] < AHEAD or held.shape[1] < AHEAD:
            held = np.concatenate([held, block], axis=1)
        else:
            yield held, block[:, :AHEAD]
            held = block
    if held is not None:
        yield held, nothing


def levelled(
    blocks: Iterator[Samples], trim: float = 0.0, ceiling: float = CEILING
) -> Iterator[Samples]:
    """Sound with an even level, turned by `trim` dB as a whole, its peaks below `ceiling`."""
    leveller, position = Leveller(ceiling=ceiling), 0

    def even() -> Iterator[Samples]:
        nonlocal position
        for block, ahead in _with_next(blocks):
            yield leveller.take(position, block, ahead) * np.float32(10 ** (trim / 20))
            position += block.shape[1]

    limiter, at = Limiter(ceiling), 0
    for block, ahead in _with_next(even()):
        yield limiter.take(at, block, ahead)
        at += block.shape[1]


def master(
    recording: Recording,
    line: Timeline,
    verdict: Verdict,
    told: Sequence[Chapter],
    progress: Progress = lambda done, total: None,
) -> Mastered:
    """Makes `products/lecture.mp4` anew with exact sound and with these chapters.

    Returns what was measured in the file. A silent lecture stays silent. Raises OSError and
    av.error.FFmpegError when the file cannot be read or written; then the old one stands.
    """
    meter, ceiling = Meter(), CEILING
    for number, block in enumerate(levelled(cleaned(recording, line, verdict))):
        meter.add(block)
        progress(number / 2, line.duration)
    before = meter.gated.loudness
    trim = 0.0 if before is None else TARGET - before
    new = recording.lecture.with_suffix(".mastered")
    measured = Mastered(None, -120.0)
    for _ in range(_TRIES):
        sound = levelled(cleaned(recording, line, verdict), trim, ceiling)
        _mux(recording, new, sound, told)
        measured = measure(new)
        if measured.loudness is None:
            break
        off = TARGET - measured.loudness
        if abs(off) <= EXACT_LU and measured.true_peak <= HIGHEST:
            break
        trim += off
        ceiling -= max(0.0, measured.true_peak - HIGHEST + 0.1)
    with new.open("rb") as file:
        os.fsync(file.fileno())
    new.replace(recording.lecture)
    sync_directory(recording.products)
    progress(line.duration, line.duration)
    return measured


def measure(path: Path) -> Mastered:
    """Integrated loudness and true peak of a file's sound."""
    meter, peak = Meter(), 0.0
    with av.open(str(path)) as container:
        resampler = av.AudioResampler("fltp", "stereo", SAMPLE_RATE)
        for frame in container.decode(audio=0):
            for part in resampler.resample(frame):
                sound = np.asarray(part.to_ndarray(), np.float32)
                meter.add(sound)
                peak = max(peak, float(peaks(sound).max(initial=0.0)))
    return Mastered(meter.gated.loudness, decibels(peak))


def _encoded(stream: AudioStream, sound: Iterator[Samples]) -> Iterator[Packet[Any]]:
    """AAC packets of the sound; what lies before its first sample is left out."""
    rest, at = np.zeros((CHANNELS, 0), np.float32), 0

    def encode(samples: Samples | None) -> Iterator[Packet[Any]]:
        frame = None
        if samples is not None:
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples), "fltp", "stereo")
            frame.sample_rate, frame.pts = SAMPLE_RATE, at
            frame.time_base = Fraction(1, SAMPLE_RATE)
        for packet in stream.codec_context.encode(frame):
            if packet.pts is not None and packet.pts >= 0:
                packet.stream = stream
                yield packet

    for block in sound:
        rest = np.concatenate([rest, block], axis=1)
        while rest.shape[1] >= AAC_FRAME:
            yield from encode(rest[:, :AAC_FRAME])
            rest, at = rest[:, AAC_FRAME:], at + AAC_FRAME
    if rest.shape[1]:
        yield from encode(np.pad(rest, ((0, 0), (0, AAC_FRAME - rest.shape[1]))))
    yield from encode(None)


def _mux(
    recording: Recording, path: Path, sound: Iterator[Samples], told: Sequence[Chapter]
) -> None:
    manifest = recording.manifest
    out: OutputContainer = av.open(str(path), "w", format="mp4", options={"movflags": "faststart"})
    with out, av.open(str(recording.lecture)) as source:
        video = out.add_stream_from_template(source.streams.video[0])
        audio: AudioStream = out.add_stream("aac", rate=SAMPLE_RATE)
        encoders.set_sound(audio.codec_context, CHANNELS, _BIT_RATE)
        tags = {"title": manifest.title, "artist": manifest.lecturer, "album": manifest.course}
        out.metadata.update({key: value for key, value in tags.items() if value})
        out.start_encoding()
        packets = _encoded(audio, sound)
        heard = next(packets, None)
        end = 0.0
        for packet in source.demux(source.streams.video[0]):
            if packet.pts is None or not packet.size:
                continue
            t = float(packet.pts * packet.time_base)
            while heard is not None and float((heard.pts or 0) * heard.time_base) <= t:
                out.mux_one(heard)
                heard = next(packets, None)
            end = t + float((packet.duration or 0) * packet.time_base)
            packet.stream = video
            out.mux_one(packet)
        while heard is not None:
            out.mux_one(heard)
            heard = next(packets, None)
        out.set_chapters(chapter_list(told, end))
