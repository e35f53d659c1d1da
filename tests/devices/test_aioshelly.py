"""aioshelly, which others wrote and Home Assistant uses, against our simulated Shelly."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from devices.model import DeviceSpec

pytest.importorskip("aioshelly", reason="aioshelly isn't installed")

import aiohttp
from aioshelly.common import ConnectionOptions, get_info, is_firmware_supported
from aioshelly.exceptions import InvalidAuthError, RpcCallError
from aioshelly.rpc_device import RpcDevice

PASSWORD = "mysecretpassword"


@pytest.fixture
async def client() -> AsyncIterator[Callable[..., Any]]:
    """`rpc = await client(address, password)`: aioshelly, connected."""
    async with aiohttp.ClientSession() as session:
        made: list[RpcDevice] = []

        async def connect(address: str, password: str | None = None) -> RpcDevice:
            host, _, port = address.removeprefix("http://").partition(":")
            found = await get_info(session, host, port=int(port))
            assert found["gen"] == 2 and found["auth_en"] is bool(password)
            who = "admin" if password else None
            options = ConnectionOptions(host, who, password, port=int(port))
            device = await RpcDevice.create(session, None, options)
            made.append(device)
            await device.initialize()
            return device

        yield connect
        for device in made:
            await device.shutdown()


async def test_aioshelly_switches_our_simulated_shelly(behind_http: Any, client: Any) -> None:
    device, address = await behind_http("shelly/gen2-http")
    rpc = await client(address)
    assert rpc.model == "SNSW-001X16EU" and rpc.firmware_supported
    assert rpc.status["switch:0"]["output"] is False
    await rpc.switch_set(0, True)
    assert device.values["relay"] is True
    assert (await rpc.call_rpc("Switch.GetStatus", {"id": 0}))["output"] is True
    await rpc.update_status()
    assert rpc.status["switch:0"]["output"] is True
    with pytest.raises(RpcCallError) as refused:
        await rpc.switch_set(3, True)
    assert refused.value.code == -105
    with pytest.raises(RpcCallError) as unknown:
        await rpc.call_rpc("Cover.Open", {"id": 0})
    assert unknown.value.code == 404


async def test_aioshelly_knows_our_first_generation(behind_http: Any) -> None:
    _, address = await behind_http("shelly/gen1-http")
    async with aiohttp.ClientSession() as session:
        found = await get_info(session, "127.0.0.1", port=int(address.rpartition(":")[2]))
    assert found["type"] == "SHSW-1" and found["auth"] is False
    assert is_firmware_supported(1, found["type"], found["fw"])


async def test_aioshelly_is_told_what_another_one_does(
    behind_http: Any, client: Any, manage: Any
) -> None:
    _, address = await behind_http("shelly/gen2-http")
    rpc = await client(address)
    told = asyncio.Event()
    rpc.subscribe_updates(lambda device, kind: told.set())
    manager = await manage(DeviceSpec(id="relay", profile="shelly/gen2-http", transport=address))
    assert (await manager.send("relay", "relay", True)).outcome == "confirmed"
    async with asyncio.timeout(10):
        while not rpc.status["switch:0"]["output"]:
            await told.wait()
            told.clear()


async def test_aioshelly_needs_the_password(behind_http: Any, client: Any) -> None:
    device, address = await behind_http("shelly/gen2-http", password=PASSWORD)
    rpc = await client(address, PASSWORD)
    await rpc.switch_set(0, True)
    await rpc.switch_set(0, False)
    await rpc.switch_set(0, True)
    assert device.values["relay"] is True
    with pytest.raises(InvalidAuthError):
        await client(address, "wrong")
