"""A hardware encoder at work: in a child process, which may fail, crash or hang at any picture.

NVENC, QSV and V4L2M2M run in `hardware_child` (PyAV; pictures in shared memory), VAAPI in Debian's
`ffmpeg`, which can only be fed through a pipe. Either takes a picture and gives its packet back at
once; what does not come within WATCHDOG seconds does not come. The pictures whose packets are
outstanding stay here, so that nothing is lost when another encoder has to make them.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import mmap
import os
import queue
import shutil
import struct
import subprocess
import sys
import threading
import time
from collections import deque
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any, BinaryIO, Protocol, cast

import av
import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from recorder import encoders
from recorder.annexb import annex_b, record_sets, start_coded
from recorder.encoders import VideoSettings
from recorder.sources.parameters import parameter_sets

WATCHDOG = 0.7
START_SECONDS = 8.0
MOST_DELAY = 4  # pictures that an encoder may keep back

ORDER, ANSWER = struct.Struct("<Bq?"), struct.Struct("<I?")
_PIPE_BYTES = 1 << 20


class HardwareError(Exception):
    """The encoder is refused, has failed or no longer answers; the text says which."""


@dataclass(frozen=True)
class Picture:
    """A picture on its way: time in the settings' time base, and its planes (yuv420p)."""

    pts: int
    key: bool
    planes: NDArray[np.uint8]


@dataclass(frozen=True)
class Coded:
    """A packet as it comes back, in Annex B form."""

    data: bytes
    key: bool


class _Child(Protocol):
    """One way of running an encoder elsewhere."""

    process: subprocess.Popen[bytes]

    def send(self, picture: Picture) -> None:
        """Hands a picture over without waiting for it. Raises OSError."""

    def read(self) -> Any:
        """Yields the header (bytes), then Coded, until the child ends; in a thread of its own."""

    def end_input(self) -> None: ...

    def close(self) -> None: ...


def _with_us(command: list[str]) -> list[str]:
    """The command such that the kernel ends it with us, even while it hangs in a driver."""
    return ["setpriv", "--pdeathsig", "KILL", *command] if shutil.which("setpriv") else command


