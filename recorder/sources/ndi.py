"""An NDI sender as a source, run as a child: `python -m recorder.sources.ndi URL --id ID --role R`.

`ndi://MACHINE (NAME)` as NDI shows it, percent-encoded: `ndi://STUDIO%20(Camera%201)`; with
`channel=3,4` those channels of its sound are kept. Needs `cyndilib` (MIT), which brings NDI's own
library; that is not free software (its licence: ndi.link/ndisdk_license), so it is never installed
unasked. Pictures arrive decoded and are encoded here; the sender's stamps are mapped to our clock.
"""

from __future__ import annotations

import importlib
import os
import threading
import time
from dataclasses import dataclass
from fractions import Fraction
from typing import Any
from urllib.parse import parse_qsl, unquote

import numpy as np
from av.audio.frame import AudioFrame
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from recorder.clock import SourceClock
from recorder.pick import chosen, layout
from recorder.sources.child import Output, Serve, SourceError, boottime_us, serve
from recorder.sources.coded import PictureCapture, SoundCapture

US = 1_000_000
FIND_SECONDS, SILENT_SECONDS = 8.0, 4.0
_PLAUSIBLE_S = 4e9  # later than any wall clock: the sender tells no time
INSTALL = "pip install cyndilib (NDI's library comes with it; read its licence first)"
REMEDY = "is the sender on, in this network, and NDI's discovery (mDNS, avahi-daemon) let through?"


@dataclass(frozen=True)
class Address:
    """Which sender, and the channels of its sound that are kept (all: none named)."""

    name: str
    channel: tuple[int, ...] = ()

    @classmethod
    def parse(cls, url: str) -> Address:
        """Raises SourceError when it names no sender or an option is not known."""
        rest = url.partition("://")[2]
        name, _, query = rest.partition("?")
        told = dict(parse_qsl(query))
        channel = told.pop("channel", "")
        if not name:
            raise SourceError(f"{url}: names no sender; write ndi://MACHINE%20(NAME)")
        if told:
            raise SourceError(f"{url}: option {min(told)} is not known (known: channel)")
        try:
            return cls(unquote(name), chosen(channel))
        except ValueError as error:
            raise SourceError(f"{url}: {error}") from error


class Stamps:
    """The sender's wall clock, whatever it shows, brought to CLOCK_BOOTTIME (µs)."""

    def __init__(self) -> None:
        self._clock = SourceClock()

    def boottime(self, stamp: float) -> int:
        """`stamp` in seconds since 1970 by the sender; the arrival where it tells none."""
        arrival = boottime_us()
        if not 0 < stamp < _PLAUSIBLE_S:
            return arrival
        return round((stamp + self._clock.offset(stamp, arrival / US)) * US)


def _library(url: str) -> Any:
    try:
        return importlib.import_module("cyndilib")
    except (ImportError, OSError) as error:
        raise SourceError(f"{url}: NDI is not installed here ({error}); {INSTALL}") from error


def find(ndi: Any, url: str, name: str) -> Any:
    """The sender of that name, or the only one whose name within its machine it is."""
    finder = ndi.Finder()
    finder.open()
    until = time.monotonic() + FIND_SECONDS
    names: list[str] = []
    while time.monotonic() < until:
        finder.wait_for_sources(0.5)
        names = finder.get_source_names()
        alike = [each for each in names if name in (each, each.partition("(")[2].rstrip(")"))]
        if len(alike) == 1:
            return finder, finder.get_source(alike[0])
    finder.close()
    seen = f"seen: {', '.join(sorted(names))}" if names else "no sender is seen"
    raise SourceError(f"{url}: {name} is not found ({seen}); {REMEDY}")


