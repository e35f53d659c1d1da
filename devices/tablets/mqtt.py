"""The tablets' way in over MQTT: one member per tablet that speaks, one publish for all of them.

`classroom/<room>/tablets/<id>/up` carries what a tablet says, `…/down` what it alone is told,
`…/presence` its last will; `classroom/<room>/class/log` the live entries, `…/class/now` what is
not kept (pointer, host), and `…/class/page`, retained, where the class is. Who wrote to `up` is
known by the topic, because the broker lets nobody else write there (access.py).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable, Set
from typing import Any, Protocol, TypeAlias

import structlog

from devices.tablets.access import BrokerAccess
from devices.tablets.member import Member, text_of
from devices.tablets.pairing import PairingError, Tablet
from devices.tablets.presence import LEASE_MS
from devices.tablets.room import TabletRoom

WAITING_UP = 200
WAITING_DOWN = 20_000
AT_ONCE = 8
SUSPENDED_S = 60.0
SILENT_S = 2.5 * LEASE_MS / 1000

_Waiting: TypeAlias = "asyncio.Queue[tuple[str, str, int, bool]]"
_log = structlog.get_logger(__name__)


class Link(Protocol):
    """The part of `devices.transports.mqtt.MqttLink` that this needs."""

    host: str
    port: int

    @property
    def connected(self) -> bool: ...

    async def publish(
        self, topic: str, payload: str | bytes, *, qos: int = 1, retain: bool = False
    ) -> None: ...

    def subscribe(
        self, topic_filter: str, handler: Callable[[str, bytes], None]
    ) -> Callable[[], None]: ...

    def watch(self, watcher: Callable[[bool], None]) -> Callable[[], None]: ...


class _MqttMember(Member):
    hears_log = False

    def __init__(self, door: MqttTablets, tablet: Tablet) -> None:
        super().__init__(tablet)
        self._door = door
        self._own = f"tablets/{tablet.id}/down"
        self.inbox: asyncio.Queue[bytes] = asyncio.Queue(WAITING_UP)
        self.worker: asyncio.Task[None] | None = None
        self.heard_at = 0.0

    def send(self, text: str) -> None:
        self._door.put(self._own, text)

    def close(self, code: str, reason: str) -> None:
        self.tell("bye", code=code, message=reason)
        self._door.drop(self, suspend=code in ("too_fast", "bad_message"))


class MqttTablets:
    """Joins the MQTT broker with the room's tablets. `access` is None on a foreign broker."""

    def __init__(self, room: TabletRoom, link: Link, access: BrokerAccess | None) -> None:
        self._room, self._link, self._access = room, link, access
        self._base = f"classroom/{room.room}"
        self._members: dict[str, _MqttMember] = {}
        self._class: _Waiting = asyncio.Queue(WAITING_DOWN)
        self._down: _Waiting = asyncio.Queue(WAITING_DOWN)
        self._tasks: list[asyncio.Task[None]] = []
        self._jobs: set[asyncio.Task[Any]] = set()
        self._ends: list[Callable[[], None]] = []
        self._suspended: set[str] = set()

    async def start(self) -> None:
        """Begins to listen."""
        jobs = (self._publish_all(self._class), self._publish_all(self._down), self._sweep())
        self._tasks = [asyncio.create_task(job) for job in jobs]
        self._room.broadcasts.append(self._broadcast)
        self._room.pairing.on_revoked.append(self._revoked)
        self._ends = [
            self._link.subscribe(f"{self._base}/tablets/+/up", self._heard),
            self._link.subscribe(f"{self._base}/tablets/+/presence", self._presence),
            self._link.watch(self._connected),
        ]
        self._connected(self._link.connected)

    async def stop(self) -> None:
        """Stops listening; tablets notice that the room is away."""
        for end in self._ends:
            end()
        self._room.broadcasts.remove(self._broadcast)
        self._room.pairing.on_revoked.remove(self._revoked)
        for member in list(self._members.values()):
            self.drop(member)
        tasks = [*self._tasks, *self._jobs]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def grant(self, tablet: str, credential: str) -> None:
        """Gives a tablet its login at the broker. Raises what publishing raises."""
        if self._access:
            await self._access.grant(tablet, credential)

    # --- in ------------------------------------------------------------------------------------

    def _connected(self, connected: bool) -> None:
        """Tablets that were at the broker before the room say hello again."""
        if not connected:
            return
        self.put("class/now", text_of({"type": "here"}))
        if self._access:
            self._later(self._access.settle(self._valid, lambda: self._suspended))

    def _valid(self) -> set[str]:
        return {tablet.id for tablet in self._room.pairing.tablets() if not tablet.revoked}

    def _heard(self, topic: str, payload: bytes) -> None:
        ident = topic.split("/")[-2]
        member = self._members.get(ident)
        if member is None:
            try:
                tablet = self._room.pairing.tablet(ident)
            except PairingError:
                return
            if tablet.revoked:
                return
            member = self._members[ident] = _MqttMember(self, tablet)
            self._room.join(member)
            member.worker = asyncio.create_task(self._work(member))
        member.heard_at = asyncio.get_running_loop().time()
        try:
            member.inbox.put_nowait(payload)
        except asyncio.QueueFull:
            member.refused += 1

    async def _work(self, member: _MqttMember) -> None:
        while True:
            raw = await member.inbox.get()
            try:
                with contextlib.suppress(PairingError):
                    member.tablet = self._room.pairing.tablet(member.tablet.id)
                await self._room.receive(member, raw)
            except Exception as error:
                _log.error("a tablet's message failed", tablet=member.tablet.id, error=str(error))
                member.tell("error", code="failed", message="The room could not do this.")

    async def _sweep(self) -> None:
        """Forgets members that fell silent without a last will."""
        while True:
            await asyncio.sleep(SILENT_S / 2)
            silent = asyncio.get_running_loop().time() - SILENT_S
            for member in [each for each in self._members.values() if each.heard_at < silent]:
                self.drop(member)

    def _presence(self, topic: str, payload: bytes) -> None:
        member = self._members.get(topic.split("/")[-2])
        if member and payload != b"online":
            self.drop(member)

    def drop(self, member: _MqttMember, *, suspend: bool = False) -> None:
        """Forgets a member; a new hello brings it back. `suspend`: not within the next minute."""
        if self._members.get(member.tablet.id) is member:
            del self._members[member.tablet.id]
        self._later(self._room.leave(member))
        if suspend and self._access:
            self._later(self._suspend(member.tablet.id))
        if member.worker and member.worker is not asyncio.current_task():
            member.worker.cancel()
        elif member.worker:
            asyncio.get_running_loop().call_soon(member.worker.cancel)

    async def _suspend(self, tablet: str) -> None:
        assert self._access
        self._suspended.add(tablet)
        await self._access.suspend(tablet)
        await asyncio.sleep(SUSPENDED_S)
        self._suspended.discard(tablet)
        await self._access.readmit(tablet)

    def _revoked(self, tablet: Tablet) -> None:
        if self._access:
            self._later(self._access.withdraw(tablet.id))

    # --- out -----------------------------------------------------------------------------------

    def put(self, topic: str, text: str, *, qos: int = 1, retain: bool = False) -> None:
        """Queues one publish below the room's topic; what a gone broker misses is asked for.

        What the class hears never waits for what single tablets are told.
        """
        waiting = self._class if topic.startswith("class/") else self._down
        with contextlib.suppress(asyncio.QueueFull):
            waiting.put_nowait((topic, text, qos, retain))

    def _broadcast(self, channel: str, text: str, kinds: Set[str]) -> None:
        self.put(f"class/{channel}", text, qos=1 if channel == "log" else 0)
        if kinds and self._room.lesson:
            state = self._room.lesson.state
            if kinds & {"page", "deck", "add_page", "begin"}:
                page = next((p for p in state["pages"] if p["id"] == state["page"]), None)
                where = {"session": state["session"], "seq": state["seq"], "page": page}
                self.put("class/page", json.dumps(where), retain=True)
            if "end" in kinds:
                self.put("class/page", "", retain=True)

    async def _publish_all(self, waiting: _Waiting) -> None:
        free = asyncio.Semaphore(AT_ONCE)
        while True:
            topic, text, qos, retain = await waiting.get()
            await free.acquire()
            job = self._later(self._publish(topic, text, qos, retain))
            job.add_done_callback(lambda _: free.release())

    async def _publish(self, topic: str, text: str, qos: int, retain: bool) -> None:
        try:
            await self._link.publish(f"{self._base}/{topic}", text, qos=qos, retain=retain)
        except Exception as error:
            _log.info("not published", topic=topic, error=str(error))

    def _later(self, job: Any) -> asyncio.Task[Any]:
        task: asyncio.Task[Any] = asyncio.create_task(job)
        self._jobs.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._jobs.discard(task)
        if not task.cancelled() and (error := task.exception()):
            _log.warning("the broker did not take an order", error=str(error))
