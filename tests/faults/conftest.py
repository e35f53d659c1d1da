"""Faults at random moments, what each costs, and the table of it.

`CLASSROOMD_FAULTS` says how often each fault is repeated: once by default, many times by
`python -m benchmarks faults`. The moments come from a seed that the table names.
"""

import asyncio
import importlib.util
import itertools
import json
import os
import random
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

_RECORDER = Path(__file__).parents[1] / "recorder" / "conftest.py"
_FORGETFUL = Path(__file__).with_name("forgetful.py")


def _recorder_helpers() -> Any:
    name = "classroomd_recorder_helpers"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, _RECORDER)
        assert spec is not None and spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


_helpers = _recorder_helpers()
camera, clip, hold_class, tools = (
    *(_helpers.camera, _helpers.clip, _helpers.hold_class, _helpers.tools),
)

REPEAT = int(os.environ.get("CLASSROOMD_FAULTS", "1"))
SEED = int(os.environ.get("CLASSROOMD_SEED", "0")) or random.SystemRandom().randrange(1, 1 << 30)
# How long a picture or a piece of sound of each source lasts: what is on the screen is not lost.
LASTS = {"presenter": 0.04, "audience": 1.0, "slides": 1.0, "microphone": 0.03}


class Ledger:
    """Seconds lost, by fault and track: `before` it (had been seen) and until it was back."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], list[tuple[float, float]]] = {}

    def note(self, fault: str, track: str, before: float, gap: float) -> None:
        self.rows.setdefault((fault, track), []).append((before, gap))

    def figures(self) -> list[dict[str, Any]]:
        found = []
        for (fault, track), losses in self.rows.items():
            row: dict[str, Any] = {"fault": fault, "track": track, "times": len(losses)}
            for name, place in (("before", 0), ("gap", 1)):
                values = [loss[place] for loss in losses]
                row[name] = [min(values), statistics.median(values), max(values)]
            found.append(row)
        return found


_LEDGER = Ledger()


@pytest.fixture(scope="session")
def ledger() -> Ledger:
    return _LEDGER


@pytest.fixture(scope="session")
def chance() -> random.Random:
    return random.Random(SEED)


@pytest.fixture(scope="session")
def repeat() -> int:
    return REPEAT


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Prints the table, and writes it where the benchmark wants it."""
    figures = _LEDGER.figures()
    if not figures:
        return
    write = terminalreporter.write_line
    terminalreporter.section(f"seconds lost (seed {SEED})")
    write(f"{'fault':34} {'track':11} {'n':>3}   before it: min med max   until back: min med max")
    for row in figures:
        before, gap = (" ".join(f"{v:6.2f}" for v in row[name]) for name in ("before", "gap"))
        write(f"{row['fault']:34} {row['track']:11} {row['times']:>3}   {before}   {gap}")
    if place := os.environ.get("CLASSROOMD_FAULTS_JSON"):
        Path(place).write_text(json.dumps(figures))


@pytest.fixture
def lost(ledger: Ledger, tools: Any) -> Callable[..., float]:
    """Notes what a fault at class time `t` cost a track; returns what was lost before it."""

    def measure(fault: str, folder: Path, t: float) -> float:
        kind = "audio" if folder.name == "microphone" else "video"
        times = sorted(at for at, _ in tools.packets(folder, kind))
        near = [(a, b) for a, b in itertools.pairwise(times) if a < t + 2 and b > t - 2]
        last, back = max(near, key=lambda pair: pair[1] - pair[0], default=(0.0, t))
        hole = max(0.0, back - last - LASTS[folder.name])
        missing = min(hole, max(0.0, t - last - LASTS[folder.name]))
        ledger.note(fault, folder.name, missing, hole)
        return missing

    return measure


@pytest.fixture
def moment(chance: random.Random) -> Callable[..., Any]:
    """Waits for a random moment."""

    async def wait(least: float = 0.3, most: float = 1.5) -> None:
        await asyncio.sleep(chance.uniform(least, most))

    return wait


class Disk:
    """A mounted file system that forgets what was not synced."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "disk"
        self.folder.mkdir()
        self._remains = folder / "remains"
        self._remains.mkdir()
        self._cuts = 0
        self._process = subprocess.Popen(
            [sys.executable, str(_FORGETFUL), str(self.folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def ready(self) -> bool:
        assert self._process.stdout is not None
        return bool(self._process.stdout.readline())

    def _say(self, **order: Any) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        self._process.stdin.flush()
        assert self._process.stdout.readline()

    def cut(self, seed: int | None = None) -> tuple[Path, Path]:
        """A power cut now. Returns what is left of the disk, and what programs had seen."""
        self._cuts += 1
        into = self._remains / f"left-{self._cuts}"
        seen = self._remains / f"seen-{self._cuts}"
        self._say(cut=seed, into=str(into), seen=str(seen))
        return into, seen

    def fail(self, errno: int = 0, delay: float = 0.0) -> None:
        """Makes writes fail from now on, or take so many seconds longer."""
        self._say(errno=errno, delay=delay)

    def close(self) -> None:
        subprocess.run(["umount", "-l", str(self.folder)], check=False, capture_output=True)
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()


@pytest.fixture
def forgetful(tmp_path: Path) -> Iterator[Disk]:
    if os.geteuid() != 0 or not Path("/dev/fuse").exists():
        pytest.skip("a file system that forgets needs root and /dev/fuse")
    disk = Disk(tmp_path)
    try:
        if not disk.ready():
            pytest.skip("a file system that forgets cannot be mounted here")
        yield disk
    finally:
        disk.close()
