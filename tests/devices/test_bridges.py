"""Serial lines at the far end of a network: a real ser2net, by RFC 2217 and as a raw socket."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from devices.model import DeviceSpec, Health, Power

SER2NET = shutil.which("ser2net") or "/usr/sbin/ser2net"
pytestmark = pytest.mark.skipif(
    not Path(SER2NET).exists(), reason="ser2net is not here (apt-get install ser2net)"
)

Bridge = Callable[[str, int, str], None]


def _listens(port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def bridge(tmp_path: Path) -> Iterator[Bridge]:
    """`bridge(accepter, port, pty)` starts a ser2net; it stops with the test."""
    running: list[subprocess.Popen[bytes]] = []

    def start(accepter: str, port: int, pty: str) -> None:
        config = tmp_path / f"ser2net-{port}.yaml"
        config.write_text(
            "connection: &one\n"
            f"  accepter: {accepter},127.0.0.1,{port}\n"
            f"  connector: serialdev,{pty},9600n81,local\n"
            "  options:\n    kickolduser: true\n"
        )
        running.append(
            subprocess.Popen(
                [SER2NET, "-n", "-c", str(config), "-P", str(tmp_path / f"{port}.pid")],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        )
        deadline = time.monotonic() + 20
        while not _listens(port):
            assert time.monotonic() < deadline, "ser2net doesn't listen"
            time.sleep(0.05)

    yield start
    for process in running:
        process.terminate()
        process.wait(10)


@pytest.mark.parametrize(
    ("scheme", "accepter"), [("rfc2217", "telnet(rfc2217),tcp"), ("socket", "tcp")]
)
async def test_a_display_behind_a_bridge(
    scheme: str,
    accepter: str,
    bridge: Bridge,
    simulator: Any,
    manage: Any,
    until: Any,
    free_port: int,
    tmp_path: Path,
) -> None:
    link = tmp_path / "display"
    simulator("samsung/mdc", "--pty", str(link), "--time-scale", "50")
    bridge(accepter, free_port, str(link.resolve()))
    manager = await manage(
        DeviceSpec(
            id="display", profile="samsung/mdc", transport=f"{scheme}://127.0.0.1:{free_port}"
        ),
        scale=50,
    )
    await until(manager, "display", lambda s: s.health is Health.ONLINE)
    await manager.send("display", "power", True)
    await until(manager, "display", lambda s: s.power is Power.ON)
    assert (await manager.send("display", "volume", 12)).outcome == "confirmed"
