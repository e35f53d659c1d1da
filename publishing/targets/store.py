"""A target that keeps files by name: what folder, WebDAV, S3 and SFTP have in common."""

from __future__ import annotations

import re
from abc import abstractmethod
from dataclasses import dataclass
from pathlib import PurePosixPath
from string import Formatter
from typing import Annotated

from pydantic import AfterValidator

from publishing.products import Product
from publishing.shipment import Shipment
from publishing.target import ArrivedFile, ErrorKind, Options, Receipt, Target, TargetError
from recorder.retention import PRUNED

_FIELDS = ("recording", "id", "course", "lecturer", "room", "title", "date", "year")


@dataclass(frozen=True)
class Held:
    """A file at the target, as the target tells: `size` in bytes, `mark` changes with content."""

    size: int
    mark: str = ""


@dataclass(frozen=True)
class Proof:
    """Whether the content is the same, and its digest as `algorithm:hex`, None if only sized."""

    same: bool
    digest: str | None = None


def _template(value: str) -> str:
    for _, name, spec, _ in Formatter().parse(value):
        if name is not None and (name not in _FIELDS or spec):
            known = ", ".join(f"{{{name}}}" for name in _FIELDS)
            raise ValueError(f"knows only these places: {known}")
    if ".." in PurePosixPath(value).parts:
        raise ValueError("must not climb up with `..`")
    return value.strip("/")


class StoreOptions(Options):
    """`path` is where a recording's files go, with the places that `_FIELDS` names."""

    path: Annotated[str, AfterValidator(_template)] = "{recording}"


class Store(Target):
    """Sends each file under a temporary name, gives it its own name, and compares it there."""

    options: StoreOptions

    @abstractmethod
    async def held(self, path: str) -> Held | None:
        """The file at this path, None if there is none."""

    @abstractmethod
    async def put(self, shipment: Shipment, product: Product, path: str) -> None:
        """Send one file; it appears at `path` whole. Goes on from an earlier try if it can."""

    @abstractmethod
    async def prove(self, shipment: Shipment, product: Product, path: str, there: Held) -> Proof:
        """Compare the content there with what was sent; sizes are already equal."""

    @abstractmethod
    async def remove(self, path: str) -> None:
        """Delete one file; one that is not there is no error."""

    @abstractmethod
    def place(self, path: str) -> str:
        """Where people find this path."""

    async def send(self, shipment: Shipment) -> None:
        placed: list[str] = shipment.notes.setdefault("placed", [])
        if coming := [path for path in self._paths(shipment) if path not in placed]:
            placed += coming
            await shipment.save()
        for product in shipment.products:
            path = self.path_of(shipment, product)
            there = await self.held(path)
            if there and there.size == product.size and self._fresh(shipment, product, there):
                shipment.at(product, product.size)
                continue
            await self.put(shipment, product, path)
            shipment.at(product, product.size)

    async def verify(self, shipment: Shipment) -> Receipt:
        files, hashed = [], True
        for product in shipment.products:
            path = self.path_of(shipment, product)
            there = await self.held(path)
            if there is None:
                raise TargetError(ErrorKind.ABSENT, f"{product.name} is not at {self.name} yet.")
            digest = await self._compare(shipment, product, path, there)
            hashed = hashed and digest is not None
            shipment.at(product, product.size)
            files.append(ArrivedFile(name=product.name, size=there.size, digest=digest, place=path))
        await self._tidy(shipment)
        return Receipt(
            target=self.id,
            how="hash" if hashed else "size",
            files=files,
            place=self.place(self._folder(shipment)),
        )

    async def withdraw(self, shipment: Shipment) -> None:
        for path in {*self._paths(shipment), *shipment.notes.get("placed", ())}:
            await self.remove(path)

    async def _tidy(self, shipment: Shipment) -> None:
        """Remove what was sent once and is no product any more, or is one of another name now.

        Files that were deleted here to make room are still wanted there.
        """
        now = self._paths(shipment)
        if (shipment.folder / PRUNED).exists():
            return
        for path in shipment.notes.get("placed", ()):
            if path not in now:
                await self.remove(path)
        shipment.notes["placed"] = now

    def _paths(self, shipment: Shipment) -> list[str]:
        return [self.path_of(shipment, product) for product in shipment.products]

    def path_of(self, shipment: Shipment, product: Product) -> str:
        return f"{self._folder(shipment)}/{product.name}".lstrip("/")

    async def _compare(
        self, shipment: Shipment, product: Product, path: str, there: Held
    ) -> str | None:
        note = shipment.note(product)
        proved = note.get("proved")
        if proved and proved["size"] == there.size and proved["mark"] == there.mark != "":
            return str(proved["digest"])
        if there.size == product.size:
            proof = await self.prove(shipment, product, path, there)
            if proof.same:
                if proof.digest is not None:
                    note["proved"] = {
                        "size": there.size,
                        "mark": there.mark,
                        "digest": proof.digest,
                    }
                    await shipment.save()
                return proof.digest
        note["stale"] = there.mark or str(there.size)
        note.pop("proved", None)
        await shipment.save()
        raise TargetError(
            ErrorKind.ABSENT, f"{product.name} at {self.name} is not what was sent; sent again."
        )

    def _fresh(self, shipment: Shipment, product: Product, there: Held) -> bool:
        """False when this very file was compared before and found to differ."""
        return shipment.note(product).get("stale") != (there.mark or str(there.size))

    def _folder(self, shipment: Shipment) -> str:
        metadata = shipment.metadata
        values = {
            "recording": shipment.name,
            "id": metadata.recording,
            "course": metadata.course or "no course",
            "lecturer": metadata.lecturer or "no lecturer",
            "room": metadata.room,
            "title": metadata.title,
            "date": metadata.date,
            "year": metadata.date[:4],
        }
        return self.options.path.format(**{k: safe_name(v) for k, v in values.items()})


def safe_name(text: str) -> str:
    """A file or folder name that every server takes: no separators, no controls, no dots first."""
    cleaned = re.sub(r"[\x00-\x1f\x7f/\\:*?\"<>|]+", "-", text).strip(" .-")
    return cleaned.encode()[:180].decode(errors="ignore") or "-"
