"""A device whose profile is "auto": it is asked what it is, then driven as that.

What was recognised is remembered, so that a device which is off when the daemon starts is driven as
before; when it stays away, it is asked anew: it may have been exchanged for another one.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from devices.codec import Request, UnknownCommand
from devices.discovery.recognise import NotRecognisedError, Recognised, recognise
from devices.driver import Driver
from devices.model import CommandResult, DeviceSpec, DeviceState, Health, Value
from devices.traffic import TrafficLog
from devices.waiting import DESIRED_S, keepable
from firmware_profiles.catalog import Catalog

log = logging.getLogger(__name__)

AUTO = "auto"
FIRST_S, LONGEST_S = 2.0, 60.0
AWAY_S = 120.0
_LOOK_S = 1.0

Build = Callable[[DeviceSpec, TrafficLog], Driver]


class Memory:
    """Which profile each device was recognised as, in a file (or nowhere)."""

    def __init__(self, file: Path | None = None) -> None:
        self._file = file

    def recall(self, spec: DeviceSpec) -> Recognised | None:
        """What stood at this device's transport last time."""
        found = self._all().get(spec.id)
        if isinstance(found, dict) and found.get("asked") == spec.transport:
            with suppress(KeyError):
                return Recognised(str(found["profile"]), str(found["transport"]))
        return None

    def keep(self, spec: DeviceSpec, found: Recognised) -> None:
        """Remember; a full disk only costs asking again."""
        if self._file is None:
            return
        known = self._all()
        known[spec.id] = {
            "asked": spec.transport, "profile": found.profile, "transport": found.transport
        }  # fmt: skip
        with suppress(OSError):
            self._file.parent.mkdir(parents=True, exist_ok=True)
            new = self._file.with_suffix(".new")
            new.write_text(json.dumps(known), "utf-8")
            new.replace(self._file)

    def _all(self) -> dict[str, Any]:
        with suppress(OSError, ValueError):
            if self._file is not None:
                data = json.loads(self._file.read_text("utf-8"))
                return data if isinstance(data, dict) else {}
        return {}


