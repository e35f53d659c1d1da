"""End of class → finished lecture: seconds for classes of 1 minute to 3 hours. It should be flat.

The program child is fed with a class as fast as it composes it (small pictures: what is asked is
whether the length of what was written matters). When it has caught up, the class ends: the time
runs from that command until the finished lecture stands under its name, checked to be whole. The
child's peak of memory should be flat too: nothing is kept that grows with the class.
"""

from __future__ import annotations

import json
import math
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

from recorder import feed
from recorder.production.joining import probe
from recorder.recording import ProgramSpec, Recording, SourceSpec, create
from recorder.sources import generate

MINUTES = (1, 10, 60, 180)
_CLIP_S = 60
_AHEAD_S = 20.0  # more than the program tells its progress by
_S = 1_000_000
_SOURCES = (
    ("camera", "presenter", "test:presenter?size=160x90&fps=5"),
    ("laptop", "slides", "test:slides?size=320x180&fps=5"),
    ("desk", "microphone", "test:speech"),
)


def _class(minutes: int) -> Iterator[feed.Message]:
    """The feed of a class: a minute, again and again."""
    clips = [
        generate.clip(url, source, role, number, 0, _CLIP_S * _S)
        for number, (source, role, url) in enumerate(_SOURCES)
    ]
    for info, _ in clips:
        yield info
    packets = sorted((p for _, found in clips for p in found), key=lambda packet: packet.dts)
    for minute in range(minutes):
        start, tick = minute * _CLIP_S * _S, 0
        for packet in packets:
            while packet.dts >= tick:
                yield feed.Tick(start + tick)
                tick += 100_000
            yield replace(packet, pts=packet.pts + start, dts=packet.dts + start)
    yield feed.Tick(minutes * _CLIP_S * _S)


def _recording(root: Path) -> Recording:
    sources = [
        SourceSpec.model_validate({"id": name, "role": role, "url": f"file:{name}?pace=fast"})
        for name, role, _ in _SOURCES
    ]
    program = ProgramSpec(width=320, height=180, fps=5, encoder="software")
    return create(root, session="s", room="bench", title="Bench", sources=sources, program=program)


class _Heard:
    """What the child says, read all along: a pipe that nobody empties would hold it up."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._stream = stream
        self._moved = threading.Condition()
        self._reached = 0.0
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in self._stream:
            self._lines.put(line)
            told = json.loads(line)
            if told.get("event") == "progress":
                self._reach(float(told["t"]))
        self._lines.put(b"")
        self._reach(math.inf)

    def _reach(self, t: float) -> None:
        with self._moved:
            self._reached = t
            self._moved.notify_all()

    def wait(self, t: float) -> None:
        """Until the class is composed up to second `t`: no more than that waits in its memory."""
        with self._moved:
            self._moved.wait_for(lambda: self._reached >= t)

    def until(self, wanted: str, t: float = 0.0) -> dict[str, Any]:
        """The first of its events called `wanted`, not earlier than class second `t`."""
        while line := self._lines.get():
            told: dict[str, Any] = json.loads(line)
            if told.get("event") == wanted and float(told.get("t", t)) >= t:
                return told
        raise RuntimeError(f"the program ended before it said {wanted!r}")


def measure(minutes: int) -> tuple[float, float]:
    """Seconds from the end of such a class to its lecture, and the program's peak memory (MiB)."""
    with tempfile.TemporaryDirectory() as root:
        recording = _recording(Path(root))
        child = subprocess.Popen(
            [
                *(sys.executable, "-m", "recorder.program", str(recording.folder)),
                *("--part", "1", "--from", "0"),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert child.stdin is not None and child.stdout is not None
        heard = _Heard(child.stdout)
        for message in _class(minutes):
            if isinstance(message, feed.Tick):
                child.stdin.flush()
                heard.wait(message.now / _S - _AHEAD_S)
            child.stdin.write(feed.encode(message))
        child.stdin.flush()
        end = minutes * 60.0
        heard.until("progress", end - 2.0)
        began = time.monotonic()
        child.stdin.write(feed.encode(feed.Command("finish", {"t": end})))
        child.stdin.flush()
        heard.until("finished")
        took = time.monotonic() - began
        child.stdin.close()
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        held = probe(recording.lecture)
        assert held is not None and abs(held[0] - end) < 1.0, held
        return took, usage.ru_maxrss / 1024


def run() -> dict[str, float | None]:
    """Seconds per length, and the longest against the shortest (1: flat)."""
    figures: dict[str, float | None] = {}
    for minutes in MINUTES:
        took, memory = measure(minutes)
        figures[f"seconds_{minutes}_min"] = round(took, 2)
        figures[f"peak_mib_{minutes}_min"] = round(memory)
        print(f"   {minutes} min: {took:.2f} s, {memory:.0f} MiB", flush=True)
    short, long = MINUTES[0], MINUTES[-1]
    for what, least in (("seconds", 0.05), ("peak_mib", 1.0)):
        first, last = figures[f"{what}_{short}_min"], figures[f"{what}_{long}_min"]
        assert first is not None and last is not None
        figures[f"{what}_long_to_short"] = round(last / max(least, first), 2)
    return figures
