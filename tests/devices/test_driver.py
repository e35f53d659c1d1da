"""What the driver core does once for all devices: order, waiting, stopping, late answers."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest

from devices.model import DeviceState, Health, Power
from devices.rehearsal import Rehearsal, quick
from firmware_profiles.catalog import Catalog
from firmware_profiles.loader import parse
from firmware_profiles.schema import Profile

CATALOG = Catalog()
MDC = quick(CATALOG.get("samsung/mdc"))
PJLINK = quick(CATALOG.get("pjlink/class1"))
VISCA = quick(CATALOG.get("visca/raw"))


def _changed(profile: Profile, **tables: dict[str, object]) -> Profile:
    return profile.model_copy(
        update={name: getattr(profile, name).model_copy(update=new) for name, new in tables.items()}
    )


async def test_power_goes_through_warming_and_queues_what_comes_too_early() -> None:
    async with Rehearsal(PJLINK, scale=40) as rig:
        await rig.until(lambda s: s.power is Power.OFF)
        result = await rig.driver.send("power", True)
        assert result.outcome == "confirmed" and result.first_byte_ms is not None
        state = rig.driver.state()
        assert state.power is Power.WARMING and state.warm_s is not None
        result = await rig.driver.send("input", "hdmi2")
        assert result.outcome == "queued" and "warming" in result.detail
        assert rig.driver.state().desired == {"input": "hdmi2"}
        state = await rig.until(lambda s: s.values.get("input") == "hdmi2")
        assert state.power is Power.ON and state.desired == {}
        powers = [s.power for s in rig.states]
        assert powers.index(Power.OFF) < powers.index(Power.WARMING) < powers.index(Power.ON)
        assert Power.OFF not in powers[powers.index(Power.WARMING) :]


async def test_off_while_warming_waits_for_on_and_then_cools() -> None:
    async with Rehearsal(PJLINK, scale=40) as rig:
        await rig.until(lambda s: s.power is Power.OFF)
        await rig.driver.send("power", True)
        result = await rig.driver.send("power", False)
        assert result.outcome == "queued"
        await rig.until(lambda s: s.power is Power.COOLING, what="cooling")
        assert (await rig.driver.send("power", True)).outcome == "queued"
        await rig.until(lambda s: s.power is Power.ON, what="on again")


async def test_a_newer_command_replaces_the_waiting_one() -> None:
    profile = _changed(MDC, timing={"gap_ms": 40.0})
    async with Rehearsal(profile) as rig:
        await rig.switched_on()
        results = await asyncio.gather(
            *(rig.driver.send("volume", level) for level in (10, 20, 30, 40, 50))
        )
        outcomes = [result.outcome for result in results]
        assert outcomes[-1] == "confirmed"
        assert outcomes.count("replaced") >= 3
        assert rig.device.values["volume"] == 50


async def test_stop_goes_before_everything_and_ends_the_wait() -> None:
    commands = dict(VISCA.commands)
    commands["pan_tilt"] = commands["pan_tilt"].model_copy(update={"timeout_s": 360_000.0})
    profile = _changed(VISCA, timing={"gap_ms": 30.0, "timeout_s": 5.0})
    async with Rehearsal(profile.model_copy(update={"commands": commands})) as rig:
        await rig.switched_on()
        rig.device.faults._periods["silent"] = 1
        moving = asyncio.create_task(rig.driver.send("pan_tilt", "left,24"))
        others = [
            asyncio.create_task(rig.driver.send("preset_recall", n, timeout=1)) for n in range(5)
        ]
        while "pan_tilt" not in rig.device.received:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        rig.device.faults.clear()
        result = await rig.driver.send("pan_tilt", "stop")
        assert result.outcome == "confirmed"  # of what was asked before, no answer was waited for
        assert (await moving).outcome == "replaced"
        after = rig.device.received[rig.device.received.index("pan_tilt") + 1 :]
        assert after[0] == "pan_tilt"
        await asyncio.gather(*others)


async def test_a_forgotten_movement_is_stopped() -> None:
    commands = dict(VISCA.commands)
    commands["pan_tilt"] = commands["pan_tilt"].model_copy(update={"deadman_s": 0.2})
    async with Rehearsal(VISCA.model_copy(update={"commands": commands})) as rig:
        await rig.switched_on()
        await rig.driver.send("pan_tilt", "left")
        await _device_has(rig, "pan_tilt", "stop")


async def test_a_stop_that_could_not_be_sent_is_the_first_thing_after_reconnecting() -> None:
    async with Rehearsal(VISCA) as rig:
        await rig.switched_on()
        await rig.driver.send("zoom", "tele")
        rig.link.cut()
        rig.device.received.clear()
        result = await rig.driver.send("zoom", "stop", timeout=0.01)
        assert result.outcome in ("queued", "confirmed")
        await _device_has(rig, "zoom", "stop")
        assert rig.device.received[0] == "zoom"


async def test_a_late_answer_is_not_taken_for_the_next_one() -> None:
    """VISCA's answers don't say what they answer, so a late one could be anything."""
    async with Rehearsal(VISCA, faults=["late=3"]) as rig:
        rig.device.preset("power", "on")
        rig.device.preset("focus_mode", "manual")
        rig.device.preset("zoom_position", 100)
        await rig.until(lambda s: {"focus_mode", "zoom_position", "position"} <= s.values.keys())
        assert all(state.power is not Power.OFF for state in rig.states)
        wrong = [s.values for s in rig.states if s.values.get("focus_mode", "manual") != "manual"]
        assert wrong == []
        assert any("late" in entry.text for entry in rig.driver.traffic.entries())


async def test_what_was_asked_while_offline_is_done_on_return() -> None:
    async with Rehearsal(MDC) as rig:
        await rig.switched_on()
        rig.device.faults._periods["silent"] = 1
        rig.link.cut("cable pulled")
        await rig.until(lambda s: s.health is Health.OFFLINE)
        results = await asyncio.gather(
            rig.driver.send("volume", 33, timeout=0.2),
            rig.driver.send("input", "ops", timeout=0.2),
        )
        assert [r.outcome for r in results] == ["queued", "queued"]
        assert rig.driver.state().desired == {"volume": 33, "input": "ops"}
        rig.device.faults.clear()
        state = await rig.until(lambda s: not s.desired)
        assert (state.values["volume"], state.values["input"]) == (33, "ops")


async def test_someone_at_the_device_is_not_fought() -> None:
    async with Rehearsal(MDC) as rig:
        await rig.switched_on()
        await rig.driver.send("volume", 20)
        rig.device.preset("volume", 60)
        await rig.until(lambda s: s.values["volume"] == 60)
        await asyncio.sleep(0.5)
        assert rig.device.values["volume"] == 60


async def test_a_device_silent_in_standby_is_not_called_offline() -> None:
    profile = _changed(MDC, power={"standby": "silent"})
    async with Rehearsal(profile) as rig:
        await rig.switched_on()
        await rig.driver.send("power", False)
        await rig.until(lambda s: s.power is Power.OFF)
        await asyncio.sleep(1.0)
        assert rig.driver.state().health is Health.ONLINE
        await rig.switched_on()


async def test_a_device_that_hangs_up_in_standby_is_reached_again() -> None:
    profile = _changed(MDC, power={"standby": "disconnected"})
    async with Rehearsal(profile) as rig:
        rig.device.preset("power", "on")
        await rig.switched_on()
        await rig.driver.send("power", False)
        await rig.until(lambda s: s.power is Power.OFF)
        rig.link.cut("the display closed the connection")
        await rig.until(lambda s: "standby" in s.detail)
        assert rig.driver.state().health is Health.ONLINE
        rig.device.preset("power", "on")  # woken by its network card
        await rig.until(lambda s: s.power is Power.ON)


async def test_a_query_that_the_device_does_not_know_is_dropped() -> None:
    profile = _changed(PJLINK, poll={"every_s": 1.0})
    async with Rehearsal(profile) as rig:
        rig.device.unsupported.add("faults")
        rig.device.preset("power", "on")
        await _asked(rig, "input?", 5)
        assert rig.device.received.count("faults?") == 1


async def test_a_query_that_is_never_answered_is_dropped_when_others_are() -> None:
    profile = _changed(
        MDC, simulator={"refuse": "silent"}, poll={"every_s": 1.0}, timing={"late_s": 0.05}
    )
    async with Rehearsal(profile) as rig:
        rig.device.unsupported.add("mute")
        rig.device.preset("power", "on")
        await _asked(rig, "volume?", 9)
        assert rig.device.received.count("mute?") <= 4
        await rig.until(lambda s: s.health is Health.ONLINE)


async def _asked(rig: Rehearsal, what: str, times: int) -> None:
    async with asyncio.timeout(30):
        while rig.device.received.count(what) < times:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_a_listener_that_fails_does_no_harm() -> None:
    async with Rehearsal(MDC) as rig:

        def fail(state: DeviceState) -> None:
            raise RuntimeError("a page is broken")

        rig.driver._knowledge._on_state = fail
        await rig.switched_on()


async def test_dialect_by_what_the_device_says_it_is(tmp_path: Path) -> None:
    (tmp_path / "family.toml").write_text(
        """extends = "samsung/mdc"
