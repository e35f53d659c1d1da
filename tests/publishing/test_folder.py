"""The folder target: nothing between us and the disk, so faults come from the disk."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
from publishing_contract import CHILD, deliver

from publishing.target import TargetConfig
from publishing.targets import folder as folder_target
from recorder.recording import PRODUCTS


@pytest.fixture
def share(tmp_path: Path) -> Path:
    path = tmp_path / "share"
    path.mkdir()
    return path


def config(share: Path, **more: Any) -> TargetConfig:
    return TargetConfig(id="nas", target="folder", url=str(share), **more)


def shown(share: Path) -> list[str]:
    return sorted(p.name for p in share.rglob("*") if p.is_file() and not p.name.startswith("."))


async def test_copies_verifies_and_says_where(make_recording: Any, share: Path) -> None:
    recording = make_recording()
    status = await deliver(recording, config(share), tries=1)
    assert status.state == "verified"
    assert status.receipt is not None
    assert status.receipt["how"] == "hash"
    assert status.receipt["place"] == str(share / recording.name)
    there = share / recording.name
    for path in (path for path in there.rglob("*") if path.is_file()):
        name = path.relative_to(there)
        assert path.read_bytes() == (recording / PRODUCTS / name).read_bytes()
    assert "lecture.mp4" in shown(share)
    assert "cam.mp4" not in shown(share)
    manifest = json.loads((recording / "recording.json").read_text())
    assert manifest["life"] == "published"


async def test_a_share_that_is_not_mounted_is_waited_for(make_recording: Any, share: Path) -> None:
    recording = make_recording()
    share.rmdir()
    status = await deliver(recording, config(share), tries=2)
    assert (status.state, status.attempts) == ("retrying", 2)
    assert str(share) in status.detail
    assert not share.exists()
    share.mkdir()
    assert (await deliver(recording, config(share))).state == "verified"


@pytest.mark.parametrize(
    ("number", "state"),
    [(errno.ENOSPC, "failed"), (errno.EDQUOT, "failed"), (errno.EROFS, "failed"),
     (errno.EIO, "retrying")],
)  # fmt: skip
async def test_a_disk_that_refuses(
    make_recording: Any, share: Path, monkeypatch: pytest.MonkeyPatch, number: int, state: str
) -> None:
    recording = make_recording(lecture_bytes=1_000_000)
    written = 0
    write = folder_target._write

    def refusing(file: int, piece: bytes) -> None:
        nonlocal written
        written += len(piece)
        if written > 500_000:
            raise OSError(number, os.strerror(number))
        write(file, piece)

    monkeypatch.setattr(folder_target, "_write", refusing)
    status = await deliver(recording, config(share), tries=1)
    assert status.state == state
    assert os.strerror(number) in status.detail
    assert (status.remedy != "") == (state == "failed")
    assert shown(share) == []
    monkeypatch.undo()
    assert (await deliver(recording, config(share))).state == "verified"


async def test_killed_while_it_copies_goes_on_from_the_synced_bytes(
    make_recording: Any, share: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = make_recording(lecture_bytes=3_000_000)
    told = config(share, products=["lecture"], bandwidth=[
        {"from": "00:00", "until": "23:59", "mbit_s": 8}, {"from": "23:59", "until": "00:00",
                                                           "mbit_s": 8}])  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(CHILD.parents[2])}
    child = await asyncio.create_subprocess_exec(
        sys.executable, str(CHILD), str(recording), told.model_dump_json(by_alias=True),
        env=environment,
    )  # fmt: skip
    part = share / recording.name / f".lecture.mp4.{recording.name.rpartition('_')[2]}.part"
    async with asyncio.timeout(60):
        while not part.exists() or part.stat().st_size < 600_000:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    child.send_signal(signal.SIGKILL)
    await child.wait()
    assert shown(share) == []
    assert (await deliver(recording, config(share, products=["lecture"]))).state == "verified"
    assert shown(share) == ["lecture.mp4"]


async def test_goes_on_after_the_last_synced_byte(
    make_recording: Any, share: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder_target, "SYNC_EVERY", 256 << 10)
    recording = make_recording(lecture_bytes=2_000_000)
    written: list[int] = []
    write = folder_target._write

    def once(file: int, piece: bytes) -> None:
        written.append(len(piece))
        if len(written) == 4:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        write(file, piece)

    monkeypatch.setattr(folder_target, "_write", once)
    status = await deliver(recording, config(share, products=["lecture"]))
    assert status.state == "verified"
    assert status.attempts == 2
    assert sum(written) <= 2_000_000 + (256 << 10)


async def test_damage_on_the_share_is_noticed(
    make_recording: Any, share: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = make_recording()
    seen = 0
    rename = folder_target.sync_folder

    def spoil(path: Path) -> None:
        nonlocal seen
        seen += 1
        target = path / "lecture.mp4"
        if target.exists() and seen < 4:
            target.write_bytes(target.read_bytes()[:-1] + b"?")
        rename(path)

    monkeypatch.setattr(folder_target, "sync_folder", spoil)
    status = await deliver(recording, config(share))
    assert status.state == "verified"
    assert status.attempts > 1
    lecture = (recording / PRODUCTS / "lecture.mp4").read_bytes()
    assert (share / recording.name / "lecture.mp4").read_bytes() == lecture


async def test_two_products_sets_of_one_share_do_not_meet(make_recording: Any, share: Path) -> None:
    for recording in (make_recording(), make_recording()):
        assert (await deliver(recording, config(share))).state == "verified"
    assert shown(share).count("lecture.mp4") == 2
