"""The contract between a delivery and the place it goes to.

A target is one place where recordings are published: a platform, a store, a folder. It knows two
verbs: `send` what is missing there, and `verify` what is there. Everything about time (retries,
back-off, bandwidth, order, crashes) belongs to `publishing.delivery` and is the same for all.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from publishing.products import STORE, Kind

if TYPE_CHECKING:
    from publishing.shipment import Shipment


class ErrorKind(StrEnum):
    """What a delivery does about an error.

    `retry`: the fault passes by itself (network, 5xx, 429). `wait`: everything arrived and the
    platform is still working on it. `absent`: the target does not have it, or has it damaged: send.
    `blocked`: a person must do something (secret, quota, permission); asked again now and then.
    `permanent`: cannot succeed as it is (too large, refused content).
    """

    RETRY = "retry"
    WAIT = "wait"
    ABSENT = "absent"
    BLOCKED = "blocked"
    PERMANENT = "permanent"


class TargetError(Exception):
    """A delivery did not go on. `remedy` says what the administrator must do, "" if nothing.

    `retry_after`: seconds the target asked to wait before the next try.
    """

    def __init__(
        self,
        kind: ErrorKind,
        message: str,
        remedy: str = "",
        *,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.remedy = remedy
        self.retry_after = retry_after


class ArrivedFile(BaseModel):
    """One file as the target itself reports it. `digest` is `algorithm:hex`, None if not told."""

    model_config = ConfigDict(extra="forbid")

    name: str
    size: int | None = None
    digest: str | None = None
    duration_s: float | None = None
    place: str = ""


class Receipt(BaseModel):
    """The proof that a product set arrived: what the target said when it was asked.

    `how` names what was compared with what was sent. `place` is where people find it.
    """

    model_config = ConfigDict(extra="forbid")

    target: str
    how: Literal["hash", "size", "duration", "size and duration"]
    files: list[ArrivedFile]
    place: str = ""
    reference: str = ""
    verified: datetime = Field(default_factory=lambda: datetime.now(UTC))


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
    takes by itself. `deadline_hours` after the class it should be up; it orders the queue.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,40}$")
    target: str
    auto: bool = True
    products: tuple[Kind, ...] = ()
    deadline_hours: float = Field(24, gt=0)
    needs_consent: bool = False
    bandwidth: tuple[Window, ...] = ()

    @property
    def own(self) -> dict[str, Any]:
        """The keys that only this kind of target knows."""
        return dict(self.model_extra or {})


class Options(BaseModel):
    """What one kind of target can be told; every target derives its own."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Target(ABC):
    """One place to publish. Opened for one attempt at a time: `async with target: …`.

    `resumes` says whether an interrupted file goes on where it stopped; the inherited test holds
    a target to it. `takes` are the kinds of products that it wants when the configuration names
    none.
    """

    name: ClassVar[str]
    schema: ClassVar[type[Options]] = Options
    resumes: ClassVar[bool] = False
    takes: ClassVar[frozenset[Kind]] = STORE

    def __init__(self, config: TargetConfig) -> None:
        self.id = config.id
        self.config = config
        try:
            self.options: Any = self.schema.model_validate(config.own)
        except ValidationError as error:
            raise TargetError(
                ErrorKind.PERMANENT,
                f"[[publish]] {config.id}: {_first(error)}",
                f"Correct this key in room.toml; docs/publishing.md lists those of {self.name}.",
            ) from None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        return None

    @abstractmethod
    async def send(self, shipment: Shipment) -> None:
        """Send whatever is not there yet, going on from `shipment.notes`.

        Called again after any fault, also after a `kill -9` between any two statements: it asks
        the target before it repeats anything, and calls `shipment.save()` after each step that
        must not be forgotten. Raises TargetError.
        """

    @abstractmethod
    async def verify(self, shipment: Shipment) -> Receipt:
        """Ask the target what it holds and compare it with what was sent.

        Raises TargetError: `absent` when it is not there or differs (send is called again),
        `wait` while the platform is still working on it.
        """

    async def withdraw(self, shipment: Shipment) -> None:
        """Take back what was published. A thing that is already gone is no error."""
        raise TargetError(
            ErrorKind.PERMANENT,
            f"{self.name} cannot withdraw by itself.",
            "Delete the lecture on the platform by hand.",
        )


def _first(error: ValidationError) -> str:
    told = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in told["loc"])
    return f"`{where}`: {told['msg']}" if where else str(told["msg"])