title = "Family"
vendor = "Samsung"
kind = "display"
[[dialects]]
name = "loud"
model = "^QB"
[dialects.change.commands.volume]
range = [0, 50]
[[evidence]]
document = "none"
status = "unverified"
"""
    )
    catalog = Catalog([tmp_path])
    async with Rehearsal(quick(catalog.get("family"))) as rig:
        rig.driver._catalog = catalog
        rig.device.values["model"] = "QB65"
        rig.device.preset("power", "on")
        await rig.until(lambda s: any(c.name == "volume" and c.maximum == 50 for c in s.commands))
        await rig.switched_on()
        assert (await rig.driver.send("volume", 70)).outcome == "refused"


@pytest.mark.parametrize("profile", [MDC, VISCA], ids=["mdc", "visca"])
async def test_stopping_tells_those_who_wait(profile: Profile) -> None:
    rig = Rehearsal(profile, faults=["silent"])
    await rig.driver.start()
    waiting = asyncio.create_task(rig.driver.send("power", True))
    await asyncio.sleep(0.1)
    await rig.driver.stop()
    assert (await waiting).outcome in ("failed", "queued")
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def _device_has(rig: Rehearsal, state: str, value: object) -> None:
    async with asyncio.timeout(20):
        while rig.device.values.get(state) != value:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_a_projector_that_hangs_up_when_idle_is_asked_in_time() -> None:
    """Otherwise the connection would be lost in standby every half minute."""
    profile = _changed(PJLINK, poll={"standby_s": 3000.0})
    async with Rehearsal(profile, scale=200) as rig:
        await rig.until(lambda s: s.power is Power.OFF)
        await _asked(rig, "power?", 3)


async def test_a_lost_connection_that_comes_back_at_once_is_not_called_offline() -> None:
    async with Rehearsal(MDC) as rig:
        await rig.switched_on()
        rig.states.clear()
        rig.link.cut()
        await rig.until(lambda s: s.health is Health.DEGRADED, what="degraded")
        await rig.until(lambda s: s.health is Health.ONLINE, what="online")
        assert Health.OFFLINE not in [state.health for state in rig.states]


@pytest.mark.parametrize("name", CATALOG.names())
async def test_noise_from_the_wire_does_no_harm(name: str) -> None:
    """Bytes of every kind, mostly near misses of real answers, at any moment."""
    profile = quick(CATALOG.get(name))
    dice = random.Random(name)
    async with Rehearsal(profile) as rig:
        await rig.switched_on()
        answers = [
            bytes.fromhex(entry.data.replace(" ", ""))
            for entry in rig.driver.traffic.entries()
            if entry.direction == "in" and entry.data
        ] or [b"\xff"]
        for _ in range(60):
            noise = bytearray(dice.choice(answers) * dice.randrange(1, 3))
            for _ in range(dice.randrange(1, 4)):
                noise[dice.randrange(len(noise))] = dice.randrange(256)
            rig.link.on_data(bytes(noise))
            rig.link.on_data(dice.randbytes(dice.randrange(1, 40)))
            await asyncio.sleep(0)
        await rig.until(lambda s: s.health is Health.ONLINE, what="online")
        assert not [task for task in rig.driver._tasks if task.done()]


SCREEN = """title = "Motorised screen"
vendor = "Test"
kind = "screen"
[transports]
serial = { baud = 2400 }
[frame]
encoding = "hex"
tx = { fixed = 5 }
[commands.screen]
set = "FF EE EE EE {value}"
access = "w"
values = { up = "DD", stop = "CC", down = "EE" }
stop = "stop"
deadman_s = 3600
travel_s = 30
replies = false
[[evidence]]
document = "none"
status = "unverified"
"""


async def test_a_screen_that_answers_nothing_travels_by_time() -> None:
    profile = parse(SCREEN, file="screen.toml", name="screen")
    async with Rehearsal(profile, scale=40) as rig:
        await rig.until(lambda s: s.health is Health.ONLINE)
        assert (await rig.driver.send("screen", "down")).outcome == "confirmed"
        assert rig.driver.state().values["screen"] == "moving"
        await rig.until(lambda s: s.values["screen"] == "down")
        await rig.driver.send("screen", "up")
        await rig.driver.send("screen", "stop")
        await asyncio.sleep(1)
        assert rig.driver.state().values["screen"] == "stop"
