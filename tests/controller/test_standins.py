"""A room that is switched to simulation has all its devices, and touches none of the real ones."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from controller.standins import MARK, StandIns
from devices.manager import DeviceManager
from devices.model import DeviceSpec, DeviceState, Health
from firmware_profiles.catalog import Catalog
from recorder.recording import Role, SourceSpec

CATALOG = Catalog()
ROOM = [
    DeviceSpec(id="display", profile="samsung/mdc", transport="serial:///dev/ttyUSB0?baud=9600"),
    DeviceSpec(id="far", profile="nec/display", transport="rfc2217://10.0.0.9:2217"),
    DeviceSpec(id="projector", profile="pjlink/class2", transport="tcp://10.0.0.9"),
    DeviceSpec(id="mixer", profile="behringer/x32", transport="osc://10.0.0.9"),
    DeviceSpec(id="ptz", profile="visca/sony-ip", transport="udp://10.0.0.9"),
    DeviceSpec(
        id="camera",
        profile="onvif/ptz",
        transport="onvif://10.0.0.9",
        options={"password": "env:CAMERA"},
    ),
    DeviceSpec(id="plug", profile="shelly/gen2-http", transport="http://10.0.0.9"),
    DeviceSpec(id="lamp", profile="tasmota/relay", transport="mqtt://hall/lamp"),
    DeviceSpec(
        id="screen",
        profile="shelly/gen1-roller",
        transport="mqtt://",
        options={"device": "shellyswitch25-ABC"},
    ),
    DeviceSpec(id="alarm", profile="zigbee2mqtt/contact", transport="mqtt://alarm"),
    DeviceSpec(id="seen", profile="auto", transport="tcp://10.0.0.10"),
    DeviceSpec(id="unseen", profile="auto", transport="tcp://10.0.0.11"),
    DeviceSpec(id="line", profile="auto", transport="serial:///dev/ttyUSB1"),
]


async def test_every_device_of_a_room_can_be_played(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAMERA", "secret")
    standins = StandIns(tmp_path / "state")
    for spec in ROOM:
        standins.put(spec.id, True)
    memory = tmp_path / "devices.json"
    was = {"asked": "tcp://10.0.0.10", "profile": "lg/signage", "transport": "tcp://10.0.0.10:9761"}
    memory.write_text(json.dumps({"seen": was}))
    specs = await standins.replace(ROOM, CATALOG, tmp_path / "wires", memory)
    assert [spec.id for spec in specs if not spec.name.endswith(MARK)] == []
    assert not [spec for spec in specs if "10.0.0" in spec.transport or "/dev/" in spec.transport]
    assert {s.id: s.profile for s in specs if s.id in ("seen", "unseen", "line")} == {
        "seen": "lg/signage",
        "unseen": "pjlink/class1",
        "line": "samsung/mdc",
    }
    states: dict[str, DeviceState] = {}
    there = asyncio.Event()

    def changed(state: DeviceState) -> None:
        states[state.id] = state
        if {s.id for s in states.values() if s.health is Health.ONLINE} == {s.id for s in ROOM}:
            there.set()

    manager = DeviceManager(specs, catalog=CATALOG, on_state=changed, links=standins.links)
    await manager.start()
    try:
        try:
            async with asyncio.timeout(60):
                await there.wait()
        except TimeoutError:
            away = [s for s in states.values() if s.health is not Health.ONLINE]
            raise AssertionError(f"never there: {away}") from None
        results = await asyncio.gather(
            manager.send("lamp", "relay", True),
            manager.send("plug", "relay", True),
            manager.send("screen", "screen", "down"),
            manager.send("camera", "preset_recall", 3),
            manager.send("seen", "power", True),
        )
        assert [(r.device, r.outcome) for r in results if r.outcome != "confirmed"] == []
        assert manager.state("lamp").values["relay"] is True
    finally:
        await manager.stop()
        await standins.stop()


async def test_the_real_one_is_neither_woken_nor_recorded_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAMERA", "secret")
    standins = StandIns(tmp_path)
    by_id = {spec.id: spec for spec in ROOM}
    real = by_id["camera"].model_copy(update={"id": "real", "name": f"Back {MARK}"})
    room = [
        by_id["camera"],
        by_id["projector"].model_copy(update={"options": {"mac": "00:11:22:33:44:55"}}),
        real,  # however it is named
    ]
    for spec in room[:2]:
        standins.put(spec.id, True)
    specs = await standins.replace(room, CATALOG, tmp_path / "wires")
    await standins.stop()
    assert [spec.options for spec in specs] == [{"password": "env:CAMERA"}, {}, real.options]
    assert standins.played == {"camera", "projector"}
    sources = [
        SourceSpec(id="a", role=Role.PRESENTER, url="onvif://camera", sub="rtsp://10.0.0.9/sub"),
        SourceSpec(id="b", role=Role.SLIDES, url="v4l2:///dev/video0"),
        SourceSpec(id="c", role=Role.PRESENTER, url="onvif://real"),
    ]
    made = standins.sources(sources)
    assert [(one.url, one.sub) for one in made] == [
        ("test:presenter", None),
        ("v4l2:///dev/video0", None),
        ("onvif://real", None),
    ]
    for spec in room:
        standins.put(spec.id, False)
    await standins.replace(room, CATALOG, tmp_path / "wires")
    assert standins.sources(sources) == sources


async def test_one_that_is_not_chosen_stays_the_real_one(tmp_path: Path) -> None:
    standins = StandIns(tmp_path)
    standins.put("lamp", True)
    standins.put("camera", True)  # its password cannot be read: it stays the real one
    standins.put("odd", True)  # what it is taken for has no such dialect
    odd = DeviceSpec(
        id="odd", profile="auto", transport="tcp://10.0.0.12", options={"dialect": "none"}
    )
    specs = await standins.replace([*ROOM, odd], CATALOG, tmp_path / "wires")
    assert specs[-1] == odd
    assert [spec.id for spec in specs if spec.name.endswith(MARK)] == ["lamp"]
    assert list(standins.links) == ["lamp"]
