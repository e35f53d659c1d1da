"""Segments: the crash-safe files of a track, and the syncer that makes them durable.

A segment is a fragmented MP4 (QuickTime or Matroska where MP4 cannot hold the codec) whose packets
carry class time. Each fragment of a tenth of a second reaches the kernel as soon as it is whole,
and the disk within a second, so that a killed process or a power cut takes no more than that.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import struct
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import Any

import av
from av.container import OutputContainer
from av.stream import Stream

from recorder import fmp4
from recorder.media import MediaStream, Sample, extension
from recorder.recording import sync_directory

log = logging.getLogger(__name__)

US = Fraction(1, 1_000_000)
FRAGMENT_US = 100_000
_MATROSKA_IDS = {
    "h264": b"V_MPEG4/ISO/AVC",
    "hevc": b"V_MPEGH/ISO/HEVC",
    "av1": b"V_AV1",
    "vp8": b"V_VP8",
    "vp9": b"V_VP9",
    "mjpeg": b"V_MJPEG",
    "aac": b"A_AAC",
    "opus": b"A_OPUS",
    "flac": b"A_FLAC",
    "mp3": b"A_MPEG/L3",
    "pcm_s16le": b"A_PCM/INT/LIT",
}
_NAME = re.compile(r"(\d{6})\.(mp4|mov|mkv)")


class SegmentError(Exception):
    """A segment cannot be begun: the codec is not known or its header is missing."""


def _element(identity: str, body: bytes) -> bytes:
    return bytes.fromhex(identity) + (1 << 56 | len(body)).to_bytes(8, "big") + body


def _number(identity: str, value: int) -> bytes:
    return _element(identity, value.to_bytes(4, "big"))


def _describe(stream: MediaStream) -> Stream:
    """Opens a Matroska header that describes the stream.

    PyAV copies parameters only from a demuxer's stream; for packets that came through a pipe
    this header is that demuxer.
    """
    name = _MATROSKA_IDS.get(stream.codec)
    if name is None:
        raise SegmentError(f"codec {stream.codec!r} cannot be recorded")
    video = stream.media == "video"
    track = _number("D7", 1) + _number("73C5", 1) + _number("83", 1 if video else 2)
    track += _element("86", name)
    if video:
        track += _element("E0", _number("B0", stream.width) + _number("BA", stream.height))
    else:
        rate = _element("B5", struct.pack(">d", stream.rate))
        track += _element("E1", rate + _number("9F", stream.channels))
    head = _number("4286", 1) + _number("42F7", 1) + _number("42F2", 4) + _number("42F3", 8)
    head += _element("4282", b"matroska") + _number("4287", 4) + _number("4285", 2)
    body = _element("1549A966", _number("2AD7B1", 1_000_000))
    body += _element("1654AE6B", _element("AE", track)) + _element("1F43B675", _number("E7", 0))
    whole = _element("1A45DFA3", head) + _element("18538067", body)
    container = av.open(BytesIO(whole), "r", format="matroska")
    return container.streams[0]


def keep(stream: MediaStream) -> MediaStream:
    """The stream with a description of its own: that of its demuxer ends with the demuxer."""
    if stream.template is None:
        return stream
    kind = extension([stream])
    holder = av.open(BytesIO(), "w", format="matroska" if kind == "mkv" else kind)
    with contextlib.suppress(ValueError):
        return replace(stream, template=holder.add_stream_from_template(stream.template))
    return replace(stream, template=None)


def _add(container: OutputContainer, stream: MediaStream, matroska: bool) -> Stream:
    added = container.add_stream_from_template(stream.template or _describe(stream))
    context: Any = added.codec_context
    if stream.extradata:
        context.extradata = stream.extradata
    if stream.media == "video" and stream.width:
        context.width, context.height = stream.width, stream.height
    if matroska:
        added.time_base = Fraction(1, 1000)
    else:
        added.time_base = Fraction(1, stream.rate or 90_000)
    return added


class Syncer:
    """One thread that makes the open segments durable once a second.

    `on_slow(seconds)` hears of a sync that took more than a second.
    """

    PERIOD = 1.0

    def __init__(self, on_slow: Callable[[float], None] | None = None) -> None:
        self._files: dict[int, Path] = {}
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._stopped = False
        self._on_slow = on_slow
        self._thread = threading.Thread(target=self._run, name="syncer", daemon=True)
        self._thread.start()

    def add(self, path: Path) -> int:
        """Watches an open file, makes its name durable, and returns a handle for `remove`."""
        sync_directory(path.parent)
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        with self._lock:
            self._files[handle] = path
        return handle

    def remove(self, handle: int) -> None:
        """Syncs the file a last time and lets it go."""
        with self._lock:
            self._files.pop(handle, None)
        try:
            os.fdatasync(handle)
        except OSError as error:
            log.warning("the last sync of a segment failed: %s", error.strerror)
        finally:
            os.close(handle)

    def now(self) -> None:
        """Syncs without waiting for the second to pass."""
        self._wake.set()

    def stop(self) -> None:
        self._stopped = True
        self._wake.set()

    def _run(self) -> None:
        due = time.monotonic() + self.PERIOD
        while not self._stopped:
            self._wake.wait(max(0.0, due - time.monotonic()))
            self._wake.clear()
            due = time.monotonic() + self.PERIOD  # a slow disk does not put off the next one
            with self._lock:
                # Duplicates stay valid when `remove` closes the originals meanwhile.
                handles = [os.dup(handle) for handle in self._files]
            for handle in handles:
                began = time.monotonic()
                try:
                    os.fdatasync(handle)
                except OSError as error:
                    log.warning("syncing a segment failed: %s", error.strerror)
                finally:
                    os.close(handle)
                took = time.monotonic() - began
                if took > 1.0 and self._on_slow is not None:
                    self._on_slow(took)


class SegmentWriter:
    """Writes one segment. Not thread-safe. Raises OSError (ENOSPC, EIO) from `write` and `close`.

    Stamps of each stream must rise; they are pushed on by a tick where they do not.
    """

    def __init__(self, path: Path, streams: Sequence[MediaStream], syncer: Syncer) -> None:
        self.path = path
        self.first: int | None = None
        self.last = 0
        self.samples = 0
        self.on_disk = False
        self._syncer = syncer
        self._handle: int | None = None
        self._dts = [-(1 << 62)] * len(streams)
        matroska = path.suffix == ".mkv"
        options = {"flush_packets": "1", "max_interleave_delta": "100000"}
        if matroska:
            options |= {"cluster_time_limit": "100"}
        else:
            options |= {
                "movflags": "empty_moov+default_base_moof+frag_discont+skip_trailer",
                "frag_duration": str(FRAGMENT_US),
                "avoid_negative_ts": "disabled",
            }
        self._tick = 1000 if matroska else 100
        self._container: OutputContainer = av.open(
            str(path), "w", format="matroska" if matroska else path.suffix[1:], options=options
        )
        try:
            self._streams = [_add(self._container, stream, matroska) for stream in streams]
            self._container.start_encoding()
            self._header = path.stat().st_size
            self._handle = syncer.add(path)
        except BaseException:
            self._abandon()
            raise

    def write(self, sample: Sample) -> None:
        index = sample.stream
        dts = max(sample.dts, self._dts[index] + self._tick)
        self._dts[index] = dts
        packet = sample.packet
        packet.stream = self._streams[index]
        packet.time_base = US
        packet.dts = dts
        packet.pts = max(sample.pts, dts)
        packet.duration = sample.duration
        self._container.mux_one(packet)
        self.samples += 1
        if self.first is None:
            self.first = sample.pts
        self.last = max(self.last, sample.pts + sample.duration)
        if not self.on_disk and self.path.stat().st_size > self._header:
            self.on_disk = True
            self._syncer.now()

    def close(self) -> None:
        """Ends the file and makes it durable. The file stays readable even when this raises."""
        try:
            self._container.close()
        finally:
            if self._handle is not None:
                self._syncer.remove(self._handle)
                self._handle = None
        if not self.samples:
            self.path.unlink(missing_ok=True)

    def _abandon(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._container.close()
        if self._handle is not None:
            self._syncer.remove(self._handle)


def segment_files(folder: Path) -> list[tuple[int, Path]]:
    """The segments of a track folder by number, in order."""
    if not folder.is_dir():
        return []
    found = []
    for path in folder.iterdir():
        if match := _NAME.fullmatch(path.name):
            found.append((int(match[1]), path))
    return sorted(found)


def next_number(folder: Path) -> int:
    """A number that no segment has, quarantined ones included."""
    numbers = [number for number, _ in segment_files(folder)]
    numbers += [number for number, _ in segment_files(folder / "quarantine")]
    return max(numbers, default=0) + 1


def span(path: Path) -> tuple[float, float] | None:
    """Class seconds of a segment's beginning and end; None when nothing in it is readable."""
    if path.suffix in fmp4.SUFFIXES:
        found = fmp4.scan_edges(path)
        if found.start is None or found.stop is None:
            return None
        return found.start, found.stop
    start, stop = None, 0.0
    with contextlib.suppress(OSError, av.error.FFmpegError), av.open(str(path)) as container:
        for packet in container.demux():
            if packet.pts is None or packet.time_base is None:
                continue
            at = float(packet.pts * packet.time_base)
            start = at if start is None else min(start, at)
            stop = max(stop, at + float((packet.duration or 0) * packet.time_base))
    return None if start is None else (start, stop)


