"""`profile = "auto"`: the device says what it is, is driven as that, and may be exchanged."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from devices.auto import AutoDevice
from devices.discovery.recognise import NotRecognisedError, recognise
from devices.manager import DeviceManager, SpecError
from devices.model import DeviceSpec, Health, Power
from devices.waiting import DESIRED_S
from firmware_profiles.catalog import Catalog

Manage = Callable[..., Awaitable[DeviceManager]]


@pytest.fixture(autouse=True)
def _short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("devices.discovery.identify.ANSWER_S", 0.25)


def _spec(transport: str, **options: Any) -> DeviceSpec:
    return DeviceSpec(id="thing", profile="auto", transport=transport, options=options)


@pytest.mark.parametrize(
    ("profile", "arguments"),
    [
        ("epson/esc-vp21", ()),
        ("pjlink/class1", ("--option", "password=")),
        ("pjlink/class2", ("--option", "password=")),
        ("extron/sis", ("--option", "password=")),
        ("onvif/ptz", ("--option", "password=")),
    ],
)
async def test_what_answers_is_recognised(
    simulator: Any, profile: str, arguments: tuple[str, ...]
) -> None:
    """On a port that isn't the usual one, so every protocol of that kind is tried."""
    address = simulator(profile, "--port", "0", *arguments)
    found = await recognise(address, Catalog())
    assert found.profile == profile


@pytest.mark.parametrize(
    ("profile", "port", "host"),
    [("visca/raw", 5678, "127.0.0.3"), ("samsung/mdc", 1515, "127.0.0.4")],
)
async def test_its_port_is_found(simulator: Any, profile: str, port: int, host: str) -> None:
    simulator(profile, "--port", str(port), "--host", host)
    found = await recognise(f"tcp://{host}", Catalog())
    assert (found.profile, found.transport) == (profile, f"tcp://{host}:{port}")


async def test_a_serial_port_is_recognised_with_its_settings(
    simulator: Any, tmp_path: Path, manage: Manage, until: Any
) -> None:
    link = tmp_path / "port"
    simulator("benq/projector", "--pty", str(link))
    manager = await manage(_spec(f"serial://{link}"))
    before = manager.state("thing")
    assert before.profile == "auto" and before.health is Health.CONNECTING
    kept = await manager.send("thing", "power", True)
    assert kept.outcome == "queued" and "recognised" in kept.detail
    state = await until(manager, "thing", lambda s: s.power in (Power.WARMING, Power.ON))
    assert state.profile == "benq/projector"
    texts = [entry.text for entry in manager.traffic("thing")]
    assert any(text.startswith("doesn't answer") for text in texts)
    assert any(text.startswith("recognised as benq/projector") for text in texts)


async def test_a_password_that_is_missing_is_told(
    simulator: Any, manage: Manage, until: Any
) -> None:
    address = simulator("pjlink/class1", "--port", "0")
    manager = await manage(_spec(address))
    state = await until(manager, "thing", lambda s: s.health is Health.OFFLINE)
    assert state.profile == "auto"
    assert "the projector wants a password" in state.detail


async def test_nothing_there_is_told(free_port: int) -> None:
    with pytest.raises(NotRecognisedError, match="none of"):
        await recognise(f"tcp://127.0.0.1:{free_port}", Catalog())


