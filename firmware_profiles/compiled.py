"""A profile's commands with their templates compiled, ready to build and to take apart."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from firmware_profiles.fields import TemplateError, Unmapped, ValueMap
from firmware_profiles.messages import compile_template
from firmware_profiles.schema import Command, Defaults, Profile, Scalar, Source
from firmware_profiles.template import Template

CAPABILITIES = {
    "pan_tilt": "pan-tilt-zoom",
    "zoom": "pan-tilt-zoom",
    "focus": "pan-tilt-zoom",
    "home": "pan-tilt-zoom",
    "preset_recall": "preset",
    "preset_set": "preset",
    "preset_clear": "preset",
    "screen": "travel",
}
HTTP_KINDS = ("http", "shelly", "onvif")
STATES = {
    "preset_recall": "preset"
}  # what is known afterwards, where it isn't called as the command


class ProfileProblem(ValueError):  # noqa: N818 - reads as what it says
    """Something in a profile that the schema alone can't see: `path` is the key in the file."""

    def __init__(self, path: tuple[str, ...], message: str, remedy: str) -> None:
        super().__init__(message)
        self.path, self.message, self.remedy = path, message, remedy


@dataclass(frozen=True)
class CompiledCommand:
    """One command with its templates. `setter` or `getter` None: can't be set or asked."""

    name: str
    spec: Command
    kind: str
    capability: str
    state: str
    setter: Template | None
    getter: Template | None
    reports: tuple[Template, ...]
    acks: tuple[Template, ...]
    notices: tuple[Template, ...]
    choices: tuple[str, ...] = ()
    numeric: dict[str, tuple[float | None, float | None]] = field(default_factory=dict)

    def to_wire(self, value: Any) -> Any:
        """A logical value as the template takes it. Raises ValueError with what is allowed."""
        if self.kind == "boolean":
            if isinstance(value, str) and value.lower() in ("on", "off", "true", "false", "1", "0"):
                value = value.lower() in ("on", "true", "1")
            if not isinstance(value, bool | int):
                raise ValueError(f"{self.name} is on or off, not {value!r}")
            return "on" if value else "off"
        if self.kind == "choice":
            text = _plain(value)
            if text not in self.choices:
                raise ValueError(f"{self.name} is one of {', '.join(self.choices)}, not {text!r}")
            return text
        if self.kind == "number":
            try:
                number = float(value)
            except (TypeError, ValueError):
                raise ValueError(f"{self.name} needs a number, not {value!r}") from None
            low, high = self.spec.range or (float("-inf"), float("inf"))
            if not low <= number <= high:
                raise ValueError(f"{self.name} is {low:g} to {high:g}, not {number:g}")
            if self.spec.wire and self.spec.range:
                start, end = self.spec.wire
                number = start + (number - low) * (end - start) / (high - low)
            return int(number) if number == int(number) else number
        if self.kind == "text":
            return _plain(value)
        return None

    def from_wire(self, raw: Any) -> Any:
        """What a template found, as a logical value; an unknown token comes as its text."""
        if isinstance(raw, Unmapped):
            return str(raw)
        if self.kind == "boolean":
            return {"on": True, "off": False}.get(raw, raw)
        if self.kind == "number":
            try:
                number = float(raw)
            except (TypeError, ValueError):
                return raw
            if self.spec.wire and self.spec.range:
                (start, end), (low, high) = self.spec.wire, self.spec.range
                number = round(low + (number - start) * (high - low) / (end - start), 3)
                number = float(round(number)) if high - low >= 10 else number
            return int(number) if number == int(number) else number
        return raw


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, float) and value == int(value):
        return str(int(value))
    return str(value)


def kind_of(spec: Command, template: Source | None) -> str:
    """boolean, choice, number, text or action: said, or seen from values, range and template."""
    if spec.kind:
        return spec.kind
    names = set(spec.values) | set(spec.reads.values())
    if names:
        return "boolean" if names <= {"on", "off", "warming", "cooling"} else "choice"
    if spec.range:
        return "number"
    return "action" if "{value" not in str(template or "{value}") else "text"


def compile_profile(profile: Profile) -> dict[str, CompiledCommand]:
    """Every command of `profile`. Raises ProfileProblem with the key and what to do."""
    return {name: _command(profile, name, spec) for name, spec in profile.commands.items()}


