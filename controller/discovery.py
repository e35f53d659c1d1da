"""Looking for devices, one search at a time, and trying one out before it belongs to the room."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from pydantic import BaseModel, Field

from controller.errors import ClassroomError
from devices.discovery.found import DiscoveryConfig, Found
from devices.discovery.search import search
from devices.manager import DeviceManager, SpecError
from devices.model import CommandResult, DeviceSpec, DeviceState, Health, Value
from devices.traffic import Traffic
from devices.transports.mqtt import MqttLink
from firmware_profiles.catalog import Catalog

ANSWER_S = 10.0
TRIAL = "trial"


class SearchView(BaseModel):
    """A search for devices: under way, or what the last one found."""

    running: bool = False
    seconds: float = 0.0
    found: list[Found] = Field(default_factory=list)
    problem: str = ""


class TrialView(BaseModel):
    """What a device that is tried out said: its state, what one command did, all that was sent."""

    device: DeviceState
    result: CommandResult | None = None
    traffic: list[Traffic] = Field(default_factory=list)


class Discovery:
    """`room`: the devices that the room has already; their ports are left alone."""

    def __init__(
        self, catalog: Catalog, room: Sequence[DeviceSpec], mqtt: MqttLink | None = None
    ) -> None:
        self._catalog = catalog
        self._room = list(room)
        self._mqtt = mqtt
        self._view = SearchView()
        self._task: asyncio.Task[None] | None = None
        self._trial = asyncio.Lock()

    def view(self) -> SearchView:
        """Where the search stands."""
        return self._view

    async def start(self, wanted: DiscoveryConfig) -> SearchView:
        """Look; a search that is under way goes on instead."""
        if self._task is not None and not self._task.done():
            return self._view
        used = [spec.transport for spec in self._room if spec.transport.startswith("serial:")]
        wanted = wanted.model_copy(update={"serial_skip": [*wanted.serial_skip, *used]})
        self._view = SearchView(running=True, seconds=wanted.seconds)
        self._task = asyncio.create_task(self._search(wanted), name="discovery")
        return self._view

    async def stop(self) -> None:
        """Give the search up."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._view = self._view.model_copy(update={"running": False})

    async def trial(
        self, spec: DeviceSpec, command: str | None = None, value: Value = None
    ) -> TrialView:
        """Connect to a device for a moment, with one real command if one is given.

        `in_use` (409) when the room has it already, `bad_device` (422) when it cannot be right.
        """
        if any(one.transport == spec.transport for one in self._room):
            raise ClassroomError(
                "in_use", "A device of this room is on that wire.", "Use its own commands."
            )
        spec = spec.model_copy(update={"id": TRIAL})
        answered = asyncio.Event()

        def told(state: DeviceState) -> None:
            if state.health in {Health.ONLINE, Health.DEGRADED}:
                answered.set()

        async with self._trial:
            try:
                manager = DeviceManager(
                    [spec], catalog=self._catalog, on_state=told, mqtt=self._mqtt
                )
            except (SpecError, ValueError) as error:
                message = getattr(error, "message", str(error))
                raise ClassroomError(
                    "bad_device", f"{message}.", getattr(error, "remedy", ""), 422
                ) from error
            except KeyError as error:
                raise ClassroomError("bad_device", str(error), "Choose a profile.", 422) from error
            await manager.start()
            try:
                with suppress(TimeoutError):
                    async with asyncio.timeout(ANSWER_S):
                        await answered.wait()
                result = None
                if command:
                    result = await _send(manager, command, value)
                return TrialView(
                    device=manager.state(TRIAL), result=result, traffic=manager.traffic(TRIAL)
                )
            finally:
                await manager.stop()

    async def _search(self, wanted: DiscoveryConfig) -> None:
        try:
            async for found in search(wanted, catalog=self._catalog, broker=self._mqtt):
                others = [one for one in self._view.found if one.key != found.key]
                self._view = self._view.model_copy(update={"found": [*others, found]})
        except Exception as error:
            self._view = self._view.model_copy(update={"problem": str(error)})
        finally:
            self._view = self._view.model_copy(update={"running": False})


async def _send(manager: DeviceManager, command: str, value: Any) -> CommandResult:
    try:
        return await manager.send(TRIAL, command, value, timeout=ANSWER_S)
    except (KeyError, ValueError) as error:
        raise ClassroomError("bad_value", str(error), "See the commands it knows.", 422) from error
