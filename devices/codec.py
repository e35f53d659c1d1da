"""Between logical commands and message bodies, by one profile and one device's options."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from devices.model import CommandInfo, Value
from firmware_profiles.compiled import CompiledCommand, compiled
from firmware_profiles.fields import TemplateError
from firmware_profiles.messages import TOPIC_END
from firmware_profiles.schema import Profile
from firmware_profiles.template import Template


class UnknownCommand(KeyError):  # noqa: N818 - reads as what it says
    """The device's profile has no such command; the message names those that it has."""

    def __str__(self) -> str:
        return str(self.args[0])


@dataclass(frozen=True)
class Request:
    """One thing to send. `body` has no framing yet; `fields` bind what the answer must say."""

    command: CompiledCommand
    action: Literal["set", "get"]
    value: Value
    state: str
    body: bytes
    fields: Mapping[str, Any]
    retain: bool = False

    def __str__(self) -> str:
        if self.action == "get":
            return f"{self.command.name}?"
        return self.command.name + ("" if self.value is None else f"={self.value}")


@dataclass(frozen=True)
class Meaning:
    """What a received body says. `states`: confirmed values; `answer`: to what was asked."""

    kind: Literal[
        "ack", "nak", "busy", "wait", "accepted", "report", "online", "offline", "restart",
        "ignored", "unknown",
    ]  # fmt: skip
    answer: bool = False
    states: Mapping[str, Value] = field(default_factory=dict)
    detail: str = ""
    error_class: str = ""


class Codec:
    """A profile applied to one device's options (id, topic, channel …)."""

    def __init__(self, profile: Profile, options: Mapping[str, Any]) -> None:
        self.profile = profile
        self.options = {
            name: options.get(name, option.default)
            for name, option in profile.options.items()
            if not option.secret
        }
        known = compiled(profile)
        self.commands = known.commands
        self._replies, self._replies_of = known.replies, known.replies_of
        self.broadcast = any(
            self.options.get(name) in option.broadcast for name, option in profile.options.items()
        )
        self._sequence = 0
        check_options(profile, options)

    # --- towards the device --------------------------------------------------------------------

    def command(self, name: str) -> CompiledCommand:
        """The command of that name. Raises UnknownCommand."""
        try:
            return self.commands[name]
        except KeyError:
            known = ", ".join(sorted(self.commands))
            raise UnknownCommand(f"no command {name!r}; there is {known}") from None

    def set(self, name: str, value: Any = None) -> Request:
        """A request that sets or does. `value` may carry parameters: "left,8".

        Raises UnknownCommand, or ValueError saying what is allowed.
        """
        command = self.command(name)
        if command.setter is None:
            raise ValueError(f"{name} can only be read")
        main, fields = self._arguments(command, value)
        if command.kind != "action":
            if main is None or main == "":
                raise ValueError(f"{name} needs a value")
            fields["value"] = command.to_wire(main)
        logical = None if command.kind == "action" else _logical(command, main)
        return self._request(command, "set", command.setter, logical, fields)

    def get(self, name: str, parameters: Mapping[str, Any] | None = None) -> Request:
        """A request that reads. Raises UnknownCommand or ValueError."""
        command = self.command(name)
        if command.getter is None:
            raise ValueError(f"{name} can't be read")
        defaults = {key: param.default for key, param in command.spec.params.items()}
        return self._request(
            command, "get", command.getter, None, {**defaults, **(parameters or {})}
        )

    def keepalive(self) -> bytes | None:
        """The body that keeps a connection or subscription alive."""
        template = self._replies.keepalive
        return template.build(self.options) if template else None

    def _request(
        self,
        command: CompiledCommand,
        action: Literal["set", "get"],
        template: Template,
        value: Value,
        fields: dict[str, Any],
    ) -> Request:
        self._sequence = self._sequence % 0xFF + 1
        bound = {**self.options, **fields}
        bound.setdefault("seq", self._sequence)
        try:
            body = template.build(bound)
        except TemplateError as error:
            raise ValueError(str(error)) from error
        if action == "get":
            parameters = command.spec.params
            bound = {k: v for k, v in bound.items() if k not in parameters or _keyed(k, command)}
        return Request(command, action, value, self._state(command, bound), body, bound)

    def _arguments(self, command: CompiledCommand, value: Any) -> tuple[Any, dict[str, Any]]:
        parameters = command.spec.params
        fields: dict[str, Any] = {key: param.default for key, param in parameters.items()}
        if not parameters or not isinstance(value, str):
            return value, fields
        main, *rest = [part.strip() for part in value.split(",")]
        if command.kind == "action":
            rest = [part for part in (main, *rest) if part]
            main = ""
        if len(rest) > len(parameters):
            raise ValueError(f"{command.name} takes a value and {', '.join(parameters)}")
        for (key, param), text in zip(parameters.items(), rest, strict=False):
            if param.values:
                if text not in param.values:
                    raise ValueError(f"{key} is one of {', '.join(param.values)}, not {text!r}")
                fields[key] = text
                continue
            if isinstance(param.default, str):
                fields[key] = text
                continue
            try:
                number = float(text)
            except ValueError:
                raise ValueError(f"{key} needs a number, not {text!r}") from None
            low = param.minimum if param.minimum is not None else number
            high = param.maximum if param.maximum is not None else number
            if not low <= number <= high:
                raise ValueError(f"{key} is {low:g} to {high:g}, not {number:g}")
            fields[key] = int(number) if number == int(number) else number
        return main, fields

    def _state(self, command: CompiledCommand, fields: Mapping[str, Any]) -> str:
        state = command.state
        for name in command.spec.params:
            state = state.replace("{" + name + "}", str(fields.get(name, "")))
        return state

    # --- from the device -----------------------------------------------------------------------

    def understand(self, body: bytes, pending: Request | None) -> Meaning:
        """What `body` says, first as the answer to `pending`, then as something unasked."""
        if pending is not None:
            meaning = self._answer(body, pending)
            if meaning is not None:
                return meaning
        for name, command in self.commands.items():
            if states := self._reading(command, command.notices, body, self.options):
                return Meaning("report", states=states, detail=name)
            if self.profile.replies.unsolicited and (
                states := self._reading(command, command.reports, body, self.options)
            ):
                return Meaning("report", states=states, detail=name)
        return self._common(body)

    def _common(self, body: bytes) -> Meaning:
        common = self._replies
        if common.online and common.online.match(body, self.options) is not None:
            return Meaning("online")
        if common.offline and common.offline.match(body, self.options) is not None:
            return Meaning("offline")
        for kind in ("restart", "ignore"):
            for template in getattr(common, kind):
                if template.match(body, self.options) is not None:
                    return Meaning("restart" if kind == "restart" else "ignored")
        return Meaning("unknown", detail=printable(body))

    def _answer(self, body: bytes, pending: Request) -> Meaning | None:
        command, known = pending.command, pending.fields
        replies = self._replies_of[command.name]
        for kind in ("wait", "busy", "nak"):
            for template in getattr(replies, kind):
                fields = template.match(body, known)
                if fields is not None:
                    return self._refusal(kind, str(fields.get("error", "")))
        known = {key: value for key, value in known.items() if key != "value"}
        if pending.action == "get":
            if states := self._reading(command, command.reports, body, known):
                return Meaning("report", answer=True, states=states)
            return None
        for template in command.acks:
            fields = template.match(body, known)
            if fields is not None:
                return Meaning("ack", answer=True, states=self._confirmed(pending, fields))
        for template in replies.accepted:
            if template.match(body, known) is not None:
                return Meaning("accepted", answer=True)
        return None

    def _refusal(self, kind: Any, error: str) -> Meaning:
        text = self.profile.replies.errors.get(error, f"error {error}" if error else "refused")
        error_class, colon, rest = text.partition(":")
        if not colon or error_class not in ERROR_CLASSES:
            error_class, rest = "", text
        if kind == "nak" and error_class == "busy":
            kind = "busy"
        return Meaning(kind, answer=True, detail=rest.strip(), error_class=error_class)

    def _confirmed(self, pending: Request, fields: Mapping[str, Any]) -> dict[str, Value]:
        command = pending.command
        if command.kind == "action":
            return {}
        value = command.from_wire(fields["value"]) if "value" in fields else pending.value
        return {pending.state: value}

    def _reading(
        self,
        command: CompiledCommand,
        templates: tuple[Template, ...],
        body: bytes,
        known: Mapping[str, Any],
    ) -> dict[str, Value] | None:
        for template in templates:
            fields = template.match(body, known)
            if fields is not None and "value" in fields:
                state = self._state(command, {**known, **fields})
                return {state: command.from_wire(fields["value"])}
        return None

    # --- for people ----------------------------------------------------------------------------

    def describe(self, body: bytes, pending: Request | None = None) -> str:
        """One line on what a received body says."""
        meaning = self.understand(body, pending)
        if meaning.states:
            return ", ".join(f"{key}={value}" for key, value in meaning.states.items())
        return " ".join(part for part in (meaning.kind, meaning.detail) if part)

    def infos(self) -> list[CommandInfo]:
        """The commands as pages show them."""
        return [
            CommandInfo(
                name=command.name,
                capability=command.capability,
                kind="choice" if command.kind == "text" else command.kind,
                choices=list(command.choices),
                minimum=command.spec.range[0] if command.spec.range else None,
                maximum=command.spec.range[1] if command.spec.range else None,
            )
            for command in self.commands.values()
            if command.setter is not None
        ]


