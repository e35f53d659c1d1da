"""Sony ADCP: the greeting, the proof, and what is no projector."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from devices.manager import DeviceManager
from devices.model import DeviceSpec, Health, Power
from devices.simulated import SimulatedDevice
from devices.simulator_ports import TcpPort
from firmware_profiles.catalog import Catalog

PASSWORD = "Projector"


@pytest.fixture
async def projector() -> AsyncIterator[Callable[..., Any]]:
    """`device, address = await projector(password=…)`"""
    profile = Catalog().get("sony/adcp")
    ports: list[TcpPort] = []

    async def start(**options: Any) -> tuple[SimulatedDevice, str]:
        device = SimulatedDevice(profile, options)
        port = TcpPort(device, profile.session, "127.0.0.1", 0)
        ports.append(port)
        return device, await port.start()

    yield start
    for port in ports:
        await port.stop()


def _spec(address: str, **options: Any) -> DeviceSpec:
    return DeviceSpec(id="p", profile="sony/adcp", transport=address, options=options)


@pytest.mark.parametrize("password", [None, PASSWORD])
async def test_a_projector_is_driven_with_and_without_a_password(
    projector: Any, manage: Any, until: Any, monkeypatch: pytest.MonkeyPatch, password: str | None
) -> None:
    monkeypatch.setenv("ADCP", PASSWORD)
    device, address = await projector(**({"password": password} if password else {}))
    options = {"password": "env:ADCP"} if password else {}
    manager: DeviceManager = await manage(_spec(address, **options))
    await until(manager, "p", lambda s: s.power is Power.OFF)
    assert (await manager.send("p", "power", True)).outcome == "confirmed"
    await until(manager, "p", lambda s: s.power is Power.WARMING and s.model is not None)
    assert (await manager.send("p", "input", "hdmi2", timeout=0.3)).outcome == "queued"
    assert device.received[0] == "power?"
    assert PASSWORD not in str(manager.traffic("p"))


@pytest.mark.parametrize(("password", "told"), [("wrong", "refused"), ("", "wants a password")])
async def test_a_password_that_is_not_right_is_told(
    projector: Any, manage: Any, until: Any, monkeypatch: pytest.MonkeyPatch,
    password: str, told: str,
) -> None:  # fmt: skip
    monkeypatch.setenv("ADCP", password)
    device, address = await projector(password=PASSWORD)
    manager = await manage(_spec(address, password="env:ADCP"))
    state = await until(manager, "p", lambda s: told in s.detail)
    assert state.health is Health.OFFLINE and device.received == []


@pytest.mark.parametrize("greeting", [b"SSH-2.0-x\r\n", b"\r\n", b"\xff\xfe\r\n", b"<html>\r\n"])
async def test_what_greets_otherwise_gets_no_proof(
    manage: Any, until: Any, monkeypatch: pytest.MonkeyPatch, greeting: bytes
) -> None:
    monkeypatch.setenv("ADCP", PASSWORD)
    heard: asyncio.Queue[bytes] = asyncio.Queue()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)
        heard.put_nowait(await reader.read(1024))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    manager = await manage(_spec(f"tcp://127.0.0.1:{port}", password="env:ADCP"))
    await until(manager, "p", lambda s: "not as ADCP" in s.detail)
    await manager.stop()
    said = [await asyncio.wait_for(heard.get(), 30)]
    server.close()
    while not heard.empty():
        said.append(heard.get_nowait())
    assert set(said) == {b""}