class _Own:
    """`python -m recorder.engines.hardware_child`: pictures lie in memory that both can see."""

    def __init__(self, settings: VideoSettings) -> None:
        self._size = settings.width * settings.height * 3 // 2
        self._slots, self._sent = MOST_DELAY + 2, 0
        file = os.memfd_create("pictures")
        try:
            os.ftruncate(file, self._size * self._slots)
            self._memory = mmap.mmap(file, 0)
            told = json.dumps(asdict(settings) | {"time_base": str(settings.time_base)})
            command = [sys.executable, "-m", "recorder.engines.hardware_child", str(file), told]
            self.process = subprocess.Popen(
                _with_us(command),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                pass_fds=(file,),
                bufsize=0,
            )
        finally:
            os.close(file)

    def send(self, picture: Picture) -> None:
        assert self.process.stdin is not None
        slot = self._sent % self._slots
        self._sent += 1
        at = slot * self._size
        self._memory[at : at + self._size] = picture.planes.data.cast("B")
        self.process.stdin.write(ORDER.pack(slot, picture.pts, picture.key))

    def read(self) -> Any:
        stream = _buffered(self.process)
        header = True
        while len(head := stream.read(ANSWER.size)) == ANSWER.size:
            size, key = ANSWER.unpack(head)
            data = stream.read(size)
            yield data if header else Coded(data, key)
            header = False

    def end_input(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()

    def close(self) -> None:
        self._memory.close()


# Times towards ffmpeg count eighths of a millisecond: odd ones ask for a key frame.
_TICKS = 8000
_FORCED = f"expr:eq(mod(round(t*{_TICKS}),2),1)"


class _Ffmpeg:
    """Debian's `ffmpeg`: raw pictures in NUT on its input, packets in FLV on its output."""

    def __init__(self, settings: VideoSettings) -> None:
        line = encoders.BY_FFMPEG[settings.encoder]
        node = encoders.device(settings.encoder) if "{device}" in line.before else ""
        command = ["ffmpeg", "-nostdin", "-loglevel", "error"]
        command += [part.replace("{device}", node or "") for part in line.before]
        command += [
            "-analyzeduration",
            "0",
            "-probesize",
            "32",
            "-f",
            "nut",
            "-i",
            "pipe:0",
            "-copyts",
        ]
        command += ["-vf", line.filters] if line.filters else []
        command += ["-copyts", "-vsync", "passthrough", "-enc_time_base", "-1", *line.codec]
        command += ["-g", str(settings.gop), "-bf", "0", "-profile:v", "high"]
        command += ["-force_key_frames", _FORCED, "-flush_packets", "1", "-f", "flv", "pipe:1"]
        self._settings = settings
        self._waiting: queue.SimpleQueue[Picture | None] = queue.SimpleQueue()
        self.process = subprocess.Popen(
            _with_us(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
        )
        assert self.process.stdin is not None
        with contextlib.suppress(OSError):
            fcntl.fcntl(self.process.stdin, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        threading.Thread(target=self._write, name="pictures", daemon=True).start()

    def send(self, picture: Picture) -> None:
        self._waiting.put(picture)

    def _write(self) -> None:
        settings, pipe = self._settings, self.process.stdin
        assert pipe is not None
        with contextlib.suppress(OSError, av.error.FFmpegError), pipe:
            url, options = f"pipe:{pipe.fileno()}", {"flush_packets": "1"}
            with av.open(url, "w", format="nut", options=options) as out:
                stream: Any = out.add_stream("rawvideo", rate=settings.fps)
                stream.width, stream.height = settings.width, settings.height
                stream.pix_fmt = "yuv420p"
                stream.time_base = stream.codec_context.time_base = Fraction(1, _TICKS)
                first: int | None = None
                while (picture := self._waiting.get()) is not None:
                    frame = VideoFrame.from_ndarray(picture.planes, "yuv420p")
                    if first is None:  # which must lie at 0, or ffmpeg shifts all the others
                        first = picture.pts
                    pairs = round((picture.pts - first) * settings.time_base * _TICKS) // 2
                    frame.pts = pairs * 2 + (picture.key and pairs > 0)
                    frame.time_base = Fraction(1, _TICKS)
                    out.mux(stream.encode(frame))

    def read(self) -> Any:
        """FLV as Adobe describes it (version 10.1, annex E): tags, H.264 in kind 9."""
        stream = _buffered(self.process)
        stream.read(13)
        while len(head := stream.read(11)) == 11:
            data = stream.read(int.from_bytes(head[1:4], "big"))
            stream.read(4)
            if head[0] & 31 != 9 or len(data) < 5 or data[0] & 15 != 7:
                continue
            if data[1] == 0:
                yield annex_b(record_sets(data[5:]))
            elif data[1] == 1:
                yield Coded(start_coded(data[5:]), data[0] >> 4 == 1)

    def end_input(self) -> None:
        self._waiting.put(None)

    def close(self) -> None:
        self._waiting.put(None)


def _buffered(process: subprocess.Popen[bytes]) -> BinaryIO:
    assert process.stdout is not None
    return cast("BinaryIO", os.fdopen(os.dup(process.stdout.fileno()), "rb"))


class Hardware:
    """A hardware encoder that is open and has shown that packets come out of it.

    `outstanding` are the pictures that were given and whose packets have not come; after a failure
    `ready` holds the packets that came before it.
    """

    def __init__(self, settings: VideoSettings) -> None:
        """Raises HardwareError when it does not open or gives nothing."""
        self.settings = settings
        self.outstanding: deque[Picture] = deque()
        self.ready: list[tuple[int, Coded]] = []
        self._came: queue.SimpleQueue[bytes | Coded | None] = queue.SimpleQueue()
        self._delay = 0
        try:
            by_ffmpeg = settings.encoder in encoders.BY_FFMPEG
            self._child: _Child = (_Ffmpeg if by_ffmpeg else _Own)(settings)
        except OSError as error:
            raise HardwareError(f"{settings.encoder} does not start: {error}") from error
        threading.Thread(target=self._listen, name="packets", daemon=True).start()
        try:
            self.header = self._prime()
        except HardwareError:
            self.close()
            raise

    def _listen(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            for found in self._child.read():
                self._came.put(found)
        self._came.put(None)

    def _prime(self) -> bytes:
        """Encodes grey pictures until the first comes out; returns the parameter sets.

        What comes out of them is thrown away; they lie before the first real one.
        """
        settings = self.settings
        grey = np.full((settings.height * 3 // 2, settings.width), 128, np.uint8)
        step = settings.time_base.denominator // settings.fps // settings.time_base.numerator
        pictures = [
            Picture(-step * (MOST_DELAY + 1 - place), place == 0, grey)
            for place in range(MOST_DELAY + 1)
        ]
        self._send(pictures[0])
        header = self._next(START_SECONDS)
        assert isinstance(header, bytes)
        first: bytes | Coded | None = None
        for picture in pictures[1:]:
            try:
                first = self._next(WATCHDOG)
                break
            except HardwareError:
                if self._gone:
                    raise
                self._delay += 1
                self._send(picture)
        first = first or self._next(WATCHDOG)
        assert isinstance(first, Coded)
        self.outstanding.popleft()
        header = header or annex_b(parameter_sets("h264", first.data))
        if not header:
            raise HardwareError(f"{settings.encoder} tells no parameter sets")
        return header

    def _send(self, picture: Picture) -> None:
        self.outstanding.append(picture)
        try:
            self._child.send(picture)
        except OSError as error:
            raise HardwareError(self._why()) from error

    @property
    def _gone(self) -> bool:
        return self._child.process.poll() is not None

    def _why(self) -> str:
        with contextlib.suppress(subprocess.TimeoutExpired):
            status = self._child.process.wait(0.1)
            return f"{self.settings.encoder} failed: its process ended with status {status}"
        return f"{self.settings.encoder} failed"

    def _next(self, patience: float) -> bytes | Coded:
        try:
            found = self._came.get(timeout=patience)
        except queue.Empty:
            told = f"{self.settings.encoder} gave no packet for {patience:.1f} s"
            raise HardwareError(told) from None
        if found is None:
            raise HardwareError(self._why())
        return found

    def encode(self, frame: VideoFrame, pts: int, *, key: bool) -> list[tuple[int, Coded]]:
        """Gives a picture; returns the packets that are out, each with its picture's time.

        Raises HardwareError when it does not answer in time.
        """
        self._send(Picture(pts, key, np.asarray(frame.to_ndarray(), np.uint8)))
        return self._collect(self._delay)

    def flush(self) -> list[tuple[int, Coded]]:
        """The packets of all pictures that were given. Raises HardwareError."""
        if self.outstanding:
            self._child.end_input()
        return self._collect(0)

    def _collect(self, kept_back: int) -> list[tuple[int, Coded]]:
        """Packets leave in the order in which their pictures came."""
        until = time.monotonic() + WATCHDOG
        while len(self.outstanding) > kept_back:
            coded = self._next(max(0.0, until - time.monotonic()))
            if not isinstance(coded, Coded):
                raise HardwareError("it changed its parameter sets")
            picture = self.outstanding.popleft()
            if picture.pts >= 0:  # else it is one of those of the start
                self.ready.append((picture.pts, coded))
        found, self.ready = self.ready, []
        return found

    def close(self) -> None:
        """Ends its process, whatever it is doing."""
        process = self._child.process
        process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(1.0)  # one that hangs in a driver goes when the driver lets it
        self._child.close()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
