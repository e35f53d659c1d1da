"""What PyAV's FFmpeg cannot open (SRT) comes through Debian's `ffmpeg`, copied, by a pipe."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from av.container import InputContainer

SCHEMES = frozenset({"srt"})

_RELAYS: dict[int, Relay] = {}  # by the identity of the container that reads it


class Relay:
    """A running `ffmpeg` whose output is read like a file. Raises OSError when there is none."""

    def __init__(self, options: Sequence[str], url: str) -> None:
        if shutil.which("ffmpeg") is None:
            raise FileNotFoundError(2, "ffmpeg is not installed (apt install ffmpeg)")
        command = ["ffmpeg", "-nostdin", "-loglevel", "error", "-fflags", "nobuffer", *options]
        command += ["-i", url, "-map", "0:v:0?", "-map", "0:a:0?", "-c", "copy", "-copyts"]
        command += ["-muxdelay", "0", "-flush_packets", "1", "-f", "mpegts", "pipe:1"]
        self._process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )

    def read(self, size: int) -> bytes:
        assert self._process.stdout is not None
        return self._process.stdout.read1(size)  # type: ignore[attr-defined, no-any-return]

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        if self._process.stdout is not None:
            with contextlib.suppress(OSError):
                self._process.stdout.close()


def open_relayed(url: str, patience: float, options: dict[str, str]) -> InputContainer:
    """Opens the address. It ends when nothing has come for `patience` seconds."""
    import av

    relay = Relay(["-timeout", str(round(patience * 1e6))], url)
    try:
        container = av.open(relay, "r", format="mpegts", options=options)
    except BaseException:
        relay.close()
        raise
    _RELAYS[id(container)] = relay
    return container


def end(container: InputContainer) -> None:
    """Ends the relay behind a container, where there is one."""
    if (relay := _RELAYS.pop(id(container), None)) is not None:
        relay.close()
