"""A device as a source, run as a child: `python -m recorder.sources.capture URL --id ID --role R`.

- `v4l2:///dev/video0?size=1920x1080&fps=30&format=mjpeg` (format: yuyv422, mjpeg, h264 …)
- `alsa://hw:1?rate=48000&channels=8&channel=3,4` (`channels` come, `channel` is kept)
- `pulse://NAME` (`pulse://` for the default source), `channels` and `channel` as above
- `screen://:0?size=1920x1080&fps=10`; `screen:///dev/dri/card0` without an X server (`kms`)

Raw pictures are encoded here, so that a broken encoder takes no track with it; a camera that
sends H.264 is passed through. A picture that does not change is sent once a second.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from fractions import Fraction
from typing import Any

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.container import InputContainer
from av.stream import Stream
from av.video.frame import PictureType, VideoFrame

from recorder import encoders, feed
from recorder.pick import picked
from recorder.sources.child import (
    Output,
    SourceError,
    arguments,
    boottime_us,
    leave_stdout,
    stop_with_stdin,
)
from recorder.sources.device import REMEDY, Device, DeviceClock, open_device

US = 1_000_000
_JUMP_US = 60_000


class PictureCapture:
    """Encodes a device's pictures; unchanged ones once a second."""

    def __init__(self, source: str, role: str, width: int, height: int, fps: float) -> None:
        self._rate = max(1, min(60, round(fps)))
        settings = encoders.source_settings(width // 2 * 2, height // 2 * 2, self._rate)
        self._size = (settings.width, settings.height)
        self._encoder = encoders.open_video(
            encoders.VideoSettings(
                settings.width,
                settings.height,
                settings.fps,
                settings.gop,
                settings.options,
                time_base=Fraction(1, US),
            )
        )
        header = (self._encoder.extradata or b"").hex()
        self.info = feed.StreamInfo(0, source, role, "video", "h264", header, *self._size, fps)
        self._last: list[np.ndarray[Any, Any]] = []
        self._sent = self._keyed = -US
        self._start: int | None = None

    def packets(self, frame: VideoFrame, t: int) -> list[feed.FeedPacket]:
        """Encodes a picture of time `t` (µs of CLOCK_BOOTTIME), or leaves it out."""
        unchanged = self._unchanged(frame)
        if t <= self._sent or (unchanged and t - self._sent < US * 0.9):
            return []
        if self._start is None:
            self._start = t
        width, height = self._size
        picture = frame.reformat(width, height, "yuv420p")
        picture.pts, picture.time_base = t - self._start, Fraction(1, US)
        key = t - self._keyed >= US * 0.95
        picture.pict_type = PictureType.I if key else PictureType.NONE
        if key:
            self._keyed = t
        self._sent = t
        return [
            feed.FeedPacket(
                0,
                (packet.pts or 0) + self._start,
                (packet.pts or 0) + self._start,
                US // self._rate,
                bytes(packet),
                packet.is_keyframe,
            )
            for packet in self._encoder.encode(picture)
        ]

    def _unchanged(self, frame: VideoFrame) -> bool:
        planes = [np.frombuffer(plane, np.uint8) for plane in frame.planes]  # type: ignore[call-overload]
        same = len(planes) == len(self._last) and all(
            a.shape == b.shape and np.array_equal(a[::97], b[::97]) and np.array_equal(a, b)
            for a, b in zip(planes, self._last, strict=True)
        )
        if not same:
            self._last = [plane.copy() for plane in planes]
        return same


class SoundCapture:
    """Encodes a device's sound; stamps are smoothed, because sound arrives in lumps."""

    def __init__(
        self,
        source: str,
        role: str,
        channels: int,
        pick: tuple[int, ...] = (),
        *,
        index: int = 0,
    ) -> None:
        """`pick`: the channels that are kept (from 1), of `channels` that come.

        `index` is the stream's place in the feed.
        """
        self._index = index
        kept = [channel for channel in pick if channel <= channels]
        self._pick = tuple(kept)
        self._channels = len(kept) or min(2, channels)
        layout = "stereo" if self._channels == 2 else "mono"
        self._encoder = encoders.open_sound(self._channels, 64_000 * self._channels)
        self._resampler = av.AudioResampler("fltp", layout, encoders.SAMPLE_RATE)
        self._fifo = av.AudioFifo()
        header = (self._encoder.extradata or b"").hex()
        self.info = feed.StreamInfo(
            index,
            source,
            role,
            "audio",
            "aac",
            header,
            rate=encoders.SAMPLE_RATE,
            channels=self._channels,
        )
        self._anchor: float | None = None  # the time (µs) of sample 0
        self._received = 0
        self._position = 0
        self._times: dict[int, int] = {}

    def packets(self, frame: AudioFrame, t: int) -> list[feed.FeedPacket]:
        """Encodes sound whose first sample was heard at `t` (µs of CLOCK_BOOTTIME)."""
        rate, size = encoders.SAMPLE_RATE, encoders.AAC_FRAME
        measured = t - self._received * US / rate
        if self._anchor is None or abs(measured - self._anchor) > _JUMP_US:
            self._anchor = measured
        else:
            self._anchor += (measured - self._anchor) / 64
        frame = picked(frame, self._pick)
        frame.pts = None
        for part in self._resampler.resample(frame):
            part.pts = None
            self._received += part.samples
            self._fifo.write(part)
        found = []
        while (chunk := self._fifo.read(size)) is not None:
            chunk.pts, chunk.time_base = self._position, Fraction(1, rate)
            self._times[self._position] = round(self._anchor + self._position * US / rate)
            self._position += size
            for packet in self._encoder.encode(chunk):
                at = self._times.pop(packet.pts if packet.pts is not None else -1, None)
                if at is not None:  # else it is the encoder's priming
                    data, length = bytes(packet), size * US // rate
                    found.append(feed.FeedPacket(self._index, at, at, length, data, key=True))
        return found


def capture(
    device: Device, url: str, output: Output, stop: threading.Event, source: str, role: str
) -> None:
    """Captures through FFmpeg until `stop` or until the device is gone (SourceError)."""
    with open_device(device, url) as container:
        stream = container.streams[0]
        try:
            if isinstance(stream, av.VideoStream) and stream.codec_context.name == "h264":
                _pass_through(container, stream, output, stop, source, role)
            else:
                _encode(container, stream, output, stop, source, role, device.channel)
        except av.error.FFmpegError as error:
            remedy = REMEDY[device.scheme]
            raise SourceError(f"{url}: stopped ({error.strerror}); {remedy}") from error
    if not stop.is_set():
        raise SourceError(f"{url}: ended; {REMEDY[device.scheme]}")


def _encode(
    container: InputContainer,
    stream: Stream,
    output: Output,
    stop: threading.Event,
    source: str,
    role: str,
    pick: tuple[int, ...],
) -> None:
    clock = DeviceClock()
    picture: PictureCapture | None = None
    sound: SoundCapture | None = None
    for frame in container.decode(stream):
        if stop.is_set():
            return
        if not isinstance(frame, VideoFrame | AudioFrame):
            continue
        t = clock.boottime(None if frame.time is None else round(frame.time * US))
        if isinstance(frame, VideoFrame):
            if picture is None:
                fps = float(getattr(stream, "average_rate", None) or 30)
                picture = PictureCapture(source, role, frame.width, frame.height, fps)
                output.send(picture.info)
            packets = picture.packets(frame, t)
        else:
            if sound is None:
                sound = SoundCapture(source, role, len(frame.layout.channels), pick)
                output.send(sound.info)
            packets = sound.packets(frame, t)
        for packet in packets:
            output.send(packet)


def _pass_through(
    container: InputContainer,
    stream: av.VideoStream,
    output: Output,
    stop: threading.Event,
    source: str,
    role: str,
) -> None:
    clock = DeviceClock()
    context = stream.codec_context
    header = (context.extradata or b"").hex()
    fps = float(stream.average_rate or 30)
    output.send(
        feed.StreamInfo(
            0, source, role, "video", "h264", header, context.width, context.height, fps
        )
    )
    for packet in container.demux(stream):
        if stop.is_set():
            return
        if packet.size == 0:
            continue
        stamp = None if packet.pts is None else round(packet.pts * packet.time_base * US)
        t = clock.boottime(stamp)
        output.send(feed.FeedPacket(0, t, t, round(US / fps), bytes(packet), packet.is_keyframe))


def capture_pulse(
    device: Device, url: str, output: Output, stop: threading.Event, source: str, role: str
) -> None:
    """Captures through `parec`, because FFmpeg in PyAV has no PulseAudio."""
    if shutil.which("parec") is None:
        raise SourceError(f"{url}: parec is not installed (package pulseaudio-utils)")
    rate, channels, samples = encoders.SAMPLE_RATE, int(device.options["channels"]), 480
    command = ["parec", "--raw", "--format=s16le", f"--rate={rate}", f"--channels={channels}"]
    command += ["--latency-msec=20"] + ([f"--device={device.name}"] if device.name else [])
    worker = SoundCapture(source, role, channels, device.channel)
    layout = {1: "mono", 2: "stereo"}.get(channels, f"{channels} channels")
    with subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL) as child:
        assert child.stdout is not None
        try:
            output.send(worker.info)
            size = samples * channels * 2
            while not stop.is_set() and len(data := child.stdout.read(size)) == size:
                sound = np.frombuffer(data, np.int16).reshape(1, -1)
                frame = AudioFrame.from_ndarray(sound, "s16", layout)
                frame.sample_rate = rate
                for packet in worker.packets(frame, boottime_us() - samples * US // rate):
                    output.send(packet)
        finally:
            child.terminate()
    if not stop.is_set():
        raise SourceError(f"{url}: ended; {REMEDY['pulse']}")


def main() -> int:
    """Runs until standard input closes; 2 for a wrong URL, 3 when the device fails."""
    options = arguments("Captures a device and writes its feed to standard output.")
    output, stop = Output(sys.stdout.fileno()), stop_with_stdin()
    try:
        device = Device.parse(options.url)
    except SourceError as error:
        print(error, file=sys.stderr)
        return 2
    from recorder.sources import kms

    run = capture_pulse if device.scheme == "pulse" else capture
    if kms.is_kms(device):
        run = kms.capture
    try:
        run(device, options.url, output, stop, options.id, options.role)
    except SourceError as error:
        print(error, file=sys.stderr)
        return 3
    except BrokenPipeError:
        leave_stdout()
    return 0


if __name__ == "__main__":
    os._exit(main())  # a device that hangs must not hold up the end
