"""WebDAV (RFC 4918): any server that has PUT, MOVE and PROPFIND."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import ClassVar, Literal, Self
from urllib.parse import quote

from publishing.http import Url, Web
from publishing.products import Product
from publishing.shipment import Shipment
from publishing.target import ErrorKind, Options, SecretRef, TargetError, secret
from publishing.targets.store import Held, Proof, Store, StoreOptions

_PROPS = (
    b'<?xml version="1.0"?><d:propfind xmlns:d="DAV:"><d:prop>'
    b"<d:getcontentlength/><d:getetag/><d:getlastmodified/><d:resourcetype/>"
    b"</d:prop></d:propfind>"
)


class WebDavOptions(StoreOptions):
    """`url` is the collection to publish into; it must exist.

    `proof = "hash"` reads each file back and compares SHA-256; `"size"` asks only for the length.
    """

    url: Url
    user: str = ""
    secret: SecretRef | None = None
    ca_file: str | None = None
    proof: Literal["hash", "size"] = "hash"


class WebDav(Store):
    """PUT beside the final name, ask for its size, MOVE it there in one step.

    Plain WebDAV has no partial PUT (RFC 9110 9.3.4 lets a server refuse Content-Range), so a file
    that was cut starts again; one that arrived whole is only moved.
    """

    name = "webdav"
    schema: ClassVar[type[Options]] = WebDavOptions
    options: WebDavOptions
    web: Web

    async def __aenter__(self) -> Self:
        auth = (self.options.user, secret(self.options.secret)) if self.options.user else None
        self.web = Web(
            "The WebDAV server",
            refused_hint=f"Check `user` and `secret` of [[publish]] {self.id}, "
            f"and that this user may write to {self.options.url}.",
            auth=auth,
            ca_file=self.options.ca_file,
        )
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.web.__aexit__(*exc)

    async def held(self, path: str) -> Held | None:
        response = await self.web.ask(
            "PROPFIND",
            self.url(path),
            ok=(207, 404),
            content=_PROPS,
            headers={"depth": "0", "content-type": "application/xml"},
        )
        return None if response.status_code == 404 else _held(response.content)

    async def put(self, shipment: Shipment, product: Product, path: str) -> None:
        folder, _, name = path.rpartition("/")
        part = f"{folder}/.{name}.{shipment.metadata.recording}.part".lstrip("/")
        there = await self.held(part)
        if there is None or there.size != product.size or not self._fresh(shipment, product, there):
            if there is None:
                await self._make(folder)
            await self.upload(shipment, product, part)
        await self.move(part, path)

    async def upload(self, shipment: Shipment, product: Product, path: str) -> None:
        """One PUT of a whole file."""
        shipment.at(product, 0)
        await self.web.ask(
            "PUT",
            self.url(path),
            ok=(200, 201, 204),
            content=shipment.pieces(product),
            headers={"content-length": str(product.size), "content-type": product.media_type},
        )

    async def move(self, source: str, path: str) -> None:
        await self.web.ask(
            "MOVE",
            self.url(source),
            ok=(200, 201, 204),
            headers={"destination": self.url(path), "overwrite": "T"},
        )

    async def prove(self, shipment: Shipment, product: Product, path: str, there: Held) -> Proof:
        if self.options.proof == "size":
            return Proof(True)
        _, digest = await self.web.fingerprint(
            self.url(path), headers={"accept-encoding": "identity"}
        )
        return Proof(digest == await shipment.digest(product), f"sha256:{digest}")

    async def remove(self, path: str) -> None:
        await self.web.ask("DELETE", self.url(path), ok=(200, 202, 204, 404))

    def place(self, path: str) -> str:
        return self.url(path)

    def url(self, path: str) -> str:
        return f"{self.options.url}/{quote(path)}"

    async def _make(self, folder: str) -> None:
        """MKCOL each level below `url` that is missing; 405 says that it exists."""
        parts = folder.split("/")
        for depth in range(1, len(parts) + 1):
            response = await self.web.ask(
                "MKCOL", self.url("/".join(parts[:depth])) + "/", ok=(200, 201, 405, 409)
            )
            if response.status_code == 409:
                raise TargetError(
                    ErrorKind.BLOCKED,
                    f"{self.options.url} does not exist on the WebDAV server.",
                    "Create this collection, or correct `url`.",
                )


def _held(body: bytes) -> Held | None:
    """The one resource in a multistatus answer; None when it is a collection."""
    try:
        tree = ET.fromstring(body)  # noqa: S314 - the campus's own server; expat guards expansion
    except ET.ParseError as error:
        raise TargetError(
            ErrorKind.RETRY, "The WebDAV server's list of properties cannot be read."
        ) from error
    if tree.find(".//{DAV:}resourcetype/{DAV:}collection") is not None:
        return None
    length = tree.findtext(".//{DAV:}getcontentlength")
    if length is None or not length.strip().isdigit():
        raise TargetError(
            ErrorKind.PERMANENT,
            "The WebDAV server does not tell the size of a file.",
            "Check that `url` is a WebDAV address and no web page.",
        )
    etag = tree.findtext(".//{DAV:}getetag") or ""
    return Held(size=int(length), mark=etag or (tree.findtext(".//{DAV:}getlastmodified") or ""))