ERROR_CLASSES = ("undefined", "range", "unavailable", "busy", "failure")


def check_options(profile: Profile, options: Mapping[str, Any]) -> None:
    """Raises ValueError when a device's options don't suit its profile."""
    general = {"dialect", "mac", "broadcast", "username", "password", "pin"}
    for name, value in options.items():
        option = profile.options.get(name)
        if option is None:
            if name in general:
                continue
            known = ", ".join(sorted(profile.options)) or "none"
            raise ValueError(f"options.{name} is unknown to {profile.name}; it knows {known}")
        if value in option.broadcast or (option.minimum is None and option.maximum is None):
            continue
        if not isinstance(value, int | float):
            raise ValueError(f"options.{name} needs a number, not {value!r}")  # noqa: TRY004
        low = option.minimum if option.minimum is not None else value
        high = option.maximum if option.maximum is not None else value
        if not low <= value <= high:
            raise ValueError(f"options.{name} is {low:g} to {high:g}, not {value}")


def printable(body: bytes) -> str:
    """A body for people: text when it is text, hex digits otherwise."""
    shown = body.replace(TOPIC_END, b" ", 1)
    if shown and all(32 <= byte < 127 or byte in (9, 10, 13) for byte in shown):
        return shown.decode("ascii").strip()
    return body.hex(" ")


def _keyed(name: str, command: CompiledCommand) -> bool:
    """Does this parameter tell states apart (so that an answer must repeat it)?"""
    return "{" + name + "}" in command.state


def _logical(command: CompiledCommand, value: Any) -> Value:
    if command.kind == "boolean":
        return bool(command.to_wire(value) == "on")
    if command.kind == "number":
        number = float(value)
        return int(number) if number == int(number) else number
    return str(value)
