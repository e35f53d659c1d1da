"""A sound output of the room's computer: what a remote student says is heard there.

`pulse://NAME` is a sink of PulseAudio or PipeWire (`pulse://` the default one), `alsa://NAME` an
ALSA device, as the sources name their inputs. Programs of the system play it (`pacat`, `ffmpeg`),
so no sound library is loaded here. Only `Loudspeaker` loads a codec, in the child that plays.
"""

from __future__ import annotations

import contextlib
import fcntl
import queue
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Callable
from typing import Any

RATE = 48_000
LATENCY_MS = 60
PIPE_BYTES = 4096
QUEUED = 15
"""Pieces of 20 ms that may wait; the oldest go when the output does not keep up."""
LOOK_PIECES = 50
IDLE_S = 2.0
AGAIN_S = 3.0
STUCK_S = 5.0
PROVEN_BYTES = 96_000
"""More than a player reads before it has opened its output."""

_NAMES = {
    "pulse": re.compile(r"([A-Za-z0-9_][A-Za-z0-9_.:@-]*)?"),
    "alsa": re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:,=-]*"),
}
_PROGRAMS = {"pulse": ("pacat", "pulseaudio-utils"), "alsa": ("ffmpeg", "ffmpeg")}


def parse(url: str) -> tuple[str, str]:
    """The kind of output and its name. Raises ValueError."""
    scheme, found, name = url.partition("://")
    if not found or scheme not in _NAMES:
        raise ValueError(f"{url!r} is no sound output; write pulse://SINK or alsa://DEVICE")
    if not _NAMES[scheme].fullmatch(name):
        raise ValueError(f"{name!r} cannot be the name of a {scheme} output")
    return scheme, name


def problems(url: str) -> list[str]:
    """What is missing on this computer for this output, each with what to do."""
    program, package = _PROGRAMS[parse(url)[0]]
    if shutil.which(program) is None:
        return [f"{program} is not installed: apt-get install {package}"]
    return []


def pacat(sink: str, latency_ms: int) -> list[str]:
    """The command that plays stereo of 16 bits at RATE, from standard input, to a sink."""
    command = ["pacat", "--playback", "--raw", "--format=s16le", f"--rate={RATE}", "--channels=2"]
    command += [f"--latency-msec={latency_ms}"]
    return command + ([f"--device={sink}"] if sink else [])


def player(url: str) -> list[str]:
    """The command that plays stereo of 16 bits at RATE, from standard input."""
    scheme, name = parse(url)
    if scheme == "pulse":
        return pacat(name, LATENCY_MS)
    command = ["ffmpeg", "-hide_banner", "-loglevel", "error", "-nostdin"]
    command += ["-probesize", "32", "-f", "s16le", "-ar", str(RATE), "-ac", "2", "-i", "pipe:0"]
    return [*command, "-f", "alsa", name]


class Loudspeaker:
    """Plays Opus, in a thread of its own; it is open while something is to be heard.

    `tell` is called from that thread: with "" when sound goes out, else with what is wrong. An
    output that fails is tried again while there is something to play.
    """

    def __init__(self, url: str, tell: Callable[[str], None]) -> None:
        self._url, self._tell = url, tell
        self._pieces: queue.Queue[bytes | None] = queue.Queue(QUEUED)
        self._process: subprocess.Popen[bytes] | None = None
        self._told: str | None = None
        self._decoder: Any = None
        self._again_at = 0.0
        self._taken = 0
        self._writing: float | None = None
        self._put, self._least = 0, QUEUED
        self._thread = threading.Thread(target=self._run, name="loudspeaker", daemon=True)
        self._thread.start()

    def put(self, piece: bytes) -> None:
        """Takes 20 ms of sound; never waits."""
        since = self._writing
        if since is not None and time.monotonic() - since > STUCK_S:
            self._kill()  # what is being written fails now
        self._catch_up()
        while True:
            try:
                self._pieces.put_nowait(piece)
            except queue.Full:
                self._leave_out()
            else:
                return

    def _catch_up(self) -> None:
        """Leaves out what has waited all the while: it came while the output was being opened."""
        self._put += 1
        self._least = min(self._least, self._pieces.qsize())
        if self._put % LOOK_PIECES == 0:
            for _ in range(self._least - 1):
                self._leave_out()
            self._least = QUEUED

    def _leave_out(self) -> None:
        with contextlib.suppress(queue.Empty):
            self._pieces.get_nowait()

    def close(self) -> None:
        """Ends the sound, and waits until the output is free."""
        self._kill()
        with contextlib.suppress(queue.Empty):
            while True:
                self._pieces.get_nowait()
        self._pieces.put(None)
        self._thread.join(STUCK_S)

    def _run(self) -> None:
        while True:
            try:
                piece = self._pieces.get(timeout=IDLE_S)
            except queue.Empty:
                self._end()
                continue
            if piece is None:
                self._end()
                return
            if self._process is None and time.monotonic() < self._again_at:
                continue
            try:
                self._play(piece)
            except OSError as error:
                self._fail(error)

    def _play(self, piece: bytes) -> None:
        process = self._process or self._begin()
        assert process.stdin is not None
        self._writing = time.monotonic()
        try:
            for sound in self._decoded(piece):
                process.stdin.write(sound)
                self._taken += len(sound)
            process.stdin.flush()
        finally:
            self._writing = None
        if process.poll() is not None:
            raise BrokenPipeError
        if self._taken > PROVEN_BYTES:
            self._say("")

    def _begin(self) -> subprocess.Popen[bytes]:
        import av

        if missing := problems(self._url):
            raise OSError(None, missing[0])
        self._process = subprocess.Popen(
            player(self._url),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        assert self._process.stdin is not None
        fcntl.fcntl(self._process.stdin, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        self._taken = 0
        self._decoder = av.CodecContext.create("opus", "r")
        self._decoder.sample_rate, self._decoder.layout = RATE, "stereo"
        self._resampler = av.AudioResampler("s16", "stereo", RATE)
        return self._process

    def _decoded(self, piece: bytes) -> list[bytes]:
        import av

        try:
            frames = self._decoder.decode(av.Packet(piece))
        except av.error.FFmpegError:
            return []  # one that was damaged on its way
        return [
            part.to_ndarray().tobytes()
            for frame in frames
            for part in self._resampler.resample(frame)
        ]

    def _fail(self, error: OSError) -> None:
        missing = "" if isinstance(error, BrokenPipeError) else error.strerror
        said = self._end().splitlines() or ["the output ended"]
        self._again_at = time.monotonic() + AGAIN_S
        self._say(missing or said[-1])

    def _say(self, detail: str) -> None:
        if detail != self._told:
            self._told = detail
            self._tell(detail)

    def _kill(self) -> None:
        process = self._process
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()

    def _end(self) -> str:
        """Ends the player; what it has complained about."""
        process, self._process = self._process, None
        if process is None:
            return ""
        assert process.stdin is not None and process.stderr is not None
        with contextlib.suppress(OSError):
            process.stdin.close()
        process.kill()
        process.wait()
        with process.stderr:
            return process.stderr.read(4000).decode("utf-8", "replace").strip()
