"""A disk that is full, broken or slow: what is there stays, the class goes on, sound before all."""

import contextlib
import errno
import itertools
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from recorder.recording import Life, class_time
from recorder.salvage import verify

SOURCES = ("presenter=test:presenter?size=320x180&fps=25", "microphone=test:speech")
TRACKS = ("presenter", "microphone")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("a small file system can be mounted by root only")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


async def test_no_room_is_left(
    hold_class: Callable[..., Any],
    moment: Callable[..., Any],
    strikes: Callable[..., Any],
    small_disk: Path,
    repeat: int,
) -> None:
    made = hold_class(*SOURCES, folder=small_disk)
    await made.start()
    await made.running(*TRACKS)
    struck = strikes(made, *TRACKS)
    for _ in range(repeat):
        await struck.settled()
        await moment()
        struck.now("ENOSPC")
        handle = os.open(small_disk / "ballast", os.O_WRONLY | os.O_CREAT)
        with contextlib.suppress(OSError):
            while True:
                os.write(handle, bytes(4096))
        os.close(handle)
        await made.until(lambda: made.fact("disk_full"), "disk_full")
        (small_disk / "ballast").unlink()
        await made.until(lambda: made.fact("disk_full") is False, "room again")
        await struck.over()
    await made.finish()
    assert made.recording.manifest.life is Life.READY
    assert verify(made.folder, decode=True).sound
    struck.judge()


async def test_writes_fail(
    hold_class: Callable[..., Any],
    moment: Callable[..., Any],
    strikes: Callable[..., Any],
    forgetful: Any,
    tmp_path: Path,
    repeat: int,
) -> None:
    made = hold_class(*SOURCES, folder=forgetful.folder)
    made.run_dir = tmp_path / "run"
    await made.start()
    await made.running(*TRACKS)
    struck = strikes(made, *TRACKS)
    for _ in range(repeat):
        await struck.settled()
        await moment()
        struck.now("EIO")
        forgetful.fail(errno.EIO)
        await made.until(lambda: made.fact("disk_full"), "the failure")
        forgetful.fail()
        await made.until(lambda: made.fact("disk_full") is False, "writes again")
        await struck.over()
    await made.finish()
    assert made.recording.manifest.life is Life.READY
    assert verify(made.folder, decode=True).sound
    struck.judge()


async def test_writes_are_slow(
    hold_class: Callable[..., Any], forgetful: Any, tmp_path: Path, tools: Any
) -> None:
    made = hold_class(*SOURCES, folder=forgetful.folder)
    made.run_dir = tmp_path / "run"
    await made.start()
    await made.running(*TRACKS)
    forgetful.fail(delay=0.5)
    await made.until(lambda: made.fact("disk_slow"), "disk_slow")
    assert not made.fact("source_lost", "microphone")
    forgetful.fail()
    slow_until = class_time(made.recording.manifest)
    await made.until(lambda: made.status.duration_s > slow_until + 1.5)
    await made.finish()
    assert made.recording.manifest.life is Life.READY
    assert verify(made.folder, decode=True).sound
    times = [at for at, _ in tools.packets(made.recording.track("microphone"), "audio")]
    assert max(b - a for a, b in itertools.pairwise(times)) < 0.2  # nothing is missing
