"""The way in over MQTT, against a real Mosquitto: it works, and it keeps tablets apart."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import stat
from pathlib import Path
from typing import Any

import aiomqtt
import pytest
from tablet_members import NativeTablet

from controller.broker import ManagedBroker
from devices.tablets.access import BrokerAccess
from devices.tablets.mqtt import MqttTablets
from devices.transports.mqtt import MqttLink

PAGES = [
    {"id": f"p{n}", "kind": "image", "title": "", "url": None, "image": f"/{n}"} for n in "abc"
]


CLASS = ("log", "now", "page")


@pytest.fixture
async def lesson(room: Any) -> Any:
    lesson = await room.open("c1", "Physics")
    await lesson.put("deck", {"deck": {"id": "d", "title": "Deck"}, "pages": PAGES})
    return lesson


async def test_native_tablets_follow_and_answer(
    lesson: Any, native: Any, seat: Any, until: Any
) -> None:
    teacher, ada = await native("T", "lecturer"), await native("Ada")
    page_user = await seat("Bob")
    await until(lambda: ada.replica.ready and teacher.replica.ready)
    await teacher.say("turn", id="t1", page="pb")
    await until(lambda: ada.replica.state["page"] == "pb")
    await teacher.say("ask", id="a1", questions=[{"id": "q", "kind": "number", "text": "?"}])
    await until(lambda: ada.replica.state["questions"])
    for _ in range(3):
        await ada.say("answer", id="x", session="c1", question="q", value=4)
    await until(lambda: sum(m["type"] == "saved" for m in ada.heard) == 3)
    assert lesson.result("q")["answered"] == 1
    assert page_user.replica.state == lesson.state == ada.replica.state
    assert not any(m["type"] in ("results", "seats") for m in ada.heard)
    assert any(m["type"] == "seats" for m in teacher.heard)


async def test_a_broker_restart_loses_nothing(
    lesson: Any, native: Any, broker: Any, door: Any, seat: Any, until: Any
) -> None:
    teacher, ada = await seat("T", "lecturer"), await native("Ada")
    await until(lambda: ada.replica.ready)
    await broker.stop()
    await until(lambda: not ada.connected)
    await teacher.say("turn", page="pc")
    await broker.start()
    await until(lambda: door._link.connected)
    await ada.connect()
    await until(lambda: ada.replica.seq == lesson.seq)
    assert ada.replica.state == lesson.state


async def test_a_missed_last_entry_is_noticed_by_the_heartbeat(
    lesson: Any, native: Any, door: Any, room: Any, until: Any
) -> None:
    ada = await native("Ada")
    await until(lambda: ada.replica.ready)
    room.broadcasts.remove(door._broadcast)
    await lesson.put("mode", {"mode": "free"})
    room.broadcasts.append(door._broadcast)
    await ada.say("ping", t=1.0)
    await until(lambda: ada.replica.state["mode"] == "free")


class Unacknowledging:
    """A broker that acknowledges nothing below one topic."""

    host, port, connected = "127.0.0.1", 1883, True

    def __init__(self, stuck: str) -> None:
        self.stuck, self.published = stuck, list[str]()

    async def publish(
        self, topic: str, payload: Any, *, qos: int = 1, retain: bool = False
    ) -> None:
        if self.stuck in topic and qos > 0:
            await asyncio.Event().wait()
        self.published.append(topic)

    def subscribe(self, topic_filter: str, handler: Any) -> Any:
        return lambda: None

    def watch(self, watcher: Any) -> Any:
        return lambda: None


async def test_what_the_class_hears_does_not_wait_for_single_tablets(
    lesson: Any, room: Any, until: Any
) -> None:
    link = Unacknowledging("/down")
    door = MqttTablets(room, link, None)
    await door.start()
    for number in range(300):
        door.put(f"tablets/t{number}/down", "{}")
    await lesson.put("page", {"page": "pb", "show_at": 0})
    await until(lambda: "classroom/room1/class/page" in link.published)
    assert "classroom/room1/class/log" in link.published
    await door.stop()


async def test_an_app_elsewhere_is_told_no_port_that_it_cannot_reach(
    broker: ManagedBroker, tablets: Any
) -> None:
    assert [tablets.broker_for(here) for here in ("127.0.0.1", "::1")] == [broker.port] * 2
    assert tablets.broker_for("10.0.0.7") is None


async def test_a_tablet_cannot_speak_or_listen_for_another(
    lesson: Any, native: Any, room: Any, door: Any, until: Any
) -> None:
    ada, eve = await native("Ada"), await native("Eve", connect=False)
    await until(lambda: ada.replica.ready)
    lesson_before = lesson.seq
    async with eve.client() as client:
        forged = json.dumps({"type": "hand", "id": "h", "up": True})
        for topic in (
            f"{ada.own}/up",
            f"{ada.own}/down",
            f"{ada.own}/presence",
            f"{eve.own}/down",
            f"{eve.base}/class/log",
            f"{eve.base}/class/page",
            f"{eve.base}/devices/projector/set",
            f"{eve.base}/session/set",
            f"{eve.base}/state",
            "homeassistant/switch/x/config",
            "$CONTROL/dynamic-security/v1",
        ):
            with contextlib.suppress(aiomqtt.MqttError):
                await client.publish(topic, forged, qos=1, timeout=5)
        heard: list[str] = []
        for topic in (
            "#",
            "+/+/tablets/+/up",
            f"{ada.own}/up",
            f"{ada.own}/down",
            f"{eve.base}/devices/projector/state",
            "$SYS/#",
            "$CONTROL/#",
            f"$share/g/{eve.base}/#",
        ):
            with contextlib.suppress(aiomqtt.MqttError):
                await client.subscribe(topic, qos=1)

        async def listen() -> None:
            async for message in client.messages:
                heard.append(str(message.topic))

        listening = asyncio.create_task(listen())
        await door._link.publish(f"{eve.base}/devices/projector/state", "on", retain=True)
        await ada.say("ping", t=5.0)
        await until(lambda: any(m["type"] == "pong" for m in ada.heard))
        await client.publish(f"{eve.own}/up", json.dumps(eve.replica.hello()), qos=1)
        await until(lambda: f"{eve.own}/down" in heard)
        listening.cancel()
        assert set(heard) <= {f"{eve.own}/down", *(f"{eve.base}/class/{c}" for c in CLASS)}
    assert ada.connected
    assert not lesson.hands
    assert lesson.seq == lesson_before
    ada_id, eve_id = ada.paired.tablet.id, eve.paired.tablet.id
    for stolen in (
        {"identifier": ada_id},
        {"username": ada_id},
        {"username": None, "password": None},
        {"password": "wrong", "identifier": eve_id},
    ):
        with pytest.raises(aiomqtt.MqttError):
            async with eve.client(**stolen):
                pass
    assert ada.connected


async def test_a_student_cannot_do_what_is_the_lecturers(
    lesson: Any, native: Any, until: Any
) -> None:
    eve = await native("Eve")
    await until(lambda: eve.replica.ready)
    before = lesson.seq
    await eve.say("turn", id="t", page="pc")
    await eve.say("ask", id="a", questions=[{"id": "q", "kind": "number", "text": "?"}])
    await eve.say("ink", id="i", page="pa", stroke="k", part=0, points="AAAA")
    await until(lambda: sum(m["type"] == "refused" for m in eve.heard) == 3)
    assert lesson.seq == before


async def test_a_revoked_tablet_is_cut_off_and_stays_out(
    lesson: Any, native: Any, room: Any, until: Any
) -> None:
    eve = await native("Eve")
    await until(lambda: eve.replica.ready)
    await room.pairing.revoke(eve.paired.tablet.id)
    await until(lambda: not eve.connected)
    with pytest.raises(aiomqtt.MqttError):
        await eve.connect()


async def test_a_flood_is_cut_off_and_hurts_nobody(lesson: Any, native: Any, until: Any) -> None:
    ada, eve = await native("Ada"), await native("Eve")
    await until(lambda: ada.replica.ready and eve.replica.ready)
    with contextlib.suppress(aiomqtt.MqttError, AssertionError):
        for number in range(5000):
            await eve.say("ping", t=number)
    await until(lambda: not eve.connected)
    await ada.say("ping", t=7.0)
    await until(lambda: any(m["type"] == "pong" and m["t"] == 7.0 for m in ada.heard))


async def test_oversized_and_hostile_packets_change_nothing(
    lesson: Any, native: Any, until: Any
) -> None:
    ada, eve = await native("Ada"), await native("Eve", connect=False)
    await until(lambda: ada.replica.ready)
    before = lesson.seq
    hostile = [b"\xff" * 70_000, b"[" * 60_000, b"{}", b"\x00", b'{"type":"answer"}', b"null"]
    for payload in [*hostile, b"x" * 300_000]:
        with contextlib.suppress(aiomqtt.MqttError):
            async with eve.client() as client:
                await client.publish(f"{eve.own}/up", payload, qos=1, timeout=3)
                await asyncio.sleep(0)
    await ada.say("ping", t=1.0)
    await until(lambda: any(m["type"] == "pong" for m in ada.heard))
    assert lesson.seq == before


async def test_logins_outlive_the_machine(
    lesson: Any, room: Any, tmp_path: Path, until: Any
) -> None:
    """After a reboot the run directory is empty: the port and the logins are still there."""

    async def begin(boot: str) -> tuple[Any, Any, Any]:
        broker = ManagedBroker(tmp_path / boot, state=tmp_path / "state")
        if not broker.takes_tablets:
            pytest.skip("mosquitto's dynamic security plugin is not installed")
        link = MqttLink(*await broker.start(), client_id="daemon")
        await link.start()
        assert await link.wait_connected(30)
        door = MqttTablets(room, link, BrokerAccess(link, room.room))
        await door.start()
        return broker, link, door

    async def end(*parts: Any) -> None:
        broker, link, door = parts
        await door.stop()
        await link.stop()
        await broker.stop()

    first = await begin("boot1")
    pairing = room.pairing
    tablets = []
    for name in ("Ada", "Eve", "Bob"):
        paired = await pairing.redeem(pairing.pair_set([name]).text, "127.0.0.1")
        await first[2].grant(paired.tablet.id, paired.credential)
        tablets.append(NativeTablet(first[0].port, room.room, paired))
    ada, eve, bob = tablets
    await ada.connect()
    await until(lambda: ada.replica.ready)
    await first[2]._access.suspend(bob.paired.tablet.id)
    await end(*first)
    await pairing.revoke(eve.paired.tablet.id)  # while the broker is away
    second = await begin("boot2")
    assert second[0].port == first[0].port
    await until(lambda: not ada.connected)
    await ada.connect()
    await until(lambda: ada.replica.ready and ada.replica.seq == lesson.seq)
    access = second[2]._access
    valid = {ada.paired.tablet.id: True, bob.paired.tablet.id: True}

    async def settled() -> None:
        while await access.logins() != valid:  # noqa: ASYNC110 - the broker is asked
            await asyncio.sleep(0.05)

    await asyncio.wait_for(settled(), 30)
    with pytest.raises(aiomqtt.MqttError):
        await eve.connect()
    await bob.connect()
    await until(lambda: bob.replica.ready)
    for tablet in tablets:
        await tablet.close()
    await end(*second)


async def test_damaged_logins_do_not_keep_the_broker_from_starting(tmp_path: Path) -> None:
    kept = tmp_path / "state" / "broker"
    kept.mkdir(parents=True)
    (kept / "tablets.json").write_bytes(b"\0" * 40)
    broker = ManagedBroker(tmp_path / "run", state=tmp_path / "state")
    await broker.start()
    await broker.stop()
    assert (kept / "tablets.json.damaged").read_bytes() == b"\0" * 40
    assert stat.S_IMODE(kept.stat().st_mode) == 0o700


async def test_answers_in_flight_when_the_broker_dies_count_once(
    lesson: Any, native: Any, broker: Any, seat: Any, until: Any
) -> None:
    teacher = await seat("T", "lecturer")
    await teacher.say("ask", questions=[{"id": "q", "kind": "number", "text": "?"}])
    tablets = [await native(f"N{n}") for n in range(8)]
    await until(lambda: all(tablet.replica.ready for tablet in tablets))

    def saved(tablet: Any) -> bool:
        return any(m["type"] == "saved" for m in tablet.heard)

    async def insist(tablet: Any, number: int) -> None:
        answer = {"id": f"a{number}", "session": "c1", "question": "q", "value": number}
        while not saved(tablet):
            with contextlib.suppress(aiomqtt.MqttError, AssertionError):
                if not tablet.connected:
                    await tablet.connect()
                await tablet.say("answer", **answer)
            await asyncio.sleep(0.05)

    async def insist_all() -> None:
        await asyncio.gather(*[insist(tablet, n) for n, tablet in enumerate(tablets)])

    working = asyncio.create_task(insist_all())
    await until(lambda: lesson.result("q")["answered"] >= 1)
    os.kill(broker.pid, signal.SIGKILL)
    await asyncio.wait_for(working, 60)
    assert lesson.result("q")["counts"] == [(n, 1) for n in range(8)]
    await until(lambda: all(tablet.replica.seq == lesson.seq for tablet in tablets))