def trim(folder: Path, end: float) -> dict[Path, float | None]:
    """Cuts a track at `end` (class seconds), to a fragment, without copying packets.

    Returns the segments that were cut, with the class second where each ends now; None: removed.
    """
    changed: dict[Path, float | None] = {}
    for _, path in reversed(segment_files(folder)):
        found = span(path)
        if found is None:
            continue
        if found[1] <= end:
            break
        if found[0] >= end:
            path.unlink()
            changed[path] = None
        elif path.suffix in fmp4.SUFFIXES:
            changed[path] = _cut(path, end)
        else:
            _copy_until(path, end)
            changed[path] = end
    if changed:
        sync_directory(folder)
    return changed


def _cut(path: Path, end: float) -> float:
    """Cuts the file after the last fragment that begins before `end`. Returns where it ends."""
    fragments = fmp4.scan_edges(path).fragments
    if len(fragments) < 2 or fragments[1].start >= end:  # what lies between was not looked at
        fragments = fmp4.scan(path).fragments
    kept = [fragment for fragment in fragments if fragment.start < end]
    with path.open("r+b") as file:
        file.truncate(max(fragment.end for fragment in kept))
        os.fsync(file.fileno())
    return max(fragment.stop for fragment in kept)


def _copy_until(path: Path, end: float) -> None:
    copy = path.with_suffix(".new")
    with av.open(str(path)) as source, av.open(str(copy), "w", format="matroska") as target:
        streams = {s.index: target.add_stream_from_template(s) for s in source.streams}
        for packet in source.demux():
            if packet.pts is None or packet.time_base is None:
                continue
            if packet.pts * packet.time_base < end:
                packet.stream = streams[packet.stream_index]
                target.mux_one(packet)
    copy.replace(path)
