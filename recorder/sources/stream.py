"""A source that FFmpeg reads (RTSP, HTTP, RTMP, a file): its packets are copied, never decoded."""

from __future__ import annotations

import logging
import math
import random
import struct
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import av
from av.container import InputContainer
from av.stream import Stream

from recorder.annexb import annex_b
from recorder.clock import US, ClassClock, SenderClock, SourceClock
from recorder.media import MediaStream, Sample
from recorder.recording import SourceSpec
from recorder.sources import Sink, parameters, relay
from recorder.sources.open import Address, SourceError, open_stream, reason

log = logging.getLogger(__name__)

FIRST_WAIT, LONGEST_WAIT = 0.5, 10.0
SETTLED = 10.0
BURST_GAP, BURST_MOST = 0.004, 0.08
_PRODUCED = struct.Struct("<q")  # AVProducerReferenceTime: microseconds since 1970 come first


class Backoff:
    """Waiting times between attempts, doubled each time and spread by a fifth."""

    def __init__(self, first: float = FIRST_WAIT, longest: float = LONGEST_WAIT) -> None:
        self._first, self._longest = first, longest
        self._next = first

    def reset(self) -> None:
        self._next = self._first

    def wait(self) -> float:
        """Seconds to wait now."""
        now = self._next
        self._next = min(self._next * 2, self._longest)
        return now * random.uniform(0.8, 1.2)  # noqa: S311


@dataclass(slots=True)
class _Track:
    """One elementary stream being read. `scale` is seconds per tick."""

    index: int
    scale: float
    media: MediaStream
    in_band: bool
    sets: set[bytes]
    adts: bool = False
    held: float = 0.0
    last: float = math.inf


def _media(stream: Stream) -> MediaStream:
    context: Any = stream.codec_context
    codec = context.codec.canonical_name
    if stream.type == "video":
        rate = stream.average_rate or stream.guessed_rate
        fps = float(rate) if rate and 1 <= rate <= 240 else 0.0
        return MediaStream(
            "video",
            codec,
            bytes(context.extradata or b""),
            context.width,
            context.height,
            round(fps, 3),
            template=stream,
        )
    return MediaStream(
        "audio",
        codec,
        bytes(context.extradata or b""),
        rate=context.sample_rate,
        channels=context.channels,
        template=stream,
    )


