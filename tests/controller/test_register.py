"""What the register runs in the background: given up without a trace, failing with one."""

from __future__ import annotations

import asyncio
import gc
import warnings
from pathlib import Path

from structlog.testing import capture_logs

from controller.health import AlarmBoard
from controller.journal import Journal
from controller.register import Register


def register(tmp_path: Path) -> Register:
    alarms = AlarmBoard(lambda *_: None)
    return Register(Journal(tmp_path / "journal.db"), alarms, lambda: None)


async def test_work_that_is_given_up_before_it_began_leaves_nothing_behind(tmp_path: Path) -> None:
    begun = []

    async def work() -> None:
        begun.append(True)

    made = register(tmp_path)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        made.in_background(work(), "work")
        await made.stop()
        await asyncio.sleep(0.01)  # the loop lets go of it
        gc.collect()
    assert not begun
    assert [str(one.message) for one in said] == []


async def test_work_that_fails_is_logged_with_its_name(tmp_path: Path) -> None:
    async def work() -> None:
        raise OSError("the disk is gone")

    with capture_logs() as log:
        task = register(tmp_path).in_background(work(), "index")
        await asyncio.wait([task])
        await asyncio.sleep(0)
    (line,) = log
    assert line["task"] == "index" and "the disk is gone" in str(line["exc_info"])
