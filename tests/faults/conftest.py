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
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from recorder.recording import class_time
from recorder.segments import segment_files, span

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
SEED = int(os.environ.get("CLASSROOMD_SEED", "0")) or (
    4 if REPEAT == 1 else random.SystemRandom().randrange(1, 1 << 30)
)
if REPEAT > 1:  # a lecture of many parts is made whole at the end
    _helpers.PATIENCE *= REPEAT
# How long a picture or a piece of sound of each source lasts: what is on the screen is not lost.
LASTS = {"presenter": 0.04, "audience": 1.0, "slides": 1.0, "microphone": 0.03}
AT_MOST = 1.0


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


class Strikes:
    """The faults of one class: when each struck, and what every track had on the disk then.

    What was on the disk stays, always. Of what had happened before the fault at most a second is
    missing, unless the machine was so busy that more than that was still on its way to the disk.
    """

    def __init__(self, made: Any, tracks: Sequence[str]) -> None:
        self._made, self._tracks = made, tracks
        self._struck: list[tuple[str, float, str, dict[str, tuple[Path, float]]]] = []

    def _newest(self, track: str) -> tuple[Path, float] | None:
        """The last segment of a track that holds anything, and the class second of its end."""
        for _, path in reversed(segment_files(self._made.recording.track(track))):
            if found := span(path):
                return path, found[1]
        return None

    async def settled(self) -> None:
        """Waits until every track is written now, so that the next fault finds it whole."""
        t = class_time(self._made.recording.manifest)
        await self._written_after(t)

    async def over(self) -> None:
        """Waits until every track is written again after the last fault."""
        await self._written_after(self._struck[-1][1] + 0.2)

    async def _written_after(self, t: float) -> None:
        for track in self._tracks:
            await self._made.until(
                lambda track=track: (found := self._newest(track)) is not None and found[1] > t,
                f"{track} after {t:.1f} s",
            )

    def now(self, fault: str, *, hit: str | None = None) -> None:
        """A fault strikes now. `hit`: the only track that may have a gap; None: any."""
        had = {track: found for track in self._tracks if (found := self._newest(track))}
        t = class_time(self._made.recording.manifest)
        self._struck.append((fault, t, "*" if hit is None else hit, had))

    def judge(self) -> None:
        """Call after the class: notes the losses in the table, and asserts what is promised."""
        gaps = [m.data for m in self._made.recording.markers() if m.kind == "gap"]
        for fault, t, hit, had in self._struck:
            for track, (path, end) in had.items():
                kept = span(path)
                assert kept is not None and kept[1] >= end - 0.001, (fault, track, "was on disk")
                last, back = self._hole(track, t)
                missing = max(0.0, t - last - LASTS[track])
                hole = max(0.0, back - last - LASTS[track])
                _LEDGER.note(fault, track, min(missing, hole), hole)
                assert min(missing, hole) <= max(AT_MOST, t - end), (fault, track)
                marked = [g for g in gaps if g["source"] == track and abs(g["from"] - t) < 1.0]
                if marked:
                    assert hit in ("*", track), (fault, track, marked)
                elif hole > 0.5:
                    raise AssertionError(f"{fault}: {hole:.2f} s of {track} are not marked")

    def _hole(self, track: str, t: float) -> tuple[float, float]:
        """The longest time without a packet of the track around class second `t`."""
        folder = self._made.recording.track(track)
        kind = "audio" if track == "microphone" else "video"
        times = sorted(at for at, _ in _helpers.packets(folder, kind))
        near = [(a, b) for a, b in itertools.pairwise(times) if a < t + 1 and b > t]
        return max(near, key=lambda pair: pair[1] - pair[0], default=(t, t))


@pytest.fixture
def strikes() -> Callable[..., Strikes]:
    return lambda made, *tracks: Strikes(made, tracks)


@pytest.fixture
def moment(chance: random.Random) -> Callable[..., Any]:
    """Waits for a random moment."""

    async def wait(least: float = 0.0, most: float = 1.1) -> None:
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
