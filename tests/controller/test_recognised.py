"""Devices of profile "auto": what they turn out to be is journalled; what isn't raises an alarm."""

from __future__ import annotations

import socket
from typing import Any

from controller.recognised import Recognised
from devices.model import DeviceSpec, DeviceState, Health

from .conftest import until


async def test_journalled_and_alarmed(open_room: Any, simulate: Any) -> None:
    address = await simulate("pjlink/class2", "--port", "0", "--option", "password=")
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        dead = f"tcp://127.0.0.1:{sock.getsockname()[1]}"
    room = await open_room(
        devices=[
            {"id": "projector", "profile": "auto", "transport": address},
            {"id": "lost", "profile": "auto", "transport": dead},
        ]
    )
    await until(lambda: room.classroom.view().devices[0].profile == "pjlink/class2")
    await until(lambda: room.alarm("device.lost"))
    assert "is not recognised" in room.alarm("device.lost").text

    async def entries() -> list[Any]:
        tail = await room.classroom.journal_tail(20)
        return [entry for entry in tail if entry.kind == "device_recognised"]

    found: list[Any] = []
    await until(lambda: room.classroom.view().devices[0].health is Health.ONLINE)
    while not found:
        found = await entries()
    assert [(e.data["device"], e.data["profile"]) for e in found] == [
        ("projector", "pjlink/class2")
    ]


def test_each_finding_once() -> None:
    told: list[dict[str, Any]] = []
    spec = DeviceSpec(id="a", profile="auto", transport="tcp://x")
    named = DeviceSpec(id="b", profile="samsung/mdc", transport="tcp://x")
    recognised = Recognised([spec, named], told.append)
    state = DeviceState(id="a", name="A", kind="display", profile="auto")
    recognised.device_changed(state)
    online = state.model_copy(update={"profile": "lg/signage", "health": Health.ONLINE})
    for _ in range(2):
        recognised.device_changed(online)
    recognised.device_changed(online.model_copy(update={"id": "b"}))
    recognised.device_changed(online.model_copy(update={"dialect": "old"}))
    assert [(t["profile"], t["dialect"]) for t in told] == [
        ("lg/signage", None), ("lg/signage", "old")
    ]  # fmt: skip
