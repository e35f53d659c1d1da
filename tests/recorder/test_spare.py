"""A spare recorder becomes the recorder of a class at once, and is no trouble when it cannot."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from recorder import launcher
from recorder.control import kill_and_confirm, launch, running
from recorder.recording import Life
from recorder.salvage import verify
from recorder.spare import Spare, kinds

SOURCES = ("presenter=test:presenter?size=320x180", "microphone=test:speech")


@pytest.fixture
async def spare(tmp_path: Path) -> AsyncIterator[Spare]:
    made = Spare(tmp_path / "run", kinds(["test:speech", "rtsp://x/y", "test:slides"]))
    yield made
    await made.stop()


async def ready(spare: Spare) -> int:
    await spare.start()
    async with asyncio.timeout(60):
        while not spare.ready:  # noqa: ASYNC110 - its socket appears
            await asyncio.sleep(0.02)
    assert spare.pid is not None
    return spare.pid


def test_kinds_are_told_and_not_addresses() -> None:
    assert kinds(["test:speech", "rtsp://cam/1", "RTSP://cam/2"]) == ["rtsp", "test"]


async def test_it_becomes_the_recorder_of_a_class(
    hold_class: Callable[..., Any], spare: Spare
) -> None:
    made = hold_class(*SOURCES)
    waiting = await ready(spare)
    pid = await launch(made.folder, made.run_dir, spare=spare)
    made.pids.append(pid)
    assert pid == waiting and not spare.alive
    await spare.gone()
    await made.connect()
    await made.running("presenter", "microphone")
    assert [process.pid for process in running(made.run_dir)] == [pid]
    await made.until(lambda: made.status.program == "running", "the program")
    again = await ready(spare)
    assert again != pid
    os.kill(pid, signal.SIGKILL)  # and its forked children do not keep the recording locked
    await kill_and_confirm(pid)
    await made.ended()
    assert await launch(made.folder, made.run_dir, spare=spare) == again
    made.pids.append(again)
    await made.connect()
    await made.running("presenter", "microphone")
    await made.finish()
    assert made.recording.manifest.life is Life.READY and made.recording.lecture.exists()
    assert verify(made.folder, decode=True).sound
    assert "first frame on disk" in made.log


async def test_one_that_stands_still_is_ended_and_another_process_records(
    hold_class: Callable[..., Any], spare: Spare, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recorder.spare.ANSWER_S", 0.3)
    made = hold_class(SOURCES[1])
    waiting = await ready(spare)
    os.kill(waiting, signal.SIGSTOP)
    pid = await launch(made.folder, made.run_dir, program=False, spare=spare)
    made.pids.append(pid)
    assert pid != waiting
    async with asyncio.timeout(30):
        with contextlib.suppress(ProcessLookupError):
            while True:
                os.kill(waiting, 0)
                await asyncio.sleep(0.02)
    await made.connect()
    await made.running("microphone")
    await made.finish()


async def test_a_recording_that_is_being_written_is_not_taken(
    hold_class: Callable[..., Any], spare: Spare
) -> None:
    made = hold_class(SOURCES[1])
    await made.start()
    await ready(spare)
    assert await spare.take(made.folder) is None
    await made.running("microphone")
    await made.finish()


async def test_it_goes_with_its_keeper(tmp_path: Path) -> None:
    script = (
        "import asyncio, sys; from pathlib import Path; from recorder.spare import Spare\n"
        "async def main():\n"
        "    spare = Spare(Path(sys.argv[1])); await spare.start()\n"
        "    while not spare.ready: await asyncio.sleep(0.02)\n"
        "    print(spare.pid, flush=True); await asyncio.sleep(600)\n"
        "asyncio.run(main())"
    )
    keeper = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path / "run")], stdout=subprocess.PIPE
    )
    assert keeper.stdout is not None
    pid = int(await asyncio.to_thread(keeper.stdout.readline))
    handle = os.pidfd_open(pid)
    keeper.kill()
    keeper.wait()
    keeper.stdout.close()
    gone = asyncio.Event()
    asyncio.get_running_loop().add_reader(handle, gone.set)
    async with asyncio.timeout(30):
        await gone.wait()
    asyncio.get_running_loop().remove_reader(handle)
    os.close(handle)


async def test_under_systemd_it_gets_a_unit_and_no_value_of_the_environment_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With stand-ins for systemd-run and systemctl, which start it as systemd would."""
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "systemd-run").write_text(
        f'#!/bin/sh\necho "$@" > {tmp_path}/said\n'
        "while [ $# -gt 0 ]; do case $1 in --*) shift;; *) break;; esac; done\n"
        f'setsid "$@" </dev/null >/dev/null 2>&1 &\necho $! > {tmp_path}/pid\n'
    )
    (tools / "systemctl").write_text(f"#!/bin/sh\ncat {tmp_path}/pid\n")
    for tool in tools.iterdir():
        tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    monkeypatch.setattr(launcher, "has_systemd", lambda: True)
    environment = {**os.environ, "CAMERA_LOGIN": "teacher:geheim"}
    pid = await launcher.start("x", ["sleep", "60"], tmp_path / "log", environment)
    said = (tmp_path / "said").read_text()
    try:
        assert Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"sleep")
        assert "--unit=classroomd-recorder-x-" in said and "--setenv=CAMERA_LOGIN" in said
        assert "geheim" not in said
    finally:
        os.kill(pid, signal.SIGKILL)
    (tools / "systemd-run").write_text("#!/bin/sh\nexit 1\n")
    pid = await launcher.start("x", ["sleep", "60"], tmp_path / "log", environment)
    os.kill(pid, signal.SIGKILL)  # refused, so it got a session instead
