"""A screen shared from a browser as a source, run as a child:
`python -m recorder.sources.shared webrtc://board --id ID --role R`.

Waits on the room's socket for what is shown on the board (`recorder.shared`). H.264 is passed
through; VP8 is decoded and encoded anew, Opus becomes AAC. While nothing is shown it says so each
second (the command `waiting`), which is no fault of the source. `webrtc://talk` is the voice of one
who speaks from elsewhere: the same, without a picture.
"""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urlsplit

import av

from recorder import feed, shared
from recorder.annexb import annex_b
from recorder.shared import Shared, SharedError
from recorder.sources.child import Output, Serve, SourceError, boottime_us, serve
from recorder.sources.coded import PictureCapture, SoundCapture
from recorder.sources.parameters import h264_size, parameter_sets

US = 1_000_000
AGAIN_S = 0.3
FPS = 30
_PICTURE, _SOUND = 0, 1


class Picture:
    """What is shown, as one stream of H.264."""

    def __init__(self, source: str, role: str) -> None:
        self._source, self._role = source, role
        self._codec = ""
        self._header = b""
        self._last = -1
        self._decoder: Any = None
        self._encoder: PictureCapture | None = None
        self._size = (0, 0)

    def begin_anew(self) -> None:
        """What comes next has nothing to do with what was shown."""
        self._codec, self._header = "", b""
        self._decoder = self._encoder = None

    def take(self, piece: Shared) -> list[feed.Message]:
        """The messages for the feed that come of one encoded picture."""
        if piece.codec != self._codec:
            if not piece.key:
                return []
            self.begin_anew()
            self._codec = piece.codec
        time_us = max(piece.time, self._last + 1000)
        self._last = time_us
        return self._pass(piece, time_us) if piece.codec == "h264" else self._encode(piece, time_us)

    def _info(self, header: bytes, width: int, height: int) -> feed.StreamInfo:
        return feed.StreamInfo(
            _PICTURE, self._source, self._role, "video", "h264", header.hex(), width, height, FPS
        )

    def _pass(self, piece: Shared, t: int) -> list[feed.Message]:
        found: list[feed.Message] = []
        if piece.key:
            sets = parameter_sets("h264", piece.data)
            header = annex_b(sets)
            if header != self._header and sets:
                size = next((known for one in sets if (known := h264_size(one))), None)
                if size is None or sets[0][0] & 31 != 7:
                    return []
                self._header = header
                found.append(self._info(header, *size))
        if not self._header:
            return []
        found.append(feed.FeedPacket(_PICTURE, t, t, US // FPS, piece.data, piece.key))
        return found

    def _encode(self, piece: Shared, t: int) -> list[feed.Message]:
        if self._decoder is None:
            self._decoder = av.CodecContext.create(piece.codec, "r")
        packet: Any = av.Packet(piece.data)
        found: list[feed.Message] = []
        for frame in self._decoder.decode(packet):
            if self._encoder is None or (frame.width, frame.height) != self._size:
                self._size = frame.width, frame.height
                self._encoder = PictureCapture(self._source, self._role, *self._size, FPS)
                found.append(self._encoder.info)
            found += self._encoder.packets(frame, t)
        return found


class Sound:
    """The sound of what is shown, as AAC; `index` is its place in the feed."""

    def __init__(self, source: str, role: str, index: int = _SOUND) -> None:
        self._decoder: Any = av.CodecContext.create("opus", "r")
        self._decoder.sample_rate = 48_000
        self._decoder.layout = "stereo"
        self._encoder = SoundCapture(source, role, 2, index=index)
        self.info = self._encoder.info

    def take(self, piece: Shared) -> list[feed.Message]:
        """The messages for the feed that come of one piece of sound."""
        found: list[feed.Message] = []
        for frame in self._decoder.decode(av.Packet(piece.data)):
            found += self._encoder.packets(frame, piece.time)
        return found


class Feeder:
    """Turns what comes over the socket into the feed; `voice`: there is sound only."""

    def __init__(self, output: Output, source: str, role: str, *, voice: bool = False) -> None:
        self._output, self._source, self._role = output, source, role
        self._voice = voice
        self._picture = Picture(source, role)
        self._sound: Sound | None = None
        self._shown = False

    def take(self, piece: Shared) -> None:
        """Hands one message on. Raises BrokenPipeError when nobody reads any more."""
        if piece.media == "nothing":
            self.nothing()
            return
        try:
            if piece.media == "video":
                messages = [] if self._voice else self._picture.take(piece)
            elif not self._shown and not self._voice:
                return  # a track begins with its picture
            else:
                messages = self._take_sound(piece)
        except av.error.FFmpegError:
            return  # what a lossy network has torn; a key frame follows
        for message in messages:
            self._shown = self._shown or isinstance(message, feed.FeedPacket)
            self._output.send(message)

    def _take_sound(self, piece: Shared) -> list[feed.Message]:
        messages: list[feed.Message] = []
        if self._sound is None:
            index = _PICTURE if self._voice else _SOUND
            self._sound = Sound(self._source, self._role, index)
            messages.append(self._sound.info)
        return messages + self._sound.take(piece)

    def nothing(self) -> None:
        """Nothing is shown now."""
        self._picture.begin_anew()
        self._sound, self._shown = None, False
        self._output.send(feed.Command("waiting", {"t": boottime_us()}))


def follow(path: Path, feeder: Feeder, stop: threading.Event) -> None:
    """Connects, and connects again, until `stop`."""
    told = 0.0
    while not stop.is_set():
        if time.monotonic() - told >= 1.0:
            told = time.monotonic()
            feeder.nothing()
        with socket.socket(socket.AF_UNIX) as link:
            link.settimeout(5.0)
            try:
                link.connect(str(path))
            except OSError:
                stop.wait(AGAIN_S)
                continue
            stream: BinaryIO = link.makefile("rb")
            try:
                while not stop.is_set() and (piece := shared.read(stream)) is not None:
                    feeder.take(piece)
            except BrokenPipeError:
                raise
            except (OSError, SharedError) as error:
                print(f"{path.name}: {error}", file=sys.stderr)
        stop.wait(AGAIN_S)


def _name(url: str) -> str:
    return urlsplit(url).netloc or urlsplit(url).path


def where(url: str) -> Path:
    """The socket of `webrtc://NAME`. Raises SourceError."""
    folder = shared.run_dir()
    if folder is None:
        raise SourceError(f"{url}: shared screens are there only where the daemon of a room runs")
    try:
        return shared.socket_path(folder, _name(url))
    except ValueError as error:
        raise SourceError(f"{url}: {error}; write webrtc://board or webrtc://talk") from None


def opened(url: str, source: str, role: str) -> Serve:
    """What takes the screen that is shared, or the voice. Raises SourceError."""
    path, voice = where(url), _name(url) == shared.TALK
    return lambda output, stop: follow(path, Feeder(output, source, role, voice=voice), stop)


def main() -> int:
    """Entry of the child: see `serve`."""
    return serve("Takes a screen that is shared from a browser.", opened)


if __name__ == "__main__":
    os._exit(main())
