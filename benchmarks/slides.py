"""Slide changes: our detector, FFmpeg's scdet and PySceneDetect on the same generated decks.

Two sets: the decks that the detector was made on, and shows of which its first rules knew nothing
(`unseen`; what they showed to be missing has been added since).
"""

from __future__ import annotations

import importlib
import importlib.util
import re
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import av

from benchmarks._decks import decks, encode, f1, frames, score
from benchmarks._unseen import shows
from recorder.engines.pages import PageTurns
from recorder.engines.picture import planes_of

_TICK_US = 100_000


def ours(path: Path) -> list[float]:
    """The detector of the live program and of production."""
    pages = PageTurns()
    t = 0
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            t = round(float(frame.time or 0) * 1e6)
            pages.look(t, planes_of(frame)[0])
            pages.settle(t)
    for _ in range(20):
        t += _TICK_US
        pages.settle(t)
    return [turn / 1e6 for turn in pages.turns]


def scdet(path: Path, threshold: float) -> list[float]:
    """FFmpeg's scene change filter at a threshold (its default is 10)."""
    told = subprocess.run(
        ["ffmpeg", "-hide_banner", "-i", path, "-vf", f"scdet=t={threshold}", "-f", "null", "-"],
        capture_output=True,
        text=True,
        check=True,
    ).stderr
    return [float(t) for t in re.findall(r"lavfi\.scd\.time: ?([0-9.]+)", told)]


def scenedetect(path: Path, threshold: float = 27.0) -> list[float]:
    """PySceneDetect's content detector at a threshold (its default is 27)."""
    peer = importlib.import_module("scenedetect")
    scenes = peer.detect(str(path), peer.ContentDetector(threshold=threshold))
    return [float(start.get_seconds()) for start, _ in scenes][1:]


_Peers = dict[str, Callable[[Path], list[float]]]
_Sums = dict[str, tuple[int, int, int]]


def _made_on(path: Path) -> Iterator[tuple[str, list[float]]]:
    for deck in decks():
        encode(frames(deck), path)
        yield deck.name, deck.turns


def _unseen(path: Path) -> Iterator[tuple[str, list[float]]]:
    for show in shows():
        encode(show.frames(), path, show.crf)
        yield show.name, show.turns


def _measure(found: Iterator[tuple[str, list[float]]], path: Path, peers: _Peers) -> _Sums:
    """Hits, false alarms and misses of each peer over the videos that come to stand at `path`."""
    sums: _Sums = dict.fromkeys(peers, (0, 0, 0))
    for name, turns in found:
        told = []
        for peer, detect in peers.items():
            hits, false, missed = score(detect(path), turns)
            before = sums[peer]
            sums[peer] = (before[0] + hits, before[1] + false, before[2] + missed)
            told.append(f"{peer} {f1(hits, false, missed):.2f}")
        print(f"   {name}: {', '.join(told)}", flush=True)
    return sums


def run() -> dict[str, float | None]:
    """F1 at ±1 s over all decks of each set."""
    spent = 0.0

    def timed(path: Path) -> list[float]:
        nonlocal spent
        begun = time.process_time()
        turns = ours(path)
        spent += time.process_time() - begun
        return turns

    peers: _Peers = {"ours": timed}
    peers |= {f"scdet_{t:g}": lambda path, t=t: scdet(path, t) for t in (10, 1, 0.2)}  # type: ignore[misc]
    if importlib.util.find_spec("scenedetect"):
        peers["pyscenedetect"] = scenedetect
        peers["pyscenedetect_3"] = lambda path: scenedetect(path, 3.0)
    figures: dict[str, float | None] = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "deck.mp4"
        for prefix, found in (("", _made_on(path)), ("unseen_", _unseen(path))):
            sums = _measure(found, path, peers)
            figures |= {f"{prefix}{name}_f1": round(f1(*s), 3) for name, s in sums.items()}
            best = max(f1(*sums[name]) for name in peers if name != "ours")
            figures[f"{prefix}ours_to_best_peer_ratio"] = round(f1(*sums["ours"]) / best, 3)
    figures["ours_cpu_s"] = round(spent, 2)
    return figures
