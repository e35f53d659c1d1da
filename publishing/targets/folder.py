"""A folder: a second disk, or a network share that the system mounts."""

from __future__ import annotations

import asyncio
import errno
import os
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import AfterValidator

from publishing.products import Product
from publishing.record import sync_folder
from publishing.shipment import Shipment, file_digest
from publishing.target import ErrorKind, Options, TargetError
from publishing.targets.store import Held, Proof, Store, StoreOptions

SYNC_EVERY = 64 << 20


def _absolute(value: Path) -> Path:
    if not value.is_absolute():
        raise ValueError("is an absolute path")
    return value


class FolderOptions(StoreOptions):
    """`url` is the folder itself; it must exist, so that a share that is not mounted is noticed."""

    url: Annotated[Path, AfterValidator(_absolute)]


class Folder(Store):
    """Copies in pieces, goes on where it stopped, syncs, renames, then reads back what is there."""

    name = "folder"
    schema: ClassVar[type[Options]] = FolderOptions
    resumes = True
    options: FolderOptions

    async def held(self, path: str) -> Held | None:
        try:
            stat = await asyncio.to_thread((self.options.url / path).stat)
        except FileNotFoundError:
            await self._present()
            return None
        except OSError as error:
            raise self._fault(error) from error
        return Held(size=stat.st_size, mark=f"{stat.st_ino}-{stat.st_mtime_ns}")

    async def put(self, shipment: Shipment, product: Product, path: str) -> None:
        await self._present()
        final = self.options.url / path
        part = final.with_name(f".{final.name}.{shipment.metadata.recording}.part")
        note = shipment.note(product)
        try:
            await asyncio.to_thread(_make, self.options.url, final.parent)
            have = await asyncio.to_thread(_size, part)
            # After a power cut, what was not synced may be wrong: only the noted bytes count.
            start = min(have, int(note.get("synced", 0)), product.size)
            file = await asyncio.to_thread(_open_at, part, start)
            try:
                unsynced = 0
                async for piece in shipment.pieces(product, start):
                    await asyncio.to_thread(_write, file, piece)
                    unsynced += len(piece)
                    if unsynced >= SYNC_EVERY:
                        await asyncio.to_thread(os.fsync, file)
                        note["synced"], unsynced = int(os.lseek(file, 0, os.SEEK_CUR)), 0
                        await shipment.save()
                await asyncio.to_thread(os.fsync, file)
            finally:
                os.close(file)
            await asyncio.to_thread(part.replace, final)
            await asyncio.to_thread(sync_folder, final.parent)
        except OSError as error:
            raise self._fault(error) from error

    async def prove(self, shipment: Shipment, product: Product, path: str, there: Held) -> Proof:
        try:
            digest = await asyncio.to_thread(_read_back, self.options.url / path)
        except OSError as error:
            raise self._fault(error) from error
        return Proof(digest == await shipment.digest(product), f"sha256:{digest}")

    async def remove(self, path: str) -> None:
        final = self.options.url / path
        try:
            await asyncio.to_thread(final.unlink, missing_ok=True)
            await asyncio.to_thread(final.parent.rmdir)
        except FileNotFoundError:
            await self._present()
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.EBUSY):
                raise self._fault(error) from error

    def place(self, path: str) -> str:
        return str(self.options.url / path)

    async def _present(self) -> None:
        if not await asyncio.to_thread(self.options.url.is_dir):
            raise TargetError(
                ErrorKind.RETRY,
                f"The folder {self.options.url} is not there.",
                "Create it, or mount the share that it stands for.",
            )

    def _fault(self, error: OSError) -> TargetError:
        what = f"{self.options.url}: {error.strerror}"
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return TargetError(
                ErrorKind.BLOCKED,
                f"{what}.",
                f"Free space in {self.options.url} or raise its quota.",
            )
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            return TargetError(
                ErrorKind.BLOCKED, f"{what}.", f"Let classroomd write to {self.options.url}."
            )
        return TargetError(ErrorKind.RETRY, f"{what}.")


def _make(root: Path, folder: Path) -> None:
    """Create the folders below `root`, never `root` itself: it may be an absent mount."""
    missing = []
    while folder != root and not folder.is_dir():
        missing.append(folder)
        folder = folder.parent
    for one in reversed(missing):
        one.mkdir(mode=0o750, exist_ok=True)
        sync_folder(one.parent)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _open_at(path: Path, position: int) -> int:
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o640)
    os.ftruncate(file, position)
    os.lseek(file, position, os.SEEK_SET)
    return file


def _write(file: int, piece: bytes) -> None:
    view = memoryview(piece)
    while view:
        view = view[os.write(file, view) :]


def _read_back(path: Path) -> str:
    """The digest of what the disk holds: the cached pages are dropped first."""
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(file)
        os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(file)
    return file_digest(path, "sha256")
