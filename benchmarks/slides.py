"""Slide changes: our detector, FFmpeg's scdet and PySceneDetect on the same generated decks."""

from __future__ import annotations

import importlib
import importlib.util
import re
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import av

from benchmarks._decks import decks, encode, f1, score
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


def scenedetect(path: Path) -> list[float]:
    """PySceneDetect's content detector as it comes."""
    peer = importlib.import_module("scenedetect")
    scenes = peer.detect(str(path), peer.ContentDetector())
    return [float(start.get_seconds()) for start, _ in scenes][1:]


def run() -> dict[str, float | None]:
    """F1 at ±1 s over all decks."""
    peers: dict[str, Callable[[Path], list[float]]] = {
        "ours": ours,
        "scdet_10": lambda path: scdet(path, 10),
        "scdet_1": lambda path: scdet(path, 1),
        "scdet_0.2": lambda path: scdet(path, 0.2),
    }
    if importlib.util.find_spec("scenedetect"):
        peers["pyscenedetect"] = scenedetect
    sums = dict.fromkeys(peers, (0, 0, 0))
    spent = 0.0
    with tempfile.TemporaryDirectory() as folder:
        for deck in decks():
            path = Path(folder) / "deck.mp4"
            encode(deck, path)
            told = []
            for name, peer in peers.items():
                begun = time.process_time()
                result = score(peer(path), deck.turns)
                spent += (time.process_time() - begun) if name == "ours" else 0
                sums[name] = tuple(a + b for a, b in zip(sums[name], result, strict=True))  # type: ignore[assignment]
                told.append(f"{name} {f1(*result):.2f}")
            print(f"   {deck.name}: {', '.join(told)}", flush=True)
    figures: dict[str, float | None] = {f"{name}_f1": round(f1(*s), 3) for name, s in sums.items()}
    best = max(f1(*sums[name]) for name in peers if name != "ours")
    figures["ours_to_best_peer_ratio"] = round(f1(*sums["ours"]) / best, 3)
    figures["ours_cpu_s"] = round(spent, 2)
    return figures
