"""What a target is handed: the products, the words about them, and its own notes."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from publishing.bandwidth import Throttle
from publishing.errors import ErrorKind, TargetError
from publishing.metadata import Metadata
from publishing.products import Kind, Product

PIECE = 1 << 18
_HASH_BLOCK = 1 << 20


async def _nothing() -> None:
    return None


class Shipment:
    """One product set on its way.

    `notes` belongs to the target: what it must remember between tries (upload URLs, identifiers,
    finished parts). It is written with the delivery by `save()`, which returns when it is on disk.
    `positions` is how many bytes of each product are at the target.
    """

    def __init__(
        self,
        folder: Path,
        metadata: Metadata,
        products: Sequence[Product],
        *,
        notes: dict[str, Any] | None = None,
        save: Callable[[], Awaitable[None]] = _nothing,
        throttles: Sequence[Throttle] = (),
        on_progress: Callable[[], None] = lambda: None,
    ) -> None:
        self.folder = folder
        self.metadata = metadata
        self.products = list(products)
        self.notes = notes if notes is not None else {}
        self.positions: dict[str, int] = {}
        self.sent = 0
        self._save = save
        self._throttles = throttles
        self._on_progress = on_progress

    @property
    def name(self) -> str:
        """The recording folder's own name, which is unique."""
        return self.folder.name

    @property
    def total(self) -> int:
        return sum(product.size for product in self.products)

    @property
    def arrived(self) -> int:
        return sum(self.positions.values())

    def of(self, *kinds: Kind) -> list[Product]:
        return [product for product in self.products if product.kind in kinds]

    @property
    def lecture(self) -> Product:
        if found := self.of(Kind.LECTURE):
            return found[0]
        raise TargetError(
            ErrorKind.PERMANENT,
            "This recording has no lecture.",
            "Run `classroomd produce` on it, then retry the delivery.",
        )

    def note(self, product: Product) -> dict[str, Any]:
        """What the target remembers of one file; forgotten by itself when the file changes."""
        files = self.notes.setdefault("files", {})
        kept = files.get(product.name)
        if kept is None or kept.get("stamp") != product.stamp:
            kept = files[product.name] = {"stamp": product.stamp}
        note: dict[str, Any] = kept
        return note

    @property
    def older(self) -> list[Any]:
        """What the platform shows of older versions: to be deleted when the new one is proved."""
        found: list[Any] = self.notes.setdefault("older", [])
        return found

    async def delete_older(self, delete: Callable[[Any], Awaitable[object]]) -> None:
        """`delete` each of `older`; what is gone is forgotten at once, so that none is lost."""
        while self.older:
            await delete(self.older[0])
            del self.older[0]

    async def save(self) -> None:
        """Return when the notes are on disk."""
        await self._save()

    def at(self, product: Product, position: int) -> None:
        """The target holds this many bytes of the product."""
        self.positions[product.name] = position
        self._on_progress()

    async def pieces(
        self, product: Product, offset: int = 0, size: int | None = None
    ) -> AsyncIterator[bytes]:
        """The bytes of a product from `offset`, throttled and counted, in pieces of 256 KiB."""
        left = product.size - offset if size is None else size
        if not await asyncio.to_thread(product.path.exists):
            raise _deleted(product)
        with await asyncio.to_thread(product.path.open, "rb", buffering=0) as file:
            await asyncio.to_thread(file.seek, offset)
            while left > 0:
                piece = await asyncio.to_thread(file.read, min(PIECE, left))
                if not piece:
                    raise _shorter(product)
                await self._pass(product, offset, len(piece))
                yield piece
                left -= len(piece)
                offset += len(piece)

    async def read(self, product: Product, offset: int, size: int) -> bytes:
        """One part of a product, to be hashed before it is sent with `slices`."""

        def whole() -> bytes:
            if not product.path.exists():
                raise _deleted(product)
            with product.path.open("rb", buffering=0) as file:
                file.seek(offset)
                return file.read(size)

        data = await asyncio.to_thread(whole)
        if len(data) != size:
            raise _shorter(product)
        return data

    async def slices(
        self, product: Product, data: bytes, offset: int | None
    ) -> AsyncIterator[bytes]:
        """A part that was read, throttled and counted, in pieces of 256 KiB.

        Without `offset` it is one of several parts under way, and adds to what is there.
        """
        view = memoryview(data)
        for start in range(0, len(data), PIECE):
            piece = bytes(view[start : start + PIECE])
            there = self.positions.get(product.name, 0) if offset is None else offset + start
            await self._pass(product, there, len(piece))
            yield piece

    async def passing(self, product: Product, offset: int, size: int) -> None:
        """Return when so much may go out: throttled and counted in pieces, but not cut."""
        for start in range(0, size, PIECE):
            await self._pass(product, offset + start, min(PIECE, size - start))

    async def _pass(self, product: Product, offset: int, size: int) -> None:
        for throttle in self._throttles:
            await throttle.take(size)
        self.sent += size
        self.at(product, offset + size)

    async def digest(self, product: Product, algorithm: str = "sha256") -> str:
        """Hex digest of a product; computed once and kept with the delivery."""
        note = self.note(product)
        if algorithm not in note:
            if not await asyncio.to_thread(product.path.exists):
                raise _deleted(product)
            note[algorithm] = await asyncio.to_thread(file_digest, product.path, algorithm)
        return str(note[algorithm])


def _deleted(product: Product) -> TargetError:
    return TargetError(
        ErrorKind.PERMANENT,
        f"{product.name} would have to be sent again, but was deleted on this machine.",
        "Correct the lecture on the platform itself; what is there is the only copy.",
    )


def _shorter(product: Product) -> TargetError:
    return TargetError(ErrorKind.RETRY, f"{product.name} became shorter while it was sent.")


def file_digest(path: Path, algorithm: str) -> str:
    """Hex digest of a file, read in blocks."""
    state = hashlib.new(algorithm, usedforsecurity=False)
    with path.open("rb", buffering=0) as file:
        while block := file.read(_HASH_BLOCK):
            state.update(block)
    return state.hexdigest()
