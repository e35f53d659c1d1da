"""The contract between a delivery and the place it goes to.

A target is one place where recordings are published: a platform, a store, a folder. It knows three
verbs: `send` what is missing there, `verify` what is there, `withdraw` what people may see.
Everything about time (retries, back-off, bandwidth, order, crashes) belongs to
`publishing.delivery` and is the same for all.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from datetime import UTC, datetime
from typing import Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from publishing.errors import ErrorKind, HeldBackError, TargetError
from publishing.products import STORE, Kind, Product
from publishing.settings import Options, SecretRef, TargetConfig, Window, secret
from publishing.shipment import Shipment

__all__ = [
    "ArrivedFile",
    "ErrorKind",
    "HeldBackError",
    "Options",
    "Receipt",
    "SecretRef",
    "Target",
    "TargetConfig",
    "TargetError",
    "Window",
    "secret",
]


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


class Target(ABC):
    """One place to publish. Opened for one attempt at a time: `async with target: …`.

    `resumes` says whether an interrupted file goes on where it stopped; the inherited test holds
    a target to it. `takes` are the kinds of products that it wants when the configuration names
    none.
    """

    name: ClassVar[str]
    schema: ClassVar[type[Options]] = Options
    resumes: ClassVar[bool] = False
    goes_ahead: ClassVar[bool] = False
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

    async def reword(self, shipment: Shipment) -> None:
        """Tell the platform the words, chapters and visibility of what it has, as they are now.

        Where they stand in a file of their own, or nobody reads them, there is nothing to tell.
        """
        return

    async def ahead(self, shipment: Shipment, lecture: Product) -> None:
        """Send what of a lecture that still grows is final already: all but its beginning.

        `lecture` is the file as it stands now; `goes_ahead` says that the target can. What it
        notes is there again for `send`. Raises TargetError.
        """
        raise NotImplementedError

    async def abandon(self, shipment: Shipment) -> None:
        """Give up uploads that are not finished. Nobody could see them."""
        shipment.notes.pop("ahead", None)

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
