"""SFTP, with asyncssh: the only SSH library that is asyncio itself, maintained, and typed.

OpenSSH's server speaks version 3 of the protocol with `posix-rename@openssh.com` and
`statvfs@openssh.com` (its PROTOCOL file); both are used where they are offered.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import deque
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self
from urllib.parse import unquote, urlsplit

import asyncssh
from asyncssh.constants import MSG_IGNORE
from pydantic import AfterValidator, model_validator

from publishing.products import Product
from publishing.shipment import Shipment
from publishing.target import ErrorKind, Options, SecretRef, TargetError, secret
from publishing.targets.store import Held, Proof, Store, StoreOptions

BLOCK = 2 << 20
AT_ONCE = 2
# OpenSSH's own are all here; the first is the fastest where the processor knows AES.
_CIPHERS = (
    "aes128-gcm@openssh.com",
    "aes256-gcm@openssh.com",
    "chacha20-poly1305@openssh.com",
    "aes256-ctr",
    "aes128-ctr",
)


class _Silent:
    """Where asyncssh tells of each packet that it sent."""

    def log_sent_packet(self, *told: object) -> None:
        return


def _without_ignored(connection: asyncssh.SSHClientConnection) -> None:
    """Leave out the empty packet that asyncssh sends before every other one.

    It hides where a block begins, for ciphers that chain blocks (RFC 4251, 9.3.1); ours do not. It
    costs a call to the system as the packet behind it does. Nor is a line written for the log of
    every packet, to be thrown away.
    """
    send: Callable[..., None] = connection.send_packet
    silent = _Silent()

    def send_packet(kind: int, *data: bytes, handler: object = None) -> None:
        if kind != MSG_IGNORE:
            send(kind, *data, handler=silent)

    connection.send_packet = send_packet  # type: ignore[method-assign,assignment]


def _address(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme != "sftp" or not parts.hostname:
        raise ValueError("is an address like sftp://host:22/folder")
    if parts.password or parts.username:
        raise ValueError("must not hold a user or password; use `user` and `secret` or `key`")
    return value.rstrip("/")


class SftpOptions(StoreOptions):
    """`key` is the file of a private key, `secret` a password, or the key's passphrase.

    `host_key` is the server's public key as `ssh-keyscan` prints it (`ssh-ed25519 AAAA…`). A path
    in `url` is absolute; `/./` before it makes it relative to the login folder.
    """

    url: Annotated[str, AfterValidator(_address)]
    user: str
    host_key: str
    key: Path | None = None
    secret: SecretRef | None = None
    proof: Literal["hash", "size"] = "hash"

    @model_validator(mode="after")
    def _some_credential(self) -> Self:
        if self.key is None and self.secret is None:
            raise ValueError("`key` or `secret` is needed")
        return self


class Sftp(Store):
    """Appends to a hidden part file, renames it in one step, and reads back what is there."""

    name = "sftp"
    schema: ClassVar[type[Options]] = SftpOptions
    resumes = True
    options: SftpOptions
    sftp: asyncssh.SFTPClient

    async def __aenter__(self) -> Self:
        parts = urlsplit(self.options.url)
        path = unquote(parts.path)
        self._base = path[3:] if path.startswith("/./") else path
        self._open = AsyncExitStack()
        try:
            known = asyncssh.import_public_key(self.options.host_key)
        except asyncssh.KeyImportError as error:
            raise TargetError(
                ErrorKind.PERMANENT,
                "The `host_key` cannot be read.",
                "Write it as `ssh-keyscan` prints it: `ssh-ed25519 AAAA…`, without the host.",
            ) from error
        word = secret(self.options.secret)
        try:
            connection = await self._open.enter_async_context(
                asyncssh.connect(
                    parts.hostname or "",
                    parts.port or 22,
                    username=self.options.user,
                    password=word if self.options.key is None else None,
                    client_keys=[str(self.options.key)] if self.options.key else None,
                    passphrase=word or None,
                    known_hosts=([known], [], []),
                    agent_path=None,
                    config=None,
                    encryption_algs=_CIPHERS,
                    connect_timeout=20,
                    login_timeout=30,
                    keepalive_interval=15,
                    keepalive_count_max=4,
                )
            )
            _without_ignored(connection)
            self.sftp = await self._open.enter_async_context(connection.start_sftp_client())
        except (OSError, asyncssh.Error, ValueError) as error:
            await self._open.aclose()
            raise await self._fault(error) from error
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._open.aclose()

    async def held(self, path: str) -> Held | None:
        try:
            stat = await self.sftp.stat(self._full(path))
        except asyncssh.SFTPNoSuchFile:
            return None
        except (OSError, asyncssh.Error) as error:
            raise await self._fault(error) from error
        return Held(stat.size or 0, f"{stat.size}-{stat.mtime}")

    async def put(self, shipment: Shipment, product: Product, path: str) -> None:
        folder, _, name = path.rpartition("/")
        part = self._full(f"{folder}/.{name}.{shipment.metadata.recording}.part".lstrip("/"))
        note = shipment.note(product)
        try:
            start = 0
            if note.get("begun"):
                # Some blocks were under way, and their pieces may have come in any order. What was
                # acknowledged is known unless this process was killed meanwhile.
                have = min(await self._size(part), product.size)
                whole = max(0, have - 1) // BLOCK - (AT_ONCE - 1)
                start = max(0, whole * BLOCK, min(note.get("acked", 0), have))
            else:
                await self._base_exists()
                if folder:
                    await self.sftp.makedirs(self._full(folder), exist_ok=True)
                note["begun"] = True
                await shipment.save()
            mode = "r+b" if start else "wb"
            async with self.sftp.open(part, mode) as file:
                shipment.at(product, start)
                await self._write(shipment, product, file, start)
                await file.truncate(product.size)
            await self._rename(part, self._full(path))
        except (OSError, asyncssh.Error) as error:
            raise await self._fault(error) from error
        note.pop("begun", None)
        note.pop("acked", None)
        await shipment.save()

    async def _write(
        self, shipment: Shipment, product: Product, file: asyncssh.SFTPClientFile, start: int
    ) -> None:
        """The rest of a file, several blocks under way at once, so that no answer is waited for."""
        note, under_way = shipment.note(product), deque[asyncio.Task[int]]()
        acked = start
        try:
            while start < product.size or under_way:
                if start < product.size:
                    data = await shipment.read(product, start, min(BLOCK, product.size - start))
                    await shipment.passing(product, start, len(data))
                    under_way.append(asyncio.create_task(file.write(data, start)))
                    start += len(data)
                if len(under_way) == AT_ONCE or start == product.size:
                    acked += await under_way.popleft()
                    note["acked"] = acked
        finally:
            for task in under_way:
                task.cancel()
            await asyncio.gather(*under_way, return_exceptions=True)

    async def prove(self, shipment: Shipment, product: Product, path: str, there: Held) -> Proof:
        if self.options.proof == "size":
            return Proof(True)
        state, at = hashlib.sha256(), 0
        try:
            async with self.sftp.open(self._full(path), "rb") as file:
                ahead = asyncio.create_task(file.read(BLOCK, at))
                while block := await ahead:
                    assert isinstance(block, bytes)
                    at += len(block)
                    ahead = asyncio.create_task(file.read(BLOCK, at))
                    await asyncio.to_thread(state.update, block)
        except (OSError, asyncssh.Error) as error:
            raise await self._fault(error) from error
        digest = state.hexdigest()
        return Proof(digest == await shipment.digest(product), f"sha256:{digest}")

    async def remove(self, path: str) -> None:
        try:
            await self.sftp.remove(self._full(path))
        except asyncssh.SFTPNoSuchFile:
            return
        except (OSError, asyncssh.Error) as error:
            raise await self._fault(error) from error

    def place(self, path: str) -> str:
        return f"{self.options.url}/{path}"

    def _full(self, path: str) -> str:
        return f"{self._base}/{path}" if self._base else path

    async def _size(self, path: str) -> int:
        try:
            return await self.sftp.getsize(path) or 0
        except asyncssh.SFTPNoSuchFile:
            return 0

    async def _base_exists(self) -> None:
        if self._base and not await self.sftp.isdir(self._base):
            raise TargetError(
                ErrorKind.BLOCKED,
                f"The folder {self._base} does not exist on the SFTP server.",
                "Create it, or correct `url`.",
            )

    async def _rename(self, part: str, path: str) -> None:
        try:
            await self.sftp.posix_rename(part, path)
        except asyncssh.SFTPOpUnsupported:
            if await self.sftp.exists(path):
                await self.sftp.remove(path)
            await self.sftp.rename(part, path)

    async def _fault(self, error: Exception) -> TargetError:
        if isinstance(error, asyncssh.HostKeyNotVerifiable):
            return TargetError(
                ErrorKind.BLOCKED,
                "The SFTP server showed another host key than `host_key`.",
                "If the server was set up anew, write its new key into room.toml; "
                "otherwise somebody stands between.",
            )
        if isinstance(error, asyncssh.PermissionDenied | asyncssh.KeyImportError):
            return TargetError(
                ErrorKind.BLOCKED,
                "The SFTP server refused the login.",
                f"Check `user`, `key` and `secret` of [[publish]] {self.id}.",
            )
        if isinstance(error, asyncssh.SFTPPermissionDenied):
            return TargetError(
                ErrorKind.BLOCKED,
                "This user may not write there on the SFTP server.",
                f"Let {self.options.user} write to {self._base or 'the login folder'}.",
            )
        if isinstance(error, asyncssh.SFTPFailure) and await self._full_disk():
            return TargetError(
                ErrorKind.BLOCKED, "The SFTP server's disk is full.", "Free space on the server."
            )
        if isinstance(error, FileNotFoundError | PermissionError):
            return TargetError(
                ErrorKind.BLOCKED,
                f"The private key cannot be read ({error.strerror}).",
                f"Let classroomd read {self.options.key}.",
            )
        if isinstance(error, OSError) and not isinstance(error, asyncssh.Error):
            return TargetError(ErrorKind.RETRY, "The SFTP server cannot be reached.")
        return TargetError(ErrorKind.RETRY, f"The SFTP session broke ({type(error).__name__}).")

    async def _full_disk(self) -> bool:
        """OpenSSH says only `Failure` for a full disk; the file system tells."""
        try:
            told = await self.sftp.statvfs(self._base or ".")
        except (OSError, asyncssh.Error):
            return False
        return bool(told.bavail * told.frsize < BLOCK)
