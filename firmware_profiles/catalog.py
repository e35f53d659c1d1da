"""All profiles by name. A site's own directories stand before the shipped files."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from firmware_profiles.loader import ProfileError, Raw, dialect_of, parse, read_raw
from firmware_profiles.schema import Profile


class UnknownProfile(KeyError):  # noqa: N818 - reads as what it says
    """No profile of that name; the message names near ones."""

    def __str__(self) -> str:
        return str(self.args[0])


class Catalog:
    """Profiles by name such as `samsung/mdc`; `paths` are searched first, in order."""

    def __init__(self, paths: Sequence[Path] = ()) -> None:
        self._paths = [Path(path) for path in paths]
        self._profiles: dict[str, Profile] = {}
        self._raw: dict[str, Raw] = {}

    def names(self) -> list[str]:
        """Every known name, sorted. A damaged file is listed; `get` says what is wrong."""
        own = {
            str(file.relative_to(path).with_suffix(""))
            for path in self._paths
            for file in path.rglob("*.toml")
        }
        return sorted(own | set(_shipped()))

    def get(self, name: str) -> Profile:
        """The profile. Raises UnknownProfile or ProfileError."""
        if name not in self._profiles:
            text, file = self._text(name)
            self._profiles[name] = parse(text, file=file, name=name, base=self.raw)
            self._raw[name] = read_raw(text, file=file, base=self.raw)
        return self._profiles[name]

    def dialect(self, name: str, model: str, firmware: str) -> tuple[str, Profile] | None:
        """The first dialect of `name` that fits what the identity probe read, if any."""
        for dialect in self.get(name).dialects:
            fits = (
                dialect.model is None or re.search(dialect.model, model),
                dialect.firmware is None or re.search(dialect.firmware, firmware),
            )
            if all(fits):
                return dialect.name, self.named_dialect(name, dialect.name)
        return None

    def named_dialect(self, name: str, dialect: str) -> Profile:
        """One dialect by its name. Raises KeyError."""
        return dialect_of(self.get(name), self._raw[name], dialect)

    def check(self) -> Iterator[tuple[str, Profile | ProfileError]]:
        """Every profile, or what is wrong with it."""
        for name in self.names():
            try:
                yield name, self.get(name)
            except ProfileError as error:
                yield name, error

    def raw(self, name: str) -> Raw:
        """The tables of a profile as another one may extend them. Raises as `get` does."""
        text, file = self._text(name)
        raw = read_raw(text, file=file, base=self.raw)
        raw.pop("extends", None)
        for key in ("evidence", "models", "name"):
            raw.pop(key, None)
        return raw

    def _text(self, name: str) -> tuple[str, str]:
        for path in self._paths:
            file = path / f"{name}.toml"
            if file.is_file():
                try:
                    return file.read_text(encoding="utf-8"), str(file)
                except (OSError, UnicodeDecodeError) as error:
                    raise ProfileError(
                        str(file), 0, "", f"can't be read ({error})", "Check its permissions"
                    ) from error
        shipped = _shipped()
        if name not in shipped:
            near = difflib.get_close_matches(name, self.names(), n=3)
            hint = f"; near: {', '.join(near)}" if near else ""
            raise UnknownProfile(f"no profile {name!r}{hint} (`classroomd profiles list`)")
        return shipped[name].read_text(encoding="utf-8"), f"firmware_profiles/{name}.toml"


@cache
def _shipped() -> dict[str, Traversable]:
    found: dict[str, Traversable] = {}

    def walk(folder: Traversable, prefix: str) -> None:
        for entry in folder.iterdir():
            if entry.is_dir() and not entry.name.startswith(("_", ".")):
                walk(entry, f"{prefix}{entry.name}/")
            elif entry.name.endswith(".toml"):
                found[prefix + entry.name.removesuffix(".toml")] = entry

    walk(files("firmware_profiles"), "")
    return found


def load(path: Path, *, name: str = "", sites: Sequence[Path] = ()) -> Profile:
    """The profile in `path`, which may extend a shipped one or one in `sites`. Raises
    ProfileError."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ProfileError(
            str(path), 0, "", f"can't be read ({error})", "check the path and its permissions"
        ) from error
    return parse(text, file=str(path), name=name or path.stem, base=Catalog(sites).raw)
