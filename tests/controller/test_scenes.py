"""Scenes: order, parallelism, warm-up, failures by name. Devices are stand-ins here."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from controller import scenes
from controller.runner import SceneRunner
from controller.scenes import SceneRun, order
from controller.settings import Scene
from controller.state import StepResult
from devices.model import CommandResult, DeviceState, Health, Power, Value

from .conftest import until


class Bench:
    """Devices that do as the test says; each command waits for its `go`."""

    def __init__(self, *devices: str) -> None:
        self.known = {
            name: DeviceState(
                id=name, name=name.title(), kind="display", profile="x", health=Health.ONLINE
            )
            for name in devices
        }
        self.sent: list[str] = []
        self.outcomes: dict[str, dict[str, Any]] = {}
        self.holds: dict[str, asyncio.Event] = {}

    def states(self) -> list[DeviceState]:
        return list(self.known.values())

    async def send(self, device: str, command: str, value: Value = None) -> CommandResult:
        if device not in self.known:
            raise KeyError(device)
        key = f"{device}.{command}"
        self.sent.append(key)
        if key in self.holds:
            await self.holds[key].wait()
        result = {"outcome": "confirmed"} | self.outcomes.get(key, {})
        return CommandResult(device=device, command=command, value=value, **result)

    def is_now(self, device: str, **fields: Any) -> DeviceState:
        self.known[device] = self.known[device].model_copy(update=fields)
        return self.known[device]


def scene(*steps: dict[str, Any]) -> Scene:
    return Scene.model_validate({"id": "start", "steps": list(steps)})


def run_of(bench: Bench, told: list[tuple[int, str]], *steps: dict[str, Any]) -> SceneRun:
    def on_step(at: int, step: StepResult) -> None:
        told.append((at, step.state))

    return SceneRun(scene(*steps), bench, on_step)


async def sent(bench: Bench, *keys: str) -> None:
    await until(lambda: set(keys) <= set(bench.sent))


ON = {"command": "power", "value": True}


async def test_devices_side_by_side_and_one_device_in_order() -> None:
    bench = Bench("a", "b")
    bench.holds["a.power"] = asyncio.Event()
    run = run_of(
        bench, [], {"device": "a", **ON}, {"device": "a", "command": "input"}, {"device": "b", **ON}
    )
    running = asyncio.create_task(run.run())
    await sent(bench, "a.power", "b.power")
    assert "a.input" not in bench.sent
    bench.is_now("a", power=Power.ON)
    bench.holds["a.power"].set()
    steps = await running
    assert bench.sent[-1] == "a.input"
    assert [step.state for step in steps] == ["confirmed"] * 3


async def test_after_waits_for_other_devices() -> None:
    bench = Bench("rack", "a", "b")
    bench.holds["rack.relay"] = asyncio.Event()
    run = run_of(
        bench,
        [],
        {"device": "a", "command": "mute", "after": ["mains"]},
        {"device": "b", "command": "mute", "after": ["rack"]},
        {"device": "rack", "command": "relay", "id": "mains"},
    )
    running = asyncio.create_task(run.run())
    await sent(bench, "rack.relay")
    assert bench.sent == ["rack.relay"]
    bench.holds["rack.relay"].set()
    await running
    assert sorted(bench.sent) == ["a.mute", "b.mute", "rack.relay"]


async def test_failed_step_is_named_and_stops_only_what_waits_for_it() -> None:
    bench = Bench("a", "b")
    bench.outcomes["a.power"] = {"outcome": "refused", "detail": "lamp cover is open"}
    run = run_of(
        bench,
        [],
        {"device": "a", **ON},
        {"device": "a", "command": "input"},
        {"device": "b", **ON, "after": ["a.power"]},
        {"device": "b", "command": "mute", "id": "free"},
    )
    steps = await run.run()
    assert [step.state for step in steps] == ["failed", "confirmed", "failed", "confirmed"]
    assert steps[0].detail == "lamp cover is open"
    assert "A" in steps[0].remedy
    assert "A power failed" in steps[2].detail
    assert "b.power" not in bench.sent


async def test_power_is_confirmed_when_it_is_on_and_not_when_it_is_understood() -> None:
    bench = Bench("a")
    told: list[tuple[int, str]] = []
    run = run_of(bench, told, {"device": "a", **ON})
    bench.is_now("a", power=Power.WARMING, warm_s=40.0)
    await run.run()
    assert run.steps[0].state == "queued"
    assert run.steps[0].detail == "warming up, 40 s"
    run.device_changed(bench.is_now("a", warm_s=12.0))
    assert run.steps[0].detail == "warming up, 12 s"
    following = asyncio.create_task(run.follow())
    run.device_changed(bench.is_now("a", power=Power.ON, warm_s=None))
    await following
    assert run.steps[0].state == "confirmed"
    assert [state for _, state in told] == ["running", "queued", "queued", "confirmed"]


async def test_queued_input_is_confirmed_by_the_device() -> None:
    bench = Bench("a")
    bench.outcomes["a.input"] = {"outcome": "queued", "detail": "warming; sent when it is on"}
    run = run_of(bench, [], {"device": "a", "command": "input", "value": "hdmi1"})
    await run.run()
    assert run.steps[0].state == "queued"
    run.device_changed(bench.is_now("a", values={"input": "vga"}, desired={"input": "hdmi1"}))
    assert run.steps[0].state == "queued"
    run.device_changed(bench.is_now("a", values={"input": "hdmi1"}, desired={}))
    assert run.steps[0].state == "confirmed"


async def test_absent_device_fails_and_is_confirmed_when_it_comes_back() -> None:
    bench = Bench("a")
    bench.is_now("a", health=Health.OFFLINE)
    bench.outcomes["a.power"] = {"outcome": "queued", "detail": "no answer"}
    run = run_of(bench, [], {"device": "a", **ON})
    await run.run()
    assert run.steps[0].state == "failed"
    assert "told as soon as it does" in run.steps[0].detail
    assert "power" in run.steps[0].remedy
    run.device_changed(bench.is_now("a", health=Health.ONLINE, power=Power.ON))
    assert run.steps[0].state == "confirmed"


async def test_step_that_is_never_confirmed_fails_in_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(scenes, "CONFIRM_S", 0.01)
    bench = Bench("a")
    bench.outcomes["a.power"] = {"outcome": "queued"}
    run = run_of(bench, [], {"device": "a", **ON})
    await run.run()
    await run.follow()
    assert run.steps[0].state == "failed"
    assert run.steps[0].remedy


async def test_unknown_device_does_not_break_the_scene() -> None:
    bench = Bench("a")
    run = run_of(bench, [], {"device": "gone", **ON}, {"device": "a", "command": "mute"})
    steps = await run.run()
    assert [step.state for step in steps] == ["failed", "confirmed"]


def test_circles_are_seen() -> None:
    first = {"device": "a", "command": "x", "after": ["b"]}
    second = {"device": "b", "command": "y", "after": ["a.x"]}
    assert order(scene(first, second)) is None
    assert order(scene(first, {"device": "b", "command": "y"})) == [{1}, set()]


@pytest.fixture
def recorded() -> tuple[list[str], Callable[..., Any]]:
    log: list[str] = []

    async def save(session: str, scene: str, steps: dict[int, StepResult]) -> None:
        await asyncio.sleep(0)
        log.extend(f"saved {at} {step.state}" for at, step in steps.items())

    return log, save


async def test_steps_are_saved_before_they_are_told(
    recorded: tuple[list[str], Callable[..., Any]],
) -> None:
    log, save = recorded
    bench = Bench("a", "b")
    runner = SceneRunner(bench, save, lambda step: log.append(f"told {step.state}"))
    steps = await runner.run(
        scene({"device": "a", "command": "mute"}, {"device": "b", "command": "mute"}), "s"
    )
    assert [step.state for step in steps] == ["confirmed", "confirmed"]
    await until(lambda: log.count("told confirmed") == 2)
    for state in ("waiting", "confirmed"):
        if f"told {state}" in log:
            assert log.index(f"saved 0 {state}") < log.index(f"told {state}")
    await runner.stop()


async def test_newer_scene_takes_the_place_of_the_one_under_way(
    recorded: tuple[list[str], Callable[..., Any]],
) -> None:
    _, save = recorded
    bench = Bench("a")
    bench.holds["a.power"] = asyncio.Event()
    runner = SceneRunner(bench, save, lambda _: None)
    first = asyncio.create_task(
        runner.run(scene({"device": "a", **ON}, {"device": "a", "command": "input"}), "s")
    )
    await sent(bench, "a.power")
    await runner.run(scene({"device": "a", "command": "mute"}), "s")
    assert [step.state for step in await first] == ["running", "waiting"]
    assert "a.input" not in bench.sent
    await runner.stop()
