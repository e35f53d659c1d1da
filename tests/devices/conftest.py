"""Simulators as separate processes, a broker, and a manager that is always stopped."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from devices.clock import Clock
from devices.manager import DeviceManager
from devices.model import DeviceSpec, DeviceState
from devices.simulated import SimulatedDevice
from devices.simulator_http import HttpPort
from devices.transports.mqtt import MqttLink
from firmware_profiles.catalog import Catalog

settings.register_profile("classroomd", deadline=None, max_examples=60)
settings.load_profile("classroomd")

ROOT = Path(__file__).resolve().parents[2]
Start = Callable[..., str]


@pytest.fixture
def free_port() -> int:
    """For TCP and UDP; below the range from which the system itself takes ports."""
    while True:
        port = 20_000 + secrets.randbelow(10_000)
        with (
            contextlib.suppress(OSError),
            socket.socket() as tcp,
            socket.socket(type=socket.SOCK_DGRAM) as udp,
        ):
            tcp.bind(("127.0.0.1", port))
            udp.bind(("127.0.0.1", port))
            return port


@pytest.fixture
def simulator() -> Iterator[Start]:
    """`simulator("samsung/mdc", "--port", "0")` → the address that it says."""
    running: list[subprocess.Popen[str]] = []

    def start(profile: str, *arguments: str, env: dict[str, str] | None = None) -> str:
        process = subprocess.Popen(
            [sys.executable, "-m", "devices.simulator", profile, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, **(env or {})},
        )
        running.append(process)
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise RuntimeError(process.communicate()[1])
        said = json.loads(line)
        assert said["ready"] is True
        return str(said["address"])

    yield start
    for process in running:
        process.send_signal(signal.SIGTERM)
    for process in running:
        assert process.wait(20) == 0, process.communicate()[1]
        process.communicate()


@pytest.fixture
async def manage() -> AsyncIterator[Callable[..., Awaitable[DeviceManager]]]:
    """`await manage(spec, …)` → a started manager."""
    managers: list[DeviceManager] = []

    async def make(
        *specs: DeviceSpec, mqtt: MqttLink | None = None, scale: float = 1.0, **more: Any
    ) -> DeviceManager:
        states: list[DeviceState] = []
        manager = DeviceManager(
            specs,
            catalog=more.get("catalog") or Catalog(),
            on_state=more.get("on_state") or states.append,
            mqtt=mqtt,
            clock=Clock(scale),
        )
        managers.append(manager)
        await manager.start()
        return manager

    yield make
    for manager in managers:
        await manager.stop()


@pytest.fixture
def until() -> Callable[..., Awaitable[DeviceState]]:
    """Wait until a device's state is so."""

    async def wait(
        manager: DeviceManager,
        device: str,
        condition: Callable[[DeviceState], bool],
        timeout: float = 30.0,
    ) -> DeviceState:
        try:
            async with asyncio.timeout(timeout):
                while not condition(state := manager.state(device)):  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
        except TimeoutError:
            traffic = "\n".join(f"{t.direction} {t.text}" for t in manager.traffic(device)[-15:])
            raise AssertionError(f"never so: {manager.state(device)!r}\n{traffic}") from None
        return state

    return wait


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Callable[[], tuple[int, Callable[[], None]]]]:
    """`port, stop = broker(port)` starts a real Mosquitto; the same port may be started again."""
    running: list[subprocess.Popen[bytes]] = []

    def start(port: int) -> Callable[[], None]:
        config = tmp_path / f"mosquitto-{port}.conf"
        config.write_text(
            f"listener {port} 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\n"
        )
        process = subprocess.Popen(
            ["/usr/sbin/mosquitto", "-c", str(config)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        running.append(process)

        def stop() -> None:
            process.terminate()
            process.wait(10)

        return stop

    yield start  # type: ignore[misc]
    for process in running:
        if process.poll() is None:
            process.terminate()
            process.wait(10)


@pytest.fixture
async def behind_http() -> AsyncIterator[Callable[..., Any]]:
    """`device, address = await behind_http("shelly/gen2-http", …)`: simulated, behind real HTTP."""
    ports: list[HttpPort] = []

    async def start(name: str, **options: Any) -> tuple[SimulatedDevice, str]:
        profile = Catalog().get(name)
        device = SimulatedDevice(profile, options)
        port = HttpPort(device, profile.session_for("http"), "127.0.0.1", 0)
        ports.append(port)
        return device, await port.start()

    yield start
    for port in ports:
        await port.stop()
