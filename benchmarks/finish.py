"""End of class → finished lecture: seconds for classes of 1 minute to 3 hours. It should be flat.

The program child is fed with a class as fast as it takes it (small pictures: what is asked is
whether the length of what was written matters). When it has caught up, the class ends: the time
runs from that command until the finished lecture stands under its name, checked to be whole.
"""

from __future__ import annotations

import json
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
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in self._stream:
            self._lines.put(line)
        self._lines.put(b"")

    def until(self, wanted: str, t: float = 0.0) -> dict[str, Any]:
        """The first of its events called `wanted`, not earlier than class second `t`."""
        while line := self._lines.get():
            told: dict[str, Any] = json.loads(line)
            if told.get("event") == wanted and float(told.get("t", t)) >= t:
                return told
        raise RuntimeError(f"the program ended before it said {wanted!r}")


def seconds(minutes: int) -> float:
    """From the end of such a class to its finished lecture."""
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
        child.wait()
        held = probe(recording.lecture)
        assert held is not None and abs(held[0] - end) < 1.0, held
        return took


def run() -> dict[str, float | None]:
    """Seconds per length, and the longest against the shortest (1: flat)."""
    took = {minutes: seconds(minutes) for minutes in MINUTES}
    figures: dict[str, float | None] = {f"seconds_{m}_min": round(s, 2) for m, s in took.items()}
    figures["long_to_short"] = round(took[MINUTES[-1]] / max(0.05, took[MINUTES[0]]), 2)
    return figures