async def test_a_port_that_says_nonsense_is_not_taken_for_a_device() -> None:
    async def nonsense(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(100):
            writer.write(b"HTTP/1.1 400 Bad Request\r\nServer: x\r\n\r\n")

    server = await asyncio.start_server(nonsense, "127.0.0.5", 5000)
    catalog = Catalog()
    try:
        with pytest.raises(NotRecognisedError):
            await recognise("tcp://127.0.0.5:5000", catalog)
    finally:
        server.close()


async def test_what_waits_outlives_being_asked_anew_but_not_its_time(
    simulator: Any, free_port: int, tmp_path: Path, until: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is switched off at the wall while it is asked for, and looked for anew meanwhile."""
    address, memory = f"tcp://127.0.0.1:{free_port}", tmp_path / "devices.json"
    known = {"asked": address, "profile": "visca/raw", "transport": address}
    memory.write_text(json.dumps({"thing": known}))
    manager = DeviceManager(
        [_spec(address)], catalog=Catalog(), on_state=lambda _: None, memory=memory
    )
    device = manager._drivers["thing"]
    assert isinstance(device, AutoDevice)
    device._away_s = 0.5
    await manager.start()
    try:
        await until(manager, "thing", lambda s: s.profile == "visca/raw")
        first = device.driver
        for command, value in (("preset_recall", 3), ("zoom_position", 40), ("power", True)):
            asked = await manager.send("thing", command, value, timeout=0.1)
            assert asked.outcome == "queued"
        await manager.send("thing", "pan_tilt", "left", timeout=0.1)
        _, at = device._asked["zoom_position"]
        device._asked["zoom_position"] = 40, at - DESIRED_S  # long ago
        await until(manager, "thing", lambda _: device.driver not in (None, first))
        assert set(device._asked) == {"preset_recall", "power"}
        device._away_s = 60.0
        simulator("visca/raw", "--port", str(free_port), "--time-scale", "50")
        state = await until(manager, "thing", lambda s: s.values.get("preset") == 3, 60)
        assert state.power is Power.ON
        sent = [entry.text for entry in manager.traffic("thing") if entry.direction == "out"]
        assert "preset_recall=3" in sent
        assert not any(text.startswith(("pan_tilt", "zoom_position=")) for text in sent)
    finally:
        await manager.stop()


async def test_an_exchanged_device_is_recognised_anew(
    simulator: Any, tmp_path: Path, manage: Manage, until: Any
) -> None:
    memory = tmp_path / "state" / "devices.json"
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    address = f"tcp://127.0.0.1:{port}"
    memory.parent.mkdir()
    memory.write_text(
        json.dumps({"thing": {"asked": address, "profile": "pjlink/class1", "transport": address}})
    )
    simulator("epson/esc-vp21", "--port", str(port))
    manager = DeviceManager(
        [_spec(address)], catalog=Catalog(), on_state=lambda _: None, memory=memory
    )
    device = manager._drivers["thing"]
    assert isinstance(device, AutoDevice)
    device._away_s = 0.5
    await manager.start()
    try:
        await until(manager, "thing", lambda s: s.profile == "pjlink/class1")
        await until(manager, "thing", lambda s: s.profile == "epson/esc-vp21", 60)
        assert json.loads(memory.read_text())["thing"]["profile"] == "epson/esc-vp21"
        await until(manager, "thing", lambda s: s.health is Health.ONLINE)
    finally:
        await manager.stop()
    assert asyncio.all_tasks() == {asyncio.current_task()}


def test_what_cannot_be_asked_is_an_error_of_the_file() -> None:
    with pytest.raises(SpecError, match="can't be asked what it is"):
        DeviceManager([_spec("mqtt://relay")], catalog=Catalog(), on_state=lambda _: None)
    with pytest.raises(SpecError, match="a secret stands there"):
        DeviceManager(
            [_spec("tcp://10.0.0.1", password="plain")],
            catalog=Catalog(),
            on_state=lambda _: None,
        )


def test_presets_have_names_and_must_exist() -> None:
    camera = DeviceSpec(
        id="camera", profile="visca/raw", transport="tcp://10.0.0.9", presets={"1": "Lectern"}
    )
    manager = DeviceManager([camera], catalog=Catalog(), on_state=lambda _: None)
    assert manager.state("camera").presets == {"1": "Lectern"}
    for update, words in (
        ({"presets": {"one": "Lectern"}}, "preset 'one'"),
        ({"profile": "samsung/mdc"}, "has no presets"),
    ):
        with pytest.raises(SpecError, match=words):
            DeviceManager(
                [camera.model_copy(update=update)], catalog=Catalog(), on_state=lambda _: None
            )
