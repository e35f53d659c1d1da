"""A room that says nothing of MQTT has its own broker where Mosquitto is, and runs without it."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from classroomd.commands.doctor import broker_finding
from classroomd.daemon import Daemon, DaemonError
from classroomd.places import run_dir
from controller import broker as module
from controller.config import RoomConfig, load

from .conftest import until


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("CLASSROOMD_RUN_DIR", str(tmp_path / "run"))
    return (
        '[room]\nid = "lab"\nname = "Lab"\ntimezone = "UTC"\n'
        f'[storage]\nrecordings = "{tmp_path}/recordings"\nstate = "{tmp_path}/state"\n'
        '[server]\nhost = "127.0.0.1"\nport = 0\n'
    )


def config(tmp_path: Path, text: str) -> RoomConfig:
    file = tmp_path / "room.toml"
    file.write_text(text, "utf-8")
    return load(file)


@pytest.fixture
def without_mosquitto(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(module, "_SBIN", str(tmp_path))


async def test_a_room_has_its_broker_and_leaves_none_behind(tmp_path: Path, room: str) -> None:
    if not Path("/usr/sbin/mosquitto").exists():
        pytest.skip("mosquitto is not installed")
    async with Daemon(config(tmp_path, room)) as daemon:
        link = daemon.classroom.mqtt
        assert link is not None
        assert await link.wait_connected(30)
        pid = int((run_dir(daemon.config) / "broker" / "pid").read_text("ascii"))
        assert not module._ended(pid)
    await until(lambda: module._ended(pid))


async def test_without_mosquitto_a_room_runs_without_mqtt_and_says_so(
    tmp_path: Path, room: str, without_mosquitto: None, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        async with Daemon(config(tmp_path, room)) as daemon:
            assert daemon.classroom.mqtt is None
            assert not daemon.classroom.alarms.stands("broker")
    assert "apt install mosquitto" in caplog.text


async def test_the_doctor_says_what_a_room_without_mosquitto_lacks(
    tmp_path: Path, room: str, without_mosquitto: None
) -> None:
    relay = '[[devices]]\nid = "r"\nprofile = "tasmota/relay"\ntransport = "mqtt://r"\n'
    for text, state in (
        (room, "missing"),
        (room + relay, "bad"),
        (room + '[mqtt]\nmode = "managed"\n', "bad"),
        (room + '[mqtt]\nmode = "off"\n', "ok"),
        (room + '[mqtt]\nmode = "external"\nport = 1883\n', "ok"),
    ):
        finding = broker_finding(config(tmp_path, text))
        assert finding.state == state
        assert ("apt install mosquitto" in finding.remedy) == (state != "ok")


async def test_a_broker_that_is_wanted_and_missing_keeps_the_room_closed(
    tmp_path: Path, room: str, without_mosquitto: None
) -> None:
    with pytest.raises(DaemonError, match="apt install mosquitto"):
        await Daemon(config(tmp_path, room + '[mqtt]\nmode = "managed"\n')).start()


async def test_a_broker_that_does_not_start_is_an_alarm(
    tmp_path: Path, room: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(*_: object) -> None:
        raise module.BrokerError("it says: no. Not today", "Look at its log.")

    monkeypatch.setattr(module.ManagedBroker, "_launch", fails)
    async with Daemon(config(tmp_path, room)) as daemon:
        [alarm] = [one for one in daemon.classroom.view().alarms if one.id == "broker"]
        assert alarm.text == "The room runs without MQTT: it says: no. Not today"
        assert alarm.remedy == "Look at its log."
