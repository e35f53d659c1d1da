"""MQTT: the room on the broker.

`classroom/<room>/state`, `devices/<id>/state` and `alarms` are retained JSON, `online` says whether
the daemon is there (its will). `session/set` and `devices/<id>/set` take commands as JSON,
authorised as `[mqtt] commands` says; the answer to each goes to `…/set/result`. Retained commands
are wiped before the door listens: an old "start" must not begin a class at every restart.
"""

from __future__ import annotations

import asyncio
import hmac
import json
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

import structlog

from controller.classroom import Classroom, ClassroomError
from controller.config import resolve_secret
from controller.doors.homeassistant import discovery
from controller.doors.verbs import say
from controller.events import SlowSubscriber
from controller.settings import RoomConfig
from controller.state import AccessRole, Actor, Event
from devices.model import Value
from devices.transports.link import LinkError
from devices.transports.mqtt import MqttLink

_log = structlog.get_logger(__name__)

WAITING = 256
_MOVING = {"now", "elapsed_s", "recorded_s"}
_MAY = {AccessRole.INSTRUCTOR, AccessRole.TECHNICIAN, AccessRole.ADMIN}


def root_topic(room: str) -> str:
    """The room's place on the broker."""
    return f"classroom/{room}"


def will(room: str) -> tuple[str, str]:
    """What the broker says when the daemon vanishes; give it to MqttLink."""
    return f"{root_topic(room)}/online", "offline"


