"""One part of the lecture on disk: a hybrid MP4, whole at every second, ordinary after close.

While it grows the file is a fragmented MP4 (playable after a crash, at most a second behind);
`close` turns it into an ordinary one in milliseconds, whatever its length, chapters included.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from recorder import encoders
from recorder.encoders import AAC_FRAME, SAMPLE_RATE, VideoSettings
from recorder.engines.chapters import Chapter
from recorder.engines.handover import PictureEncoder
from recorder.engines.live import LiveFile
from recorder.engines.sound import CHANNELS
from recorder.recording import sync_directory

HYBRID = {
    "movflags": "hybrid_fragmented+default_base_moof",
    "frag_duration": "1000000",
    "flush_packets": "1",
}
# While the class is shown live, viewers of HLS are given stretches of the part itself: its
# fragments begin at key frames, and its moov announces no samples.
HYBRID_LIVE = HYBRID | {
    "movflags": "hybrid_fragmented+default_base_moof+empty_moov+frag_keyframe",
}
SYNC_SECONDS = 1.0


class Syncer:
    """Sends a growing file to the disk every second, from a thread of its own."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDONLY)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sync", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.wait(SYNC_SECONDS):
            os.fdatasync(self._descriptor)

    def close(self) -> None:
        """Stops, and syncs once more."""
        self._stop.set()
        self._thread.join()
        os.fsync(self._descriptor)
        os.close(self._descriptor)


class PartWriter:
    """Encodes and writes one part. Times are microseconds from its beginning.

    After `hold` packets from that time on wait in memory, so that the end of the lecture can be
    taken back (`release`) or made exact (`close`). `encoder` tells which one is at work, and why
    hardware is not.
    """

    def __init__(self, path: Path, settings: VideoSettings, live: Path | None = None) -> None:
        self.path = path
        self.settings = settings
        self.frames = 0
        self.end = 0
        self._hold: int | None = None
        self._held: list[Packet[VideoStream | AudioStream]] = []
        path.unlink(missing_ok=True)
        options = HYBRID if live is None else HYBRID_LIVE
        self._out: OutputContainer = av.open(str(path), "w", format="mp4", options=options)
        self._video: VideoStream = self._out.add_stream(encoders.SOFTWARE, rate=settings.fps)  # type: ignore[assignment]
        self.encoder = PictureEncoder(self._video.codec_context, settings)
        self._audio: AudioStream = self._out.add_stream("aac", rate=SAMPLE_RATE)
        encoders.set_sound(self._audio.codec_context, CHANNELS, 128_000)
        self._out.start_encoding()
        self._sync = Syncer(path)
        sync_directory(path.parent)
        self._live = None if live is None else LiveFile(live, self._video, self._audio)
        self._sound: NDArray[np.float32] = np.zeros((CHANNELS, 0), np.float32)
        self._samples = 0

    def picture(self, frame: VideoFrame, t: int, *, key: bool = False) -> None:
        """Encodes the picture that is shown from `t` on; times must rise."""
        pts = round(t * self.settings.time_base.denominator / 1_000_000)
        self.frames += 1
        self._write(self.encoder.encode(frame, pts, key=key), self._video)

    def sound(self, samples: NDArray[np.float32]) -> None:
        """Encodes sound that follows what was given before; shape (channels, samples)."""
        self._sound = np.concatenate([self._sound, samples], axis=1)
        while self._sound.shape[1] >= AAC_FRAME:
            self._encode_sound(self._sound[:, :AAC_FRAME])
            self._sound = self._sound[:, AAC_FRAME:]

    @property
    def samples(self) -> int:
        """How many samples have been given so far."""
        return self._samples + int(self._sound.shape[1])

    def _encode_sound(self, samples: NDArray[np.float32]) -> None:
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples), "fltp", "stereo")
        frame.sample_rate = SAMPLE_RATE
        frame.pts = self._samples
        frame.time_base = Fraction(1, SAMPLE_RATE)
        self._samples += samples.shape[1]
        self._write(self._audio.codec_context.encode(frame), self._audio)

    def hold(self, t: int) -> None:
        """From `t` on packets wait in memory. What lies before is written as always."""
        if self._hold is None:
            self._hold = t

    def release(self) -> None:
        """Writes what waited: the lecture goes on."""
        self._hold = None
        held, self._held = self._held, []
        for packet in held:
            self._mux(packet)

    def _write(
        self,
        packets: Sequence[Packet[VideoStream | AudioStream]],
        stream: VideoStream | AudioStream,
    ) -> None:
        for packet in packets:
            assert packet.pts is not None
            if packet.pts < 0:
                continue  # the priming of the sound encoder
            packet.stream = stream
            if self._hold is not None and self._time(packet) >= self._hold:
                self._held.append(packet)
            else:
                self._mux(packet)

    @staticmethod
    def _time(packet: Packet[VideoStream | AudioStream]) -> int:
        assert packet.pts is not None
        time: Fraction = packet.pts * packet.time_base
        return round(time * 1_000_000)

    def _mux(self, packet: Packet[VideoStream | AudioStream]) -> None:
        length = round((packet.duration or 0) * packet.time_base * 1_000_000)
        self.end = max(self.end, self._time(packet) + length)
        if self._live is not None:
            self._live.write(packet, video=packet.stream.type == "video")
        self._out.mux_one(packet)

    def close(self, chapters: Sequence[Chapter] = ()) -> None:
        """Ends the file: what waits after a hold is dropped, chapters are set, all is synced.

        A part in which nothing was written (a class that ends in a pause) leaves no file.
        """
        if self._sound.shape[1]:
            rest = np.zeros((CHANNELS, AAC_FRAME), np.float32)
            rest[:, : self._sound.shape[1]] = self._sound
            self._encode_sound(rest)
        self._write(self.encoder.flush(), self._video)
        self._write(self._audio.codec_context.encode(None), self._audio)
        self._held = []
        if self.end:
            self._end_with(chapters)
        if self._live is not None:
            self._live.close()
        self._sync.close()
        if not self.end:  # FFmpeg's muxer crashes when it ends a hybrid file without a sample
            self.path.unlink()

    def _end_with(self, chapters: Sequence[Chapter]) -> None:
        within = [chapter for chapter in chapters if chapter.start < self.end]
        ends = [*(chapter.start for chapter in within[1:]), self.end][: len(within)]
        self._out.set_chapters(
            [
                {
                    "id": number,
                    "start": chapter.start,
                    "end": end,
                    "time_base": Fraction(1, 1_000_000),
                    "metadata": {"title": chapter.title},
                }
                for number, (chapter, end) in enumerate(zip(within, ends, strict=True))
            ]
        )
        self._out.close()
