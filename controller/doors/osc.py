"""OSC: the class and its devices for show-control desks, over UDP.

`/classroom/start|pause|resume|stop|extend`, `/classroom/layout s`, `/device/<id>/<command> value`;
`/classroom/subscribe [port]` asks for the state, and must be said again within `SUBSCRIBED_S`.
Off unless configured. A sender must be on the allow-list and give the token first, unless the site
turned that off; everything else is dropped in silence.
"""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import structlog
from pythonosc.osc_message_builder import OscMessageBuilder
from pythonosc.osc_packet import OscPacket

from controller.classroom import Classroom, ClassroomError
from controller.config import resolve_secret
from controller.doors.verbs import say
from controller.events import SlowSubscriber
from controller.settings import OscSection
from controller.state import AccessRole, Actor, Event, SessionView
from devices.model import DeviceState, Value

_log = structlog.get_logger(__name__)

SUBSCRIBED_S = 60.0
LARGEST = 8192
SUBSCRIBERS = 32
WAITING = 256
_ARGUMENT = {"extend": "minutes", "layout": "layout", "start": "title", "bookmark": "label"}

Address = tuple[str, int]


class OscError(Exception):
    """The OSC door cannot be opened; says why and what to do."""


@dataclass
class _Subscriber:
    until: float
    told: dict[str, Any]


