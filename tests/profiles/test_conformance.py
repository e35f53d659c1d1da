"""Every profile of the catalogue: documented exchanges, each command and query, each fault."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any

import pytest

from devices.golden import check
from devices.model import Health, Power
from devices.rehearsal import Rehearsal, quick, rehearse, samples
from devices.session_kinds import FAR_KINDS
from firmware_profiles.catalog import Catalog
from firmware_profiles.schema import Profile

CATALOG = Catalog()
NAMES = CATALOG.names()
FAULTS = ["split", "merge", "garbage", "nak", "busy", "late", "silent-warming", "flap", "power-cut"]


def _answers(profile: Profile) -> bool:
    """Does it answer anything at all?"""
    return any(c.access != "w" or c.replies for c in profile.commands.values()) and any(
        c.get is not None or c.ack is not None or profile.defaults.get or profile.defaults.ack
        for c in profile.commands.values()
    )


@pytest.mark.parametrize("name", NAMES)
def test_golden_exchanges_byte_for_byte(name: str) -> None:
    assert [str(error) for error in check(CATALOG.get(name))] == []


@pytest.mark.parametrize("name", NAMES)
def test_verified_profiles_carry_golden_exchanges(name: str) -> None:
    profile = CATALOG.get(name)
    goldens = [g for e in profile.evidence if e.status != "unverified" for g in e.golden]
    claimed = any(e.status == "verified" for e in profile.evidence)
    assert goldens or not claimed, "a verified profile shows at least one exchange of its document"


@pytest.mark.parametrize("name", NAMES)
async def test_every_command_and_query(name: str) -> None:
    assert [problem async for problem in rehearse(CATALOG.get(name))] == []


def _one_setting(profile: Profile) -> str | None:
    for name, command in profile.commands.items():
        if name == "power" or command.access != "rw" or not command.idempotent or command.stop:
            continue
        return name
    return None


@pytest.mark.parametrize("name", NAMES)
async def test_comes_through_every_fault(name: str) -> None:
    """All at once, because they mostly wait."""
    profile = quick(CATALOG.get(name))
    if not _answers(profile):
        pytest.skip("it answers nothing, so answers can't be damaged")
    results = await asyncio.gather(
        *(_comes_through(profile, fault) for fault in FAULTS), return_exceptions=True
    )
    failed = {fault: repr(result) for fault, result in zip(FAULTS, results, strict=True) if result}
    assert failed == {}


async def _comes_through(profile: Profile, fault: str) -> None:
    async with Rehearsal(profile, faults=[fault]) as rig:
        setting = _one_setting(profile)
        if "power" in rig.driver.codec.commands:
            await rig.driver.send("power", True, timeout=3)
        if setting is not None:
            command = rig.driver.codec.commands[setting]
            for value in samples(command)[:2]:
                result = await rig.driver.send(setting, value, timeout=1)
                assert result.outcome in ("confirmed", "queued", "refused", "failed")
        rig.device.faults.clear()
        await rig.until(lambda s: s.health is Health.ONLINE, what="online again")
        await rig.switched_on()
        if setting is not None:
            value = samples(rig.driver.codec.commands[setting])[-1]
            await rig.driver.send(setting, value, timeout=10)
            command = rig.driver.codec.commands[setting]
            wanted = command.from_wire(command.to_wire(value))
            await rig.until(lambda s: s.values.get(setting) == wanted, what=f"{setting}={value}")


async def test_a_device_that_never_answers_is_offline_and_raises_nothing() -> None:
    profiles = [quick(CATALOG.get(name)) for name in NAMES]
    await _all(_never_answered(profile) for profile in profiles if _answers(profile))


async def _never_answered(profile: Profile) -> None:
    async with Rehearsal(profile, faults=["silent"]) as rig:
        answered = [c for c in rig.driver.codec.commands.values() if c.setter and c.acks]
        for command in answered[:1]:
            result = await rig.driver.send(command.name, samples(command)[0], timeout=1.5)
            assert result.outcome in ("queued", "failed")
        await rig.until(lambda s: s.health is not Health.ONLINE, what="not online")


async def test_every_transport_that_a_profile_names() -> None:
    profiles = [quick(CATALOG.get(name)) for name in NAMES]
    await _all(
        _spoken(profile, way)
        for profile in profiles
        for way in profile.transports.ways()
        if profile.session_for(way).kind in FAR_KINDS
    )


async def _spoken(profile: Profile, way: str) -> None:
    async with Rehearsal(profile, way=way) as rig:
        state = await rig.switched_on()
        assert state.power in (Power.ON, Power.UNKNOWN)


async def _all(jobs: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Run them eight at a time, since they mostly wait, and show every failure."""
    slots = asyncio.Semaphore(8)

    async def one(job: Coroutine[Any, Any, None]) -> None:
        async with slots:
            await job

    results = await asyncio.gather(*(one(job) for job in jobs), return_exceptions=True)
    assert [repr(result) for result in results if result is not None] == []
