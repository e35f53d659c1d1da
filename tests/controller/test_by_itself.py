"""What the room does by itself: fire alarm, tally light, nobody there; cameras look away."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from controller.broker import ManagedBroker
from controller.broker_logins import Login
from controller.config import ConfigError, load
from controller.privacy import Privacy
from controller.reactions import PrivacySpec, TriggerSpec
from devices.model import CommandResult, DeviceState, Health, Power, Value
from devices.transports.mqtt import MqttLink

from .conftest import Room, until

OpenRoom = Callable[..., Any]


async def test_a_fire_alarm_mutes_the_sound_and_its_end_brings_it_back(
    open_room: OpenRoom, simulate: Any, tmp_path: Path
) -> None:
    """From the contact's message on a real broker to the bytes at the display."""
    board = await simulate("samsung/mdc", "--port", "0", "--state", "power=on")
    broker = ManagedBroker(tmp_path / "broker", logins=[Login("relays", "secret", "device")])
    (tmp_path / "broker").mkdir()
    await broker.start()
    own = broker._daemon
    link = MqttLink(broker.host, broker.port, own.name, own.password, client_id="daemon")
    sensor = MqttLink(broker.host, broker.port, "relays", "secret", client_id="contact")
    await link.start()
    await sensor.start()
    try:
        room: Room = await open_room(
            link=link,
            sources=[],
            devices=[
                {"id": "board", "profile": "samsung/mdc", "transport": board},
                {
                    "id": "fire", "profile": "homeassistant/binary-sensor", "transport": "mqtt://",
                    "options": {"state_topic": "house/fire"},
                },
            ],
            scenes=[
                {"id": f"mute-{word}", "steps": [
                    {"device": "board", "command": "mute", "value": value}]}
                for word, value in (("on", True), ("off", False))
            ],
            triggers=[{
                "id": "fire", "device": "fire", "state": "contact", "is": True,
                "scene": "mute-on", "back": "mute-off", "alarm": "Fire alarm: leave the room.",
            }],
        )  # fmt: skip
        assert await link.wait_connected(30) and await sensor.wait_connected(30)
        display = lambda: room.devices.state("board")  # noqa: E731
        await until(lambda: display().values.get("mute") is False)
        await sensor.publish("house/fire", "ON", retain=True)
        await until(lambda: display().values.get("mute") is True)
        assert room.alarm("trigger.fire").text == "Fire alarm: leave the room."
        await sensor.publish("house/fire", "OFF", retain=True)
        await until(lambda: display().values.get("mute") is False)
        await until(lambda: room.alarm("trigger.fire") is None)
        entries = [e.data for e in await room.classroom.journal_tail(20) if e.kind == "trigger"]
        assert [(e["on"], e["scene"]) for e in reversed(entries)] == [
            (True, "mute-on"), (False, "mute-off")
        ]  # fmt: skip
    finally:
        await sensor.stop()
        await link.stop()
        await broker.stop()


async def test_a_tally_light_beside_the_start_scene(
    open_room: OpenRoom, simulate: Any, teacher: Any
) -> None:
    light = await simulate("samsung/mdc", "--port", "0", "--state", "power=on")
    room: Room = await open_room(
        sources=[],
        devices=[{"id": "tally", "profile": "samsung/mdc", "transport": light}],
        scenes=[
            {"id": "red", "steps": [{"device": "tally", "command": "blank", "value": True}]},
            {"id": "dark", "steps": [{"device": "tally", "command": "blank", "value": False}]},
            {"id": "start", "steps": [{"device": "tally", "command": "volume", "value": 7}]},
        ],
        triggers=[{"id": "tally", "session": "live", "scene": "red", "back": "dark"}],
    )
    await until(lambda: room.devices.state("tally").health is Health.ONLINE)
    await room.classroom.start_class(teacher)
    state = lambda: room.devices.state("tally").values  # noqa: E731
    await until(lambda: state().get("blank") is True and state().get("volume") == 7)
    await room.classroom.end_class(teacher, undo=False)
    await until(lambda: state().get("blank") is False)


