"""A room that others can reach says that it is there; one that they can't is silent."""

from __future__ import annotations

import contextlib
from typing import Any, ClassVar

import pytest

from classroomd.announce import announce, reachable
from controller.settings import RoomConfig
from devices.discovery import mdns


@pytest.mark.parametrize(
    ("host", "others"),
    [("127.0.0.1", False), ("localhost", False), ("::1", False), ("0.0.0.0", True), ("room", True)],
)
def test_who_can_be_reached(host: str, others: bool) -> None:
    assert reachable(host) is others


class Announced:
    made: ClassVar[list[tuple[Any, ...]]] = []
    stopped = 0

    def __init__(self, *arguments: Any) -> None:
        Announced.made.append(arguments)

    async def start(self) -> None: ...

    async def stop(self) -> None:
        Announced.stopped += 1


async def test_announced_while_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mdns, "Announcement", Announced)
    room = {"id": "b12", "name": "B 12"}
    for server in ({"host": "127.0.0.1"}, {"host": "10.0.0.4", "announce": False}):
        config = RoomConfig.model_validate({"room": room, "server": server})
        async with contextlib.AsyncExitStack() as keep:
            await announce(config, "http://127.0.0.1:8080", keep)
    assert Announced.made == []
    config = RoomConfig.model_validate({"room": room, "server": {"host": "10.0.0.4"}})
    async with contextlib.AsyncExitStack() as keep:
        await announce(config, "http://10.0.0.4:9000", keep)
        [(name, port, told, own)] = Announced.made
        assert (name, port, own) == ("b12", 9000, ["10.0.0.4"])
        assert told["name"] == "B 12" and Announced.stopped == 0
    assert Announced.stopped == 1
