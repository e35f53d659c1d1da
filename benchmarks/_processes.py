"""What a process and everything that it started costs, read from /proc."""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path
from typing import Self

TICK = os.sysconf("SC_CLK_TCK")


def _stat(pid: int) -> tuple[int, int, int] | None:
    """Parent, CPU ticks and start of a process."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    return int(fields[1]), int(fields[11]) + int(fields[12]), int(fields[19])


def _memory(pid: int) -> int:
    """The process's proportional share of memory, in bytes."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0)


def _name(pid: int) -> str:
    """The module that a Python process runs, else what it is called."""
    words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    module = words[words.index("-m") + 1] if "-m" in words[:-1] else ""
    return module or Path(f"/proc/{pid}/comm").read_text().strip()


class Tree:
    """Watches a process and its descendants from `with` to its end.

    `cpu_s`: CPU seconds of all; `peak_bytes`: their memory together, at its highest. A process
    that lives shorter than the 0.2 s between two looks is missed.
    """

    def __init__(self, pid: int) -> None:
        self._root = pid
        self._ticks: dict[tuple[int, int], int] = {}
        self._known: set[int] = {pid}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self.peak_bytes = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def private(self) -> dict[str, int]:
        """Bytes that each process has for itself now, by its name and number.

        What it shares with others moves with those, and is left out.
        """
        found: dict[str, int] = {}
        for pid in sorted(self._known):
            with contextlib.suppress(OSError):
                told = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
                fields = (line.split() for line in told)
                kept = sum(int(f[1]) for f in fields if f[0] in ("Private_Dirty:", "Swap:"))
                found[f"{_name(pid)} {pid}"] = kept * 1024
        return found

    @property
    def cpu_s(self) -> float:
        return sum(self._ticks.values()) / TICK

    def _watch(self) -> None:
        while not self._over.wait(0.2):
            self._look()

    def _look(self) -> None:
        stats = {
            int(p.name): _stat(int(p.name)) for p in Path("/proc").iterdir() if p.name.isdigit()
        }
        grew = True
        while grew:
            found = {pid for pid, stat in stats.items() if stat and stat[0] in self._known}
            grew = not found <= self._known
            self._known |= found
        memory = 0
        for pid in self._known:
            if stat := stats.get(pid):
                self._ticks[pid, stat[2]] = stat[1]
                memory += _memory(pid)
        self.peak_bytes = max(self.peak_bytes, memory)
