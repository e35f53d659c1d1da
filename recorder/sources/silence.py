"""Silence of a child that promised to speak: does it hang, or does the machine not let it run?

Time in which it waited for a processor, or for the disk, is no silence of its own: a busy machine
raises no false alarm. What the kernel counts is in proc_pid_stat(5) (field state) and in
Documentation/scheduler/sched-stats (`/proc/PID/schedstat`: nanoseconds that it ran, and waited).
"""

from __future__ import annotations

import io
import os
import select
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

QUIET, LOOK_EVERY = 0.25, 0.1


@dataclass(frozen=True)
class Reading:
    """Of one moment: seconds by a steady clock; that its first thread ran; that all of them waited
    for a processor; whether one of them wants one, or waits for the disk."""

    at: float
    ran: float
    waited: float
    wants: bool


def reading(pid: int) -> Reading | None:
    """How the process does; None where the kernel does not tell."""
    ran, waited, wants = 0.0, 0.0, False
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            told = (task / "schedstat").read_text().split()
            waited += int(told[1]) / 1e9
            if task.name == str(pid):
                ran = int(told[0]) / 1e9
            wants |= (task / "stat").read_text().rpartition(")")[2].split()[0] in "RD"
    except (OSError, ValueError, IndexError):
        return None
    return Reading(time.monotonic(), ran, waited, wants)


def between(before: Reading, now: Reading) -> float:
    """For how many seconds it could have spoken: while it slept, or as far as it ran."""
    if now.wants:  # the kernel counts a wait only once it is over
        return now.ran - before.ran
    return (now.at - before.at) - (now.waited - before.waited)


class Listener(io.RawIOBase):
    """Reads a child's pipe, and calls `hangs` when nothing has come for too long.

    `patience` is how long (seconds) it may be silent, whatever the machine does; `promised` how
    long where it could have spoken, once it has promised to (None before).
    """

    def __init__(self, descriptor: int, pid: int, hangs: Callable[[float], None]) -> None:
        self.patience = 0.0
        self.promised: float | None = None
        self._descriptor, self._pid, self._hangs = descriptor, pid, hangs
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLIN)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        if not self._poll.poll(QUIET * 1000):
            self._wait()
        return os.readv(self._descriptor, [buffer])

    def _wait(self) -> None:
        since, first = time.monotonic() - QUIET, reading(self._pid)
        while not self._poll.poll(LOOK_EVERY * 1000):
            silent = time.monotonic() - since
            hangs = silent > self.patience
            if not hangs and self.promised is not None and silent > self.promised:
                now = reading(self._pid)
                if first is not None and now is not None:
                    hangs = QUIET + between(first, now) > self.promised
            if hangs and not self._poll.poll(0):  # this process may have been kept waiting too
                self._hangs(silent)
                return
