"""What the processes of production have in common: their options, their rank, one at a time."""

from __future__ import annotations

import argparse
import ctypes
import fcntl
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2

from recorder.recording import Recording, RecordingError

_LOCK = ".production.lock"
_SET_PDEATHSIG = 1


def arguments(prog: str, description: str | None, *, nice: int = 15) -> argparse.ArgumentParser:
    """A parser for what every process is told; `nice` is its rank unless it is told another."""
    parser = argparse.ArgumentParser(prog=prog, description=description)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--settings", action="store_true", help="all settings, as JSON on stdin")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument("--nice", type=int, default=nice, help="0 to 19")
    parser.add_argument("--owner", type=int, help="the process with which this one ends")
    return parser


def begin(options: argparse.Namespace) -> None:
    """Takes this process's rank, on one thread; with an owner it ends when that does."""
    if options.owner is not None:
        ctypes.CDLL(None).prctl(_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != options.owner:
            sys.exit(1)
    os.nice(options.nice)
    cv2.setNumThreads(1)


@contextmanager
def alone(recording: Recording, *, wait: bool = False) -> Iterator[None]:
    """No other process of production is at work on this recording.

    Raises RecordingError when one is, unless it is to `wait` for that one.
    """
    with (recording.folder / _LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            name = recording.folder.name
            raise RecordingError(f"{name}: production is at work on it already") from None
        yield
