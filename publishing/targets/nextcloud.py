"""Nextcloud: WebDAV with chunked upload, version 2.

Source: Nextcloud developer manual, "Chunked file upload": chunks 1 to 10000 of 5 MB to 5 GB, the
last may be smaller; each request names its Destination; MOVE of `.file` assembles; an upload that
rests for a day is forgotten.
"""

from __future__ import annotations

import hashlib
import xml.etree.ElementTree as ET
from typing import Annotated, ClassVar
from urllib.parse import quote, unquote

from pydantic import Field

from publishing.products import Product
from publishing.shipment import Shipment
from publishing.target import ErrorKind, Options, SecretRef, TargetError
from publishing.targets.webdav import WebDav, WebDavOptions

MIB = 1 << 20
_ASSEMBLE_S = 600.0


class NextcloudOptions(WebDavOptions):
    """`url` is the server's own address; `secret` an app password of `user`."""

    user: str = Field(min_length=1)
    secret: SecretRef
    path: str = "Lectures/{recording}"
    chunk_mb: Annotated[int, Field(ge=5, le=5120)] = 10


class Nextcloud(WebDav):
    """Small files by PUT, which Nextcloud stores in one step; large ones in chunks that resume."""

    name = "nextcloud"
    schema: ClassVar[type[Options]] = NextcloudOptions
    resumes = True
    options: NextcloudOptions

    async def put(self, shipment: Shipment, product: Product, path: str) -> None:
        folder = path.rpartition("/")[0]
        size = self._chunk_size(product)
        if product.size <= size:
            if folder:
                await self._make(folder)
            await self.upload(shipment, product, path)
            return
        transfer = self._transfer(shipment, product, path, size)
        there = await self._chunks(transfer)
        destination = {"destination": self.url(path)}
        if there is None:
            if folder:
                await self._make(folder)
            await self.web.ask("MKCOL", transfer, ok=(201, 405), headers=destination)
            there = {}
        for number, offset in enumerate(range(0, product.size, size), 1):
            length = min(size, product.size - offset)
            if there.get(number) == length:
                shipment.at(product, offset + length)
                continue
            await self.web.ask(
                "PUT",
                f"{transfer}/{number:05}",
                ok=(201, 204),
                content=shipment.pieces(product, offset, length),
                headers={
                    **destination,
                    "oc-total-length": str(product.size),
                    "content-length": str(length),
                },
            )
        # Assembling may outlast a proxy's patience: 504 or 423 is followed by a question.
        await self.web.ask(
            "MOVE",
            f"{transfer}/.file",
            ok=(201, 204),
            headers={
                **destination,
                "oc-total-length": str(product.size),
                "x-oc-mtime": str(product.mtime_ns // 10**9),
                "overwrite": "T",
            },
            timeout=_ASSEMBLE_S,
        )

    def url(self, path: str) -> str:
        return f"{self._dav}/files/{quote(self.options.user)}/{quote(path)}"

    @property
    def _dav(self) -> str:
        return f"{self.options.url}/remote.php/dav"

    def _transfer(self, shipment: Shipment, product: Product, path: str, size: int) -> str:
        """The upload's address: the same for the same file, so that no note is needed to resume."""
        told = f"{path} {product.stamp} {size}"
        mark = hashlib.sha256(told.encode()).hexdigest()[:16]
        name = f"classroomd-{shipment.metadata.recording}-{mark}"
        return f"{self._dav}/uploads/{quote(self.options.user)}/{quote(name)}"

    async def _chunks(self, transfer: str) -> dict[int, int] | None:
        """Number → size of the chunks that are there; None for an upload that is not known."""
        answer = await self.web.ask("PROPFIND", transfer, ok=(207, 404), headers={"depth": "1"})
        if answer.status_code == 404:
            return None
        found = {}
        try:
            tree = ET.fromstring(answer.content)  # noqa: S314 - expat guards against expansion
        except ET.ParseError as error:
            raise TargetError(ErrorKind.RETRY, "Nextcloud's list of chunks is broken.") from error
        for response in tree.iter("{DAV:}response"):
            name = unquote(response.findtext("{DAV:}href") or "").rstrip("/").rpartition("/")[2]
            length = response.findtext(".//{DAV:}getcontentlength")
            if name.isdigit() and length and length.isdigit():
                found[int(name)] = int(length)
        return found

    def _chunk_size(self, product: Product) -> int:
        least = -(-product.size // 10_000)
        return max(self.options.chunk_mb * MIB, -(-least // MIB) * MIB)
