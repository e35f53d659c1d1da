"""The OSC door, with python-osc's own client at the other end of a real UDP socket."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pythonosc.osc_message import OscMessage
from pythonosc.osc_message_builder import OscMessageBuilder

from controller.config import SecretError
from controller.doors.osc import OscDoor, OscError
from controller.settings import OscSection
from controller.state import Actor, SessionState

from .conftest import Room, until

TOKEN = "a token for the desk"


class Desk(asyncio.DatagramProtocol):
    """A show-control desk."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, tuple[Any, ...]]] = []

    def datagram_received(self, data: bytes, addr: Any) -> None:
        message = OscMessage(data)
        self.heard.append((message.address, tuple(message.params)))

    def says(self, address: str) -> list[tuple[Any, ...]]:
        return [values for told, values in self.heard if told == address]

    async def connect(self, port: int) -> None:
        loop = asyncio.get_running_loop()
        self.transport, _ = await loop.create_datagram_endpoint(
            lambda: self, remote_addr=("127.0.0.1", port)
        )

    def send(self, address: str, *values: Any) -> None:
        builder = OscMessageBuilder(address)
        for value in values:
            builder.add_arg(value)
        self.transport.sendto(builder.build().dgram)


@pytest.fixture
async def room(open_room: Callable[..., Awaitable[Room]]) -> Room:
    return await open_room(
        sources=[],
        devices=[{"id": "board", "profile": "samsung/mdc", "transport": "tcp://127.0.0.1:9"}],
    )


@pytest.fixture
async def door(room: Room, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[OscDoor]:
    monkeypatch.setenv("OSC_TOKEN", TOKEN)
    door = OscDoor(room.classroom, OscSection(enabled=True, port=0, token="env:OSC_TOKEN"))
    await door.start()
    yield door
    await door.stop()


@pytest.fixture
async def desk(door: OscDoor) -> AsyncIterator[Desk]:
    desk = Desk()
    await desk.connect(door.port)
    yield desk
    desk.transport.close()


def state(room: Room) -> SessionState | None:
    session = room.classroom.view().session
    return session.state if session else None


async def test_a_class_from_the_desk(room: Room, desk: Desk) -> None:
    desk.send("/classroom/start", TOKEN, "Optics")
    await until(lambda: state(room) is SessionState.LIVE)
    assert room.session.title == "Optics"
    desk.send("/classroom/pause", TOKEN)
    await until(lambda: state(room) is SessionState.PAUSED)
    desk.send("/classroom/resume", TOKEN)
    await until(lambda: state(room) is SessionState.LIVE)
    desk.send("/classroom/layout", TOKEN, "slides")
    await until(lambda: room.session.layout == "slides")
    desk.send("/classroom/extend", TOKEN, 10)
    await until(lambda: room.session.planned_end)
    desk.send("/classroom/stop", TOKEN)
    await until(lambda: state(room) is SessionState.ENDED)
    entries = await room.classroom.journal_tail(20)
    assert {entry.door for entry in entries if entry.kind in {"start", "pause", "end"}} == {"osc"}


async def test_state_goes_to_subscribers(room: Room, desk: Desk, teacher: Actor) -> None:
    desk.send("/classroom/subscribe", TOKEN)
    await until(lambda: desk.says("/classroom/state") == [("free",)])
    await until(lambda: desk.says("/device/board/health"))
    await room.classroom.start_class(teacher)
    await until(lambda: desk.says("/classroom/state")[-1] == ("live",))
    await room.classroom.set_layout(teacher, "presenter")
    await until(lambda: ("presenter",) in desk.says("/classroom/layout"))
    desk.send("/classroom/unsubscribe", TOKEN)
    desk.send("/classroom/nonsense", TOKEN)
    await until(lambda: desk.says("/classroom/error"))
    await room.classroom.end_class(teacher, undo=False)
    desk.send("/classroom/nonsense", TOKEN)
    await until(lambda: len(desk.says("/classroom/error")) == 2)
    assert desk.says("/classroom/state")[-1] == ("live",)


async def test_device_commands_and_refusals_are_answered(room: Room, desk: Desk) -> None:
    desk.send("/device/board/levitate", TOKEN, 1)
    await until(lambda: desk.says("/classroom/error"))
    desk.send("/device/lamp/power", TOKEN, 1)
    await until(lambda: len(desk.says("/classroom/error")) == 2)
    assert [code for code, _ in desk.says("/classroom/error")] == [
        "unknown_command",
        "unknown_device",
    ]
    desk.send("/device/board/power", TOKEN, 1)
    await until(lambda: room.classroom.devices.state("board").desired.get("power") is True)


async def test_nobody_gets_in_without_the_token(room: Room, desk: Desk) -> None:
    for values in [(), ("wrong",), (1,), (TOKEN + "x",), (TOKEN.upper(),), (b"blob",)]:
        desk.send("/classroom/start", *values)
    desk.send("/classroom/nonsense", TOKEN)
    await until(lambda: desk.says("/classroom/error"))
    assert state(room) is None


async def test_nobody_gets_in_from_elsewhere(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OSC_TOKEN", TOKEN)
    section = OscSection(enabled=True, port=0, allow=["10.0.0.0/8"], token="env:OSC_TOKEN")
    door = OscDoor(room.classroom, section)
    await door.start()
    desk = Desk()
    await desk.connect(door.port)
    desk.send("/classroom/start", TOKEN)
    door._settings = section
    await until(lambda: door._refused == {"127.0.0.1"})
    assert state(room) is None
    desk.transport.close()
    await door.stop()


async def test_token_may_be_turned_off(room: Room) -> None:
    door = OscDoor(room.classroom, OscSection(enabled=True, port=0, token="off"))
    await door.start()
    desk = Desk()
    await desk.connect(door.port)
    desk.send("/classroom/start")
    await until(lambda: state(room) is SessionState.LIVE)
    desk.transport.close()
    await door.stop()


async def test_hostile_bytes_crash_nothing(room: Room, door: OscDoor, desk: Desk) -> None:
    @settings(
        max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
    )
    @given(
        st.binary(max_size=200)
        | st.binary(max_size=60).map(lambda data: b"#bundle\0" + data)
        | st.binary(max_size=60).map(lambda data: b"/classroom/start\0\0\0\0," + data)
    )
    def throw(data: bytes) -> None:
        door.datagram_received(data, ("127.0.0.1", 40000))

    throw()
    nested = b"#bundle\0" + bytes(8)
    for _ in range(400):
        nested = b"#bundle\0" + bytes(8) + len(nested).to_bytes(4, "big") + nested
    door.datagram_received(nested, ("127.0.0.1", 40000))
    door.datagram_received(b"/" * 60000, ("127.0.0.1", 40000))
    desk.send("/classroom/nonsense", TOKEN)
    await until(lambda: desk.says("/classroom/error"))
    assert state(room) is None


async def test_port_that_is_taken(room: Room) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        door = OscDoor(
            room.classroom, OscSection(enabled=True, port=taken.getsockname()[1], token="off")
        )
        with pytest.raises(OscError, match=r"Choose another \[osc\]"):
            await door.start()


async def test_token_that_cannot_be_found(room: Room) -> None:
    door = OscDoor(room.classroom, OscSection(enabled=True, port=0, token="env:NOT_SET_HERE"))
    with pytest.raises(SecretError, match="NOT_SET_HERE"):
        await door.start()
