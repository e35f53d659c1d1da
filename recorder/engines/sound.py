"""The lecture's sound: every source on the class clock, mixed, gaps filled with silence."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from fractions import Fraction
from typing import Any

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame
from numpy.typing import NDArray

from recorder.encoders import SAMPLE_RATE
from recorder.engines.channels import Choice, Ear, Repair
from recorder.engines.loudness import AHEAD, Leveller
from recorder.feed import FeedPacket, StreamInfo
from recorder.pick import picked

Samples = NDArray[np.float32]

CHANNELS = 2
_JUMP = SAMPLE_RATE * 60 // 1000  # a larger step in a source's time is a gap, a smaller one drift
_SMOOTH = 1 / 32
_LOST = 2 * SAMPLE_RATE
_KEEP = 30 * SAMPLE_RATE
_RAMP = 480
_MICROSECOND = Fraction(1, 1_000_000)


def samples_at(t: int) -> int:
    """Class microseconds as a number of samples."""
    return round(t * SAMPLE_RATE / 1_000_000)


class SoundTrack:
    """One source's decoded sound as chunks on the class clock, in samples at SAMPLE_RATE."""

    def __init__(self, info: StreamInfo) -> None:
        self.info = info
        self.failures = 0
        self.gain = 0.0
        self.ear = Ear()
        self.repair = Repair()
        self._chunks: deque[tuple[int, Samples]] = deque()
        self._next: int | None = None
        self._error = 0.0
        decoder = av.CodecContext.create(info.codec, "r")
        assert isinstance(decoder, AudioCodecContext)
        if info.extradata:
            decoder.extradata = bytes.fromhex(info.extradata)
        elif info.rate:
            decoder.sample_rate = info.rate
            decoder.layout = "mono" if info.channels == 1 else "stereo"
        self._decoder = decoder
        self._resampler: av.AudioResampler | None = None

    @property
    def end(self) -> int | None:
        """The sample up to which sound has come; None before any."""
        return self._next

    def push(self, message: FeedPacket) -> None:
        """Decodes a packet and lays its sound where it belongs."""
        packet = av.Packet(message.data)
        packet.pts, packet.dts, packet.time_base = message.pts, message.pts, _MICROSECOND
        try:
            frames = self._decoder.decode(packet)
        except (av.error.FFmpegError, ValueError):
            self.failures += 1
            return
        at = message.pts
        for frame in frames:
            length = round(frame.samples * 1_000_000 / frame.sample_rate)
            self._lay(at, self._convert(picked(frame, self.info.pick)))
            at += length

    def _convert(self, frame: AudioFrame) -> Samples:
        channels = len(frame.layout.channels)
        if (
            frame.sample_rate == SAMPLE_RATE
            and frame.format.name == "fltp"
            and channels <= CHANNELS
        ):
            return _both(frame.to_ndarray().astype(np.float32, copy=False))
        if self._resampler is None:  # mono stays mono: FFmpeg would make it quieter
            layout = "mono" if channels == 1 else "stereo"
            self._resampler = av.AudioResampler("fltp", layout, SAMPLE_RATE)
        frame.pts = None
        parts: list[Any] = [part.to_ndarray() for part in self._resampler.resample(frame)]
        if not parts:
            return np.zeros((CHANNELS, 0), np.float32)
        return _both(np.concatenate(parts, axis=1))

    def _lay(self, t: int, sound: Samples) -> None:
        """Places `sound` at `t` (µs): next to what came before where time allows it.

        Time stamps wobble, so a small difference is taken up slowly: frames are stretched by a
        few samples until the source and the class clock agree (this also corrects drift).
        """
        count = sound.shape[1]
        if count == 0:
            return
        at = samples_at(t)
        if self._next is None or abs(at - self._next) > _JUMP:
            self._next, self._error = at, 0.0
        else:
            self._error += (at - self._next - self._error) * _SMOOTH
            limit = max(1, count // 256)
            stretch = int(np.clip(round(self._error / 8), -limit, limit))
            if stretch and count > 1:
                sound = _stretched(sound, count + stretch)
                self._error -= stretch
        self._chunks.append((self._next, sound))
        self._next += sound.shape[1]
        while self._chunks and self._chunks[0][0] < self._next - _KEEP:
            self._chunks.popleft()

    def read(self, start: int, count: int) -> Samples:
        """Returns (channels, count) samples from `start`; what never came is silence."""
        out = np.zeros((CHANNELS, count), np.float32)
        end = start + count
        for at, sound in self._chunks:
            first, last = max(start, at), min(end, at + sound.shape[1])
            if first < last:
                out[:, first - start : last - start] = sound[:, first - at : last - at]
        return out

    def forget(self, before: int) -> None:
        """Drops what lies wholly before sample `before`."""
        while self._chunks and self._chunks[0][0] + self._chunks[0][1].shape[1] <= before:
            self._chunks.popleft()

    def heard(self, position: int) -> bool:
        """Whether the source is alive at `position`: something came within the last two seconds."""
        return self._next is not None and position - self._next < _LOST


def _both(sound: Samples) -> Samples:
    return np.repeat(sound, CHANNELS, axis=0) if len(sound) == 1 else sound


def _stretched(sound: Samples, count: int) -> Samples:
    old = np.arange(sound.shape[1], dtype=np.float64)
    new = np.linspace(0, sound.shape[1] - 1, count)
    return np.stack([np.interp(new, old, channel) for channel in sound]).astype(np.float32)


class Mixer:
    """Mixes the best microphone, or the presenter camera's sound without one, and the slides'.

    Where the only microphones are voices from elsewhere, the camera's sound counts as one more.
    `taken_over` and `heard_s` (seconds by source) tell which microphone was used. With a
    `leveller` the mix comes at the lecture's loudness, its peaks limited.
    """

    def __init__(self, leveller: Leveller | None = None) -> None:
        self._tracks: dict[int, SoundTrack] = {}
        self._choice = Choice()
        self._leveller = leveller
        self.taken_over: list[tuple[int, str, str]] = []  # at (samples), by whom, from whom
        self.heard_s: dict[str, float] = {}

    def add(self, info: StreamInfo) -> None:
        """Announces a stream; an index announced again starts anew."""
        self._tracks[info.index] = SoundTrack(info)

    def push(self, packet: FeedPacket) -> None:
        """Takes a packet of an announced stream; preroll is not sound to be heard."""
        if not packet.preroll:
            self._tracks[packet.index].push(packet)

    @property
    def repaired(self) -> list[str]:
        """The sources of which one channel is dead."""
        return [t.info.source for t in self._tracks.values() if t.repair.dead is not None]

    def read(self, start: int, count: int) -> Samples:
        """Returns (channels, count) float samples of the mix from class sample `start` on.

        Reading goes forward: what was read is forgotten.
        """
        mix = np.zeros((CHANNELS, count), np.float32)
        sounds = {id(track): track.read(start, count) for track in self._tracks.values()}
        audible = self._audible(start, count, sounds)
        for track in self._tracks.values():
            target = 1.0 if track in audible else 0.0
            if target or track.gain:
                sound = track.repair.take(sounds[id(track)])
                if track.gain != target:
                    sound = sound.copy()
                    ramp = min(_RAMP, count)
                    sound[:, :ramp] *= np.linspace(track.gain, target, ramp, dtype=np.float32)
                    sound[:, ramp:] *= target
                    track.gain = target
                mix += sound
            track.forget(start + count)
        if self._leveller is None:
            return np.clip(mix, -1.0, 1.0)
        following = np.zeros((CHANNELS, AHEAD), np.float32)
        for track in audible:
            following += track.read(start + count, AHEAD)
        return self._leveller.take(start, mix, following)

    def _take_over(self, position: int, before: SoundTrack, now: object) -> None:
        if isinstance(now, SoundTrack) and now.info.source != before.info.source:
            self.taken_over.append((position, now.info.source, before.info.source))

    def _audible(self, position: int, count: int, sounds: dict[int, Samples]) -> list[SoundTrack]:
        def of(roles: Iterable[str]) -> list[SoundTrack]:
            return [
                track
                for track in self._tracks.values()
                if track.info.role in roles and track.heard(position)
            ]

        room = of(["presenter"])[:1] or of(["audience"])[:1]
        microphones = of(["microphone"])
        if all(track.info.first for track in microphones):
            # Only voices from elsewhere: who is in the room has the camera's sound to be heard by.
            microphones = [*room, *microphones] if microphones else []
        if len(microphones) > 1:
            for track in microphones:
                track.ear.take(sounds[id(track)])
            ears = [(track, track.ear) for track in microphones]
            before = self._choice.in_use
            chosen = self._choice.choose(ears, count / SAMPLE_RATE)
            if isinstance(before, SoundTrack) and before is not chosen:
                self._take_over(position, before, chosen)
            microphones = [track for track in microphones if track is chosen]
        for track in microphones:
            seconds = self.heard_s.get(track.info.source, 0.0) + count / SAMPLE_RATE
            self.heard_s[track.info.source] = seconds
        return (microphones or room) + of(["slides"])
