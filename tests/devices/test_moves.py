"""Press-and-hold: whatever goes wrong on the wire, a camera that was let go stands still."""

from __future__ import annotations

import asyncio

import pytest

from devices.clock import Clock
from devices.model import Power
from devices.rehearsal import Rehearsal, quick
from devices.simulated import SimulatedDevice
from firmware_profiles.catalog import Catalog
from firmware_profiles.schema import Profile

CATALOG = Catalog()
CAMERAS = [name for name in CATALOG.names() if "pan_tilt" in CATALOG.get(name).commands]
FAULTS = ["late=2", "flap=4", "busy=2", "nak=3", "split", "garbage", "power-cut=6"]


def _profile(name: str, deadman_s: float) -> Profile:
    profile = quick(CATALOG.get(name))
    commands = dict(profile.commands)
    for key in ("pan_tilt", "zoom"):
        if key in commands:
            commands[key] = commands[key].model_copy(update={"deadman_s": deadman_s})
    return profile.model_copy(update={"commands": commands})


def test_every_camera_family_is_here() -> None:
    assert {"visca/raw", "visca/sony-ip", "pelco/d", "onvif/ptz"} <= set(CAMERAS)


@pytest.mark.parametrize("name", CAMERAS)
async def test_let_go_it_stands_still_through_every_fault(name: str) -> None:
    await asyncio.gather(*(_let_go(_profile(name, 3600.0), fault) for fault in FAULTS))


async def _let_go(profile: Profile, fault: str) -> None:
    async with Rehearsal(profile, faults=[fault]) as rig:
        rig.device.preset("power", "on") if "power" in rig.driver.codec.commands else None
        for direction in ("left", "up"):
            await rig.driver.send("pan_tilt", direction, timeout=1)
            await rig.driver.send("pan_tilt", "stop", timeout=1)
        await _stands(rig, fault)


@pytest.mark.parametrize("name", CAMERAS)
async def test_a_hand_that_vanishes_lets_go(name: str) -> None:
    """The page's connection is gone: nobody says stop."""
    async with Rehearsal(_profile(name, 0.3)) as rig:
        if "power" in rig.driver.codec.commands:
            await rig.switched_on()
        await rig.driver.send("pan_tilt", "left")
        await rig.driver.send("zoom", "tele")
        await _stands(rig, "a vanished hand")


@pytest.mark.parametrize("name", CAMERAS)
async def test_a_link_that_is_cut_while_it_moves(name: str) -> None:
    async with Rehearsal(_profile(name, 0.3)) as rig:
        if "power" in rig.driver.codec.commands:
            await rig.switched_on()
        await rig.driver.send("pan_tilt", "left")
        rig.link.cut("the cable")
        rig.device.received.clear()
        await _stands(rig, "a cut cable")
        moves = [name for name in rig.device.received if name in ("pan_tilt", "zoom")]
        assert moves[0] == "pan_tilt"


async def _stands(rig: Rehearsal, why: str) -> None:
    one_stop = rig.driver.profile.name == "pelco/d"  # its stop is the same frame for all axes
    moving = ("pan_tilt",) if one_stop else ("pan_tilt", "zoom")
    try:
        async with asyncio.timeout(60):
            while any(rig.device.values.get(axis, "stop") != "stop" for axis in moving):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(f"{why}: it still moves: {rig.device.values}") from None


@pytest.mark.parametrize("name", CAMERAS)
async def test_a_camera_stands_at_its_preset_until_it_is_moved(name: str) -> None:
    async with Rehearsal(_profile(name, 3600.0)) as rig:
        if "power" in rig.driver.codec.commands:
            await rig.switched_on()
        commands = rig.driver.codec.commands
        moves = [("pan_tilt", "left"), ("zoom", "tele"), ("home", None), ("position", "0")]
        for command, value in moves:
            if command not in commands:
                continue
            for number in (2, 3):
                assert (await rig.driver.send("preset_recall", number)).outcome == "confirmed"
                assert rig.driver.state().values["preset"] == number
            await rig.driver.send("pan_tilt", "stop")
            assert rig.driver.state().values["preset"] == 3
            assert (await rig.driver.send(command, value)).outcome == "confirmed"
            assert "preset" not in rig.driver.state().values


async def test_a_preset_that_is_not_answered_is_not_taken_for_reached() -> None:
    async with Rehearsal(_profile("visca/raw", 3600.0)) as rig:
        await rig.switched_on()
        await rig.driver.send("preset_recall", 2)
        rig.device.faults._periods["silent"] = 1
        result = await rig.driver.send("preset_recall", 3, timeout=1)
        assert result.outcome == "queued"
        assert "preset" not in rig.driver.state().values
        rig.device.faults.clear()
        await rig.until(lambda s: s.values.get("preset") == 3)


async def test_a_camera_that_was_off_stands_at_no_preset() -> None:
    async with Rehearsal(_profile("visca/raw", 3600.0)) as rig:
        await rig.switched_on()
        await rig.driver.send("preset_recall", 2)
        await rig.driver.send("power", False)
        await rig.until(lambda s: s.power is Power.OFF)
        assert "preset" not in rig.driver.state().values
        await rig.switched_on()
        assert "preset" not in rig.driver.state().values


class ByHand(Clock):
    """A clock that is set."""

    t = 0.0

    def now(self) -> float:
        return self.t


def test_a_moving_camera_tells_where_it_is_now() -> None:
    """VISCA byte for byte: 20 steps a second and speed, two's complement in four nibbles."""
    clock = ByHand()
    camera = SimulatedDevice(Catalog().get("visca/raw"), clock=clock)
    camera.preset("power", "on")

    def said(asked: str) -> str:
        return camera.receive(bytes.fromhex(asked)).bodies[-1].hex(" ").upper()

    assert said("81 01 06 01 05 02 01 01") == "90 51"  # left at 5, up at 2
    clock.t += 2
    assert said("81 09 06 12") == "90 50 0F 0F 03 08 00 00 05 00"  # -200, 80
    clock.t += 1
    assert said("81 01 06 01 05 02 03 03") == "90 51"
    clock.t += 9
    assert said("81 09 06 12") == "90 50 0F 0E 0D 04 00 00 07 08"  # stopped at -300, 120
    assert said("81 01 04 3F 01 04") == "90 51"
    said("81 01 06 04")
    clock.t += 0.5
    assert said("81 09 06 12") == "90 50 0F 0F 04 0C 00 00 00 00"  # -180 on its way home
    said("81 01 04 3F 02 04")
    clock.t += 60
    assert said("81 09 06 12") == "90 50 0F 0E 0D 04 00 00 07 08"
    said("81 01 06 01 18 01 02 02")  # right at 24, down at 1: to the ends
    clock.t += 600
    assert said("81 09 06 12") == "90 50 00 09 09 00 0F 0E 05 00"  # 2448, -432
    said("81 01 04 07 21")  # nearer, at 1: 10 of 100 a second
    clock.t += 5
    assert said("81 09 04 47") == "90 50 02 00 00 00"


async def test_a_state_is_read_when_it_is_asked_for() -> None:
    async with Rehearsal(Catalog().get("visca/raw")) as rig:
        await rig.switched_on()
        rig.device.preset("position", -300)
        rig.device.preset("tilt_position", 120)
        assert await rig.driver.read("position", timeout=5) == -300
        assert await rig.driver.read("tilt_position", timeout=5) == 120
        assert await rig.driver.read("home", timeout=5) is None
        assert await rig.driver.read("no_such", timeout=5) is None
        rig.device.faults._periods["silent"] = 1
        assert await rig.driver.read("position", timeout=0.1) is None