class MqttDoor:
    """Tells the room's state over the process's one connection, and takes commands from it."""

    def __init__(self, classroom: Classroom, link: MqttLink) -> None:
        self._classroom = classroom
        self._config: RoomConfig = classroom.config
        self._link = link
        self._root = root_topic(self._config.room.id)
        self._tokens: list[tuple[bytes, str, AccessRole]] = []
        self._told: dict[str, str] = {}
        self._ends: list[Callable[[], None]] = []
        self._unwatch: Callable[[], None] | None = None
        self._jobs: set[asyncio.Task[None]] = set()
        self._task: asyncio.Task[None] | None = None
        self._greeting: asyncio.Task[None] | None = None
        self._turn = asyncio.Lock()

    async def start(self) -> None:
        """Tell the room now and whenever the broker is back. SecretError for a lost token."""
        if self._config.mqtt.commands == "token":
            for token in self._config.auth.tokens:
                secret = resolve_secret(token.secret).encode()
                self._tokens.append((secret, token.name, token.role))
        self._unwatch = self._link.watch(self._connected)
        self._task = asyncio.create_task(self._tell(), name="mqtt door")
        if self._link.connected:
            self._connected(True)

    async def stop(self) -> None:
        """Say that the daemon leaves, and stop listening."""
        if self._unwatch is not None:
            self._unwatch()
        self._deafen()
        tasks = [task for task in (self._task, self._greeting, *self._jobs) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        with suppress(LinkError):
            await self._link.publish(f"{self._root}/online", "offline", retain=True)

    # Out

    def _connected(self, connected: bool) -> None:
        self._told.clear()
        self._deafen()
        if self._greeting is not None:
            self._greeting.cancel()
        if connected:
            self._greeting = asyncio.create_task(self._greet(), name="mqtt greeting")

    async def _greet(self) -> None:
        """Everything anew: a broker that was restarted remembers nothing."""
        try:
            await self._everything()
            await self._listen()
            await asyncio.sleep(0)  # the subscriptions go out first: online means that it listens
            await self._publish("online", "online")
        except LinkError as error:
            _log.info("mqtt_door", error=str(error))  # the next connection greets again

    async def _everything(self) -> None:
        view = self._classroom.view()
        session = view.session.model_dump(mode="json") if view.session else None
        await self._session(session)
        for state in view.devices:
            await self._publish(f"devices/{state.id}/state", state.model_dump_json())
        alarms = [alarm.model_dump(mode="json") for alarm in view.alarms]
        await self._publish("alarms", json.dumps(alarms))
        await self._discovery()

    async def _discovery(self) -> None:
        mqtt, room = self._config.mqtt, self._config.room
        if not mqtt.homeassistant:
            return
        states = self._classroom.devices.states()
        for topic, payload in discovery(
            mqtt.discovery_prefix,
            self._root,
            room.id,
            room.name,
            states,
            acts=mqtt.commands == "broker",
        ):
            if self._told.get(topic) != payload:
                await self._link.publish(topic, payload, retain=True)
                self._told[topic] = payload

    async def _tell(self) -> None:
        while True:
            with suppress(SlowSubscriber):
                async with self._classroom.events.subscribe() as events:
                    async for event in events:
                        with suppress(LinkError):
                            await self._event(event)
                return

    async def _event(self, event: Event) -> None:
        if event.kind == "session":
            await self._session(event.data)
        elif event.kind == "device":
            await self._publish(f"devices/{event.data['id']}/state", json.dumps(event.data))
            await self._discovery()
        elif event.kind == "alarms":
            await self._publish("alarms", json.dumps(event.data["alarms"]))

    async def _session(self, session: dict[str, Any] | None) -> None:
        """The class, told when it changes and not because time passes."""
        kept = {key: value for key, value in (session or {}).items() if key not in _MOVING}
        on = session is not None and session["state"] != "ended"
        state = session["state"] if session is not None and on else "free"
        name = self._config.room.name
        said = {"room": self._config.room.id, "name": name, "state": state}
        await self._publish("state", json.dumps(said | {"session": kept if session else None}))

    async def _publish(self, topic: str, payload: str) -> None:
        if self._told.get(topic) != payload:
            await self._link.publish(f"{self._root}/{topic}", payload, retain=True)
            self._told[topic] = payload

    # In

    async def _listen(self) -> None:
        if self._config.mqtt.commands == "off":
            return
        topics = [f"{self._root}/session/set"]
        topics += [f"{self._root}/devices/{spec.id}/set" for spec in self._config.devices]
        for topic in topics:
            await self._link.publish(topic, b"", retain=True)
        for topic in topics:
            self._ends.append(self._link.subscribe(topic, self._received))

    def _deafen(self) -> None:
        for end in self._ends:
            end()
        self._ends.clear()

    def _received(self, topic: str, payload: bytes) -> None:
        if payload and len(self._jobs) < WAITING:
            self._later(self._answer(topic, payload))

    async def _answer(self, topic: str, payload: bytes) -> None:
        result: dict[str, Any] = {"ok": True}
        try:
            message = _read(payload)
            if isinstance(message.get("id"), str | int):
                result["id"] = message["id"]
            actor = self._actor(message)
            await self._act(topic.removeprefix(f"{self._root}/").split("/"), actor, message, result)
        except ClassroomError as error:
            result |= {"ok": False, "code": error.code, "message": str(error)}
        except Exception:
            _log.exception("mqtt_command", topic=topic)
            result |= {"ok": False, "code": "internal", "message": "It failed; see the log."}
        with suppress(LinkError):
            await self._link.publish(f"{topic}/result", json.dumps(result))

    async def _act(
        self, parts: list[str], actor: Actor, message: dict[str, Any], result: dict[str, Any]
    ) -> None:
        command = message.get("command")
        if not isinstance(command, str):
            raise _bad("The command is missing.", 'Send {"command": "…"}.')
        if parts[0] == "session":
            async with self._turn:
                view = await say(self._classroom, actor, command, message)
            result["state"] = view.state.value
            return
        value: Value = message.get("value")
        if not isinstance(value, bool | int | float | str | None):
            raise _bad("The value is no plain value.", "Send a text, a number or true/false.")
        done = await self._classroom.command(actor, parts[1], command, value)
        result |= {"ok": done.outcome in {"confirmed", "queued", "replaced"}}
        result |= {"outcome": done.outcome, "detail": done.detail}

    def _actor(self, message: dict[str, Any]) -> Actor:
        """Who says it, by its token or by the broker's leave."""
        if self._config.mqtt.commands == "broker":
            return Actor(name="mqtt", role=AccessRole.INSTRUCTOR, door="mqtt")
        given = message.get("token")
        found = None
        for secret, name, role in self._tokens:
            if isinstance(given, str) and hmac.compare_digest(given.encode(), secret):
                found = name, role
        if found is None or found[1] not in _MAY:
            raise ClassroomError(
                "not_allowed",
                "This command is not authorised.",
                'Send the "token" of an [[auth.tokens]] entry whose role is instructor or higher.',
                403,
            )
        return Actor(name=found[0], role=found[1], door="mqtt")

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._jobs.add(task)
        task.add_done_callback(self._jobs.discard)


def _read(payload: bytes) -> dict[str, Any]:
    """A JSON object, or the bare command as a text."""
    try:
        text = payload.decode("utf-8")
        message = json.loads(text) if text.lstrip().startswith("{") else {"command": text.strip()}
    except (ValueError, RecursionError):
        raise _bad("This is no JSON.", 'Send {"command": "…"}.') from None
    return message if isinstance(message, dict) else {}


def _bad(message: str, remedy: str) -> ClassroomError:
    return ClassroomError("bad_value", message, remedy, 422)