def _command(profile: Profile, name: str, spec: Command) -> CompiledCommand:
    defaults: Defaults = profile.defaults
    write, read = spec.access != "r", spec.access != "w"
    set_source = (spec.set if spec.set is not None else defaults.set) if write else None
    get_source = (spec.get if spec.get is not None else defaults.get) if read else None
    is_sources = (spec.is_ if spec.is_ is not None else defaults.is_) if read else None
    ack_sources = (spec.ack if spec.ack is not None else defaults.ack) if write else None
    notices = spec.notify if spec.notify is not None else defaults.notify
    kind = kind_of(spec, set_source if set_source is not None else (is_sources or [""])[0])
    if not spec.replies:
        ack_sources = None

    writes, reads = _value_maps(name, spec)

    def where(key: str) -> tuple[str, ...]:
        own = getattr(spec, "is_" if key == "is" else key) is not None
        return ("commands", name, key) if own else ("defaults", key)

    def compiled(key: str, sources: list[Source] | None, maps: dict[str, ValueMap]) -> Any:
        found = []
        for source in sources or []:
            try:
                found.append(_compile(profile, spec, source, maps))
            except TemplateError as error:
                raise ProfileProblem(where(key), str(error), "correct the template") from error
        return tuple(found)

    setter = compiled("set", [set_source] if set_source is not None else None, writes)
    getter = compiled("get", [get_source] if get_source is not None else None, reads)
    known = set(profile.options) | set(spec.params) | set(spec.fields) | {"value", "cmd", "seq"}
    for key, templates in (("set", setter), ("get", getter)):
        for template in templates:
            if unknown := template.names - known:
                raise ProfileProblem(
                    where(key),
                    f"{{{min(unknown)}}} is neither an option, a parameter nor a field",
                    f"declare options.{min(unknown)} or commands.{name}.params.{min(unknown)}",
                )
    if write and not setter:
        raise ProfileProblem(
            ("commands", name),
            f"commands.{name} can't be set: it has no `set` and there is no defaults.set",
            'add set = "…", or access = "r"',
        )
    reports = compiled("is", is_sources, reads)
    if read and getter and not reports:
        raise ProfileProblem(
            ("commands", name), f"commands.{name} asks but reads no answer", 'add is = "…"'
        )
    numeric = {"value": spec.range} if spec.range else {}
    return CompiledCommand(
        name=name,
        spec=spec,
        kind=kind,
        capability=spec.capability or CAPABILITIES.get(name, name.split("_", maxsplit=1)[0]),
        state=spec.state or STATES.get(name, name),
        setter=setter[0] if setter else None,
        getter=getter[0] if getter else None,
        reports=reports,
        acks=compiled("ack", ack_sources, reads if spec.reads else writes),
        notices=compiled("notify", notices, reads),
        choices=tuple(spec.values) if kind == "choice" else (),
        numeric=dict(numeric),
    )


def _value_maps(name: str, spec: Command) -> tuple[dict[str, ValueMap], dict[str, ValueMap]]:
    params = {key: ValueMap(param.values) for key, param in spec.params.items() if param.values}
    writes, reads = dict(params), dict(params)
    if spec.values:
        writes["value"] = ValueMap(spec.values, spec.aliases)
        reads["value"] = writes["value"]
    if spec.reads:
        tokens: dict[str, Scalar] = {}
        aliases = dict(spec.aliases)
        for token, logical in spec.reads.items():
            if logical in tokens:
                aliases[token] = logical
            else:
                tokens[logical] = token
        reads["value"] = ValueMap(tokens, aliases)
    for token, logical in spec.aliases.items():
        if logical not in spec.values and logical not in spec.reads.values():
            raise ProfileProblem(
                ("commands", name, "aliases"),
                f"alias {token!r} stands for {logical!r}, which is no value of {name}",
                f"use one of {', '.join(spec.values) or 'the values'}",
            )
    return writes, reads


def _typed(values: ValueMap) -> ValueMap:
    """Tokens of `reads` are keys and so text in TOML; where JSON is read, they are JSON."""
    tokens: dict[str, Scalar] = {}
    for name, token in values.tokens.items():
        tokens[name] = token
        with suppress(ValueError):
            found = json.loads(str(token))
            tokens[name] = found if isinstance(found, bool | int | float | str) else token
    return ValueMap(tokens, values.aliases)


