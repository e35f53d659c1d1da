"""What production is told: the room's languages, models, which steps, and who drafts texts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self


@dataclass(frozen=True)
class DraftSettings:
    """An OpenAI-compatible endpoint that drafts texts for the lecturer to approve.

    `url` is its base (`…/v1`); `secret` refers to the key (`env:NAME`, `file:/path`), None for
    an endpoint without one. `kinds`: `summary`, `quiz`.
    """

    url: str
    model: str
    secret: str | None = None
    kinds: tuple[str, ...] = ("summary", "quiz")
    timeout_s: float = 120.0


@dataclass(frozen=True)
class Settings:
    """What steps are made with. `languages`: those of the room (BCP 47); `model`: for captions.

    `steps` are those that are wanted, None for all. `layout` and `rebuild` make the lecture anew
    from the tracks alone. `engine`: whose workers render, read and caption (`workforce.ENGINES`).
    """

    languages: tuple[str, ...] = ()
    model: Path | None = None
    layout: str | None = None
    rebuild: bool = False
    engine: str = "local"
    steps: tuple[str, ...] | None = None
    drafts: DraftSettings | None = None

    @classmethod
    def read(cls, told: Mapping[str, Any]) -> Self:
        """Settings from plain values, as they come through a pipe.

        Raises ValueError naming a key that is not known.
        """
        values = dict(told)
        if values.get("drafts") is not None:
            drafts = _known(DraftSettings, values["drafts"])
            values["drafts"] = DraftSettings(**drafts | {"kinds": tuple(drafts.get("kinds", ()))})
        for name in ("languages", "steps"):
            if values.get(name) is not None:
                values[name] = tuple(values[name])
        if values.get("model") is not None:
            values["model"] = Path(values["model"])
        return cls(**_known(cls, values))


def _known(kind: type, values: Mapping[str, Any]) -> dict[str, Any]:
    names = {field.name for field in fields(kind)}
    for name in values:
        if name not in names:
            raise ValueError(f"the setting {name!r} is not known; known are {sorted(names)}")
    return dict(values)
