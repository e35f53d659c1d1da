"""Scenes: ordered steps over devices, run in parallel where nothing says otherwise.

The order is worked out from the steps alone (`order`, which the configuration check uses too).
A step is `confirmed` when its device confirms, `queued` while the device warms up, `failed` with
what to do. A scene never holds up the recording: nobody but the panel waits for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Protocol

from controller.settings import Scene, SceneStep
from controller.state import StepResult
from devices.model import CommandResult, DeviceState, Health, Power, Value

CONFIRM_S = 300.0


class DevicePort(Protocol):
    """What a scene needs of the device manager."""

    def states(self) -> list[DeviceState]: ...

    async def send(self, device: str, command: str, value: Value = None) -> CommandResult: ...


def step_names(scene: Scene) -> dict[str, set[int]]:
    """What `after` may name: step ids, `device.command` and devices, with the steps they mean."""
    names: dict[str, set[int]] = {}
    for at, step in enumerate(scene.steps):
        for name in (step.id, f"{step.device}.{step.command}", step.device):
            if name:
                names.setdefault(name, set()).add(at)
    return names


def order(scene: Scene) -> list[set[int]] | None:
    """For each step the steps it waits for; None when they wait for each other in a circle."""
    names = step_names(scene)
    needs: list[set[int]] = []
    last: dict[str, int] = {}
    for at, step in enumerate(scene.steps):
        need = {other for name in step.after for other in names.get(name, set())} - {at}
        if step.device in last:
            need.add(last[step.device])
        last[step.device] = at
        needs.append(need)
    done: set[int] = set()
    while len(done) < len(needs):
        ready = {at for at, need in enumerate(needs) if at not in done and need <= done}
        if not ready:
            return None
        done |= ready
    return needs


def waiting(scene: Scene) -> list[StepResult]:
    """The steps before anything is done."""
    return [
        StepResult(device=step.device, command=step.command, value=step.value, state="waiting")
        for step in scene.steps
    ]


class SceneRun:
    """One run of a scene. `on_step(position, result)` is told each change; it must not block.

    `earlier` are the steps of an interrupted run: what it has confirmed or failed is not repeated.
    """

    def __init__(
        self,
        scene: Scene,
        devices: DevicePort,
        on_step: Callable[[int, StepResult], None],
        *,
        earlier: list[StepResult] | None = None,
    ) -> None:
        self.scene = scene
        self.steps = waiting(scene)
        if earlier is not None and len(earlier) == len(self.steps):
            self.steps = [
                old if old.state in {"confirmed", "failed"} else new
                for old, new in zip(earlier, self.steps, strict=True)
            ]
        self._devices = devices
        self._on_step = on_step
        self._done = [asyncio.Event() for _ in self.steps]
        self._confirmed = [asyncio.Event() for _ in self.steps]
        self._away: set[int] = set()

    async def run(self) -> list[StepResult]:
        """Run to the end: every step confirmed, queued or failed. Queued ones are then followed."""
        needs = order(self.scene) or [set() for _ in self.steps]
        async with asyncio.TaskGroup() as group:
            for at, step in enumerate(self.scene.steps):
                if self.steps[at].state in {"confirmed", "failed"}:
                    self._done[at].set()
                else:
                    group.create_task(self._step(at, step, needs[at]))
        return self.steps

    async def follow(self) -> None:
        """Wait until the queued steps are confirmed, or fail them after `CONFIRM_S`.

        A step that failed because its device is away is followed too: the driver keeps the
        command for it, and the panel should see that the device came back and did it.
        """

        async def one(at: int) -> None:
            try:
                async with asyncio.timeout(CONFIRM_S):
                    await self._confirmed[at].wait()
            except TimeoutError:
                if at in self._away:
                    return
                self._set(
                    at,
                    "failed",
                    f"It has not confirmed within {CONFIRM_S / 60:.0f} minutes.",
                    "Look whether it has come on; switch it by hand if not.",
                )

        followed = {at for at, step in enumerate(self.steps) if step.state == "queued"}
        await asyncio.gather(*(one(at) for at in followed | self._away))

    def device_changed(self, state: DeviceState) -> None:
        """A device told its state: steps that were queued may be confirmed by it."""
        for at, step in enumerate(self.steps):
            pending = step.state == "queued" or at in self._away
            if step.device != state.id or not (pending or step.state == "running"):
                continue
            if step.command == "power":
                if state.power in {Power.WARMING, Power.COOLING}:
                    if _detail(state) != step.detail and state.power is _towards(step.value):
                        self._away.discard(at)
                        self._set(at, "queued", _detail(state))
                elif pending and state.power is _power(step.value):
                    self._away.discard(at)
                    self._set(at, "confirmed")
            elif (
                pending
                and step.command not in state.desired
                and state.values.get(step.command) == step.value
            ):
                self._away.discard(at)
                self._set(at, "confirmed")

    async def _step(self, at: int, step: SceneStep, need: set[int]) -> None:
        for other in need:
            await self._done[other].wait()
        blocker = self._blocker(step, need)
        if blocker is not None:
            self._set(at, "failed", f"Not done, because {blocker} failed.", "See to that first.")
            self._done[at].set()
            return
        if step.delay_s:
            await asyncio.sleep(step.delay_s)
        self._set(at, "running")
        try:
            result = await self._devices.send(step.device, step.command, step.value)
        except LookupError as error:
            self._set(at, "failed", str(error), "Correct the scene in room.toml.")
        else:
            self._ended(at, result)
        finally:
            self._done[at].set()

    def _blocker(self, step: SceneStep, need: Iterable[int]) -> str | None:
        """The failed step that `after` names; mere order on one device does not block."""
        names = step_names(self.scene)
        named = {at for name in step.after for at in names.get(name, set())}
        failed = [at for at in need if at in named and self.steps[at].state == "failed"]
        if not failed:
            return None
        other = self.steps[min(failed)]
        return f"{self._name(other.device)} {other.command}"

    def _ended(self, at: int, result: CommandResult) -> None:
        state = next((s for s in self._devices.states() if s.id == result.device), None)
        name = self._name(result.device)
        if result.outcome == "confirmed":
            changing = state is not None and state.power is _towards(result.value)
            if result.command == "power" and state is not None and changing:
                self._set(at, "queued", _detail(state))  # it understood; it is not there yet
            else:
                self._set(at, "confirmed", result.detail)
        elif result.outcome == "queued":
            if state is None or state.health in {Health.OFFLINE, Health.CONNECTING}:
                self._away.add(at)
                self._set(
                    at,
                    "failed",
                    f"{name} does not answer; it is told as soon as it does.",
                    self._remedy(result),
                )
            else:
                self._set(at, "queued", result.detail or "It follows when the device is ready.")
                self.device_changed(state)
        elif result.outcome == "replaced":
            self._set(at, "failed", "A newer command took its place.")
        else:
            self._set(at, "failed", result.detail or f"{name} did not do it.", self._remedy(result))

    def _remedy(self, result: CommandResult) -> str:
        name = self._name(result.device)
        state = next((s for s in self._devices.states() if s.id == result.device), None)
        if state is None or state.health in {Health.OFFLINE, Health.CONNECTING}:
            return f"Check that {name} has power and is connected, or switch it by hand."
        if result.outcome == "refused":
            return f"{name} is busy or does not allow it now; try again in a moment."
        return f"Try again, or operate {name} by hand."

    def _name(self, device: str) -> str:
        return next((s.name or s.id for s in self._devices.states() if s.id == device), device)

    def _set(self, at: int, state: str, detail: str = "", remedy: str = "") -> None:
        self.steps[at] = StepResult.model_validate(
            self.steps[at].model_dump() | {"state": state, "detail": detail, "remedy": remedy}
        )
        if state == "confirmed":
            self._confirmed[at].set()
        self._on_step(at, self.steps[at])


def _power(value: Value) -> Power:
    return Power.ON if value in {True, "on"} else Power.OFF


def _towards(value: Value) -> Power:
    """The state on the way to a power value."""
    return Power.WARMING if _power(value) is Power.ON else Power.COOLING


def _detail(state: DeviceState) -> str:
    word = "warming up" if state.power is Power.WARMING else "cooling down"
    return f"{word}, {state.warm_s:.0f} s" if state.warm_s is not None else word