class Reception:
    """What comes from one sender, encoded and put out as a feed."""

    def __init__(self, output: Output, source: str, role: str, pick: tuple[int, ...]) -> None:
        self._output, self._source, self._role, self._pick = output, source, role, pick
        self._stamps = Stamps()
        self._picture: tuple[tuple[int, int], PictureCapture] | None = None
        self._sound: tuple[int, SoundCapture] | None = None

    def picture(self, size: tuple[int, int], stride: int, fps: float, data: Any, at: float) -> None:
        """A picture in UYVY, rows `stride` bytes apart."""
        width, height = size
        rows: NDArray[np.uint8] = np.frombuffer(data, np.uint8)[: stride * height]
        packed = rows.reshape(height, stride)[:, : width * 2].reshape(height, width, 2)
        turned = np.ascontiguousarray(packed[:, :, ::-1])  # PyAV takes YUYV
        frame = VideoFrame.from_ndarray(turned, "yuyv422")
        if self._picture is None or self._picture[0] != size:
            capture = PictureCapture(self._source, self._role, width, height, fps)
            self._picture = size, capture
            self._output.send(capture.info)
        for packet in self._picture[1].packets(frame, self._stamps.boottime(at)):
            self._output.send(packet)

    def sound(self, samples: NDArray[np.float32], rate: int, at: float) -> None:
        """Sound, (channels, samples)."""
        channels = samples.shape[0]
        if self._sound is None or self._sound[0] != channels:
            capture = SoundCapture(self._source, self._role, channels, self._pick, index=1)
            self._sound = channels, capture
            self._output.send(capture.info)
        planes = np.ascontiguousarray(samples, np.float32)
        frame = AudioFrame.from_ndarray(planes, "fltp", layout(channels))
        frame.sample_rate, frame.time_base = rate, Fraction(1, rate)
        for packet in self._sound[1].packets(frame, self._stamps.boottime(at)):
            self._output.send(packet)


def receive(
    url: str, address: Address, output: Output, stop: threading.Event, source: str, role: str
) -> None:
    """Receives until `stop`, or until nothing comes any more (SourceError)."""
    ndi = _library(url)
    kinds = importlib.import_module("cyndilib.receiver").ReceiveFrameType
    finder, sender = find(ndi, url, address.name)
    receiver = ndi.Receiver(
        color_format=ndi.RecvColorFormat.UYVY_BGRA,
        bandwidth=ndi.RecvBandwidth.highest,
        allow_video_fields=False,
        recv_name="classroomd",
    )
    video, audio = ndi.VideoRecvFrame(), ndi.AudioRecvFrame()
    receiver.set_video_frame(video)
    receiver.set_audio_frame(audio)
    receiver.set_source(sender)
    reception = Reception(output, source, role, address.channel)
    heard = time.monotonic()
    while not stop.is_set():
        output.beat(0.5)
        came = receiver.receive(kinds.recv_all, 200)
        if came & kinds.recv_video:
            heard = time.monotonic()
            fps = float(video.get_frame_rate() or 25)
            at = video.get_timestamp_posix()
            data = np.empty(video.get_buffer_size(), np.uint8)
            if video.fill_p_data(data):
                reception.picture(video.get_resolution(), video.get_line_stride(), fps, data, at)
            video.skip_frames(False)
        if came & kinds.recv_audio:
            heard = time.monotonic()
            at = audio.get_timestamp_posix()
            samples, _ = audio.get_all_read_data()
            reception.sound(samples, audio.sample_rate, at)
        if time.monotonic() - heard > SILENT_SECONDS:
            finder.close()
            raise SourceError(f"{url}: nothing has come for {SILENT_SECONDS:.0f} s; {REMEDY}")
    receiver.disconnect()
    finder.close()


def opened(url: str, source: str, role: str) -> Serve:
    """What receives the sender. Raises SourceError."""
    address = Address.parse(url)
    return lambda output, stop: receive(url, address, output, stop, source, role)


def main() -> int:
    """Entry of the child: see `serve`."""
    return serve("Receives NDI and writes its feed to standard output.", opened)


if __name__ == "__main__":
    os._exit(main())  # a library that hangs must not hold up the end
