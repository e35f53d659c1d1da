"""Reads a profile file. Whatever is wrong becomes one ProfileError: file, line, key, remedy."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import ValidationError

from firmware_profiles.compiled import ProfileProblem, problems
from firmware_profiles.schema import Profile

Raw = dict[str, Any]


class ProfileError(ValueError):
    """A profile that can't be used. `str()` is the one line that is shown."""

    def __init__(self, file: str, line: int, key: str, message: str, remedy: str) -> None:
        self.file, self.line, self.key = file, line, key
        self.message, self.remedy = message, remedy
        where = f"{file}:{line}" if line else file
        super().__init__(f"{where}: {key + ': ' if key else ''}{message}. {remedy}.")


def parse(text: str, *, file: str, name: str, base: Callable[[str], Raw] | None = None) -> Profile:
    """The profile in `text`; `file` names it in errors. Raises ProfileError."""
    raw = read_raw(text, file=file, base=base)
    raw["name"] = name
    profile = _validated(raw, text, file)
    _checked(profile, text, file)
    for dialect in profile.dialects:
        changed = merged(raw, dialect.change)
        _checked(_validated(changed, text, file, ("dialects",)), text, file, ("dialects",))
    return profile


def read_raw(text: str, *, file: str, base: Callable[[str], Raw] | None = None) -> Raw:
    """The file's tables, laid over those of the profile that it extends."""
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"at line (\d+)", str(error))
        line = int(found[1]) if found else len(text.splitlines())
        raise ProfileError(
            file, line, "", f"not TOML: {error}", "correct the line; strings need quotes"
        ) from error
    parent = raw.get("extends")
    if parent is None:
        return raw
    if base is None or not isinstance(parent, str):
        raise ProfileError(
            file, line_of(text, ("extends",)), "extends", "no such profile", "name a known profile"
        )
    try:
        below = base(parent)
    except KeyError as error:
        raise ProfileError(
            file, line_of(text, ("extends",)), "extends", str(error), "Name a known profile"
        ) from error
    return merged(below, raw)


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> Raw:
    """`above` laid over `below`: tables merge, everything else is replaced, `false` removes."""
    out = dict(below)
    for key, value in above.items():
        old = out.get(key)
        if value is False and isinstance(old, Mapping):
            del out[key]
        elif isinstance(old, Mapping) and isinstance(value, Mapping) and not _whole(key, value):
            out[key] = merged(old, value)
        else:
            out[key] = value
    return out


def _whole(key: str, value: Mapping[str, Any]) -> bool:
    """Is this table one value: a value map or a template?"""
    return key in ("values", "reads", "aliases") or "topic" in value or "json" in value


def dialect_of(profile: Profile, raw: Raw, name: str) -> Profile:
    """The profile with one of its dialects laid over it."""
    for dialect in profile.dialects:
        if dialect.name == name:
            return Profile.model_validate(merged(raw, dialect.change) | {"name": profile.name})
    raise KeyError(name)


def _validated(raw: Raw, text: str, file: str, under: tuple[str, ...] = ()) -> Profile:
    try:
        return Profile.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        path = tuple(str(part) for part in first["loc"] if not _is_union_step(str(part)))
        raise ProfileError(
            file,
            line_of(text, path) or line_of(text, under),
            ".".join(path),
            _sentence(first["msg"]),
            _remedy(dict(first), path),
        ) from error


def _checked(profile: Profile, text: str, file: str, under: tuple[str, ...] = ()) -> None:
    problem: ProfileProblem
    for problem in problems(profile):
        raise ProfileError(
            file,
            line_of(text, problem.path) or line_of(text, under),
            ".".join(problem.path),
            problem.message,
            problem.remedy[0].upper() + problem.remedy[1:],
        ) from problem


def _is_union_step(part: str) -> bool:
    return part in ("str", "int", "float", "bool", "list") or "[" in part


def _sentence(message: str) -> str:
    return message.removeprefix("Value error, ").rstrip(".")


def _remedy(error: dict[str, Any], path: tuple[str, ...]) -> str:
    key = path[-1] if path else ""
    kind = error["type"]
    if kind == "missing":
        return f"Add {'.'.join(path)}"
    if kind == "extra_forbidden":
        near = difflib.get_close_matches(key, _known_keys(path), n=1)
        return f"Did you mean {near[0]!r}? Otherwise remove {key!r}" if near else f"Remove {key!r}"
    if kind in ("literal_error", "enum"):
        return f"Use {error.get('ctx', {}).get('expected', 'an allowed value')}"
    if kind == "model_type" and error["input"] is False:
        return f"What this profile extends has no {key}: remove the line"
    return f"Correct {key or 'the file'}"


def _known_keys(path: tuple[str, ...]) -> list[str]:
    """The keys of the table that `path` lies in, as far as that is told from the path."""
    if len(path) == 1:
        return sorted(Profile.model_json_schema()["properties"])
    tables = Profile.model_json_schema(by_alias=True)["$defs"]
    inside = {"commands": "Command", "evidence": "Evidence", "options": "Option"}.get(path[0])
    names = [inside] if inside else list(tables)
    return sorted({key for name in names for key in tables[name].get("properties", {})})


_HEADER = re.compile(r"^\s*(\[\[?)\s*([^\[\]]+?)\s*\]\]?\s*(?:#.*)?$")
_KEY = re.compile(r"^\s*([A-Za-z0-9_.\"'-]+?)\s*=")


def line_of(text: str, path: tuple[str, ...]) -> int:
    """The line (from 1) that sets `path`, or its nearest written parent; 0 when there is none."""
    lines: dict[tuple[str, ...], int] = {}
    table: tuple[str, ...] = ()
    counts: dict[tuple[str, ...], int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if header := _HEADER.match(line):
            table = tuple(part.strip().strip("\"'") for part in header[2].split("."))
            if header[1] == "[[":
                index = counts.get(table, -1) + 1
                counts[table] = index
                table = (*table, str(index))
            lines.setdefault(table, number)
        elif key := _KEY.match(line):
            parts = tuple(part.strip("\"'") for part in key[1].split("."))
            lines.setdefault(table + parts, number)
    while path:
        if path in lines:
            return lines[path]
        path = path[:-1]
    return 0