class StreamSource(threading.Thread):
    """Reads one address, over and over, until it is stopped; a daemon thread."""

    def __init__(
        self, spec: SourceSpec, address: Address, clock: ClassClock, sink: Sink, resume: float
    ) -> None:
        """`resume` is how far (seconds) a file was already recorded before a restart."""
        super().__init__(name=f"source-{spec.id}", daemon=True)
        self.ended = False
        self._spec, self._address = spec, address
        self._clock, self._sink = clock, sink
        self._mapping = SourceClock()
        self._sender = SenderClock(spec.clock == "sender")
        self._offset = round(spec.offset_ms * 1000)
        self._resume = resume
        self._wake = threading.Event()
        self._stopping = self._patient = False

    def retry(self) -> None:
        self._wake.set()

    def stop(self) -> None:
        self._stopping = True
        self._wake.set()

    def check(self) -> None:
        """FFmpeg's own timeouts watch the connection."""

    def measured(self) -> dict[str, float]:
        if not self._address.live:
            return {}
        found = self._mapping.measured()
        told: dict[str, float] = {
            "drift_ppm": found.drift_ppm,
            "offset_s": found.offset_s,
            "clock_resets": found.resets,
        }
        if latency := self._sender.latency:
            told["sender_latency_ms"] = round(max(latency.values()) * 1000, 1)
            told["sender_skew_ms"] = round(
                (max(latency.values()) - min(latency.values())) * 1000, 1
            )
            told["sender_clock_used"] = float(self._sender.used)
        return told

    def run(self) -> None:
        backoff = Backoff()
        opened = False
        while not self._stopping:
            self._sink.changed("opening")
            try:
                container = open_stream(self._address, self._spec.secret, patient=self._patient)
            except SourceError as error:
                self._sink.changed("lost" if opened else "failed", str(error))
            else:
                began = time.monotonic()
                detail = self._read(container)
                opened = True
                if self._stopping:
                    return
                if not self._address.live:
                    self.ended = True
                    self._sink.changed("ended", "the file has ended")
                    return
                self._sink.changed("lost", detail)
                if time.monotonic() - began > SETTLED:
                    backoff.reset()
            self._wake.wait(backoff.wait())
            self._wake.clear()

    def _read(self, container: InputContainer) -> str:
        """Copies until the source ends. Returns why it ended, for a person."""
        try:
            with container:
                tracks = self._choose(container)
                if not tracks:
                    return "there is neither picture nor sound in it"
                if self._unclear(tracks) and not self._patient:
                    self._patient = True
                    return "the stream does not describe itself; it is looked at longer"
                if self._address.live:
                    self._copy_live(container, tracks)
                else:
                    self._copy_file(container, tracks)
        except (OSError, av.error.FFmpegError) as error:
            # A server that dies just ends the stream; one that freezes runs into the timeout.
            log.info("source %s ended: %s", self._spec.id, reason(error))
            return f"the stream broke off ({reason(error)})"
        except Exception as error:
            log.exception("source %s: reading failed", self._spec.id)
            return f"reading it failed ({type(error).__name__})"
        finally:
            relay.end(container)
        return "the stream ended"

    def _choose(self, container: InputContainer) -> dict[int, _Track]:
        """The first picture and the first sound. A cover picture is not a picture."""
        videos = [s for s in container.streams.video if not s.disposition & _COVER]
        chosen: list[Stream] = [*videos[:1], *container.streams.audio[:1]]
        tracks: dict[int, _Track] = {}
        for stream in chosen:
            media = _media(stream)
            sets = parameters.parameter_sets(media.codec, media.extradata)
            in_band = media.codec in ("h264", "hevc") and media.extradata[:1] != b"\x01"
            known = parameters.sequence_sets(media.codec, sets) if sets else set()
            scale = float(stream.time_base or 0) or 1 / 90_000
            if media.codec == "h264" and known and not media.width:
                width, height = parameters.h264_size(next(iter(known))) or (0, 0)
                media = replace(media, width=width, height=height)
            adts = media.codec == "aac" and not media.extradata
            tracks[stream.index] = _Track(len(tracks), scale, media, in_band or adts, known, adts)
        if not self._address.live:
            self._look_ahead(container, tracks)
        return tracks

    def _look_ahead(self, container: InputContainer, tracks: dict[int, _Track]) -> None:
        """Takes what only a file's packets say before they are copied."""
        for index, track in tracks.items():
            if track.adts:
                for packet in container.demux(container.streams[index]):
                    if packet.size:
                        self._bare(packet, track)
                        break
                container.seek(0)

    def _bare(self, packet: av.Packet[Any], track: _Track) -> av.Packet[Any]:
        """The AAC frame without its transport header, which tells the stream's format."""
        data = bytes(packet)
        found = parameters.adts(data)
        if found is None:
            return packet
        length, config, rate, channels = found
        if not track.sets:
            track.sets = {config}
            told: dict[str, Any] = {"extradata": config, "rate": rate, "channels": channels}
            track.media = replace(track.media, **told, template=None)
        bare: av.Packet[Any] = av.Packet(data[length:])
        bare.pts, bare.dts, bare.duration = packet.pts, packet.dts, packet.duration
        bare.is_keyframe = True
        return bare

    def _unclear(self, tracks: dict[int, _Track]) -> bool:
        """A picture of unknown size that will not be told by the first key frame."""
        return any(
            track.media.media == "video" and not track.media.width and track.media.codec != "h264"
            for track in tracks.values()
        )

    def _begin(self, tracks: dict[int, _Track]) -> None:
        self._sink.begin([track.media for track in tracks.values()])

    def _packets(
        self, container: InputContainer, tracks: dict[int, _Track]
    ) -> Iterator[tuple[av.Packet[Any], _Track, float]]:
        """Packets with content, their track and their decoding time in seconds.

        An RTSP stream may begin with packets that have no time yet, its first key frame among
        them: they wait for the next one of their stream, which tells.
        """
        untimed: dict[int, list[av.Packet[Any]]] = {}
        last: dict[int, float] = {}
        for packet in container.demux([container.streams[index] for index in tracks]):
            if self._stopping:
                return
            if not packet.size:
                continue
            track = tracks[packet.stream_index]
            if track.adts:
                packet = self._bare(packet, track)  # noqa: PLW2901
            ticks = packet.dts if packet.dts is not None else packet.pts
            if ticks is None and track.index not in last:
                untimed.setdefault(track.index, []).append(packet)
                continue
            stamp = last[track.index] if ticks is None else ticks * track.scale
            last[track.index] = stamp
            if waiting := untimed.pop(track.index, None):
                step = (packet.duration or 0) * track.scale or 0.04
                for place, earlier in enumerate(waiting):
                    yield earlier, track, stamp - (len(waiting) - place) * step
            yield packet, track, stamp

    def _copy_live(self, container: InputContainer, tracks: dict[int, _Track]) -> None:
        now = self._clock.now
        begun = anchored = False
        opened = before = now()
        burst: list[tuple[av.Packet[Any], _Track, float, float]] = []
        for packet, track, stamp in self._packets(container, tracks):
            arrival = self._arrival(packet, track, now() - self._held_back(track, stamp))
            if (
                track.in_band
                and not track.adts
                and packet.is_keyframe
                and self._parameters(packet, track)
            ):
                begun = False
            if anchored and begun:
                self._emit(packet, track, stamp, self._mapping.offset(stamp, arrival))
                continue
            burst.append((packet, track, stamp, arrival))
            ready = all(t.sets or not t.in_band for t in tracks.values())
            # What was buffered while opening comes all at once; the last of it is the freshest.
            moment = now()
            caught_up = moment - before > BURST_GAP or moment - opened > BURST_MOST
            before = moment
            if not ready or not (caught_up or anchored):
                del burst[:-600]
                continue
            self._begin(tracks)
            self._sink.changed("running")
            begun = True
            if not anchored:
                anchored = True
                self._anchor(burst)
            for waiting, of, at, arrived in burst:
                self._emit(waiting, of, at, self._mapping.offset(at, arrived))
            burst.clear()

    def _held_back(self, track: _Track, stamp: float) -> float:
        """For how long (seconds) FFmpeg had the packet: over RTSP it gives a picture only when the
        next one begins, which makes a camera later than a microphone by a picture."""
        if self._address.scheme not in ("rtsp", "rtsps") or track.media.codec not in _PARSED:
            return 0.0
        step, track.last = stamp - track.last, stamp
        if 0 < step < _LONGEST_PICTURE and (not track.held or track.held / 2 < step < track.held):
            track.held = step  # the shortest: where one is missing the step is longer, the wait not
        elif not track.held and track.media.fps >= 1 / _LONGEST_PICTURE:
            track.held = 1 / track.media.fps
        return track.held

    def _arrival(self, packet: av.Packet[Any], track: _Track, arrival: float) -> float:
        """When the packet came; or was captured, where its sender tells that and is trusted."""
        if not packet.has_sidedata("prft"):
            return arrival
        sent = _PRODUCED.unpack_from(bytes(packet.get_sidedata("prft")))[0] / US
        return self._sender.arrival(track.index, sent, arrival, time.time())

    def _anchor(self, burst: Sequence[tuple[av.Packet[Any], _Track, float, float]]) -> None:
        offset = min(arrival - stamp for _, _, stamp, arrival in burst)
        first = min(stamp for _, _, stamp, _ in burst)
        offset = max(offset, -first)  # nothing lies before the class began
        self._mapping.anchor(first, first + offset)

    def _parameters(self, packet: av.Packet[Any], track: _Track) -> bool:
        """Looks for new parameter sets in a key frame; True when the format changed."""
        codec = track.media.codec
        sets = parameters.parameter_sets(codec, memoryview(packet)[:2048].tobytes())
        sequence = parameters.sequence_sets(codec, sets) if sets else set()
        if not sequence or sequence <= track.sets:
            return False
        first = not track.sets
        track.sets = sequence
        changes: dict[str, Any] = {"extradata": annex_b(sets)}
        if codec == "h264" and (size := parameters.h264_size(next(iter(sequence)))):
            changes["width"], changes["height"] = size
        track.media = replace(track.media, **changes)
        if not first:
            log.info("source %s changed its picture format", self._spec.id)
        return True

    def _emit(self, packet: av.Packet[Any], track: _Track, stamp: float, offset: float) -> None:
        dts = round((stamp + offset) * US) + self._offset
        pts = dts
        if packet.pts is not None and packet.dts is not None:
            pts += round((packet.pts - packet.dts) * track.scale * US)
        duration = round((packet.duration or 0) * track.scale * US)
        self._sink.sample(Sample(track.index, pts, dts, duration, packet.is_keyframe, packet))

    def _copy_file(self, container: InputContainer, tracks: dict[int, _Track]) -> None:
        fast, loop = self._address.fast, self._address.own.get("loop") in ("1", "yes", "true")
        start = 0.0 if fast else self._clock.now()
        if loop:
            self._resume = 0.0
        elif self._resume and not fast:
            start -= self._resume
            container.seek(round(self._resume * US))
        self._begin(tracks)
        self._sink.changed("running")
        while True:
            last = self._play(container, tracks, start, fast)
            if not loop or self._stopping or last <= 0:
                return
            start += last
            container.seek(0)

    def _play(
        self, container: InputContainer, tracks: dict[int, _Track], start: float, fast: bool
    ) -> float:
        """Plays the file once from class time `start`. Returns how long it was (seconds)."""
        base = (container.start_time or 0) / US
        length = 0.0
        for packet, track, stamp in self._packets(container, tracks):
            at = stamp - base
            length = max(length, at + (packet.duration or 0) * track.scale)
            if at < self._resume:
                continue
            if not fast and (wait := start + at - self._clock.now()) > 0.001:
                time.sleep(wait)
            self._emit(packet, track, at, start)
        return length


_COVER = 0x0400
_PARSED, _LONGEST_PICTURE = frozenset({"h264", "hevc"}), 0.2
