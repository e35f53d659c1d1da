"""PJLink class 2 tells its changes by UDP; what it tells is asked for at once, not believed."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import pytest

from devices.model import DeviceSpec, Health, Power
from devices.notices import NoticeBoard
from devices.rehearsal import Rehearsal, quick
from firmware_profiles.catalog import Catalog

SLOW = 3600.0


@pytest.fixture
def notice_port(free_port: int) -> int:
    return free_port


class Projector:
    def __init__(self, port: int, host: str) -> None:
        self.notice_port, self.host = port, host
        self.heard: list[bytes] = []

    def noticed(self, data: bytes) -> None:
        self.heard.append(data)


async def test_only_the_devices_own_address_counts(notice_port: int, until: Any) -> None:
    ours, other = Projector(notice_port, "127.0.0.1"), Projector(notice_port, "10.1.2.3")
    board = NoticeBoard(lambda: [ours, other], address="127.0.0.1")
    await board.start([notice_port])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.sendto(b"%2POWR=1\r", ("127.0.0.1", notice_port))
    await _met(lambda: ours.heard == [b"%2POWR=1\r"])
    assert other.heard == []
    board.close()


async def test_a_taken_port_is_left_to_its_owner(
    notice_port: int, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", notice_port))
        board = NoticeBoard(list, address="127.0.0.1")
        await board.start([notice_port])
        board.close()
        assert f"UDP port {notice_port} is taken" in caplog.text
        sock.settimeout(5)
        sock.sendto(b"still here", sock.getsockname())
        assert sock.recv(100) == b"still here"


async def test_a_notice_is_a_reason_to_ask() -> None:
    profile = Catalog().get("pjlink/class2")
    poll = profile.poll.model_copy(update={"every_s": SLOW, "standby_s": SLOW, "changing_s": SLOW})
    async with Rehearsal(quick(profile.model_copy(update={"poll": poll}))) as rig:
        await rig.until(lambda s: s.power is Power.OFF and s.health is Health.ONLINE)
        rig.device.preset("power", "on")  # someone at the projector
        rig.driver.noticed(b"%2POWR=1\r")
        await rig.until(lambda s: s.power is Power.ON, what="on")
        rig.driver.noticed(b"%2POWR=0\r")  # a lie: asked, it says that it is on
        rig.driver.noticed(b"\xff\x00rubbish")
        asked = rig.device.received.count("power?")
        await _met(lambda: rig.device.received.count("power?") > asked)
        assert rig.driver.state().power is Power.ON
        rig.driver.noticed(b"%2LKUP=00:11:22:33:44:55\r")
        assert any(t.text.startswith("notice: power=True") for t in rig.driver.traffic.entries())


async def test_from_the_simulated_projector_over_real_sockets(
    simulator: Callable[..., str], notice_port: int, manage: Any, until: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    profile = Catalog().get("pjlink/class2")
    notices = profile.notices
    assert notices is not None
    catalog = Catalog()
    slow = profile.poll.model_copy(update={"every_s": SLOW, "standby_s": SLOW})
    moved = notices.model_copy(update={"port": notice_port})
    catalog._profiles["pjlink/class2"] = profile.model_copy(update={"notices": moved, "poll": slow})
    address = simulator(
        "pjlink/class2", "--port", "0", "--option", "password=", "--state", "power=on",
        "--notify", f"127.0.0.1:{notice_port}",
    )  # fmt: skip
    spec = DeviceSpec(id="projector", profile="pjlink/class2", transport=address)
    manager = await manage(spec, catalog=catalog)
    await until(manager, "projector", lambda s: "input" in s.values)
    with socket.create_connection(("127.0.0.1", int(address.rsplit(":", 1)[1]))) as other:
        other.recv(100)
        other.sendall(b"%1INPT 32\r")
        assert other.recv(100) == b"%1INPT=OK\r"
        await until(manager, "projector", lambda s: s.values.get("input") == "hdmi2")


async def _met(condition: Callable[[], bool]) -> None:
    import asyncio

    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
