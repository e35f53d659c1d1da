"""One device: keeps it connected, sends its commands, knows its state.

A driver never raises for what a device does; every command ends in a CommandResult. What was
asked of a device that can't take it now (offline, off, warming) is kept as desired state and
sent when it can.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from devices.clock import Clock
from devices.codec import Codec, Meaning, Request, UnknownCommand
from devices.conversation import Conversation, Interrupted, NoAnswer
from devices.knowledge import Knowledge
from devices.lifeline import Lifeline
from devices.model import CommandResult, DeviceSpec, DeviceState, Health, Power, Value
from devices.moves import Moves
from devices.outcomes import Outcomes
from devices.patience import attempts_of, patience_of, timeout_of
from devices.queue import COMMAND, POLL, POWER, READ, STOP, CommandQueue, Item, key_of
from devices.reading import Reader
from devices.sessions import SessionError
from devices.traffic import TrafficLog
from devices.transports.link import Link, LinkError
from devices.waiting import Waiting, keepable
from devices.wake import wake_device
from firmware_profiles.catalog import Catalog
from firmware_profiles.schema import Profile
from firmware_profiles.wire import Session


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
        traffic: TrafficLog | None = None,
    ) -> None:
        """`secrets` gives the device's secret options at each connect; with a `catalog` dialects
        are chosen by what the device says it is. Raises ValueError for options that don't suit
        the profile."""
        self.spec = spec
        self.traffic = traffic or TrafficLog()
        self._link, self._secrets, self._catalog = link, secrets, catalog
        self._session = session or profile.session
        self._per_command = self._session.connection == "per-command"
        self._clock = clock or Clock()
        self._queue = CommandQueue()
        self._moves = Moves(lambda halt: self._queue.put(self._item(halt, STOP)))
        self._lost = asyncio.Event()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._current: Item | None = None
        self._dialect: str | None = None
        self._next_profile: Profile | None = None
        self.codec = Codec(profile, spec.options)
        self._knowledge = Knowledge(
            spec, profile, self.codec, self._clock, on_state=on_state, on_settled=self._settled
        )
        self._lifeline = Lifeline(spec.id, self._serve, self._knowledge.unreachable)
        self._adopt(profile)

    def _adopt(self, profile: Profile) -> None:
        """Use this profile (or dialect) from the next connection on."""
        self.profile, self.codec = profile, Codec(profile, self.spec.options)
        self._next_profile = None
        self._knowledge.adopt(profile, self.codec)
        self._waiting = Waiting(
            profile.power, self._knowledge, self._queue, self._moves, self._clock
        )
        self._reader = Reader(
            profile,
            self.codec,
            self._knowledge,
            self._clock,
            ask=self._ask,
            idle_s=self._session.idle_s,
        )
        self._conversation = Conversation(
            self._link,
            self.codec,
            self._session,
            {},
            clock=self._clock,
            traffic=self.traffic,
            heard=self._heard,
            lost=self._link_lost,
        )
        self._outcomes = Outcomes(
            self.codec,
            self._knowledge,
            self._waiting,
            self._reader,
            self._moves,
            self._conversation,
            self._clock,
            answered=self._answered,
            identified=self._pick_dialect,
        )

    def state(self) -> DeviceState:
        """A copy of what is known now."""
        return self._knowledge.snapshot()

    async def start(self) -> None:
        """Begin connecting; returns at once."""
        self._spawn(self._lifeline.run(), "run")

    async def stop(self) -> None:
        """Disconnect. Moving things are stopped first; waiting commands are told."""
        owed = self._moves.close()
        if owed and self._conversation.is_open:
            with suppress(LinkError, NoAnswer, Interrupted):
                for request in owed:
                    await self._conversation.ask(
                        request, timeout=0.3, sent=lambda: None, urgent=True
                    )
        tasks, self._tasks = list(self._tasks), set()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._conversation.close()
        for item in [*self._queue.take_all(), *([self._current] if self._current else [])]:
            item.finish("failed", "the daemon is stopping")

    def _spawn(self, job: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
        task = asyncio.create_task(job, name=f"{self.spec.id} {name}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _serve(self) -> None:
        """One connection, from its opening to its loss, which is raised as LinkError."""
        self._lost.clear()
        if self._next_profile is not None:
            self._adopt(self._next_profile)
        try:
            self._conversation.options = {**self.codec.options, **self._secrets()}
        except ValueError as error:
            raise SessionError(str(error), "correct the reference in room.toml") from error
        if not self._per_command:
            await self._conversation.open()
        self._connected()
        jobs = (
            self._work(),
            self._reader.run(self._each_turn, lambda: bool(self._waiting)),
            self._conversation.keep_alive(),
            self._lost.wait(),
        )
        tasks = [self._spawn(job, "serve") for job in jobs]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                if (failure := task.exception()) is not None:
                    raise failure
            raise LinkError(self._link.lost or "the connection was lost")
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._give_back()
            self._queue.drop_reads()
            await self._conversation.close()

    def _connected(self) -> None:
        """Stops that are owed go first. A device that can be asked nothing is online now."""
        for request in self._moves.owed.values():
            self._queue.put(self._item(request, STOP))
        readable = any(command.getter for command in self.codec.commands.values())
        if not readable and self.profile.presence is None and not self._per_command:
            self._answered()

    def _link_lost(self, why: str) -> None:
        if not self._per_command:
            self._lost.set()

    def _give_back(self, why: str = "the connection was lost") -> None:
        """The command in work when the link was lost waits for the next connection."""
        item, self._current = self._current, None
        if item is not None and item.request.action == "set":
            self._waiting.keep(item, why)

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
        result = CommandResult(device=self.spec.id, command=command, value=value, outcome="refused")
        try:
            request = self.codec.set(command, value)
        except ValueError as error:
            return result.model_copy(update={"detail": str(error)})
        stop = known.spec.stop is not None and request.value == known.spec.stop
        item = self._item(request, STOP if stop else POWER if command == "power" else COMMAND)
        item.done = asyncio.get_running_loop().create_future()
        if request.value is not None and keepable(request):
            self._knowledge.desire(request)
        self._waiting.forget(item.key)
        if not stop:
            self._moves.renewed(item.key)
        self._queue.put(item)
        if stop and self._current is not None and self._current.key == item.key:
            self._conversation.interrupt()
        self._lifeline.nudge()
        self._knowledge.show()
        if not wait:
            return result.model_copy(update={"outcome": "queued", "value": request.value})
        return await self._result(item, timeout or patience_of(known, self.profile.timing))

    async def read(self, command: str, *, timeout: float) -> Value:
        """A state as the device tells it now; see DeviceManager.read."""
        try:
            item = self._item(self.codec.get(command), READ)
        except (UnknownCommand, ValueError):
            return None
        item.done = asyncio.get_running_loop().create_future()
        self._queue.put(item)
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                if (await item.done).outcome == "confirmed":
                    return self.state().values.get(item.request.state)
        self._queue.remove(item)
        return None

    async def _result(self, item: Item, timeout: float) -> CommandResult:
        assert item.done is not None
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                return await asyncio.shield(item.done)
        detail = self._knowledge.detail or "the device doesn't answer"
        if self._current is item:
            item.finish("queued" if keepable(item.request) else "failed", detail)
        else:
            self._queue.remove(item)
            self._waiting.keep(item, detail)
        return await item.done

    def waits_for(self, request: Request) -> bool:
        """Does a command like this one still wait for the device?"""
        key = key_of(request)
        return key in self._waiting.held or key in self._queue

    def _item(self, request: Request, priority: int) -> Item:
        return Item(request, priority, key_of(request), self.spec.id)

    def _ask(self, request: Request, polled: bool) -> None:
        self._queue.put(self._item(request, POLL if polled else READ))

    def _settled(self) -> None:
        """The power came to rest."""
        self._reader.soon(everything=self._knowledge.power.state is Power.ON)
        self._waiting.release()

    def _each_turn(self) -> None:
        self._knowledge.power_by(self._knowledge.power.tick)
        if self._waiting and self._knowledge.health is Health.ONLINE:
            self._waiting.release()
        self._knowledge.show()

    async def _work(self) -> None:
        while True:
            item = await self._queue.get()
            if (
                item.request.action == "set"
                and (why := self._waiting.blocked(item.request)) is not None
            ):
                self._waiting.keep(item, why)
                continue
            self._current = item
            try:
                await self._carry_out(item)
            except LinkError as error:
                self._give_back(error.sentence)
                if isinstance(error, SessionError) or not self._per_command:
                    raise
                self._knowledge.missed(error.sentence)
            self._current = None
            self._knowledge.show()

    async def _carry_out(self, item: Item) -> None:
        request, power = item.request, self._knowledge.power
        attempts = 1 if power.silent() else attempts_of(request.command, self.profile.timing)
        if request.command.name == "power" and request.value is True and power.target is not True:
            await wake_device(self.spec.options)
        if request.action == "set":
            self._knowledge.moves(request)
        for attempt in range(attempts):
            try:
                meaning = await self._exchange(item)
            except NoAnswer:
                bare = self._link.datagram and self._session.kind == "plain"
                if self._knowledge.missed("doesn't answer") and not bare:
                    self._lost.set()
                if request.action == "get":
                    self._reader.unanswered(request.command.name)
                    break
                if self._queue.has_stop() and not item.is_stop:
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
            self._outcomes.concluded(item, meaning)
            return
        if request.action == "set":
            self._outcomes.unanswered(item)

    async def _exchange(self, item: Item) -> Meaning:
        if self._per_command:
            await self._conversation.open()
        try:
            return await self._conversation.ask(
                item.request,
                timeout=timeout_of(item.request.command, self.profile.timing),
                sent=item.mark_sent,
                urgent=item.is_stop,
            )
        finally:
            if self._per_command:
                await self._conversation.close()

    def _heard(self, meaning: Meaning) -> None:
        """Something came that nobody asked for."""
        if meaning.kind == "unknown":
            return
        if meaning.kind == "offline":
            self._knowledge.gone("the device reported itself gone")
            return
        if meaning.kind == "restart":
            self._knowledge.power.unknown()
        if meaning.kind in ("restart", "online"):
            self._reader.soon(everything=True)
        self._answered()
        self._knowledge.apply(meaning.states, self._waiting.held)
        self._knowledge.show()

    # --- notices by another way ----------------------------------------------------------------

    @property
    def notice_port(self) -> int | None:
        """The UDP port of ours that the device sends notices to."""
        return self.profile.notices.port if self.profile.notices else None

    @property
    def host(self) -> str:
        """Where the device is, empty on a serial line."""
        return urlsplit(self.spec.transport).hostname or ""

    def noticed(self, data: bytes) -> None:
        """A datagram that says it is from the device: ask about what it tells."""
        for meaning in self._conversation.notice(data):
            if meaning.kind in ("restart", "online"):
                self._reader.soon(everything=True)
                self._lifeline.nudge()
            for state in meaning.states:
                self._reader.read(state)

    def _answered(self) -> None:
        if self._waiting and self._knowledge.health is not Health.ONLINE:
            self._reader.soon()
        self._lifeline.works()
        self._knowledge.answered()

    def _pick_dialect(self) -> None:
        """The device said what it is: speak its dialect, from a new connection on."""
        if self._catalog is None or "dialect" in self.spec.options or self._dialect is not None:
            return
        who = self._knowledge.identity() if self.profile.dialects else None
        found = who and self._catalog.dialect(self.profile.name, *who)
        if found:
            self._dialect, self._next_profile = found
            self._knowledge.dialect(self._dialect)
            self.traffic.add("note", b"", f"dialect {self._dialect}")
            self._lifeline.at_once()
            self._lost.set()