async def test_a_state_must_last(open_room: OpenRoom) -> None:
    room: Room = await open_room(
        sources=[],
        triggers=[
            {"id": "empty", "device": "pir", "state": "occupancy", "is": False, "for_s": 0.2,
             "alarm": "Nobody is here."}
        ],
    )  # fmt: skip
    tell = room.classroom.device_changed
    tell(_state("pir", occupancy=False))
    tell(_state("pir", occupancy=True))
    tell(_state("pir", health=Health.OFFLINE, occupancy=False))
    await asyncio.sleep(0.4)
    assert room.alarm("trigger.empty") is None
    tell(_state("pir", occupancy=False))
    await until(lambda: room.alarm("trigger.empty"))
    tell(_state("pir", occupancy=True))
    assert room.alarm("trigger.empty") is None


def _state(
    device: str, *, health: Health = Health.ONLINE, power: Power = Power.UNKNOWN, **values: Value
) -> DeviceState:
    return DeviceState(
        id=device, name=device, kind="sensor", profile="x", health=health, power=power,
        values=values,
    )  # fmt: skip


class Camera:
    def __init__(self) -> None:
        self.sent: list[tuple[str, Value]] = []
        self.now = _state("camera", power=Power.ON)

    def states(self) -> list[DeviceState]:
        return [self.now]

    async def send(self, device: str, command: str, value: Value = None) -> CommandResult:
        self.sent.append((command, value))
        return CommandResult(device=device, command=command, value=value, outcome="confirmed")


async def test_a_camera_looks_away_between_classes() -> None:
    camera = Camera()
    privacy = Privacy([PrivacySpec(camera="camera", idle=9, ready="home", after_s=0.1)], camera)
    privacy.session_changed(False)
    await until(lambda: camera.sent == [("preset_recall", 9)])
    privacy.session_changed(True)
    await until(lambda: camera.sent[1:] == [("home", None)])
    privacy.device_changed(camera.now)
    privacy.session_changed(False)
    privacy.session_changed(True)  # the next class begins before it turned away
    await until(lambda: camera.sent[2:] == [("home", None)])
    privacy.session_changed(False)
    await until(lambda: camera.sent[3:] == [("preset_recall", 9)])
    await privacy.stop()


async def test_a_camera_that_was_off_is_turned_when_it_is_back() -> None:
    camera = Camera()
    camera.now = _state("camera", power=Power.OFF)
    privacy = Privacy([PrivacySpec(camera="camera", idle="home", after_s=0)], camera)
    privacy.session_changed(False)
    privacy.device_changed(camera.now)
    await asyncio.sleep(0)
    assert camera.sent == []
    for _ in range(3):
        camera.now = _state("camera", power=Power.ON)
        privacy.device_changed(camera.now)
    await until(lambda: camera.sent == [("home", None)])
    await privacy.stop()


ROOM = """[room]
id = "r"
name = "R"
[[devices]]
id = "camera"
profile = "visca/raw"
transport = "tcp://10.0.0.9"
[[devices]]
id = "screen"
profile = "samsung/mdc"
transport = "tcp://10.0.0.8"
[[scenes]]
id = "dark"
steps = []
"""


@pytest.mark.parametrize(
    ("tables", "key", "words"),
    [
        ('[[privacy]]\ncamera = "camra"\nidle = 1', "privacy[0].camera", "Did you mean 'camera'"),
        ('[[privacy]]\ncamera = "camera"\nidle = 999', "privacy[0].idle", "0 to 127"),
        ('[[privacy]]\ncamera = "screen"\nidle = "home"', "privacy[0].idle", "no home position"),
        ('[[triggers]]\nid = "t"\ndevice = "screen"\nscene = "dark"', "triggers[0].state",
         "reports no 'contact'"),
        ('[[triggers]]\nid = "t"\nsession = "live"\nscene = "drak"', "triggers[0].scene",
         "Did you mean 'dark'"),
        ('[[triggers]]\nid = "t"\nscene = "dark"', "triggers[0]", "either a device or a session"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_an_error_of_the_file(
    tmp_path: Path, tables: str, key: str, words: str
) -> None:
    file = tmp_path / "room.toml"
    file.write_text(ROOM + tables + "\n")
    with pytest.raises(ConfigError) as error:
        load(file)
    assert error.value.key == key
    assert words in str(error.value)


def test_the_specs_refuse_nonsense() -> None:
    with pytest.raises(ValueError, match="does something"):
        TriggerSpec.model_validate({"id": "t", "session": "live"})
