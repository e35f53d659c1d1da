"""What room.toml says about a target: `[[publish]]`, its bandwidth, its secrets."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from publishing.errors import ErrorKind, TargetError
from publishing.products import Kind


class Window(BaseModel):
    """A bandwidth limit for a part of the day, in the room's local time (`HH:MM`).

    A window may pass midnight. `mbit_s = 0` sends nothing in it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    begin: str = Field(alias="from", pattern=r"^([01]\d|2[0-3]):[0-5]\d$")
    until: str = Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")
    mbit_s: float = Field(ge=0)


def _reference(value: str) -> str:
    if not value.startswith(("env:", "file:")) or value in ("env:", "file:"):
        raise ValueError("is a reference, `env:NAME` or `file:/path`, never the secret itself")
    return value


SecretRef = Annotated[str, AfterValidator(_reference)]


def secret(reference: str | None) -> str:
    """What `env:NAME` or `file:/path` refers to, without the final line end; "" for None.

    Raises TargetError (blocked) that names the reference, never the value.
    """
    if reference is None:
        return ""
    scheme, _, rest = reference.partition(":")
    if scheme == "env":
        if (value := os.environ.get(rest)) is not None:
            return value
        problem = f"the environment variable {rest} is not set"
    elif scheme == "file":
        try:
            return Path(rest).read_text(encoding="utf-8").rstrip("\r\n")
        except OSError as error:
            problem = f"{rest} cannot be read ({error.strerror})"
    else:
        problem = "it is neither env:NAME nor file:/path"
    raise TargetError(
        ErrorKind.BLOCKED,
        f"The secret {scheme}:… cannot be read: {problem}.",
        "Set it where the daemon runs, then retry the delivery.",
    )


class TargetConfig(BaseModel):
    """One `[[publish]]` table: these keys are every target's, the others are the target's own.

    `products` are kinds of products (publishing.products.Kind); empty means what the target
    takes by itself. `during_class` begins to send while the class runs, where the target can, once
    consent is noted; nobody sees it before it is whole. `deadline_hours` after the class it should
    be up; it orders the queue.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,40}$")
    target: str
    auto: bool = True
    products: tuple[Kind, ...] = ()
    deadline_hours: float = Field(24, gt=0)
    needs_consent: bool = False
    during_class: bool = False
    bandwidth: tuple[Window, ...] = ()

    @property
    def own(self) -> dict[str, Any]:
        """The keys that only this kind of target knows."""
        return dict(self.model_extra or {})


class Options(BaseModel):
    """What one kind of target can be told; every target derives its own."""

    model_config = ConfigDict(extra="forbid", frozen=True)
