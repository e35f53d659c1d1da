"""A multipart/form-data body that streams a file whose length is known (RFC 7578).

httpx builds such bodies from open files only; here the bytes come from a shipment, throttled and
counted, and the order of the parts is the caller's: several platforms want the file last.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from publishing.products import Product
from publishing.shipment import Shipment


@dataclass(frozen=True)
class Body:
    """What a request needs: the bytes, and the two headers that describe them."""

    content: AsyncIterator[bytes]
    headers: dict[str, str]


def body(
    shipment: Shipment,
    fields: Sequence[tuple[str, str]],
    file_field: str,
    product: Product,
    *,
    filename: str | None = None,
    offset: int = 0,
    size: int | None = None,
) -> Body:
    """Fields in their order, then the file (or `size` bytes of it from `offset`)."""
    boundary = f"classroomd-{secrets.token_hex(12)}"
    length = product.size - offset if size is None else size
    head = b"".join(
        f"--{boundary}\r\n{_disposition(name)}\r\n\r\n{value}\r\n".encode()
        for name, value in fields
    )
    head += (
        f"--{boundary}\r\n{_disposition(file_field, filename or product.name)}\r\n"
        f"Content-Type: {product.media_type}\r\n\r\n"
    ).encode()
    tail = f"\r\n--{boundary}--\r\n".encode()

    async def stream() -> AsyncIterator[bytes]:
        yield head
        async for piece in shipment.pieces(product, offset, length):
            yield piece
        yield tail

    return Body(
        stream(),
        {
            "content-type": f"multipart/form-data; boundary={boundary}",
            "content-length": str(len(head) + length + len(tail)),
        },
    )


def _disposition(name: str, filename: str | None = None) -> str:
    told = f'Content-Disposition: form-data; name="{_escape(name)}"'
    return f'{told}; filename="{_escape(filename)}"' if filename is not None else told


def _escape(value: str) -> str:
    """As browsers do (WHATWG HTML, "multipart/form-data")."""
    return value.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
