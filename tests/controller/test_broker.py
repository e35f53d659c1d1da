"""The managed Mosquitto: random logins, its topics guarded, brought back when it dies."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from controller import broker as module
from controller.broker import BrokerError, ManagedBroker
from controller.broker_logins import Login
from devices.transports.mqtt import MqttLink

from .conftest import until


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[ManagedBroker]:
    broker = ManagedBroker(tmp_path, logins=[Login("desk", "desk password", "control")])
    yield broker
    await broker.stop()


async def linked(broker: ManagedBroker, name: str, password: str) -> MqttLink:
    link = MqttLink(broker.host, broker.port, name, password, client_id=f"test-{name}")
    await link.start()
    return link


async def test_who_may_say_what(broker: ManagedBroker) -> None:
    _, _, name, password = await broker.start()
    heard: list[str] = []
    daemon = await linked(broker, name, password)
    daemon.subscribe("#", lambda topic, _: heard.append(topic))
    device = await linked(broker, broker.device.name, broker.device.password)
    desk = await linked(broker, "desk", "desk password")
    stranger = await linked(broker, "device", "guessed")
    links = [daemon, device, desk, stranger]
    try:
        assert await daemon.wait_connected(30)
        assert await device.wait_connected(30)
        assert await desk.wait_connected(30)
        for topic in ("classroom/lab/state", "classroom/lab/session/set", "tele/relay/STATE"):
            await device.publish(topic, "device")
        for topic in ("classroom/lab/state", "tele/relay/STATE", "classroom/lab/devices/p/set"):
            await desk.publish(topic, "desk")
        await daemon.publish("classroom/lab/last", "daemon")
        await until(lambda: "classroom/lab/last" in heard)
        await until(lambda: len(heard) >= 3)
        assert sorted(heard) == [
            "classroom/lab/devices/p/set",
            "classroom/lab/last",
            "tele/relay/STATE",
        ]
        assert not stranger.connected
    finally:
        for link in links:
            await link.stop()


async def test_it_is_brought_back_where_it_was(broker: ManagedBroker) -> None:
    _, port, name, password = await broker.start()
    link = await linked(broker, name, password)
    try:
        assert await link.wait_connected(30)
        killed = broker.pid
        assert killed is not None
        os.kill(killed, signal.SIGKILL)
        await until(lambda: broker.pid not in {None, killed})
        await until(lambda: link.connected)
        assert broker.port == port
        assert broker.restarts == 1
    finally:
        await link.stop()


async def test_next_daemon_ends_the_old_broker_and_keeps_address_and_logins(
    broker: ManagedBroker, tmp_path: Path
) -> None:
    first = await broker.start()
    left = broker.pid
    assert left is not None
    assert broker._task is not None
    broker._task.cancel()  # as a killed daemon leaves it
    second = ManagedBroker(tmp_path)
    try:
        assert await second.start() == first
        assert second.device == broker.device
        await until(lambda: not Path(f"/proc/{left}/fd").exists() or module._ended(left))
    finally:
        await second.stop()


async def test_it_ends_with_a_daemon_that_is_killed(tmp_path: Path) -> None:
    code = (
        "import asyncio, sys, pathlib\n"
        "from controller.broker import ManagedBroker\n"
        "async def main():\n"
        "    broker = ManagedBroker(pathlib.Path(sys.argv[1]))\n"
        "    await broker.start()\n"
        "    print(broker.pid, flush=True)\n"
        "    await asyncio.Event().wait()\n"
        "asyncio.run(main())\n"
    )
    daemon = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", code, str(tmp_path)), stdout=asyncio.subprocess.PIPE
    )
    assert daemon.stdout
    left = int(await asyncio.wait_for(daemon.stdout.readline(), 30))
    assert not module._ended(left)
    daemon.kill()
    await daemon.wait()
    await until(lambda: module._ended(left))


async def test_secrets_are_for_the_owner_alone(broker: ManagedBroker) -> None:
    _, _, _, password = await broker.start()
    for path in broker.folder.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    assert stat.S_IMODE(broker.folder.stat().st_mode) == 0o700
    assert password not in (broker.folder / "passwords").read_text()
    command = Path(f"/proc/{broker.pid}/cmdline").read_text()
    assert password not in command


def listening(pid: int) -> list[str]:
    """The addresses (as /proc has them) that a process listens on."""
    own = set()
    for handle in Path(f"/proc/{pid}/fd").iterdir():
        own.add(str(handle.readlink()).removeprefix("socket:[").removesuffix("]"))
    lines = [
        line.split()
        for name in ("tcp", "tcp6")
        for line in Path(f"/proc/net/{name}").read_text("ascii").splitlines()[1:]
    ]
    return [line[1] for line in lines if line[3] == "0A" and line[9] in own]


async def test_it_listens_where_it_is_told_and_nowhere_else(broker: ManagedBroker) -> None:
    await broker.start()
    assert broker.pid is not None
    assert listening(broker.pid) == [f"0100007F:{broker.port:04X}"]


async def test_port_that_is_taken(tmp_path: Path) -> None:
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    broker = ManagedBroker(tmp_path, port=port)
    with pytest.raises(BrokerError, match=rf"127.0.0.1:{port}.*Choose another \[mqtt\] port"):
        await broker.start()
    server.close()


async def test_mosquitto_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(module, "_SBIN", str(tmp_path))
    with pytest.raises(BrokerError, match="apt install mosquitto"):
        await ManagedBroker(tmp_path).start()


async def test_accounts_with_one_name(tmp_path: Path) -> None:
    twice = [Login("a", "x"), Login("a", "y")]
    with pytest.raises(BrokerError, match="share a name"):
        await ManagedBroker(tmp_path, logins=twice).start()
