"""tus 1.0.0, the open protocol for resumable uploads (tus.io/protocols/resumable-upload).

Every server speaks the core; `checksum` and `termination` are used where OPTIONS offers them.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from typing import Any, ClassVar, Self
from urllib.parse import urljoin

from pydantic import Field

from publishing.http import Url, Web
from publishing.openform import HEAD, head_of, open_form
from publishing.products import Kind, Product
from publishing.shipment import Shipment
from publishing.target import (
    ArrivedFile,
    ErrorKind,
    Options,
    Receipt,
    SecretRef,
    Target,
    TargetError,
    secret,
)

_VERSION = {"tus-resumable": "1.0.0"}


class TusOptions(Options):
    """`url` is where uploads are created; `user` with `secret` is Basic, `secret` alone a bearer.

    `chunk_mb` bounds one request, for proxies that bound it; the protocol needs no bound.
    """

    url: Url
    user: str = ""
    secret: SecretRef | None = None
    chunk_mb: float = Field(64, gt=0)
    ca_file: str | None = None


class Tus(Target):
    """One upload for each product; HEAD is the question, and the proof."""

    name = "tus"
    schema: ClassVar[type[Options]] = TusOptions
    resumes = True
    goes_ahead = True
    options: TusOptions
    web: Web

    async def __aenter__(self) -> Self:
        word = secret(self.options.secret)
        bearer = {"authorization": f"Bearer {word}"} if word and not self.options.user else {}
        self.web = Web(
            "The tus server",
            refused_hint=f"Check `user` and `secret` of [[publish]] {self.id}.",
            auth=(self.options.user, word) if self.options.user else None,
            headers={**_VERSION, **bearer},
            ca_file=self.options.ca_file,
        )
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.web.__aexit__(*exc)

    async def send(self, shipment: Shipment) -> None:
        offers = await self.web.ask("OPTIONS", self.options.url, ok=(200, 204))
        extensions = _list(offers.headers.get("tus-extension", ""))
        checksums = _list(offers.headers.get("tus-checksum-algorithm", ""))
        if "creation" not in extensions:
            raise TargetError(
                ErrorKind.PERMANENT,
                "This address does not create tus uploads.",
                "Correct `url`, or turn the extension `creation` on.",
            )
        largest = int(offers.headers.get("tus-max-size") or 0)
        algorithm = next((one for one in ("sha256", "sha1", "md5") if one in checksums), None)
        for product in shipment.products:
            if largest and product.size > largest:
                raise TargetError(
                    ErrorKind.PERMANENT,
                    f"{product.name} is larger than the server takes ({largest} bytes).",
                    "Raise the server's limit, then retry.",
                )
            if not await self._finish(shipment, product, "termination" in extensions):
                await self._send(shipment, product, algorithm, "termination" in extensions)

    async def verify(self, shipment: Shipment) -> Receipt:
        files = []
        for product in shipment.products:
            upload = self._upload(shipment, product)
            offset = await self._offset(upload["url"]) if upload else None
            if not upload or offset != upload.get("size", product.size):
                raise TargetError(ErrorKind.ABSENT, f"{product.name} has not arrived whole.")
            shipment.at(product, product.size)
            files.append(ArrivedFile(name=product.name, size=offset))
        now = {product.name for product in shipment.products}
        uploads = shipment.notes["uploads"]
        for name in sorted(uploads.keys() - now):
            await self.web.ask("DELETE", uploads[name]["url"], ok=(204, 403, 404, 410))
            del uploads[name]
        return Receipt(target=self.id, how="size", files=files, place=self.options.url)

    async def ahead(self, shipment: Shipment, lecture: Product) -> None:
        """All of the lecture, as it grows, into an upload whose length is told at the end."""
        note = shipment.notes.get("ahead")
        if note is None:
            head = head_of(lecture.path)
            offers = await self.web.ask("OPTIONS", self.options.url, ok=(200, 204))
            if head is None or "creation-defer-length" not in _list(
                offers.headers.get("tus-extension", "")
            ):
                return
            url = await self._create(shipment, lecture, deferred=True)
            note = shipment.notes["ahead"] = {"url": url, "head": head.hex()}
            await shipment.save()
        offset = await self._offset(note["url"])
        if offset is None:
            del shipment.notes["ahead"]
            raise TargetError(ErrorKind.RETRY, "The tus server has forgotten the upload.")
        if offset < lecture.size:
            await self._patch(shipment, lecture, note["url"], offset, lecture.size)

    async def abandon(self, shipment: Shipment) -> None:
        if note := shipment.notes.pop("ahead", None):
            await self.web.ask("DELETE", note["url"], ok=(204, 403, 404, 410))

    async def _finish(self, shipment: Shipment, product: Product, terminates: bool) -> bool:
        """Ends what went ahead in class with the rest of the lecture's open form."""
        note = shipment.notes.get("ahead")
        if note is None or product.kind is not Kind.LECTURE:
            return False
        form = open_form(product.path, bytes.fromhex(note["head"]))
        offset = await self._offset(note["url"]) if form else None
        if form is None or offset is None or not HEAD <= offset <= form.size:
            if terminates:
                await self.abandon(shipment)
            return False
        await self._patch(shipment, product, note["url"], offset, form.size, ends=True)
        upload = {"stamp": product.stamp, "url": note["url"], "size": form.size}
        shipment.notes.setdefault("uploads", {})[product.name] = upload
        del shipment.notes["ahead"]
        await shipment.save()
        return True

    async def _patch(
        self,
        shipment: Shipment,
        product: Product,
        url: str,
        offset: int,
        size: int,
        *,
        ends: bool = False,
    ) -> None:
        headers = {
            "upload-offset": str(offset),
            "content-type": "application/offset+octet-stream",
            "content-length": str(size - offset),
        }
        if ends:
            headers["upload-length"] = str(size)
        content = shipment.pieces(product, offset, size - offset)
        await self.web.ask("PATCH", url, ok=(204,), headers=headers, content=content)

    async def withdraw(self, shipment: Shipment) -> None:
        for upload in shipment.notes.get("uploads", {}).values():
            await self.web.ask("DELETE", upload["url"], ok=(204, 403, 404, 410))

    async def _send(
        self, shipment: Shipment, product: Product, algorithm: str | None, terminates: bool
    ) -> None:
        upload = self._upload(shipment, product)
        offset = await self._offset(upload["url"]) if upload else None
        if upload is None or offset is None:
            uploads = shipment.notes.setdefault("uploads", {})
            old = uploads.get(product.name)
            if old and terminates:
                await self.web.ask("DELETE", old["url"], ok=(204, 403, 404, 410))
            upload = {"stamp": product.stamp, "url": await self._create(shipment, product)}
            uploads[product.name] = upload
            await shipment.save()
            offset = 0
        shipment.at(product, offset)
        size = int(self.options.chunk_mb * (1 << 20))
        while offset < product.size:
            length = min(size, product.size - offset)
            headers = {
                "upload-offset": str(offset),
                "content-type": "application/offset+octet-stream",
                "content-length": str(length),
            }
            content = shipment.pieces(product, offset, length)
            if algorithm:
                data = await shipment.read(product, offset, length)
                digest = hashlib.new(algorithm, data, usedforsecurity=False).digest()
                headers["upload-checksum"] = f"{algorithm} {b64encode(digest).decode()}"
                content = shipment.slices(product, data, offset)
            answer = await self.web.ask(
                "PATCH", upload["url"], ok=(204, 460), headers=headers, content=content
            )
            if answer.status_code == 460:
                raise TargetError(ErrorKind.RETRY, f"A piece of {product.name} arrived damaged.")
            offset = int(answer.headers["upload-offset"])
            shipment.at(product, offset)

    async def _create(self, shipment: Shipment, product: Product, *, deferred: bool = False) -> str:
        length = ("upload-defer-length", "1") if deferred else ("upload-length", str(product.size))
        headers = {
            length[0]: length[1],
            "upload-metadata": _metadata(_words(shipment, product)),
            "content-length": "0",
        }
        answer = await self.web.ask("POST", self.options.url, ok=(201,), headers=headers)
        return urljoin(self.options.url, answer.headers["location"])

    async def _offset(self, url: str) -> int | None:
        """How many bytes the server holds; None when it has forgotten the upload."""
        answer = await self.web.ask("HEAD", url, ok=(200, 204, 403, 404, 410))
        if answer.status_code >= 400:
            return None
        return int(answer.headers["upload-offset"])

    def _upload(self, shipment: Shipment, product: Product) -> dict[str, Any] | None:
        upload: dict[str, Any] | None = shipment.notes.get("uploads", {}).get(product.name)
        return upload if upload and upload["stamp"] == product.stamp else None


def _words(shipment: Shipment, product: Product) -> dict[str, Any]:
    about = shipment.metadata
    return {
        "filename": product.name,
        "filetype": product.media_type,
        "recording": about.recording,
        "title": about.title,
        "course": about.course,
        "lecturer": about.lecturer,
        "room": about.room,
        "started": about.started.isoformat(),
        "language": product.language or about.language,
        "licence": about.licence,
        "visibility": about.visibility.value,
    }


def _metadata(words: dict[str, Any]) -> str:
    return ",".join(
        f"{key} {b64encode(str(value).encode()).decode()}" for key, value in words.items() if value
    )


def _list(header: str) -> set[str]:
    return {one.strip() for one in header.split(",") if one.strip()}
