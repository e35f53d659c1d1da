"""A device as a source, run as a child: `python -m recorder.sources.capture URL --id ID --role R`.

- `v4l2:///dev/video0?size=1920x1080&fps=30&format=mjpeg` (format: yuyv422, mjpeg, h264 …)
- `alsa://hw:1?rate=48000&channels=8&channel=3,4` (`channels` come, `channel` is kept)
- `pulse://NAME` (`pulse://` for the default source), `channels` and `channel` as above
- `screen://:0?size=1920x1080&fps=10`; `screen:///dev/dri/card0` without an X server (`kms`)

Raw pictures and sound are encoded here (`coded`); a camera that sends H.264 is passed through.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import threading

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.container import InputContainer
from av.stream import Stream
from av.video.frame import VideoFrame

from recorder import encoders, feed
from recorder.pick import layout
from recorder.sources import kms
from recorder.sources.child import Output, Serve, SourceError, boottime_us, serve
from recorder.sources.coded import PictureCapture, SoundCapture
from recorder.sources.device import REMEDY, Device, DeviceClock, open_device

US = 1_000_000


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
    with subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL) as child:
        assert child.stdout is not None
        try:
            output.send(worker.info)
            size = samples * channels * 2
            while not stop.is_set() and len(data := child.stdout.read(size)) == size:
                sound = np.frombuffer(data, np.int16).reshape(1, -1)
                frame = AudioFrame.from_ndarray(sound, "s16", layout(channels))
                frame.sample_rate = rate
                for packet in worker.packets(frame, boottime_us() - samples * US // rate):
                    output.send(packet)
        finally:
            child.terminate()
    if not stop.is_set():
        raise SourceError(f"{url}: ended; {REMEDY['pulse']}")


def opened(url: str, source: str, role: str) -> Serve:
    """What captures the device. Raises SourceError."""
    device = Device.parse(url)
    run = capture_pulse if device.scheme == "pulse" else capture
    if kms.is_kms(device):
        run = kms.capture
    return lambda output, stop: run(device, url, output, stop, source, role)


def main() -> int:
    """Entry of the child: see `serve`."""
    return serve("Captures a device and writes its feed to standard output.", opened)


if __name__ == "__main__":
    os._exit(main())  # a device that hangs must not hold up the end