class AutoDevice:
    """Recognises, then hands everything to the driver that it builds. What is asked while there is
    none, or waits for the device when it is asked anew, is sent then: what can wait, and not
    longer than a driver keeps it."""

    def __init__(
        self,
        spec: DeviceSpec,
        *,
        catalog: Catalog,
        build: Build,
        options: Callable[[], dict[str, Any]],
        on_state: Callable[[DeviceState], None],
        memory: Memory,
        away_s: float = AWAY_S,
    ) -> None:
        """`options` gives the device's options with secrets resolved; ValueError says which
        can't be."""
        self.spec, self.traffic = spec, TrafficLog()
        self._catalog, self._build, self._options = catalog, build, options
        self._on_state, self._memory, self._away_s = on_state, memory, away_s
        self._driver: Driver | None = None
        self._last: DeviceState | None = None
        self._health, self._detail = Health.CONNECTING, "asking what it is"
        self._asked: dict[str, tuple[Value, float]] = {}
        self._task: asyncio.Task[None] | None = None

    @property
    def driver(self) -> Driver | None:
        """What drives it, once it is recognised."""
        return self._driver

    def state(self) -> DeviceState:
        """As its driver knows it, or that it isn't recognised yet."""
        if self._driver is not None:
            return self._driver.state()
        if self._last is not None:
            return self._last
        return DeviceState(
            id=self.spec.id,
            name=self.spec.name or self.spec.id,
            kind="unknown",
            profile=AUTO,
            health=self._health,
            detail=self._detail,
        )

    async def start(self) -> None:
        """Begin asking; returns at once."""
        self._task = asyncio.create_task(self._live(), name=f"{self.spec.id} auto")

    async def stop(self) -> None:
        """Stop asking, or disconnect."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        if self._driver is not None:
            await self._driver.stop()

    async def send(
        self, command: str, value: Value = None, *, timeout: float | None = None, wait: bool = True
    ) -> CommandResult:
        """As the driver does; before there is one, the newest value of each command is kept."""
        asked = value, asyncio.get_running_loop().time()
        if self._driver is not None:
            result = await self._driver.send(command, value, timeout=timeout, wait=wait)
            if result.outcome == "queued":
                self._asked[command] = asked
            return result
        self._asked[command] = asked
        return CommandResult(
            device=self.spec.id,
            command=command,
            value=value,
            outcome="queued",
            detail="it isn't recognised yet; what can wait is sent when it is",
        )

    async def read(self, command: str, *, timeout: float) -> Value:
        """As the driver does; None before there is one."""
        return None if self._driver is None else await self._driver.read(command, timeout=timeout)

    async def _live(self) -> None:
        if (known := self._memory.recall(self.spec)) is not None:
            await self._become(known)
        while True:
            if self._driver is None:
                await self._recognise()
            await self._while_there()
            await self._ask_again()

    async def _recognise(self) -> None:
        wait = FIRST_S
        while True:
            try:
                found = await self._find()
                if await self._become(found):
                    self._memory.keep(self.spec, found)
                    return
            except (NotRecognisedError, ValueError) as error:
                self._show(Health.OFFLINE, str(error))
            except Exception:
                log.exception("asking %s what it is failed", self.spec.id)
                self._show(Health.OFFLINE, "internal error; see the log")
            await asyncio.sleep(wait)
            wait = min(wait * 2, LONGEST_S)

    async def _find(self) -> Recognised:
        return await recognise(
            self.spec.transport,
            self._catalog,
            options=self._options(),
            tell=self._note,
        )

    def _note(self, text: str) -> None:
        self.traffic.add("note", b"", text)

    async def _become(self, found: Recognised) -> bool:
        """Drive it as that from now on."""
        own = {"profile": found.profile, "transport": found.transport}
        try:
            driver = self._build(self.spec.model_copy(update=own), self.traffic)
        except (ValueError, KeyError) as error:
            self._show(Health.OFFLINE, f"it is {found.profile}, but {error}")
            return False
        who = " ".join(part for part in (found.model, found.firmware) if part)
        self._note(f"recognised as {found.profile} {who}".rstrip())
        self._driver = driver
        await driver.start()
        self._asked = {command: self._asked[command] for command in self._sendable(driver)}
        for command, (value, _) in self._asked.items():
            await driver.send(command, value, wait=False)
        self._on_state(driver.state())
        return True

    def _sendable(self, driver: Driver) -> dict[str, Request]:
        """What was asked and may still be sent, by command."""
        since = asyncio.get_running_loop().time() - DESIRED_S
        found = {}
        for command, (value, at) in self._asked.items():
            with suppress(UnknownCommand, ValueError):
                request = driver.codec.set(command, value)
                if at >= since and keepable(request):
                    found[command] = request
        return found

    async def _while_there(self) -> None:
        """Returns when the device has been away for long."""
        loop = asyncio.get_running_loop()
        seen = loop.time()
        while loop.time() - seen < self._away_s:
            await asyncio.sleep(min(_LOOK_S, self._away_s))
            if self._driver is not None and self._driver.state().health is not Health.OFFLINE:
                seen = loop.time()

    async def _ask_again(self) -> None:
        """Its link must be free to be asked over; when nothing new answers, all stays as it was."""
        driver, self._driver = self._driver, None
        assert driver is not None
        self._last = driver.state()
        waiting = [c for c, request in self._sendable(driver).items() if driver.waits_for(request)]
        self._asked = {command: self._asked[command] for command in waiting}
        await driver.stop()
        before = Recognised(driver.profile.name, driver.spec.transport)
        try:
            found = await self._find()
        except (NotRecognisedError, ValueError):
            found = before
        if found.profile != before.profile:
            self._memory.keep(self.spec, found)
        if not await self._become(found):
            await self._become(before)

    def _show(self, health: Health, detail: str) -> None:
        if (health, detail) != (self._health, self._detail):
            self._health, self._detail = health, detail
            self._on_state(self.state())
