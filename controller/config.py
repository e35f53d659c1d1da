"""Reading room.toml: a `RoomConfig`, or a `ConfigError` that names file, line, key and remedy."""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from controller.positions import positions
from controller.reaction_check import reactions
from controller.scenes import order, step_names
from controller.settings import AuthSettings, RoomConfig, Scene, SceneStep
from controller.streams import camera_of
from devices.codec import Codec
from devices.manager import AUTO, SpecError, UnknownCommand, check_auto, check_spec
from firmware_profiles.catalog import Catalog
from publishing import targets
from publishing.target import TargetError
from streaming import talk

__all__ = ["AuthSettings", "ConfigError", "RoomConfig", "SecretError", "load", "resolve_secret"]

_Loc = tuple[int | str, ...]
_REMEDIES = {
    "missing": "Add the key to this table.",
    "string_type": 'Write a text in quotes: "…".',
    "bool_type": "Write true or false.",
    "bool_parsing": "Write true or false.",
    "int_parsing": "Write a whole number.",
    "int_type": "Write a whole number.",
    "int_from_float": "Write a whole number.",
    "float_type": "Write a number.",
    "float_parsing": "Write a number.",
    "list_type": "Write a list: [ … ].",
    "model_type": "Write a table with its keys.",
    "dict_type": "Write a table with its keys.",
    "string_pattern_mismatch": "Use small letters, digits, - and _ (at most 41, a letter first).",
}


class ConfigError(Exception):
    """One thing wrong in a room.toml; `others` holds what else was found in the same file."""

    def __init__(self, file: Path, line: int | None, key: str, message: str, remedy: str) -> None:
        place = f"{file}:{line}" if line else str(file)
        super().__init__(f"{place}: {key + ': ' if key else ''}{message}. {remedy}".strip())
        self.file = file
        self.line = line
        self.key = key
        self.message = message
        self.remedy = remedy
        self.others: list[ConfigError] = []


class SecretError(Exception):
    """A secret's reference leads nowhere. Never holds the secret."""


def resolve_secret(reference: str, *, base: Path | None = None) -> str:
    """The secret that `env:NAME` or `file:/path` refers to, without surrounding white space.

    Relative files are looked for under `base`. Raises SecretError with the remedy.
    """
    kind, _, name = reference.partition(":")
    if kind == "env":
        value = os.environ.get(name, "").strip()
        if not value:
            raise SecretError(f"the environment variable {name} is not set. Set it for the daemon.")
        return value
    if kind != "file" or not name:
        raise SecretError("a secret is given as env:NAME or file:/path.")
    path = (base or Path()) / name
    try:
        value = path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise SecretError(
            f"the secret file {path} cannot be read ({reason}). Let only the daemon read it."
        ) from None
    if not value:
        raise SecretError(f"the secret file {path} is empty. Put the secret on its first line.")
    return value


def load(path: Path) -> RoomConfig:
    """Read and check a room.toml; relative folders are taken from where it lies.

    Raises ConfigError for the first thing wrong (by line); its `others` are the rest.
    """
    try:
        text = path.read_text("utf-8")
    except UnicodeDecodeError:
        raise ConfigError(path, None, "", "this is not UTF-8 text", "Save it as UTF-8.") from None
    except OSError as error:
        raise ConfigError(
            path,
            None,
            "",
            f"it cannot be read ({error.strerror})",
            "Name the room's configuration with --config; docs/room.example.toml shows one.",
        ) from None
    return parse(text, path)


