import asyncio
import contextlib
import errno
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from recorder import recording
from recorder.control import (
    RecorderClient,
    RecorderError,
    RecorderEvent,
    RecorderStatus,
    kill_and_confirm,
    launch,
    running,
    socket_path,
)
from recorder.lock import LockedError, handle_on, take, writer
from recorder.server import ControlServer


class Desk:
    """Answers like a recorder, without recording."""

    def __init__(self) -> None:
        self.said: list[tuple[str, dict[str, Any]]] = []

    async def handle(self, name: str, args: dict[str, Any]) -> RecorderStatus:
        if name == "refuse":
            raise RecorderError("that cannot be done now")
        if name == "sleep":
            await asyncio.Event().wait()
        self.said.append((name, args))
        return RecorderStatus(state="recording", recording="r1", session="s", pid=1)


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
async def server(tmp_path: Path, desk: Desk) -> AsyncIterator[ControlServer]:
    fact = {"code": "no_source", "source": "", "detail": "", "active": True}
    made = ControlServer(
        tmp_path, "r1", tmp_path, desk.handle, lambda: [RecorderEvent(kind="fact", data=fact)]
    )
    await made.start()
    yield made
    await made.stop()


async def test_a_command_is_answered_by_the_status_after_it(
    server: ControlServer, desk: Desk, tmp_path: Path
) -> None:
    client = await RecorderClient.connect(tmp_path, "r1")
    status = await client.command("layout", layout="slides")
    assert status.state == "recording" and client.status == status
    assert desk.said == [("status", {}), ("layout", {"layout": "slides"})]
    with pytest.raises(RecorderError, match="cannot be done now"):
        await client.command("refuse")
    with pytest.raises(RecorderError, match=r"did not answer 'sleep' in 0\.05 s"):
        await client.command("sleep", timeout=0.05)
    await client.close()


async def test_events_reach_every_client_and_end_with_the_server(
    server: ControlServer, tmp_path: Path
) -> None:
    clients = [await RecorderClient.connect(tmp_path, "r1") for _ in range(2)]
    server.tell(RecorderEvent(kind="levels", data={"desk": -20.0}))
    await server.stop()
    for client in clients:
        heard = [event async for event in client.events()]
        assert [event.kind for event in heard] == ["fact", "levels"]
        with pytest.raises(RecorderError, match="has ended"):
            await client.command("status")
        await client.close()


async def test_a_recorder_announces_itself(server: ControlServer, tmp_path: Path) -> None:
    [process] = running(tmp_path)
    assert process.recording == "r1" and process.socket == tmp_path / "r1.sock"
    assert process.socket.stat().st_mode & 0o777 == 0o660
    announced = json.loads((tmp_path / "r1.json").read_text())
    (tmp_path / "old.json").write_text(json.dumps(announced | {"started_ticks": 1}))
    (tmp_path / "broken.json").write_text("{")
    assert [process.recording for process in running(tmp_path)] == ["r1"]
    await server.stop()
    assert running(tmp_path) == []


@pytest.mark.parametrize(
    "line",
    [
        b"\n",
        b"null\n",
        b"[1, 2]\n",
        b'{"id": 1}\n',
        b'{"id": 1, "protocol": 1, "command": "x", "args": 5}\n',
        b'{"id": 1, "protocol": 9, "command": "status"}\n',
        b"\xff\xfe\x00\n",
        b'{"id": ' * 1000 + b"\n",
    ],
)
async def test_nonsense_is_refused(server: ControlServer, tmp_path: Path, line: bytes) -> None:
    reader, writing = await asyncio.open_unix_connection(tmp_path / "r1.sock")
    await reader.readline()  # the greeting
    writing.write(line)
    answer = json.loads(await asyncio.wait_for(reader.readline(), 10))
    assert answer["ok"] is False and answer["error"]
    writing.close()
    client = await RecorderClient.connect(tmp_path, "r1")
    await client.close()


async def test_a_line_beyond_measure_ends_that_connection_only(
    server: ControlServer, tmp_path: Path
) -> None:
    reader, writing = await asyncio.open_unix_connection(tmp_path / "r1.sock")
    writing.write(b"x" * (3 << 20))
    with contextlib.suppress(ConnectionResetError):
        await asyncio.wait_for(reader.read(), 10)
    writing.close()
    client = await RecorderClient.connect(tmp_path, "r1")
    await client.close()


async def test_a_recorder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(RecorderError, match="cannot be reached"):
        await RecorderClient.connect(tmp_path, "r1", timeout=0.05)


def test_a_socket_path_that_is_too_long_is_said(tmp_path: Path) -> None:
    with pytest.raises(RecorderError, match="107 bytes"):
        socket_path(tmp_path / ("d" * 100), "r1")


async def test_what_cannot_be_launched_is_said(tmp_path: Path) -> None:
    with pytest.raises(RecorderError, match="no recording here"):
        await launch(tmp_path, tmp_path / "run")
    made = recording.create(tmp_path, session="s", room="r", title="T", sources=[])
    with pytest.raises(RecorderError, match="does not start"):
        await launch(made.folder, tmp_path / "run", python="/nowhere/python")


def test_only_one_writer_holds_the_lock(tmp_path: Path) -> None:
    assert writer(tmp_path) is None
    take(tmp_path)
    import os

    assert writer(tmp_path) == os.getpid()
    with pytest.raises(LockedError, match=f"process {os.getpid()}"):
        take(tmp_path)


async def test_a_process_that_is_gone_is_gone_for_an_older_kernel_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Linux 6.1 answers EINVAL where the ended process led a session that still has members."""

    def answer(pid: int) -> int:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    monkeypatch.setattr(os, "pidfd_open", answer)
    await kill_and_confirm(os.getpid())
    with pytest.raises(ProcessLookupError):
        handle_on(os.getpid())
    with pytest.raises(OSError, match="Invalid argument"):
        handle_on(-1)