def _compile(
    profile: Profile, spec: Command | None, source: Source, maps: dict[str, ValueMap]
) -> Template:
    if spec and spec.reads and isinstance(source, dict) and "text" not in source:
        maps = {**maps, "value": _typed(maps["value"])} if "value" in maps else maps
    told = isinstance(source, str) or "topic" in source or profile.frame.encoding == "json"
    if not told and profile.transports.http is None:
        raise TemplateError(
            "a table is a message of MQTT (with a topic), of HTTP (with transports.http) "
            'or of JSON (with frame.encoding = "json")'
        )
    constants = dict(spec.fields) if spec else {}
    if spec and spec.cmd is not None:
        constants["cmd"] = spec.cmd
    frame = profile.frame
    return compile_template(source, frame.encoding, maps, constants, ignore_case=frame.ignore_case)


@dataclass(frozen=True)
class CompiledReplies:
    """The answers that mean the same whatever was asked."""

    nak: tuple[Template, ...]
    busy: tuple[Template, ...]
    wait: tuple[Template, ...]
    accepted: tuple[Template, ...]
    ignore: tuple[Template, ...]
    restart: tuple[Template, ...]
    online: Template | None
    offline: Template | None
    keepalive: Template | None


def compile_replies(profile: Profile, spec: Command | None = None) -> CompiledReplies:
    """The profile's common answers; with `spec`, its `cmd` and fields stand in them."""

    def many(key: str) -> tuple[Template, ...]:
        try:
            return tuple(_compile(profile, spec, s, {}) for s in getattr(profile.replies, key))
        except TemplateError as error:
            raise ProfileProblem(("replies", key), str(error), "correct the template") from error

    def one(path: tuple[str, ...], source: Source | None) -> Template | None:
        try:
            return None if source is None else _compile(profile, spec, source, {})
        except TemplateError as error:
            raise ProfileProblem(path, str(error), "correct the template") from error

    presence, keep = profile.presence, profile.keepalive
    return CompiledReplies(
        nak=many("nak"),
        busy=many("busy"),
        wait=many("wait"),
        accepted=many("accepted"),
        ignore=many("ignore"),
        restart=many("restart"),
        online=one(("presence", "online"), presence.online if presence else None),
        offline=one(("presence", "offline"), presence.offline if presence else None),
        keepalive=one(("keepalive", "send"), keep.send if keep else None),
    )


@dataclass(frozen=True)
class CompiledProfile:
    """All of a profile, compiled once and shared by every device that speaks it."""

    profile: Profile
    commands: dict[str, CompiledCommand]
    replies: CompiledReplies
    replies_of: dict[str, CompiledReplies]


_compiled: dict[int, CompiledProfile] = {}
_MOST_COMPILED = 512


def compiled(profile: Profile) -> CompiledProfile:
    """The compiled form of this very profile. Raises ProfileProblem."""
    known = _compiled.get(id(profile))
    if known is None or known.profile is not profile:
        if len(_compiled) >= _MOST_COMPILED:
            _compiled.clear()
        known = _compiled[id(profile)] = CompiledProfile(
            profile,
            compile_profile(profile),
            compile_replies(profile),
            {name: compile_replies(profile, spec) for name, spec in profile.commands.items()},
        )
    return known


def problems(profile: Profile) -> Iterator[ProfileProblem]:
    """What is wrong in `profile` beyond its shape."""
    for name, spec in profile.commands.items():
        try:
            _command(profile, name, spec)
            compile_replies(profile, spec)
        except ProfileProblem as problem:
            yield problem
    for name in profile.poll.standby:
        if name != "power" and name not in profile.commands:
            yield ProfileProblem(
                ("poll", "standby"), f"{name} is no command", "name one of [commands]"
            )
    for key in ("model", "firmware"):
        named = getattr(profile.identity, key)
        if named is not None and named not in profile.commands:
            yield ProfileProblem(
                ("identity", key), f"{named} is no command", f"add [commands.{named}]"
            )
    transports = profile.transports
    if not transports.ways():
        yield ProfileProblem(("transports",), "no transport", "add [transports.tcp] or another")
    if transports.http is not None and profile.session_for("http").kind not in HTTP_KINDS:
        yield ProfileProblem(
            ("session",) if profile.session.kind != "plain" else ("transports", "http"),
            "HTTP needs a session that hears a refused password",
            'write session = { kind = "http" }',
        )
    frames = [("tx", tx) for tx in profile.frame.tx] + [("rx", rx) for rx in profile.frame.rx]
    for side, framing in frames:
        ways = sum((bool(framing.end), framing.length is not None, framing.fixed is not None))
        streams = transports.serial is not None or transports.tcp is not None
        if ways > 1 or (streams and not ways):
            yield ProfileProblem(
                ("frame", side),
                "where a frame ends must be said in exactly one way",
                "give one of end, length or fixed",
            )
