"""A device as its profile describes it, seen from the inside: takes bodies, answers bodies.

It is built from the same templates as the driver, so a wrong template would satisfy both; the
golden exchanges copied from the documents are what keeps the two honest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from devices.clock import Clock
from devices.faults import Faults
from devices.model import Value
from devices.simulated_head import PAN, TILT, SimulatedHead
from firmware_profiles.compiled import CompiledCommand, compiled
from firmware_profiles.fields import TemplateError, Unmapped
from firmware_profiles.schema import Profile
from firmware_profiles.template import Template


@dataclass
class Answer:
    """Bodies to send back after `delay` seconds of real time; `cut` closes the link then."""

    bodies: list[bytes] = field(default_factory=list)
    delay: float = 0.0
    cut: bool = False


class SimulatedDevice:
    """State, power and manners of one simulated device.

    `listeners` get what it says unasked; commands named in `unsupported` it claims not to know;
    `received` lists what it was told.
    """

    def __init__(
        self,
        profile: Profile,
        options: Mapping[str, Any] | None = None,
        *,
        clock: Clock | None = None,
        faults: Faults | None = None,
    ) -> None:
        self.profile = profile
        self.clock, self.faults = clock or Clock(), faults or Faults()
        defaults = {name: option.default for name, option in profile.options.items()}
        self.options = {**defaults, **profile.simulator.options, **(options or {})}
        self._known = {
            name: self.options[name]
            for name, option in profile.options.items()
            if not option.secret and not option.broadcast
        }
        known = compiled(profile)
        self.commands, self.common = dict(known.commands), known.replies
        self._replies = known.replies_of
        self.listeners: list[Callable[[bytes], None]] = []
        self.values: dict[str, Value] = {}
        self._fields: dict[str, dict[str, Any]] = {}
        self.received: list[str] = []
        self.unsupported: set[str] = set()
        self._down_until = 0.0
        self._begin()

    def _begin(self) -> None:
        """The state after power-up."""
        self.values = {c.state: self._first(c) for c in self.commands.values()}
        self.values |= self.profile.simulator.state
        self._fields.clear()
        head = self.profile.simulator.head
        self._head = None if head is None else SimulatedHead(head, self.clock)
        self._power = bool(self.values.get("power", "power" not in self.commands))
        self._changing_until: float | None = None
        self._changed = self.clock.now() - 1e6

    def preset(self, state: str, value: Value) -> None:
        """Set a state from outside, as someone at the device would; "on"/"off" and numbers in
        text are understood. Raises ValueError."""
        command = next((c for c in self.commands.values() if c.state == state), None)
        if command is None:
            raise ValueError(f"no state {state!r}")
        if command.kind == "boolean":
            value = command.to_wire(value) == "on"
        elif command.kind == "number":
            value = float(str(value))
        if command.name == "power":
            self._power, self._changing_until = bool(value), None
        self.values[state] = value
        if self._head is not None and isinstance(value, int | float):
            self._head.put(state, value)

    def _first(self, command: CompiledCommand) -> Value:
        if command.kind == "boolean":
            return False
        if command.kind == "choice":
            return next(iter(command.spec.values), None) or next(
                iter(command.spec.reads.values()), None
            )
        if command.kind == "number":
            low = command.spec.range[0] if command.spec.range else 0
            return int(low) if low == int(low) else low
        return None if command.kind == "action" else "simulated"

    # --- power ---------------------------------------------------------------------------------

    @property
    def power(self) -> str:
        """off, warming, on or cooling."""
        if self._changing_until is not None and self.clock.now() < self._changing_until:
            return "warming" if self._power else "cooling"
        return "on" if self._power else "off"

    def _switch(self, on: bool) -> None:
        if on == self._power:
            return
        model = self.profile.power
        self._power, self._changed = on, self.clock.now()
        self._changing_until = self._changed + (model.warm_s if on else model.cool_s)

    def takes_connections(self) -> bool:
        """Would it accept a connection now?"""
        if self.clock.now() < self._down_until:
            return False
        return not (self.profile.power.standby == "disconnected" and self.power == "off")

    def _manners(self) -> str:
        """answers, power-only or silent, for the present power state."""
        model, state = self.profile.power, self.power
        if "power" not in self.commands:
            return "answers"
        if self.clock.now() - self._changed < model.dead_s:
            return "silent"
        if state in ("warming", "cooling"):
            return "silent" if self.faults.on("silent-warming") else model.changing
        return model.standby if state == "off" else "answers"

    # --- messages ------------------------------------------------------------------------------

    def receive(self, body: bytes) -> Answer:
        """Take one message and say what comes back."""
        if self.clock.now() < self._down_until:
            return Answer()
        if self.faults.strikes("power-cut"):
            self._begin()
            self._down_until = self.clock.now() + 1.0
            return Answer(cut=True)
        answer = self._answer(body)
        answer.cut = answer.cut or self.faults.strikes("flap")
        if answer.bodies and self.faults.strikes("late"):
            answer.delay = self.profile.timing.timeout_s + 0.3
        if self.faults.on("echo"):
            answer.bodies.insert(0, body)
        if self.faults.on("silent"):
            answer.bodies = []
        return answer

    def knows(self, body: bytes) -> bool:
        """Is this one of the messages that the profile's commands make?"""
        return self._find(body) is not None

    def _answer(self, body: bytes) -> Answer:
        found = self._find(body)
        if found is None:
            return Answer(self._refuse(self._any_command(), "undefined", {}))
        command, action, fields, broadcast = found
        self.received.append(command.name if action == "set" else f"{command.name}?")
        if command.name in self.unsupported:
            return Answer(self._refuse(command, "undefined", fields))
        manners = self._manners()
        always = self.power in (command.spec.when or ())
        if command.name != "power" and manners == "power-only" and not always:
            bodies = self._refuse(command, "unavailable", fields)
        elif manners in ("silent", "disconnected") and not (
            command.name == "power" and action == "set" and self.power == "off"
        ):
            bodies = []
        elif action == "get":
            bodies = self._report(command, fields)
        else:
            bodies = self._take(command, fields)
        return Answer([] if broadcast else bodies)

    def _find(self, body: bytes) -> tuple[CompiledCommand, str, dict[str, Any], bool] | None:
        weak = None
        for action in ("get", "set"):
            for command in self.commands.values():
                template = command.getter if action == "get" else command.setter
                fields = None if template is None else template.match(body, self._known)
                if fields is None:
                    continue
                addressed, broadcast = self._addressed(fields)
                if not addressed:
                    continue
                if isinstance(fields.get("value"), Unmapped):
                    weak = weak or (command, action, fields, broadcast)
                else:
                    return command, action, fields, broadcast
        return weak

    def _addressed(self, fields: Mapping[str, Any]) -> tuple[bool, bool]:
        for name, option in self.profile.options.items():
            if option.broadcast and name in fields:
                if fields[name] in option.broadcast:
                    return True, True
                if fields[name] != self.options[name]:
                    return False, False
        return True, False

    def _take(self, command: CompiledCommand, fields: dict[str, Any]) -> list[bytes]:
        if self.faults.strikes("nak"):
            return self._refuse(command, "failure", fields)
        if self.faults.strikes("busy"):
            return self._busy(command, fields)
        value: Value = None
        if command.kind != "action":
            if isinstance(fields.get("value"), Unmapped):
                return self._refuse(command, "range", fields)
            value = command.from_wire(fields.get("value"))
            low, high = command.spec.range or (float("-inf"), float("inf"))
            if command.kind == "number" and not (
                isinstance(value, int | float) and low <= value <= high
            ):
                return self._refuse(command, "range", fields)
        state = self._state_of(command, fields)
        if command.name == "power":
            changing = self.power in ("warming", "cooling")
            if changing and bool(value) != self._power and self.profile.power.hold:
                return self._refuse(command, "unavailable", fields)
            self._switch(bool(value))
        elif command.kind != "action":
            self.values[state] = value
            self._fields[state] = dict(fields)
        if self._head is not None:
            self._head.told(command.name, value, fields)
        bodies = []
        if not command.spec.replies:
            return self._announce(command, fields)
        for template in self._replies[command.name].accepted[:1]:
            bodies.append(self._build(template, fields, command))
        for template in command.acks[:1]:
            bodies.append(self._build(template, fields, command, state=state))
        return [body for body in bodies if body is not None] + self._announce(command, fields)

    def announcements(self) -> list[bytes]:
        """What a broker has kept of it when a controller subscribes: that it is there, and the
        states that can't be asked for."""
        bodies: list[bytes] = []
        if self.profile.transports.mqtt is None:
            return bodies
        if self.common.online is not None:
            bodies.append(self.common.online.build(self.options))
        for command in self.commands.values():
            templates = (*command.notices, *command.reports)
            if command.getter is None and templates and not command.spec.params:
                body = self._build(templates[0], {}, command, state=command.state)
                bodies += [] if body is None else [body]
        return bodies

    def _announce(self, command: CompiledCommand, fields: dict[str, Any]) -> list[bytes]:
        state = self._state_of(command, fields)
        for template in command.notices[:1] if not self.faults.on("silent") else ():
            body = self._build(template, fields, command, state=state)
            if body is not None:
                for listener in list(self.listeners):
                    listener(body)
        return []

    def _report(self, command: CompiledCommand, fields: dict[str, Any]) -> list[bytes]:
        defaults = {key: param.default for key, param in command.spec.params.items()}
        known = {**defaults, **fields}
        state = self._state_of(command, known)
        known = {**known, **self._fields.get(state, {}), **fields}
        if self._head is not None and command.name in (reading := self._head.reading()):
            self.values[state] = reading[command.name]
            known |= {"tilt": reading[TILT]} if command.name == PAN else {}
        body = self._build(command.reports[0], known, command, state=state)
        return [] if body is None else [body]

    def _state_of(self, command: CompiledCommand, fields: Mapping[str, Any]) -> str:
        state = command.state
        for name, param in command.spec.params.items():
            state = state.replace("{" + name + "}", str(fields.get(name, param.default)))
        if state not in self.values:
            self.values[state] = self._first(command)
        return state

    def _build(
        self,
        template: Template,
        fields: Mapping[str, Any],
        command: CompiledCommand,
        *,
        state: str | None = None,
    ) -> bytes | None:
        known = {**self.options, **fields}
        if state is not None and command.kind != "action":
            known["value"] = self._wire_value(command, state)
        try:
            return template.build(known)
        except TemplateError:
            return None

    def _wire_value(self, command: CompiledCommand, state: str) -> Any:
        value = self.values.get(state)
        if command.name == "power":
            names = set(command.spec.reads.values())
            if self.power in names:
                return self.power
            return "on" if self._power else "off"
        if command.kind in ("boolean", "number"):
            try:
                return command.to_wire(value)
            except ValueError:
                return value
        return value

    # --- refusals ------------------------------------------------------------------------------

    def _any_command(self) -> CompiledCommand:
        return next(iter(self.commands.values()))

    def _refuse(
        self, command: CompiledCommand, error_class: str, fields: Mapping[str, Any]
    ) -> list[bytes]:
        templates = self._replies[command.name].nak
        if not templates or self.profile.simulator.refuse == "silent":
            return []
        errors = self.profile.replies.errors
        fitting = [code for code, text in errors.items() if text.startswith(error_class)]
        known = {"error": (fitting or [*errors, "1"])[0], **fields}
        body = self._build(templates[0], known, command)
        return [] if body is None else [body]

    def _busy(self, command: CompiledCommand, fields: Mapping[str, Any]) -> list[bytes]:
        for template in self._replies[command.name].busy[:1]:
            body = self._build(template, fields, command)
            return [] if body is None else [body]
        return self._refuse(command, "busy", fields)
