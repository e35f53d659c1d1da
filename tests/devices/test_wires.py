"""The manager over real wires: pseudo terminals, TCP, UDP, a real broker; cut and restored."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from devices.manager import SpecError, UnknownCommand, UnknownDevice
from devices.model import DeviceSpec, Health, Power
from devices.transports.mqtt import MqttLink

PASSWORD = "JBMIAProjectorLink"


async def test_one_room_over_all_wires(
    simulator: Any, manage: Any, until: Any, broker: Any, free_port: int, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    broker(free_port)
    monkeypatch.setenv("PJ_PASSWORD", PASSWORD)
    line = simulator("samsung/mdc", "--pty", str(tmp_path / "display"), "--time-scale", "20")
    projector = simulator("pjlink/class1", "--port", "0", "--time-scale", "20")
    camera = simulator("visca/raw", "--port", "0", "--time-scale", "20")
    udp = simulator("visca/sony-ip", "--port", "0", "--udp", "--time-scale", "20")
    screen = simulator(
        "tasmota/relay", "--mqtt", f"127.0.0.1:{free_port}", "--option", "topic=room/screen"
    )
    mqtt = MqttLink("127.0.0.1", free_port, client_id="test")
    manager = await manage(
        DeviceSpec(id="display", profile="samsung/mdc", transport=line),
        DeviceSpec(
            id="projector",
            profile="pjlink/class1",
            transport=projector,
            options={"password": "env:PJ_PASSWORD"},
        ),
        DeviceSpec(id="camera", profile="visca/raw", transport=camera),
        DeviceSpec(id="sony", profile="visca/sony-ip", transport=udp),
        DeviceSpec(id="screen", profile="tasmota/relay", transport=screen),
        mqtt=mqtt,
        scale=20,
    )
    results = await asyncio.gather(
        *(
            manager.send(device, "power", True)
            for device in ("display", "projector", "camera", "sony")
        ),
        manager.send("screen", "relay", True),
    )
    assert [result.outcome for result in results] == ["confirmed"] * 5
    assert all(result.first_byte_ms is not None for result in results)
    for device in ("display", "projector", "camera", "sony"):
        await until(manager, device, lambda s: s.power is Power.ON)
    await until(manager, "screen", lambda s: s.values.get("relay") is True)
    assert (await manager.send("display", "input", "hdmi2")).outcome == "confirmed"
    assert (await manager.send("projector", "input", "hdmi2")).outcome == "confirmed"
    assert (await manager.send("camera", "pan_tilt", "left,12,9")).outcome == "confirmed"
    assert (await manager.send("camera", "pan_tilt", "stop")).outcome == "confirmed"
    assert (await manager.send("sony", "preset_recall", 3)).outcome == "confirmed"
    assert PASSWORD not in str(manager.traffic("projector"))
    await mqtt.stop()


async def test_wrong_password_is_told_and_not_hammered(
    simulator: Any, manage: Any, until: Any, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("wrong\n")
    manager = await manage(
        DeviceSpec(
            id="p",
            profile="pjlink/class1",
            transport=simulator("pjlink/class1", "--port", "0"),
            options={"password": f"file:{secret}"},
        )
    )
    state = await until(manager, "p", lambda s: "password" in s.detail)
    assert state.health is Health.OFFLINE
    result = await manager.send("p", "power", True, timeout=0.5)
    assert result.outcome == "queued"


async def test_inside_tls_with_a_pin(
    simulator: Any, manage: Any, until: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIN", "0000")
    monkeypatch.setenv("WRONG", "0001")
    transport = simulator("samsung/mdc-tls", "--port", "0", "--time-scale", "50")
    table = {"profile": "samsung/mdc-tls", "transport": transport}
    manager = await manage(
        DeviceSpec(id="right", options={"pin": "env:PIN"}, **table),
        DeviceSpec(id="wrong", options={"pin": "env:WRONG"}, **table),
        scale=50,
    )
    await manager.send("right", "power", True)
    await until(manager, "right", lambda s: s.power is Power.ON)
    await until(manager, "wrong", lambda s: "PIN" in s.detail)


async def test_a_missing_secret_is_told(manage: Any, until: Any, simulator: Any) -> None:
    manager = await manage(
        DeviceSpec(
            id="p",
            profile="pjlink/class1",
            transport=simulator("pjlink/class1", "--port", "0"),
            options={"password": "env:NO_SUCH_VARIABLE"},
        )
    )
    await until(manager, "p", lambda s: "NO_SUCH_VARIABLE" in s.detail)


async def test_broker_restart_is_survived(
    simulator: Any, manage: Any, until: Any, broker: Any, free_port: int
) -> None:
    stop = broker(free_port)
    transport = simulator(
        "tasmota/relay", "--mqtt", f"127.0.0.1:{free_port}", "--option", "topic=screen"
    )
    mqtt = MqttLink("127.0.0.1", free_port, client_id="test")
    manager = await manage(
        DeviceSpec(id="screen", profile="tasmota/relay", transport=transport), mqtt=mqtt
    )
    await until(manager, "screen", lambda s: s.health is Health.ONLINE)
    stop()
    await until(manager, "screen", lambda s: s.health is Health.OFFLINE)
    result = await manager.send("screen", "relay", True, timeout=0.2)
    assert result.outcome == "queued"
    broker(free_port)
    await until(manager, "screen", lambda s: s.values.get("relay") is True and not s.desired)
    await mqtt.stop()


async def test_an_unplugged_serial_port_comes_back(manage: Any, until: Any, tmp_path: Path) -> None:
    from devices.simulated import SimulatedDevice
    from devices.simulator_ports import PtyPort
    from firmware_profiles.catalog import Catalog

    profile = Catalog().get("samsung/mdc")
    device = SimulatedDevice(profile)
    link = tmp_path / "display"
    port = PtyPort(device, profile.session, str(link))
    address = await port.start()
    manager = await manage(DeviceSpec(id="d", profile="samsung/mdc", transport=address))
    await until(manager, "d", lambda s: s.health is Health.ONLINE)
    await port.stop()
    await until(manager, "d", lambda s: s.health is Health.OFFLINE)
    await manager.send("d", "power", True, timeout=0.1)
    again = PtyPort(device, profile.session, str(link))
    await again.start()
    await until(manager, "d", lambda s: s.power is Power.WARMING or s.power is Power.ON)
    await manager.stop()
    await again.stop()


async def test_a_callers_mistakes_are_told(manage: Any) -> None:
    manager = await manage(
        DeviceSpec(id="d", profile="samsung/mdc", transport="serial:///dev/no-such-port")
    )
    with pytest.raises(UnknownDevice, match="no device 'x'; there is d"):
        await manager.send("x", "power", True)
    with pytest.raises(UnknownCommand, match="no command 'powr'"):
        await manager.send("d", "powr", True)
    result = await manager.send("d", "volume", 300)
    assert (result.outcome, result.detail) == ("refused", "volume is 0 to 100, not 300")
    result = await manager.send("d", "input", "scart")
    assert result.outcome == "refused" and "hdmi1" in result.detail


@pytest.mark.parametrize(
    ("spec", "key", "message"),
    [
        ({"profile": "samsung/mcd"}, "profile", "near: samsung/mdc"),
        ({"transport": "udp://10.0.0.1"}, "transport", "doesn't speak udp"),
        ({"transport": "/dev/ttyUSB0"}, "transport", "is no transport"),
        ({"transport": "serial:///dev/ttyUSB0?speed=1"}, "transport", "no serial setting"),
        ({"options": {"id": 900}}, "options", "options.id is 0 to 254"),
        ({"options": {"adress": 1}}, "options", "options.adress is unknown"),
        ({"options": {"pin": "1234"}}, "options.pin", "a secret stands there"),
    ],
)
async def test_bad_specs_name_key_and_remedy(
    manage: Any, spec: dict[str, Any], key: str, message: str
) -> None:
    table = {"id": "d", "profile": "samsung/mdc", "transport": "serial:///dev/ttyUSB0", **spec}
    with pytest.raises(SpecError) as error:
        await manage(DeviceSpec(**table))
    assert error.value.key == key
    assert message in str(error.value)
    assert error.value.remedy