def parse(text: str, path: Path) -> RoomConfig:
    """Check the text of a room.toml that lies, or will lie, at `path`. Raises ConfigError."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _syntax(path, text, str(error)) from None
    lines = positions(text)
    try:
        config = RoomConfig.model_validate(data)
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False, include_context=True)
        raise _first([_worded(path, lines, data, detail) for detail in details]) from None
    config = _anchored(config, path.absolute().parent)
    found = [
        ConfigError(path, _line(lines, loc), _key(loc), message, remedy)
        for loc, message, remedy in _inconsistencies(config)
    ]
    if found:
        raise _first(found)
    return config


def _first(errors: list[ConfigError]) -> ConfigError:
    errors.sort(key=lambda error: error.line or 0)
    errors[0].others = errors[1:]
    return errors[0]


def _syntax(path: Path, text: str, message: str) -> ConfigError:
    place = re.search(r"\s*\(at (?:line (\d+), column (\d+)|end of document)\)", message)
    line = int(place[1]) if place and place[1] else text.count("\n") + 1
    column = f" at column {place[2]}" if place and place[2] else ""
    said = message[: place.start()] if place else message
    said = said[:1].lower() + said[1:]
    return ConfigError(
        path, line, "", f"this is not TOML{column}: {said}", "Correct the line; texts need quotes."
    )


def _line(lines: dict[_Loc, int], loc: _Loc) -> int | None:
    """The line of the nearest key that is written down."""
    while loc and loc not in lines:
        loc = loc[:-1]
    return lines.get(loc) if loc else None


def _key(loc: _Loc) -> str:
    text = ""
    for part in loc:
        text += f"[{part}]" if isinstance(part, int) else f"{'.' if text else ''}{part}"
    return text


def _worded(
    path: Path, lines: dict[_Loc, int], data: dict[str, Any], detail: ErrorDetails
) -> ConfigError:
    loc = _written(detail["loc"], data)
    kind = detail["type"]
    message = detail["msg"]
    message = message[:1].lower() + message[1:]
    remedy = _REMEDIES.get(kind, "See docs/configuration.md for what is allowed.")
    if kind == "extra_forbidden":
        known = list(_model_at(loc[:-1]).model_fields)
        message = "this key is not known"
        remedy = _did_you_mean(str(loc[-1]), known, f"Known here: {', '.join(sorted(known))}.")
    elif kind == "missing":
        message = "this key is missing"
    elif kind in {"literal_error", "enum"}:
        expected = str(detail.get("ctx", {}).get("expected", ""))
        message = "this value is not known"
        remedy = f"Use {expected}."
    elif kind == "value_error":
        message = str(detail.get("ctx", {}).get("error", message))
        if loc and loc[-1] in {"secret", "token"}:
            remedy = 'Write "env:NAME" or "file:/path".'
        elif loc and loc[-1] == "timezone":
            remedy = 'Write a name such as "Europe/Berlin".'
    return ConfigError(path, _line(lines, loc), _key(loc), message, remedy)


def _written(loc: _Loc, data: Any) -> _Loc:
    """`loc` without what pydantic adds for the members of a union."""
    kept: list[int | str] = []
    for at, part in enumerate(loc):
        if isinstance(data, dict) and part not in data and at < len(loc) - 1:
            continue
        if not isinstance(data, dict | list) and kept:
            break
        kept.append(part)
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            data = None
    return tuple(kept)


def _model_at(loc: _Loc) -> type[BaseModel]:
    model: type[BaseModel] = RoomConfig
    for part in loc:
        if isinstance(part, str) and part in model.model_fields:
            model = _model_in(model.model_fields[part].annotation) or model
    return model


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _model_in(part))), None)


def _did_you_mean(word: str, known: list[str], otherwise: str) -> str:
    close = difflib.get_close_matches(word, known, n=1)
    return f"Did you mean {close[0]!r}?" if close else otherwise


def _inconsistencies(config: RoomConfig) -> Iterator[tuple[_Loc, str, str]]:
    """What no single table can know: references between tables, and names used twice."""
    for table in ("devices", "sources", "scenes", "triggers", "publish"):
        seen: dict[str, int] = {}
        for index, item in enumerate(getattr(config, table)):
            if item.id in seen:
                yield (table, index, "id"), f"the id {item.id!r} is used twice", "Choose another."
            seen[item.id] = index
    yield from _pushes(config)
    yield from _talk(config)
    codecs: dict[str, Codec] = {}
    catalog = Catalog(config.profiles.paths)
    for index, spec in enumerate(config.devices):
        try:
            if spec.profile == AUTO:
                check_auto(spec)
                continue
            codecs[spec.id] = Codec(check_spec(spec, catalog), spec.options)
        except SpecError as error:
            loc: _Loc = ("devices", index, *error.key.split("."))
            yield loc, error.message, f"{error.remedy}."
    yield from _cameras(config, codecs)
    yield from reactions(config, codecs)
    for index, source in enumerate(config.sources):
        wanted = "preset_recall" if source.follow_presets else "pan_tilt"
        if source.follow is None:
            continue
        loc = ("sources", index, "follow")
        if all(device.id != source.follow for device in config.devices):
            known_ids = [device.id for device in config.devices]
            remedy = _did_you_mean(source.follow, known_ids, "Add it under [[devices]].")
            yield loc, f"there is no device {source.follow!r}", remedy
        elif source.follow in codecs:
            commands = [info.name for info in codecs[source.follow].infos()]
            if wanted not in commands:
                message = f"{source.follow} has no command {wanted!r}"
                yield loc, message, f"It knows: {', '.join(sorted(commands))}."
    for index, scene in enumerate(config.scenes):
        yield from _scene(index, scene, [device.id for device in config.devices], codecs)
    for index, target in enumerate(config.publish):
        try:
            targets.create(target)
        except TargetError as error:
            yield ("publish", index), error.message.rstrip("."), error.remedy
    for kind in ("users", "tokens"):
        names: set[str] = set()
        for index, person in enumerate(getattr(config.auth, kind)):
            if person.name in names:
                loc = ("auth", kind, index, "name")
                yield loc, f"the name {person.name!r} is used twice", "Choose another."
            names.add(person.name)
    if config.osc.enabled and config.osc.token is None:
        yield (
            ("osc", "enabled"),
            "OSC is on but has no token",
            'Add token = "file:/path", or token = "off" on a closed network.',
        )
    if config.mqtt.mode == "external" and config.mqtt.port is None:
        yield ("mqtt", "mode"), "the broker has no port", "Add port = 1883 (8883 with tls)."


def _cameras(config: RoomConfig, codecs: dict[str, Codec]) -> Iterator[tuple[_Loc, str, str]]:
    """Sources that say `onvif://camera` must name a camera that can tell its address."""
    unasked = [device.id for device in config.devices if device.profile == AUTO]
    able = [device for device, codec in codecs.items() if "stream_uri" in codec.commands]
    for index, source in enumerate(config.sources):
        camera = camera_of(source.url)
        if camera is None or camera in able or camera in unasked:
            continue
        known = [device.id for device in config.devices]
        message = f"there is no device {camera!r}"
        remedy = _did_you_mean(camera, able or known, 'Add it with profile = "onvif/ptz".')
        if camera in known:
            message = f"device {camera!r} can't tell where it streams"
            remedy = "Write its rtsp:// address, or drive it by onvif/ptz."
        yield ("sources", index, "url"), message, remedy


def _pushes(config: RoomConfig) -> Iterator[tuple[_Loc, str, str]]:
    seen: set[str] = set()
    for index, push in enumerate(config.streaming.push):
        loc: _Loc = ("streaming", "push", index)
        if push.id in seen:
            yield (*loc, "id"), f"the id {push.id!r} is used twice", "Choose another."
        seen.add(push.id)
        if not config.recording.live:
            yield loc, "nothing is live to be sent", "Set live = true under [recording]."
        if "{secret}" in push.url and push.secret is None:
            yield loc, "the address wants a secret", 'Add secret = "file:/path".'


def _talk(config: RoomConfig) -> Iterator[tuple[_Loc, str, str]]:
    recorded = any(source.url == talk.SOURCE for source in config.sources)
    if config.streaming.talk.enabled and config.streaming.talk.output is None and not recorded:
        yield (
            ("streaming", "talk", "enabled"),
            "nobody would hear who speaks from elsewhere",
            f'Name an output, or add a source with url = "{talk.SOURCE}".',
        )


def _scene(
    index: int, scene: Scene, devices: list[str], codecs: dict[str, Codec]
) -> Iterator[tuple[_Loc, str, str]]:
    broken = False
    names = step_names(scene)
    for at, step in enumerate(scene.steps):
        loc: _Loc = ("scenes", index, "steps", at)
        if step.device not in devices:
            broken = True
            message = f"there is no device {step.device!r}"
            yield (
                (*loc, "device"),
                message,
                _did_you_mean(step.device, devices, "Add it under [[devices]]."),
            )
        elif step.device in codecs:
            yield from _command(loc, step, codecs[step.device])
        for name in step.after:
            if name not in names:
                broken = True
                message = f"no step is called {name!r}"
                other = "Name a step's id, device.command, or a device of this scene."
                yield (*loc, "after"), message, _did_you_mean(name, sorted(names), other)
    if not broken and order(scene) is None:
        yield (
            ("scenes", index, "steps"),
            "these steps wait for each other in a circle",
            "Take one of the names out of `after`.",
        )


def _command(loc: _Loc, step: SceneStep, codec: Codec) -> Iterator[tuple[_Loc, str, str]]:
    try:
        codec.set(step.command, step.value)
    except UnknownCommand:
        known = [info.name for info in codec.infos()]
        yield (
            (*loc, "command"),
            f"{step.device} has no command {step.command!r}",
            _did_you_mean(step.command, known, f"It knows: {', '.join(sorted(known))}."),
        )
    except ValueError as error:
        yield (*loc, "value"), str(error).rstrip("."), "Correct the value."


def _anchored(config: RoomConfig, folder: Path) -> RoomConfig:
    storage = config.storage.model_copy(
        update={
            "recordings": folder / config.storage.recordings.expanduser(),
            "state": folder / config.storage.state.expanduser(),
        }
    )
    production = config.production
    if production.captions is not None:
        model = folder / production.captions.expanduser()
        production = production.model_copy(update={"captions": model})
        config = config.model_copy(update={"production": production})
    profiles = config.profiles.model_copy(
        update={"paths": [folder / path.expanduser() for path in config.profiles.paths]}
    )
    timetable = config.timetable
    if timetable is not None and not timetable.remote:
        place = str(folder / Path(timetable.url).expanduser())
        timetable = timetable.model_copy(update={"url": place})
    return config.model_copy(
        update={"storage": storage, "profiles": profiles, "timetable": timetable}
    )
