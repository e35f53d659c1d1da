"""Shelly over HTTP: our driver and our simulated devices."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from devices.http_door import HttpDoor
from devices.model import DeviceSpec, Health
from devices.simulated import SimulatedDevice
from devices.simulator_http import HttpPort
from firmware_profiles.catalog import Catalog

PASSWORD = "mysecretpassword"


def _spec(profile: str, address: str, **options: Any) -> DeviceSpec:
    return DeviceSpec(id="relay", profile=profile, transport=address, options=options)


async def test_our_driver_switches_it_with_its_password(
    behind_http: Any, manage: Any, until: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    device, address = await behind_http("shelly/gen2-http", password=PASSWORD)
    monkeypatch.setenv("SHELLY", PASSWORD)
    manager = await manage(_spec("shelly/gen2-http", address, password="env:SHELLY"))
    assert (await manager.send("relay", "relay", True)).outcome == "confirmed"
    assert device.values["relay"] is True
    state = await until(manager, "relay", lambda s: None not in (s.model, s.firmware))
    assert (state.model, state.firmware) == ("SNSW-001X16EU", "1.3.3")
    assert PASSWORD not in str(manager.traffic("relay"))
    result = await manager.send("relay", "relay", False)
    assert result.outcome == "confirmed"


@pytest.mark.parametrize("profile", ["shelly/gen1-http", "shelly/gen2-http"])
async def test_a_wrong_password_is_told(
    behind_http: Any, manage: Any, until: Any, monkeypatch: pytest.MonkeyPatch, profile: str
) -> None:
    device, address = await behind_http(profile, password=PASSWORD)
    monkeypatch.setenv("SHELLY", "wrong")
    manager = await manage(_spec(profile, address, password="env:SHELLY"))
    state = await until(manager, "relay", lambda s: "password" in s.detail)
    assert state.health is not Health.ONLINE
    result = await manager.send("relay", "relay", True)
    assert (result.outcome, "password" in result.detail) == ("queued", True), result
    assert device.received == []


async def test_the_first_generation_is_asked_with_get(
    behind_http: Any, manage: Any, until: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    device, address = await behind_http("shelly/gen1-http", password=PASSWORD)
    monkeypatch.setenv("SHELLY", PASSWORD)
    manager = await manage(_spec("shelly/gen1-http", address, password="env:SHELLY"))
    assert (await manager.send("relay", "relay", True)).outcome == "confirmed"
    assert device.values["relay"] is True
    await until(manager, "relay", lambda s: s.model == "SHSW-1")
    device.preset("relay", False)
    await until(manager, "relay", lambda s: s.values.get("relay") is False)
    async with httpx.AsyncClient(base_url=address, auth=("admin", PASSWORD), timeout=60) as http:
        answer = await http.get("/relay/0?turn=on")
        assert answer.json() == {"ison": True}
        assert (await http.get("/relay/2?turn=on")).status_code == 404


async def test_it_is_recognised_at_its_address(behind_http: Any, manage: Any, until: Any) -> None:
    for name in ("shelly/gen1-http", "shelly/gen2-http"):
        _, address = await behind_http(name)
        manager = await manage(DeviceSpec(id="relay", profile="auto", transport=address))
        state = await until(manager, "relay", lambda s: s.health is Health.ONLINE)
        assert state.profile == name


async def test_one_that_goes_away_comes_back(behind_http: Any, manage: Any, until: Any) -> None:
    profile = Catalog().get("shelly/gen2-http")
    device = SimulatedDevice(profile)
    port = HttpPort(device, profile.session, "127.0.0.1", 0)
    address = await port.start()
    manager = await manage(_spec("shelly/gen2-http", address))
    await until(manager, "relay", lambda s: s.health is Health.ONLINE)
    await port.stop()
    result = await manager.send("relay", "relay", True, timeout=0.2)
    assert result.outcome == "queued"
    await until(manager, "relay", lambda s: s.health is Health.OFFLINE)
    again = HttpPort(device, profile.session, "127.0.0.1", int(address.rpartition(":")[2]))
    await again.start()
    await until(manager, "relay", lambda s: s.values.get("relay") is True and not s.desired)
    await manager.stop()
    await again.stop()


@pytest.mark.parametrize(
    "sent",
    [b"", b"[]", b"{", b'{"id":1}', b'{"id":1,"method":3}', b'{"method":"Switch.Set"}', b"\xff"],
)
async def test_what_is_no_call_is_refused(behind_http: Any, sent: bytes) -> None:
    device, address = await behind_http("shelly/gen2-http")
    async with httpx.AsyncClient(base_url=address, timeout=60) as http:
        assert (await http.post("/rpc", content=sent)).status_code == 404
    assert device.received == []


def test_a_proof_is_taken_once() -> None:
    """The example of RFC 7616, section 3.9.1, has its own nonce; ours is made here by its rule."""
    door = HttpDoor("digest", "shelly", "admin", PASSWORD)
    auth = httpx.DigestAuth("admin", PASSWORD)
    request = httpx.Request("POST", "http://10.0.0.9/rpc")
    flow = auth.auth_flow(request)
    next(flow)
    headers = {"WWW-Authenticate": door.challenge()}
    proved = flow.send(httpx.Response(401, headers=headers, request=request))
    given = proved.headers["Authorization"]
    assert not door.trusts("GET", given)
    assert door.trusts("POST", given)
    assert not door.trusts("POST", given)
    assert not HttpDoor("digest", "shelly", "admin", PASSWORD).trusts("POST", given)
