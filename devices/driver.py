"""One device: keeps it connected, sends its commands, knows its state.

A driver never raises for what a device does; every command ends in a CommandResult. What was
asked of a device that can't take it now (offline, off, warming) is kept as desired state and
sent when it can.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from devices.clock import Clock
from devices.codec import Codec, Meaning, Request
from devices.conversation import Conversation, Interrupted, NoAnswer
from devices.model import CommandResult, DeviceSpec, DeviceState, Health, Power, Value
from devices.power import PowerTracker
from devices.queue import COMMAND, POLL, POWER, READ, STOP, CommandQueue, Item
from devices.sessions import SessionError
from devices.traffic import TrafficLog
from devices.transports.link import Link, LinkError
from devices.wake import wake_on_lan
from firmware_profiles.catalog import Catalog
from firmware_profiles.compiled import CompiledCommand
from firmware_profiles.fields import Unmapped
from firmware_profiles.schema import Profile, Session

log = logging.getLogger(__name__)

FIRST_RETRY_S, LONGEST_RETRY_S = 0.5, 10.0
MISSES_OFFLINE, MISSES_RECONNECT = 3, 4
DESIRED_S = 600.0


class Driver:
    """Drives one device by its profile over one link."""

    def __init__(
        self,
        spec: DeviceSpec,
        profile: Profile,
        link: Link,
        *,
        on_state: Callable[[DeviceState], None],
        session: Session | None = None,
        secrets: Callable[[], dict[str, Any]] = dict,
        catalog: Catalog | None = None,
        clock: Clock | None = None,
    ) -> None:
        """`secrets` gives the device's secret options at each connect. Raises ValueError for
        options that don't suit the profile."""
        self.spec, self.profile = spec, profile
        self.traffic = TrafficLog()
        self._link, self._secrets, self._catalog = link, secrets, catalog
        self._session_spec = session or profile.session
        self._clock = clock or Clock()
        self._on_state = on_state
        self.queue = CommandQueue()
        self._adopt(profile)
        self._state = DeviceState(
            id=spec.id,
            name=spec.name or spec.id,
            kind=profile.kind,
            profile=profile.name,
            commands=self.codec.infos(),
        )
        self._shown: DeviceState | None = None
        self._held: dict[str, tuple[Item, float]] = {}
        self._unsupported: set[str] = set()
        self._unread: set[str] = set()
        self._misses = 0
        self._lost = asyncio.Event()
        self._nudge = asyncio.Event()
        self._nudge_poll = asyncio.Event()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._deadmen: dict[str, asyncio.TimerHandle] = {}
        self._owed_stops: dict[str, Request] = {}
        self._current: Item | None = None
        self._retry = FIRST_RETRY_S
        self._read_all = False

    def _adopt(self, profile: Profile) -> None:
        """Use this profile (or dialect) from now on."""
        self.profile = profile
        self.codec = Codec(profile, self.spec.options)
        power = self.codec.commands.get("power")
        self._has_power = power is not None and power.setter is not None
        self.power = PowerTracker(
            profile.power,
            self._clock,
            readable=power is not None and power.getter is not None,
            tells_changing=power is not None and "warming" in power.spec.reads.values(),
        )
        self._conversation = Conversation(
            self._link,
            self.codec,
            self._session_spec,
            {},
            clock=self._clock,
            traffic=self.traffic,
            heard=self._heard,
            lost=self._link_lost,
        )

    # --- life ----------------------------------------------------------------------------------

    async def start(self) -> None:
        """Begin connecting; returns at once."""
        self._spawn(self._run(), "run")

    async def stop(self) -> None:
        """Disconnect. Moving things are stopped first; waiting commands are told."""
        for name in list(self._deadmen):
            self._deadmen.pop(name).cancel()
        if self._owed_stops and self._conversation.is_open:
            with suppress(LinkError, NoAnswer, Interrupted, TimeoutError):
                for request in list(self._owed_stops.values()):
                    await self._conversation.ask(
                        request, timeout=0.3, sent=lambda: None, urgent=True
                    )
        tasks, self._tasks = list(self._tasks), set()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._conversation.close()
        for item in self.queue.take_all():
            item.finish("failed", "the daemon is stopping")

    def _spawn(self, job: Any, name: str) -> asyncio.Task[Any]:
        task = asyncio.create_task(job, name=f"{self.spec.id} {name}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _run(self) -> None:
        while True:
            try:
                await self._connect_and_serve()
            except LinkError as error:
                self._offline(_sentence(error))
                if isinstance(error, SessionError):
                    self._retry = max(self._retry, LONGEST_RETRY_S / 2)
            except Exception:
                log.exception("driver of %s failed; it starts again", self.spec.id)
                self._offline("internal error; see the log")
            await self._conversation.close()
            self._nudge.clear()
            delay = self._retry * random.uniform(0.7, 1.3)  # noqa: S311 - jitter
            self._retry = min(self._retry * 2, LONGEST_RETRY_S)
            with suppress(TimeoutError):
                async with asyncio.timeout(delay):
                    await self._nudge.wait()
                await asyncio.sleep(min(delay, 0.3))

    async def _connect_and_serve(self) -> None:
        self._lost.clear()
        try:
            options = {**self.codec.options, **self._secrets()}
        except ValueError as error:
            raise SessionError(str(error), "correct the reference in room.toml") from error
        self._conversation.options = options
        if not self._per_command:
            await self._conversation.open()
        else:
            self._conversation.link.lost = None
        jobs = [self._work(), self._poll(), self._keep_alive()]
        tasks = [self._spawn(job, "serve") for job in jobs]
        lost = self._spawn(self._lost.wait(), "lost")
        try:
            for request in self._owed_stops.values():
                self.queue.put(self._item(request, STOP))
            await self._probe_health()
            done, _ = await asyncio.wait([*tasks, lost], return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                if task is not lost and (failure := task.exception()):
                    raise failure
            raise LinkError(self._link.lost or "the connection was lost")
        finally:
            for task in (*tasks, lost):
                task.cancel()
            await asyncio.gather(*tasks, lost, return_exceptions=True)
            self._give_back()
            self.queue.drop_reads()

    @property
    def _per_command(self) -> bool:
        return self._session_spec.connection == "per-command"

    async def _probe_health(self) -> None:
        """A device that can be asked nothing is online as soon as its link stands."""
        readable = any(command.getter for command in self.codec.commands.values())
        if not readable and self.profile.presence is None and not self._per_command:
            self._answered()

    def _link_lost(self, why: str) -> None:
        if not self._per_command:
            self._lost.set()

    def _give_back(self) -> None:
        """The item in work when the link was lost waits for the next connection."""
        item, self._current = self._current, None
        if item is not None and item.request.action == "set":
            self._keep(item, "the connection was lost")

    # --- commands ------------------------------------------------------------------------------

    async def send(
        self,
        command: str,
        value: Value = None,
        *,
        timeout: float | None = None,
        wait: bool = True,
    ) -> CommandResult:
        """Set, do or stop something; see DeviceManager.send."""
        known = self.codec.command(command)
        try:
            request = self.codec.set(command, value)
        except ValueError as error:
            return CommandResult(
                device=self.spec.id,
                command=command,
                value=value,
                outcome="refused",
                detail=str(error),
            )
        stop = known.spec.stop is not None and request.value == known.spec.stop
        item = self._item(request, STOP if stop else POWER if command == "power" else COMMAND)
        item.done = asyncio.get_running_loop().create_future()
        if request.value is not None and not stop and known.getter is not None:
            self._state.desired[request.state] = request.value
        self._held.pop(item.key, None)
        self.queue.put(item)
        if stop and self._current is not None and self._current.key == item.key:
            self._conversation.interrupt()
        self._nudge.set()
        self._show()
        if not wait:
            return CommandResult(
                device=self.spec.id, command=command, value=request.value, outcome="queued"
            )
        return await self._result(item, timeout or self._patience(known))

    async def _result(self, item: Item, timeout: float) -> CommandResult:
        assert item.done is not None
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                return await asyncio.shield(item.done)
        detail = self._state.detail or "the device doesn't answer"
        if self.queue.remove(item) or self._current is not item:
            self._keep(item, detail)
        else:
            item.finish("queued" if self._keepable(item.request) else "failed", detail)
        return await item.done

    def _patience(self, command: CompiledCommand) -> float:
        each = command.spec.timeout_s or self.profile.timing.timeout_s
        return min(60.0, max(5.0, each * (self._retries(command) + 1) + 2.0))

    def _retries(self, command: CompiledCommand) -> int:
        spec = command.spec
        if not spec.idempotent:
            return 0
        return spec.retries if spec.retries is not None else self.profile.timing.retries

    def _item(self, request: Request, priority: int) -> Item:
        spec = request.command.spec
        if request.action == "get":
            key = f"get {request.state}"
        elif spec.coalesce:
            key = spec.coalesce
        elif spec.idempotent:
            key = request.state if request.command.kind != "action" else request.command.name
        else:
            key = f"{request.command.name} {id(request)}"
        return Item(request, priority, key, self.spec.id)

    def _keepable(self, request: Request) -> bool:
        """Does it make sense to send this later?"""
        spec = request.command.spec
        return spec.idempotent and spec.stop is None and request.command.kind != "action"

    def _keep(self, item: Item, why: str) -> None:
        """Hold a command until the device can take it, when that makes sense."""
        if item.request.action == "get":
            return
        if self._keepable(item.request):
            self._held[item.key] = (item, self._clock.now() + DESIRED_S)
            item.finish("queued", why)
        elif item.is_stop:
            self._owed_stops[item.key] = item.request
            item.finish("queued", why)
        else:
            self._undesire(item.request)
            item.finish("failed", why)
        self._show()

    def _undesire(self, request: Request) -> None:
        if self._state.desired.get(request.state) == request.value:
            self._state.desired.pop(request.state, None)

    def _release(self) -> None:
        """Send what was held, unless the device is there already."""
        held, self._held = self._held, {}
        for item, until in held.values():
            request = item.request
            if self._clock.now() > until or self._actual(request.state) == request.value:
                self._undesire(request)
            elif self._blocked(request) is not None:
                self._held[item.key] = (item, until)
            else:
                self.queue.put_back(item)

    def _actual(self, state: str) -> Value:
        if state == "power":
            return self.power.target
        return self._state.values.get(state)

    # --- the wire ------------------------------------------------------------------------------

    async def _work(self) -> None:
        while True:
            item = await self.queue.get()
            if item.request.action == "set":
                why = self._blocked(item.request)
                if why is not None:
                    self._keep(item, why)
                    continue
            self._current = item
            try:
                await self._carry_out(item)
            except LinkError as error:
                self._give_back()
                if isinstance(error, SessionError) or not self._per_command:
                    raise
                self._missed(_sentence(error))
            self._current = None
            self._show()

    def _blocked(self, request: Request) -> str | None:
        """Why the device can't take this now; None when it can."""
        command, power = request.command, self.power
        if not self._has_power:
            return None
        if command.name == "power":
            opposite = power.changing and power.target is not request.value
            if opposite and self.profile.power.hold:
                return f"{power.state.value}{_for(power.ready_in())}; sent when that is over"
            return None
        when = command.spec.when or ["on", "unknown"]
        if power.state.value in when:
            return None
        if self._state.desired.get("power") is True and power.state is Power.OFF:
            return "switching on; sent when it is on"
        if power.changing:
            return f"{power.state.value}{_for(power.ready_in())}; sent when it is on"
        return f"it is {power.state.value}; sent when it is on"

    async def _carry_out(self, item: Item) -> None:
        request, spec = item.request, item.request.command.spec
        timeout = spec.timeout_s or self.profile.timing.timeout_s
        attempts = self._retries(request.command) + 1 if not self.power.silent() else 1
        if request.command.name == "power" and request.value is True:
            await self._wake()
        for attempt in range(attempts):
            try:
                meaning = await self._exchange(item, timeout)
            except NoAnswer:
                self._missed("doesn't answer")
                if request.action == "get" or self.queue.has_stop():
                    break
                continue
            except Interrupted:
                item.finish("replaced", "stopped")
                return
            if attempt:
                self._conversation.repeated(request)
            if meaning.kind == "busy" and attempt + 1 < attempts:
                await asyncio.sleep(self.profile.timing.busy_s)
                continue
            self._concluded(item, meaning)
            return
        if request.action == "set":
            self._unanswered(item)

    def _unanswered(self, item: Item) -> None:
        request = item.request
        if request.command.name == "power" and self.power.silent():
            # A device that is mute in standby may have understood all the same.
            self._confirm(item, {"power": request.value})
        else:
            again = "; sent again later" if self._keepable(request) else ""
            self._keep(item, f"no answer{again}")

    async def _exchange(self, item: Item, timeout: float) -> Meaning:
        if self._per_command:
            await self._conversation.open()
        try:
            return await self._conversation.ask(
                item.request,
                timeout=timeout,
                sent=lambda: self._sent(item),
                urgent=item.is_stop,
            )
        finally:
            if self._per_command:
                await self._conversation.close()

    def _sent(self, item: Item) -> None:
        if item.first_byte_ms is None:
            item.first_byte_ms = round((time.perf_counter() - item.created) * 1000, 3)

    async def _wake(self) -> None:
        mac = self.spec.options.get("mac")
        if mac and self.power.target is not True:
            with suppress(OSError, ValueError):
                await wake_on_lan(str(mac), self.spec.options.get("broadcast"))

    def _concluded(self, item: Item, meaning: Meaning) -> None:
        item.reply_ms = round((time.perf_counter() - item.created) * 1000, 3)
        self._answered()
        request = item.request
        if request.action == "get":
            if meaning.kind == "report":
                self._unread.discard(request.command.name)
                self._apply(meaning.states)
            elif meaning.error_class == "undefined":
                self._unsupported.add(request.command.name)
            return
        if meaning.kind == "ack":
            self._confirm(item, dict(meaning.states))
        elif meaning.error_class == "unavailable" and self._keepable(request):
            self._keep(item, meaning.detail)
            if request.command.getter and self._has_power:
                self._read("power")
        elif meaning.kind == "busy":
            self._keep(item, meaning.detail or "the device is busy")
        else:
            self._undesire(request)
            item.finish("refused", meaning.detail)

    def _confirm(self, item: Item, states: dict[str, Value]) -> None:
        request, spec = item.request, item.request.command.spec
        self._owed_stops.pop(item.key, None)
        if request.command.name == "power":
            self._state.desired.pop("power", None)
            self.power.commanded(bool(request.value))
        elif spec.travel_s and request.value not in (None, spec.stop):
            self._travel(request, spec.travel_s)
        else:
            self._apply(states, reading=False)
        self._undesire(request)
        self._conversation.settled_until = self._clock.now() + spec.settle_s
        self._arm_deadman(item)
        if spec.verify:
            self._read(request.command.name)
        item.finish("confirmed")
        self._show()

    def _travel(self, request: Request, seconds: float) -> None:
        """No answer tells the end of this movement: it is over after its time."""
        self._state.values[request.state] = "moving"

        async def arrive() -> None:
            await self._clock.sleep(seconds)
            self._state.values[request.state] = request.value
            self._show()

        self._spawn(arrive(), f"travel {request.state}")

    def _arm_deadman(self, item: Item) -> None:
        command = item.request.command
        stop = command.spec.stop
        if stop is None:
            return
        if (handle := self._deadmen.pop(item.key, None)) is not None:
            handle.cancel()
        if item.request.value == stop:
            return
        halt = self.codec.set(command.name, stop)
        self._owed_stops[item.key] = halt
        self._deadmen[item.key] = asyncio.get_running_loop().call_later(
            command.spec.deadman_s, lambda: self.queue.put(self._item(halt, STOP))
        )

    # --- state ---------------------------------------------------------------------------------

    def _heard(self, meaning: Meaning) -> None:
        """Something came that nobody asked for."""
        if meaning.kind == "unknown":
            return
        if meaning.kind == "offline":
            self._offline("the device reported itself gone")
            return
        if meaning.kind == "restart":
            self.power.unknown()
            self._read_all = True
            self._nudge_poll.set()
        if meaning.kind == "online":
            self._read_all = True
            self._nudge_poll.set()
        self._answered()
        self._apply(meaning.states)
        self._show()

    def _apply(self, states: Any, *, reading: bool = True) -> None:
        for name, value in states.items():
            if name == "power" and self._has_power:
                self._apply_power(value)
                continue
            if name == self.profile.identity.model:
                self._state.model = None if value is None else str(value)
            elif name == self.profile.identity.firmware:
                self._state.firmware = None if value is None else str(value)
            self._state.values[name] = str(value) if isinstance(value, Unmapped) else value
            if self._state.desired.get(name) == value and name not in self._held:
                self._state.desired.pop(name, None)

    def _apply_power(self, value: Value) -> None:
        before = self.power.state
        self.power.reported(value)
        self._power_changed(before)

    def _power_changed(self, before: Power) -> None:
        if self.power.state is before:
            return
        if self._state.desired.get("power") == self.power.target and "power" not in self._held:
            self._state.desired.pop("power", None)
        if not self.power.changing:
            self._read_all = self.power.state is Power.ON
            self._release()
            self._nudge_poll.set()

    def _answered(self) -> None:
        if self._held and self._state.health is not Health.ONLINE:
            self._nudge_poll.set()
        self._misses = 0
        self._retry = FIRST_RETRY_S
        self._health(Health.ONLINE, "")

    def _missed(self, why: str) -> None:
        if self.power.silent():
            self._health(Health.ONLINE, f"silent while {self.power.state.value}")
            return
        self._misses += 1
        worse = self._misses >= MISSES_OFFLINE
        self._health(Health.OFFLINE if worse else Health.DEGRADED, why)
        if self._misses >= MISSES_RECONNECT and not self._link.datagram:
            self._misses = MISSES_OFFLINE
            self._lost.set()

    def _offline(self, why: str) -> None:
        standby = self.profile.power.standby == "disconnected"
        if standby and self.power.state in (Power.OFF, Power.COOLING):
            self._health(Health.ONLINE, "in standby: takes no connection")
        else:
            self._health(Health.OFFLINE, why)

    def _health(self, health: Health, detail: str) -> None:
        self._state.health, self._state.detail = health, detail
        self._show()

    def state(self) -> DeviceState:
        """A copy of what is known now."""
        self._state.power = self.power.state if self._has_power else Power.UNKNOWN
        self._state.warm_s = self.power.ready_in()
        return self._state.model_copy(deep=True)

    def _show(self) -> None:
        """Tell about a changed state; the ticking of `warm_s` alone is no change."""
        state = self.state()
        shown = state.model_copy(update={"warm_s": None})
        if shown != self._shown:
            self._shown = shown
            try:
                self._on_state(state)
            except Exception:
                log.exception("whoever listens to %s failed", self.spec.id)

    # --- reading -------------------------------------------------------------------------------

    def _read(self, name: str, priority: int = READ) -> None:
        command = self.codec.commands.get(name)
        if command is not None and command.getter is not None and name not in self._unsupported:
            self.queue.put(self._item(self.codec.get(name), priority))

    async def _poll(self) -> None:
        poll = self.profile.poll
        self._nudge_poll.clear()
        first = True
        while True:
            before = self.power.state
            if self.power.tick():
                self._power_changed(before)
            if first or self._read_all:
                self._unread = set(self.codec.commands)
            first = self._read_all = False
            self._put_reads()
            if self._held and not self.power.changing and self._state.health is Health.ONLINE:
                self._release()
            every = poll.every_s
            if self.power.changing:
                left = self.power.ready_in()
                every = min(poll.changing_s, left * self._clock.scale if left else 0.2)
            elif self._has_power and self.power.state is not Power.ON:
                every = poll.standby_s if self._state.health is Health.ONLINE else poll.changing_s
            elif self._state.health is not Health.ONLINE:
                every = min(poll.every_s, 5.0)
            elif self._held:
                every = min(poll.every_s, poll.changing_s)
            with suppress(TimeoutError):
                async with asyncio.timeout(max(0.05, every / self._clock.scale)):
                    await self._nudge_poll.wait()
            self._nudge_poll.clear()
            self._show()

    def _put_reads(self) -> None:
        """Ask what the poll plan names for this state, and what was never read."""
        if self.codec.broadcast:
            return
        live = not self._has_power or self.power.state in (Power.ON, Power.UNKNOWN)
        names = list(self.codec.commands) if live else list(self.profile.poll.standby)
        for name in sorted(names, key=lambda name: name != "power"):
            command = self.codec.commands.get(name)
            if command is not None and (command.spec.poll or name in self._unread):
                self._read(name, POLL)

    async def _keep_alive(self) -> None:
        keep = self.profile.keepalive
        body = self.codec.keepalive()
        while keep is not None and body is not None:
            await self._conversation.send_body(body, "keep-alive")
            await asyncio.sleep(keep.every_s)
        await asyncio.Event().wait()


def _for(seconds: float | None) -> str:
    return f", {seconds:.0f} s" if seconds else ""


def _sentence(error: LinkError) -> str:
    return f"{error} ({error.remedy})" if error.remedy else str(error)