class OscDoor(asyncio.DatagramProtocol):
    """One UDP socket in both directions: commands come in, the state goes to subscribers."""

    def __init__(self, classroom: Classroom, settings: OscSection) -> None:
        self.port = settings.port
        self._classroom = classroom
        self._settings = settings
        self._allowed = [ipaddress.ip_network(text, strict=False) for text in settings.allow]
        self._token: bytes | None = b""  # nothing is let in before the token is known
        self._transport: asyncio.DatagramTransport | None = None
        self._subscribers: dict[Address, _Subscriber] = {}
        self._jobs: set[asyncio.Task[None]] = set()
        self._task: asyncio.Task[None] | None = None
        self._turn = asyncio.Lock()
        self._refused: set[str] = set()

    async def start(self) -> None:
        """Open the port. Raises OscError, or SecretError when the token cannot be found."""
        reference = self._settings.token
        self._token = None if reference == "off" else resolve_secret(reference or "").encode()
        loop = asyncio.get_running_loop()
        host, port = self._settings.host, self._settings.port
        try:
            self._transport, _ = await loop.create_datagram_endpoint(
                lambda: self, local_addr=(host, port)
            )
        except OSError as error:
            raise OscError(
                f"the OSC port {host}:{port} cannot be opened ({error.strerror})."
                " Choose another [osc] host or port."
            ) from error
        self.port = self._transport.get_extra_info("sockname")[1]
        self._task = asyncio.create_task(self._tell(), name="osc")

    async def stop(self) -> None:
        """Close the port."""
        tasks = [task for task in (self._task, *self._jobs) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._transport is not None:
            self._transport.close()

    # In

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        """Anything may arrive here, from anybody."""
        sender = (str(addr[0]), int(addr[1]))
        if len(data) > LARGEST or not self._is_allowed(sender[0]):
            self._refuse(sender[0], "not on the allow-list")
            return
        try:
            messages = [timed.message for timed in OscPacket(data).messages]
        except Exception:
            self._refuse(sender[0], "no OSC")  # python-osc raises all sorts on hostile bytes
            return
        for message in messages:
            values = list(message.params)
            if self._token is not None:
                given = values.pop(0) if values else None
                if not isinstance(given, str) or not self._is_token(given):
                    self._refuse(sender[0], "wrong token")
                    continue
            self._take(sender, message.address, values)

    def error_received(self, exc: Exception) -> None:
        """A subscriber is gone: its machine refuses the port. It is dropped when its time is up."""

    def _is_allowed(self, host: str) -> bool:
        address = ipaddress.ip_address(host.partition("%")[0])
        return any(address in network for network in self._allowed)

    def _is_token(self, given: str) -> bool:
        return bool(self._token) and hmac.compare_digest(given.encode(), self._token or b"")

    def _refuse(self, host: str, why: str) -> None:
        if host not in self._refused and len(self._refused) < 1000:
            self._refused.add(host)  # once per sender: a flood must not fill the log
            _log.warning("osc_refused", sender=host, why=why)

    def _take(self, sender: Address, address: str, values: list[Any]) -> None:
        parts = address.strip("/").split("/")
        actor = Actor(name=f"osc {sender[0]}", role=AccessRole.INSTRUCTOR, door="osc")
        match parts:
            case ["classroom", "subscribe"]:
                self._subscribe(sender, values)
            case ["classroom", "unsubscribe"]:
                self._subscribers.pop(self._target(sender, values), None)
            case ["classroom", verb]:
                named = {_ARGUMENT[verb]: values[0]} if values and verb in _ARGUMENT else {}
                self._later(sender, self._say(actor, verb, named))
            case ["device", device, command]:
                value: Value = values[0] if values else None
                if isinstance(value, bool | int | float | str | None):
                    self._later(sender, self._command(actor, device, command, value))
            case _:
                self._send(sender, "/classroom/error", "unknown_address", f"{address} is not known")

    async def _say(self, actor: Actor, verb: str, values: dict[str, Any]) -> None:
        async with self._turn:  # pause and resume must not overtake each other
            await say(self._classroom, actor, verb, values)

    async def _command(self, actor: Actor, device: str, command: str, value: Value) -> None:
        state = next((s for s in self._classroom.devices.states() if s.id == device), None)
        known = next((c for c in state.commands if c.name == command), None) if state else None
        if known is not None and known.kind == "boolean" and isinstance(value, int | float):
            value = bool(value)  # desks have no booleans, only 0 and 1
        result = await self._classroom.command(actor, device, command, value)
        if result.outcome in {"failed", "refused"}:
            raise ClassroomError(result.outcome, result.detail or f"{device} did not do it.", "")

    def _later(self, sender: Address, work: Coroutine[Any, Any, None]) -> None:
        if len(self._jobs) >= WAITING:
            work.close()
            return

        async def run() -> None:
            try:
                await work
            except ClassroomError as error:
                self._send(sender, "/classroom/error", error.code, str(error))
            except Exception:
                _log.exception("osc")

        task = asyncio.create_task(run())
        self._jobs.add(task)
        task.add_done_callback(self._jobs.discard)

    # Out

    def _target(self, sender: Address, values: list[Any]) -> Address:
        port = values[0] if values else sender[1]
        return sender[0], port if isinstance(port, int) and 0 < port < 65536 else sender[1]

    def _subscribe(self, sender: Address, values: list[Any]) -> None:
        target = self._target(sender, values)
        if target not in self._subscribers and len(self._subscribers) >= SUBSCRIBERS:
            self._send(sender, "/classroom/error", "full", f"{SUBSCRIBERS} subscribe already")
            return
        until = asyncio.get_running_loop().time() + SUBSCRIBED_S
        self._subscribers[target] = _Subscriber(until, {})
        view = self._classroom.view()
        self._show(target, _session(view.session))
        for state in view.devices:
            self._show(target, _device(state))

    async def _tell(self) -> None:
        while True:
            with suppress(SlowSubscriber):
                async with self._classroom.events.subscribe() as events:
                    async for event in events:
                        self._event(event)
                return

    def _event(self, event: Event) -> None:
        if event.kind == "session":
            values = _session(SessionView.model_validate(event.data))
        elif event.kind == "device":
            values = _device(DeviceState.model_validate(event.data))
        else:
            return
        now = asyncio.get_running_loop().time()
        for target, subscriber in list(self._subscribers.items()):
            if subscriber.until < now:
                del self._subscribers[target]
            else:
                self._show(target, values)

    def _show(self, target: Address, values: dict[str, Any]) -> None:
        told = self._subscribers[target].told
        for address, value in values.items():
            if address not in told or told[address] != value:
                told[address] = value
                self._send(target, address, value)

    def _send(self, target: Address, address: str, *values: Any) -> None:
        if self._transport is None:
            return
        builder = OscMessageBuilder(address)
        for value in values:
            builder.add_arg(value)
        with suppress(OSError):
            self._transport.sendto(builder.build().dgram, target)


def _session(view: SessionView | None) -> dict[str, Any]:
    if view is None:
        return {"/classroom/state": "free"}
    ended = view.state == "ended"
    return {
        "/classroom/state": "free" if ended else view.state.value,
        "/classroom/title": "" if ended else view.title,
        "/classroom/layout": view.layout,
        "/classroom/recording": view.recording_state,
        "/classroom/elapsed": round(view.elapsed_s, 1),
    }


def _device(state: DeviceState) -> dict[str, Any]:
    shown: dict[str, Any] = {
        f"/device/{state.id}/health": state.health.value,
        f"/device/{state.id}/power": state.power.value,
    }
    for name, value in state.values.items():
        if value is not None and name != "power":
            shown[f"/device/{state.id}/{name}"] = value
    return shown
