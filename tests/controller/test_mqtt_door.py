"""The room on a real broker: retained state, authorised commands, Home Assistant discovery."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from controller.broker import ManagedBroker
from controller.broker_logins import Login
from controller.doors.mqtt import MqttDoor, will
from controller.state import Actor, SessionState
from devices.transports.mqtt import MqttLink

from .conftest import Room, until

OpenRoom = Callable[..., Awaitable[Room]]
TOKEN = "token of the building control"
DEVICES = [
    {"id": "board", "name": "Board", "profile": "samsung/mdc", "transport": "tcp://127.0.0.1:9"}
]


class Client:
    """A program on the broker: remembers the last of each topic."""

    def __init__(self, broker: ManagedBroker, name: str, password: str) -> None:
        self.link = MqttLink(broker.host, broker.port, name, password, client_id="test-client")
        self.last: dict[str, str] = {}
        self.link.subscribe("#", self._heard)

    def _heard(self, topic: str, payload: bytes) -> None:
        self.last[topic] = payload.decode(errors="replace")

    def json(self, topic: str) -> Any:
        return json.loads(self.last.get(topic) or "null")

    async def say(self, topic: str, **message: Any) -> Any:
        answer = f"{topic}/result"
        self.last.pop(answer, None)
        await self.link.publish(topic, json.dumps(message))
        await until(lambda: answer in self.last)
        return self.json(answer)


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[ManagedBroker]:
    broker = ManagedBroker(tmp_path, logins=[Login("desk", "desk password", "control")])
    await broker.start()
    yield broker
    await broker.stop()


@pytest.fixture
async def client(broker: ManagedBroker) -> AsyncIterator[Client]:
    client = Client(broker, "desk", "desk password")
    await client.link.start()
    assert await client.link.wait_connected(30)
    yield client
    await client.link.stop()


@pytest.fixture
async def open_door(
    broker: ManagedBroker, open_room: OpenRoom, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Callable[..., Awaitable[Room]]]:
    monkeypatch.setenv("MQTT_TOKEN", TOKEN)
    monkeypatch.setenv("STUDENT_TOKEN", "token of a student")
    opened: list[tuple[MqttDoor, MqttLink]] = []

    async def make(**mqtt: Any) -> Room:
        login = broker._daemon
        link = MqttLink(
            broker.host,
            broker.port,
            login.name,
            login.password,
            client_id="classroomd",
            will=will("lab"),
        )
        await link.start()
        room = await open_room(
            mqtt={"mode": "managed", **mqtt},
            sources=[],
            devices=DEVICES,
            auth={
                "tokens": [
                    {"name": "building", "role": "technician", "secret": "env:MQTT_TOKEN"},
                    {"name": "pupil", "role": "student", "secret": "env:STUDENT_TOKEN"},
                ]
            },
        )
        door = MqttDoor(room.classroom, link)
        await door.start()
        opened.append((door, link))
        return room

    yield make
    for door, link in opened:
        await door.stop()
        await link.stop()


async def test_state_is_retained_and_follows(
    open_door: OpenRoom, client: Client, teacher: Actor
) -> None:
    room = await open_door()
    await until(lambda: client.last.get("classroom/lab/online") == "online")
    await until(lambda: client.json("classroom/lab/state"))
    assert client.json("classroom/lab/state") == {
        "room": "lab",
        "name": "Lab",
        "state": "free",
        "session": None,
    }
    await until(lambda: client.json("classroom/lab/devices/board/state"))
    assert client.json("classroom/lab/devices/board/state")["name"] == "Board"
    await room.classroom.start_class(teacher, title="Optics")
    await until(lambda: client.json("classroom/lab/state")["state"] == "live")
    assert client.json("classroom/lab/state")["session"]["title"] == "Optics"
    alarms = await until(lambda: client.json("classroom/lab/alarms"))
    assert "no sources" in alarms[0]["text"]


async def test_commands_need_a_token(open_door: OpenRoom, client: Client) -> None:
    room = await open_door()
    await until(lambda: client.last.get("classroom/lab/online") == "online")
    topic = "classroom/lab/session/set"
    for token in ({}, {"token": "guess"}, {"token": "token of a student"}, {"token": 1}):
        refused = await client.say(topic, command="start", **token)
        assert (refused["ok"], refused["code"]) == (False, "not_allowed")
    assert room.classroom.view().session is None

    begun = await client.say(topic, command="start", title="Optics", token=TOKEN, id="7")
    assert (begun["ok"], begun["id"]) == (True, "7")
    await until(lambda: room.session.state is SessionState.LIVE)
    assert (await client.say(topic, command="pause", token=TOKEN))["state"] == "paused"
    wrong = await client.say(topic, command="extend", minutes="long", token=TOKEN)
    assert wrong["code"] == "bad_value"
    unknown = await client.say(topic, command="explode", token=TOKEN)
    assert unknown["code"] == "unknown_verb"
    lost = await client.say("classroom/lab/devices/board/set", command="fly", token=TOKEN)
    assert lost["code"] == "unknown_command"
    assert (await client.say(topic, command="stop", token=TOKEN))["state"] == "ended"
    entries = await room.classroom.journal_tail(10)
    assert ("start", "building", "mqtt") in [(e.kind, e.actor, e.door) for e in entries]


async def test_garbage_is_answered(open_door: OpenRoom, client: Client) -> None:
    room = await open_door(commands="broker")
    await until(lambda: client.last.get("classroom/lab/online") == "online")
    topic = "classroom/lab/session/set"
    for payload in (b"\xff\xfe", b"{", b'{"command": 7}', b"[" * 2000, b'{"a":' * 5000, b"{}"):
        client.last.clear()
        await client.link.publish(topic, payload)
        answer = await until(lambda: client.json(f"{topic}/result"))
        assert answer["ok"] is False
    await client.link.publish(topic, "start")
    await until(lambda: room.classroom.view().session)


async def test_old_retained_command_starts_nothing(open_door: OpenRoom, client: Client) -> None:
    topic = "classroom/lab/session/set"
    await client.link.publish(topic, '{"command": "start"}', retain=True)
    room = await open_door(commands="broker")
    await until(lambda: client.last.get("classroom/lab/online") == "online")
    answer = await client.say(topic, command="pause")
    assert answer["code"] == "no_session"
    assert room.classroom.view().session is None


async def test_restarted_broker_is_told_everything_again(
    open_door: OpenRoom, broker: ManagedBroker, client: Client
) -> None:
    await open_door()
    await until(lambda: client.json("classroom/lab/state"))
    client.last.clear()
    assert broker.pid is not None
    os.kill(broker.pid, signal.SIGKILL)
    await until(lambda: client.last.get("classroom/lab/online") == "online")
    await until(lambda: client.json("classroom/lab/state"))
    await until(lambda: client.json("classroom/lab/devices/board/state"))


async def test_home_assistant_finds_switches_when_the_broker_decides(
    open_door: OpenRoom, client: Client
) -> None:
    login = client.link
    await login.stop()
    room = await open_door(commands="broker", homeassistant=True)
    await login.start()
    topic = "homeassistant/switch/classroom_lab/board_power/config"
    config = await until(lambda: client.json(topic))
    assert config["command_topic"] == "classroom/lab/devices/board/set"
    assert json.loads(config["payload_on"]) == {"command": "power", "value": True}
    assert config["availability_topic"] == "classroom/lab/online"
    assert config["device"]["name"] == "Board"
    select = await until(
        lambda: client.json("homeassistant/select/classroom_lab/board_input/config")
    )
    assert "hdmi1" in select["options"]
    await until(lambda: client.last.get("classroom/lab/online") == "online")
    await client.link.publish(config["command_topic"], config["payload_on"])
    await until(lambda: room.classroom.devices.state("board").desired.get("power") is True)


async def test_home_assistant_finds_only_sensors_when_tokens_decide(
    open_door: OpenRoom, client: Client
) -> None:
    await open_door(homeassistant=True)
    config = await until(
        lambda: client.json("homeassistant/binary_sensor/classroom_lab/board_power/config")
    )
    assert "command_topic" not in config
    assert not [topic for topic in client.last if "/switch/" in topic]
    assert TOKEN not in json.dumps(client.last)
